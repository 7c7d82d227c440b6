package params

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// Set is what the lists in force come to. It does not change; after a download it is
// loaded anew.
type Set struct {
	Terminal     Terminal
	Quick        Quick
	Applications []Application
	CAKeys       []oda.CAKey // the RSA keys
	Unusable     int         // keys of other algorithms, which are left out
	TableB       []string
	TableC       []string
	InForce      map[What]Version // those that were downloaded

	black map[emv.PAN]struct{}
}

// Version tells of a list in force.
type Version struct {
	Number uint32
	Time   time.Time
	Items  int
}

// Load reads the lists in force. A list that cannot be read counts as not there, and the
// error names it: the Set can be used all the same.
func Load(ctx context.Context, shelf Shelf) (*Set, error) {
	s := &Set{
		Terminal: DefaultTerminal(), Quick: DefaultQuick(),
		InForce: map[What]Version{}, black: map[emv.PAN]struct{}{},
	}
	var failed error
	for _, what := range All() {
		l, err := shelf.List(ctx, what)
		if err == nil && l.Version > 0 {
			err = s.take(&l)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("params: load %v: %w", what, err))
		}
	}
	return s, failed
}

// take reads a list whole, or leaves the Set as it was.
func (s *Set) take(l *List) error {
	next := *s
	next.black = maps.Clone(s.black)
	for i, it := range l.Items {
		if err := next.item(l.What, it.Value); err != nil {
			return fmt.Errorf("version %d, item %d: %w", l.Version, i, err)
		}
	}
	next.InForce[l.What] = Version{l.Version, l.Time, len(l.Items)}
	*s = next
	return nil
}

func (s *Set) item(what What, value []byte) (err error) {
	switch what {
	case Parameters:
		s.Terminal, err = ParseTerminal(value)
	case QPS:
		s.Quick, err = ParseQuick(value)
	case CAKeys:
		err = s.addKey(value)
	case Applications:
		var a Application
		a, err = ParseApplication(value)
		s.Applications = append(s.Applications, a)
	case BlackList:
		var pans []emv.PAN
		pans, err = ParseBlackList(value)
		for _, pan := range pans {
			s.black[pan] = struct{}{}
		}
	case TableB:
		err = addBINs(&s.TableB, value)
	case TableC:
		err = addBINs(&s.TableC, value)
	}
	return err
}

func (s *Set) addKey(value []byte) error {
	k, err := ParseCAKey(value)
	switch {
	case err != nil:
		return err
	case k.Algorithm != RSA:
		s.Unusable++
		return nil
	}
	s.CAKeys = append(s.CAKeys, k.CAKey)
	return nil
}

func addBINs(to *[]string, value []byte) error {
	bins, err := ParseBINs(value)
	*to = append(*to, bins...)
	return err
}

// Kernel returns base with the applications, the CA keys and the merchant name that the
// host sent, where it sent any. What the host has no object for (TDOL, velocity) stays as
// base has it for the same AID. base is not changed.
func (s *Set) Kernel(base kernel.Config) kernel.Config {
	if len(s.Applications) > 0 {
		applications := make([]kernel.Application, 0, len(s.Applications))
		for _, a := range s.Applications {
			applications = append(applications, withBase(a.Application, base.Applications))
		}
		base.Applications = applications
	}
	if len(s.CAKeys) > 0 {
		base.CAKeys = s.CAKeys
	}
	if s.Terminal.Merchant != "" {
		data := make(map[tlv.Tag][]byte, len(base.Data)+1)
		maps.Copy(data, base.Data)
		data[tag.MerchantNameAndLocation] = []byte(s.Terminal.Merchant)
		base.Data = data
	}
	return base
}

func withBase(a kernel.Application, base []kernel.Application) kernel.Application {
	for _, b := range base {
		if string(b.AID) == string(a.AID) {
			a.DefaultTDOL, a.SkipVelocity, a.AlwaysAssess = b.DefaultTDOL, b.SkipVelocity, b.AlwaysAssess
		}
	}
	return a
}

// Allows tells whether the host lets the terminal make payments of a kind: its switch is
// on, and for a tip and for what is stored, there is room by the other parameters. kind is
// a payment.Kind, whose name counts.
func (s *Set) Allows(kind fmt.Stringer) bool {
	name := kind.String()
	switch name {
	case "tip_adjust":
		return s.Terminal.Tip && s.Terminal.TipMost > 0 && s.Terminal.Functions.Has(name)
	case "offline_sale", "ec_offline_upload", "preauth_adv":
		return s.Terminal.Stored > 0 && s.Terminal.Functions.Has(name)
	}
	return s.Terminal.Functions.Has(name)
}

// OnExceptionFile tells whether a card is on the black list; it is for
// kernel.Transaction. The list names cards without their sequence number.
func (s *Set) OnExceptionFile(pan emv.PAN, _ int) bool {
	_, listed := s.black[pan]
	return listed
}

// Blocked counts the cards of the black list.
func (s *Set) Blocked() int { return len(s.black) }

package kernel

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// listing is the candidate list. EMV 4.4 Book 1, 12.3.
type listing struct {
	list    []listed
	blocked bool // an application, or the whole card, is blocked
}

// listed is a candidate and what the terminal knows about it.
type listed struct {
	Candidate
	app       *Application
	preferred string // tag 9F12, where the terminal can show it
}

// maxNext bounds the applications that one partial AID of the terminal may find.
const maxNext = 32

// list builds the candidate list: from the payment system environment where the card
// has one, else by asking for each of the terminal's AIDs.
func (s *session) list(ctx context.Context) (Phase, error) {
	if s.cfg.UsePSE {
		if err := s.readPSE(ctx); err != nil {
			return Done, err
		}
	}
	if len(s.listed.list) == 0 && !s.listed.blocked {
		if err := s.tryEach(ctx); err != nil {
			return Done, err
		}
	}
	if s.cfg.AutoSelect {
		s.listed.list = slices.DeleteFunc(s.listed.list, func(c listed) bool { return c.NeedsConsent })
	}
	if len(s.listed.list) == 0 {
		return s.endEmpty()
	}
	byPriority(s.listed.list)
	return Selecting, nil
}

// endEmpty ends a session without candidates. The stripe is no way around a blocked
// card or application.
func (s *session) endEmpty() (Phase, error) {
	if s.listed.blocked {
		return s.end(emv.NotAccepted, "card or application is blocked")
	}
	s.ending.fallback = true
	return s.end(emv.NotAccepted, "no application in common")
}

// byPriority is point 10: 1 comes first, 15 last but for 0, which is no priority.
// EMV 4.4 Book 1, 12.4.
func byPriority(list []listed) {
	slices.SortStableFunc(list, func(a, b listed) int { return rank(a.Priority) - rank(b.Priority) })
}

func rank(priority int) int {
	if priority == 0 {
		return 16
	}
	return priority
}

// add puts a candidate on the list, once.
func (l *listing) add(c listed) {
	if !l.has(c.AID) {
		l.list = append(l.list, c)
	}
}

func (l *listing) has(aid []byte) bool {
	return slices.ContainsFunc(l.list, func(c listed) bool { return bytes.Equal(c.AID, aid) })
}

// tryEach selects every AID of the terminal. EMV 4.4 Book 1, 12.3.3.
func (s *session) tryEach(ctx context.Context) error {
	for i := range s.cfg.Applications {
		ended, err := s.try(ctx, &s.cfg.Applications[i])
		if err != nil || ended {
			return err
		}
	}
	return nil
}

// try selects one AID. A card whose application has that very name is done with; one
// with a longer name may have more of the kind, and is asked for the next. It tells when
// the card itself is blocked. EMV 4.4 Book 1, 12.3.3, steps 3 to 7.
func (s *session) try(ctx context.Context, app *Application) (cardBlocked bool, err error) {
	var before []byte
	for n := range maxNext {
		resp, err := s.transmit(ctx, apdu.Select(app.AID, n > 0))
		switch {
		case err != nil:
			return false, err
		case resp.SW == apdu.FunctionNotSupported && n == 0:
			s.listed.blocked = true
			return true, nil
		case resp.SW != apdu.OK && resp.SW != apdu.SelectedFileInvalidated:
			return false, nil
		}
		f, err := parseFCI(resp.Data)
		if err != nil || !bytes.HasPrefix(f.name, app.AID) || bytes.Equal(f.name, before) {
			return false, nil
		}
		exact := len(f.name) == len(app.AID)
		switch {
		case !exact && !app.Partial:
		case resp.SW == apdu.OK:
			s.listed.add(s.candidate(f, app))
		default:
			s.listed.blocked = true
		}
		if exact {
			return false, nil
		}
		before = f.name
	}
	return false, nil
}

// candidate makes a candidate of an application's FCI.
func (s *session) candidate(f fci, app *Application) listed {
	c := listed{app: app, Candidate: Candidate{AID: f.name, Languages: string(f.get(tag.LanguagePreference))}}
	c.describe(f.get(tag.ApplicationLabel), f.get(tag.ApplicationPriorityIndicator))
	c.prefer(s.terminal, f.get(tag.ApplicationPreferredName), f.get(tag.IssuerCodeTableIndex))
	return c
}

// describe takes label and priority indicator, either of which may be absent.
func (c *listed) describe(label, indicator []byte) {
	c.Label = string(label)
	if len(indicator) == 1 {
		c.Priority, c.NeedsConsent = int(indicator[0]&0x0F), indicator[0]&0x80 != 0
	}
}

// prefer takes the issuer's own name for the application if the terminal has its
// alphabet: tag 9F11, two BCD digits, 01 to 10.
func (c *listed) prefer(t terminal, name, index []byte) {
	if len(index) != 1 || len(name) == 0 || !t.codeTable(int(index[0]>>4)*10+int(index[0]&0x0F)) {
		return
	}
	c.preferred = string(name)
	if index[0] == 0x01 {
		c.preferred = latin1(name)
	}
	c.Label = c.preferred
}

// latin1 returns ISO 8859-1 bytes as text.
func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// choose has a candidate chosen and selects it. One that cannot be selected after all
// leaves the list, and the rest is tried. EMV 4.4 Book 1, 12.4.
func (s *session) choose(ctx context.Context) (Phase, error) {
	for len(s.listed.list) > 0 {
		i, err := s.pick(ctx)
		if err != nil {
			return Done, err
		}
		c := s.listed.list[i]
		s.listed.list = slices.Delete(s.listed.list, i, i+1)
		resp, err := s.transmit(ctx, apdu.Select(c.AID, false))
		if err != nil {
			return Done, err
		}
		if resp.SW == apdu.SelectedFileInvalidated {
			s.listed.blocked = true
		}
		f, err := parseFCI(resp.Data)
		if resp.SW != apdu.OK || err != nil || !bytes.Equal(f.name, c.AID) {
			continue
		}
		s.enter(c, f)
		return Initiating, nil
	}
	return s.endEmpty()
}

// enter notes the selected application and takes its FCI.
func (s *session) enter(c listed, f fci) {
	s.objects.reset()
	s.takeFCI(f.proprietary, tag.FCIProprietaryTemplate)
	s.objects.put(tlv.Object{Tag: tag.DFName, Value: f.name})
	s.chosen = choice{app: c.app, candidate: c.Candidate, preferred: c.preferred}
}

// takeFCI puts the objects of the proprietary template, and of the issuer's in it, into
// the store. parseFCI has checked that they can be read.
func (s *session) takeFCI(content []byte, template tlv.Tag) {
	for obj := range tlv.All(content) {
		switch {
		case obj.Tag == tag.FCIIssuerDiscretionaryData && template == tag.FCIProprietaryTemplate:
			s.takeFCI(obj.Value, obj.Tag)
		case !obj.Tag.Constructed() && believed(obj.Tag, template):
			s.objects.put(obj)
		}
	}
}

// pick returns the index of the candidate to select: the only one, unless it wants the
// cardholder's consent, or the cardholder's choice.
func (s *session) pick(ctx context.Context) (int, error) {
	list := s.listed.list
	if s.cfg.AutoSelect || len(list) == 1 && !list[0].NeedsConsent {
		return 0, nil
	}
	shown := make([]Candidate, len(list))
	for i, c := range list {
		shown[i] = c.Candidate
	}
	i, err := s.holder.Select(ctx, shown)
	switch {
	case err != nil:
		return 0, fmt.Errorf("choose an application: %w", err)
	case i < 0 || i >= len(list):
		return 0, fmt.Errorf("choose an application: choice %d of %d", i, len(list))
	}
	return i, nil
}

// fci is a file's control information: template 6F with the DF name and the
// proprietary template, in any order. EMV 4.4 Book 1, 11.3.4.
type fci struct {
	name        []byte
	proprietary []byte
}

// parseFCI reads the answer to SELECT.
func parseFCI(data []byte) (fci, error) {
	content, err := tlv.Template(data, tag.FCITemplate)
	if err != nil {
		return fci{}, err
	}
	var f fci
	for obj, err := range tlv.All(content) {
		switch {
		case err != nil:
			return fci{}, err
		case obj.Tag == tag.DFName && f.name == nil:
			f.name = obj.Value
		case obj.Tag == tag.FCIProprietaryTemplate && f.proprietary == nil:
			f.proprietary = obj.Value
		case obj.Tag == tag.DFName || obj.Tag == tag.FCIProprietaryTemplate:
			return fci{}, fmt.Errorf("tag %v twice", obj.Tag)
		}
	}
	if n := len(f.name); n < 5 || n > 16 || f.proprietary == nil {
		return fci{}, fmt.Errorf("FCI with a DF name of %d bytes, proprietary template there: %v", n, f.proprietary != nil)
	}
	return f, tlv.Check(f.proprietary)
}

// get returns an object of the proprietary template.
func (f fci) get(t tlv.Tag) []byte {
	v, _ := tlv.Find(f.proprietary, t)
	return v
}

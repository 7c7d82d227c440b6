package issuer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
	"posd/host-sim/db"
	"posd/host-sim/hsm"
	"posd/host-sim/ledger"
)

// Question is what is asked about a card: which checks are made.
type Question uint8

const (
	// Charge asks for money: every check.
	Charge Question = iota
	// Inquiry asks for the balance: every check but those of amounts.
	Inquiry
	// Related belongs to an earlier payment of the card, which was checked: the PIN alone,
	// where one came.
	Related
	// Offline tells of a payment that the card approved itself: its certificate, and the
	// limit that its issuer set for such payments.
	Offline
	// Voice tells of a payment that the issuer allowed by telephone: the card is known.
	Voice
	// StandIn is asked by the acquirer while the issuer cannot be: what the keys can tell.
	StandIn
)

// Request asks about a card.
type Request struct {
	Question  Question
	PAN       emv.PAN
	PSN       int    // -1 for none
	Expiry    string // YYMM as the terminal read it, empty for none
	EntryMode string // field 22; empty is chip
	Fallback  bool   // the chip failed, and the stripe was read: field 60.5 is 2
	Amount    int64  // minor units
	Currency  emv.Currency
	PINBlock  []byte  // 8 bytes under TPK of format ISO 0, or 16 of format ISO 4; empty for none
	TPK       hsm.Key // working key of the PIN block
	ICC       []byte  // field 55; empty for a card that was not read by chip
	RRN       string  // of the payment: issuer scripts note with which answer they went
	At        time.Time
}

// Decision is the issuer's answer.
type Decision struct {
	Code    string // field 39; "00" approves
	Why     string // the check that decided, in words
	Account int64  // where the money is; 0 for an unknown card
	ICC     []byte // field 55 of the answer: tags 91, 8A and scripts; empty without a good ARQC
	Policy  Policy // of the card's issuer; zero for an unknown card
	Genuine bool   // the cryptogram in field 55 is this card's
	ATC     int    // its transaction counter, -1 for none
	// Available is what the account has left before this payment, minor units.
	Available int64
}

// Approved tells that the money may be taken.
func (d Decision) Approved() bool { return d.Code == approved }

const approved = "00"

// Issuer decides. Its zero value is not usable.
type Issuer struct{ Module Module }

// session is one request on its way through the checks.
type session struct {
	Request
	Issuer
	card    Card
	account ledger.Account
	policy  Policy
	key     IssuerKey
	chip    chip
	chipErr error // why field 55 was refused before the cryptogram
	genuine bool  // the cryptogram is this card's
	fresh   bool  // and its ATC is above all that were seen
}

// check returns the code to decline with, and why; "" passes.
type check func(*session) (code, why string, err error)

// checks by question, in their order. The first that does not pass decides.
var checks = map[Question][]check{
	Charge: {
		(*session).checkStatus,
		(*session).checkExpiry,
		(*session).checkEntry,
		(*session).checkPIN,
		(*session).checkCryptogram,
		(*session).checkStory,
		(*session).checkLimit,
		(*session).checkFunds,
	},
	Inquiry: {
		(*session).checkStatus,
		(*session).checkExpiry,
		(*session).checkEntry,
		(*session).checkPIN,
		(*session).checkCryptogram,
		(*session).checkStory,
	},
	Related: {(*session).checkPIN},
	Offline: {
		(*session).checkCryptogram,
		(*session).checkStory,
		(*session).checkOfflineLimit,
		(*session).checkCurrency,
	},
	Voice:   {(*session).checkCurrency},
	StandIn: standInChecks,
}

// Authorise decides about r. An error is the host failing, and no decision. The
// caller's transaction must be committed even where the decision is a decline: the
// counters of the card have moved.
func (i Issuer) Authorise(ctx context.Context, tx db.Tx, r Request) (Decision, error) {
	psn := r.PSN
	if len(r.ICC) > 0 {
		psn = max(psn, 0) // what a chip without sequence number signs with
	}
	card, err := FindCard(ctx, tx, i.Module.PANHash(r.PAN), psn)
	if errors.Is(err, ErrNoCard) {
		return Decision{Code: "14", Why: "card not known"}, nil
	}
	if err != nil {
		return Decision{}, err
	}
	s := &session{Request: r, Issuer: i, card: card}
	if err := s.load(ctx, tx); err != nil {
		return Decision{}, err
	}
	d := Decision{Code: approved, Why: "approved", Account: card.Account, Policy: s.policy, Genuine: s.genuine, ATC: -1, Available: s.account.Available()}
	if s.genuine {
		d.ATC = s.chip.atc
	}
	for _, check := range checks[r.Question] {
		code, why, err := check(s)
		if err != nil {
			return Decision{}, err
		}
		if code != "" {
			d.Code, d.Why = code, why
			break
		}
	}
	if d.ICC, err = s.answer(ctx, tx, d.Code); err != nil {
		return Decision{}, err
	}
	return d, saveCounters(ctx, tx, s.card)
}

// load finds what the checks look at: account, policy, and whether the card made the
// cryptogram. Holds whose time is over hold nothing any more.
func (s *session) load(ctx context.Context, tx db.Tx) (err error) {
	if _, err := ledger.ExpireHolds(ctx, tx, s.card.Account, s.At); err != nil {
		return err
	}
	if s.account, err = ledger.ByID(ctx, tx, s.card.Account); err != nil {
		return err
	}
	if s.policy, err = PolicyOf(ctx, tx, s.card.BIN); err != nil {
		return err
	}
	if s.Question == Related {
		return nil
	}
	return s.verifyChip(ctx, tx)
}

// verifyChip finds out whether the card made the cryptogram, for [session.checkCryptogram]
// and for the card's answer, which it gets even where an earlier check declines. A good
// cryptogram uses up its ATC.
func (s *session) verifyChip(ctx context.Context, tx db.Tx) (err error) {
	if s.genuine, err = s.genuineCryptogram(ctx, tx); err != nil || !s.genuine {
		return err
	}
	if s.Question == Offline {
		s.fresh, err = useATC(ctx, tx, s.card, s.chip.atc)
	} else {
		s.fresh = s.chip.atc > s.card.ATC
	}
	s.card.ATC = max(s.card.ATC, s.chip.atc)
	return err
}

// genuineCryptogram reads field 55 and has the module verify its cryptogram. What is wrong
// with it is in chipErr.
func (s *session) genuineCryptogram(ctx context.Context, tx db.Tx) (ok bool, err error) {
	if len(s.ICC) == 0 {
		return false, nil
	}
	if s.chip, s.chipErr = parseChip(s.ICC); s.chipErr != nil {
		return false, nil
	}
	s.key, err = findIssuerKey(ctx, tx, s.card.BIN, s.chip.keyIndex)
	if errors.Is(err, ErrNoIssuerKey) {
		s.chipErr = err
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.chip.cryptogram.PAN, s.chip.cryptogram.PSN = s.PAN, max(s.PSN, 0)
	return s.Module.VerifyARQC(s.key.IMK, s.chip.cryptogram)
}

func (s *session) checkStatus() (code, why string, err error) {
	switch s.card.Status {
	case Active:
		return "", "", nil
	case Lost:
		return "41", "card was lost", nil
	case Stolen:
		return "43", "card was stolen", nil
	}
	return "62", "card is restricted", nil
}

// checkExpiry: a card is good until the last day of its month.
func (s *session) checkExpiry() (code, why string, err error) {
	switch {
	case s.Expiry != "" && s.Expiry != s.card.Expiry:
		return "54", "expiry differs from the card record", nil
	case s.At.Format("0601") > s.card.Expiry:
		return "54", "card expired", nil
	}
	return "", "", nil
}

// Ways in which a card was read: the first two digits of field 22.
const (
	typedEntry  = "01"
	stripeEntry = "02"
)

func (r Request) entry() string {
	if len(r.EntryMode) < 2 {
		return ""
	}
	return r.EntryMode[:2]
}

// byChip tells that the card was read by its chip, with or without contact.
func (r Request) byChip() bool { return r.entry() != typedEntry && r.entry() != stripeEntry }

// checkEntry: a card with a chip pays with its chip. Its stripe counts only where the
// policy says so, its typed number likewise.
func (s *session) checkEntry() (code, why string, err error) {
	switch {
	case s.byChip():
		return "", "", nil
	case s.entry() == typedEntry && s.policy.Typed != Allow:
		return "57", "the issuer takes no typed card numbers", nil
	case s.entry() == typedEntry && s.Expiry == "":
		return "54", "a typed card number needs its expiry", nil
	case s.entry() == typedEntry || !s.card.Chip || s.policy.Stripe == Allow:
		return "", "", nil
	case !s.Fallback:
		return "45", "the card has a chip: the chip must be used", nil
	case s.policy.Stripe != Fallback:
		return "57", "the issuer takes no stripe of a card with a chip", nil
	}
	return "", "", nil
}

// checkPIN counts a wrong PIN, and forgets the count at a right one. A block without
// a PIN format is the key's fault, not the cardholder's, and is not counted.
func (s *session) checkPIN() (code, why string, err error) {
	switch {
	case len(s.PINBlock) == 0:
		return "", "", nil
	case s.card.Tries <= 0:
		return "75", "PIN tries are used up", nil
	case len(s.card.PIN) == 0:
		return "55", "card has no PIN", nil
	}
	ok, err := s.Module.VerifyPIN(s.TPK, s.PAN, s.PINBlock, s.card.PIN)
	switch {
	case errors.Is(err, hsm.ErrPINBlock):
		return "99", "PIN block has no valid format", nil
	case err != nil:
		return "", "", err
	case ok:
		s.card.Tries = PINTries
		return "", "", nil
	}
	if s.card.Tries--; s.card.Tries == 0 {
		return "75", "wrong PIN, the last try", nil
	}
	return "55", "wrong PIN", nil
}

func (s *session) checkCryptogram() (code, why string, err error) {
	switch {
	case len(s.ICC) == 0 && !s.byChip():
		return "", "", nil
	case len(s.ICC) == 0:
		return "45", "no chip data: the chip must be used", nil
	case s.chipErr != nil:
		return "05", s.chipErr.Error(), nil
	case !s.genuine:
		return "05", "cryptogram is wrong", nil
	case !s.fresh:
		return "05", fmt.Sprintf("ATC %d was seen before", s.chip.atc), nil
	}
	return "", "", nil
}

func (s *session) checkStory() (code, why string, err error) {
	if len(s.ICC) == 0 {
		return "", "", nil
	}
	if why := s.chip.doubt(s.Request); why != "" {
		return "05", why, nil
	}
	return "", "", nil
}

func (s *session) checkLimit() (code, why string, err error) {
	if s.card.Limit > 0 && s.Amount > s.card.Limit {
		return "61", "above the card's limit", nil
	}
	return "", "", nil
}

func (s *session) checkFunds() (code, why string, err error) {
	if code, why, err = s.checkCurrency(); code != "" {
		return code, why, err
	}
	if s.Amount > s.account.Available() {
		return "51", "insufficient funds", nil
	}
	return "", "", nil
}

func (s *session) checkCurrency() (code, why string, err error) {
	if s.Currency != s.account.Currency {
		return "12", "account has another currency", nil
	}
	return "", "", nil
}

func (s *session) checkOfflineLimit() (code, why string, err error) {
	if s.policy.OfflineLimit == 0 || s.Amount > s.policy.OfflineLimit {
		return "61", "above the limit of payments without the issuer", nil
	}
	return "", "", nil
}

// answer makes the card's part of the answer, for approvals and declines alike: tag
// 91 with the ARPC, tag 8A with the code, and the scripts that wait for the card.
func (s *session) answer(ctx context.Context, tx db.Tx, code string) ([]byte, error) {
	if !s.genuine || s.Question == Offline {
		return nil, nil
	}
	data, err := s.Module.ARPC(s.key.IMK, s.chip.cryptogram, s.key.ARPCMethod, code)
	if err != nil {
		return nil, err
	}
	out := tlv.Append(nil, tag.IssuerAuthenticationData, data)
	out = tlv.Append(out, tag.AuthorisationResponseCode, []byte(code))
	if !s.fresh {
		return out, nil
	}
	return s.appendScripts(ctx, tx, out)
}

// Certificate tells whether the card made the cryptogram in field 55: of a payment that is
// over, whatever its counter and its kind.
func (i Issuer) Certificate(ctx context.Context, tx db.Tx, r Request) (bool, error) {
	card, err := FindCard(ctx, tx, i.Module.PANHash(r.PAN), max(r.PSN, 0))
	if errors.Is(err, ErrNoCard) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s := &session{Request: r, Issuer: i, card: card}
	return s.genuineCryptogram(ctx, tx)
}

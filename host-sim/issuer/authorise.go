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

// Request asks for an amount from a card.
type Request struct {
	PAN      emv.PAN
	PSN      int    // -1 for none
	Expiry   string // YYMM as the terminal read it, empty for none
	Amount   int64  // minor units
	Currency emv.Currency
	PINBlock []byte  // 8 bytes under TPK, format ISO 0; empty for none
	TPK      hsm.Key // working key of the PIN block
	ICC      []byte  // field 55; empty for a card that was not read by chip
	At       time.Time
}

// Decision is the issuer's answer.
type Decision struct {
	Code    string // field 39; "00" approves
	Why     string // the check that decided, in words
	Account int64  // where the money is; 0 for an unknown card
	ICC     []byte // field 55 of the answer: tags 91 and 8A; empty without a good ARQC
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
	key     IssuerKey
	chip    chip
	chipErr error // why field 55 was refused before the cryptogram
	genuine bool  // the cryptogram is this card's
	fresh   bool  // and its ATC is above all that were seen
}

// check returns the code to decline with, and why; "" passes.
type check func(*session) (code, why string, err error)

// checks in their order. The first that does not pass decides.
var checks = []check{
	(*session).checkStatus,
	(*session).checkExpiry,
	(*session).checkPIN,
	(*session).checkCryptogram,
	(*session).checkStory,
	(*session).checkLimit,
	(*session).checkFunds,
}

// Authorise decides about r. An error is the host failing, and no decision. The
// caller's transaction must be committed even where the decision is a decline: the
// counters of the card have moved.
func (i Issuer) Authorise(ctx context.Context, tx db.Tx, r Request) (Decision, error) {
	card, err := FindCard(ctx, tx, i.Module.PANHash(r.PAN), max(r.PSN, 0))
	if errors.Is(err, ErrNoCard) {
		return Decision{Code: "14", Why: "card not known"}, nil
	}
	if err != nil {
		return Decision{}, err
	}
	s := &session{Request: r, Issuer: i, card: card}
	if s.account, err = ledger.ByID(ctx, tx, card.Account); err != nil {
		return Decision{}, err
	}
	if err := s.verifyChip(ctx, tx); err != nil {
		return Decision{}, err
	}
	d := Decision{Code: approved, Why: "approved", Account: card.Account}
	for _, check := range checks {
		code, why, err := check(s)
		if err != nil {
			return Decision{}, err
		}
		if code != "" {
			d.Code, d.Why = code, why
			break
		}
	}
	if d.ICC, err = s.answer(d.Code); err != nil {
		return Decision{}, err
	}
	return d, saveCounters(ctx, tx, s.card)
}

// verifyChip finds out whether the card made the cryptogram, for [session.checkCryptogram]
// and for the card's answer, which it gets even where an earlier check declines. A good
// cryptogram uses up its ATC.
func (s *session) verifyChip(ctx context.Context, tx db.Tx) (err error) {
	if len(s.ICC) == 0 {
		return nil
	}
	if s.chip, s.chipErr = parseChip(s.ICC); s.chipErr != nil {
		return nil
	}
	s.key, err = findIssuerKey(ctx, tx, s.card.BIN, s.chip.keyIndex)
	if errors.Is(err, ErrNoIssuerKey) {
		s.chipErr = err
		return nil
	}
	if err != nil {
		return err
	}
	s.chip.cryptogram.PAN, s.chip.cryptogram.PSN = s.PAN, max(s.PSN, 0)
	if s.genuine, err = s.Module.VerifyARQC(s.key.IMK, s.chip.cryptogram); err != nil {
		return err
	}
	if s.genuine && s.chip.atc > s.card.ATC {
		s.fresh, s.card.ATC = true, s.chip.atc
	}
	return nil
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
	switch {
	case s.Currency != s.account.Currency:
		return "12", "account has another currency", nil
	case s.Amount > s.account.Available():
		return "51", "insufficient funds", nil
	}
	return "", "", nil
}

// answer makes the card's part of the answer, for approvals and declines alike: tag
// 91 with the ARPC and tag 8A with the code.
func (s *session) answer(code string) ([]byte, error) {
	if !s.genuine {
		return nil, nil
	}
	data, err := s.Module.ARPC(s.key.IMK, s.chip.cryptogram, s.key.ARPCMethod, code)
	if err != nil {
		return nil, err
	}
	out := tlv.Append(nil, tag.IssuerAuthenticationData, data)
	return tlv.Append(out, tag.AuthorisationResponseCode, []byte(code)), nil
}

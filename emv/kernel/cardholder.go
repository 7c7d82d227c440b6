package kernel

import (
	"context"
	"errors"
	"fmt"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/cvm"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// verify walks the card's CVM list. EMV 4.4 Book 3, 10.5.
func (s *session) verify(ctx context.Context) (Phase, error) {
	if v, recorded := s.cfg.replay.verdict(); recorded {
		s.verified.Verdict = v
		return Assessing, nil
	}
	v, err := s.verdict(ctx)
	s.tvr |= v.TVR
	if err != nil {
		return Done, err
	}
	s.verified.Verdict = v
	if v.Performed {
		s.tsi |= emv.CVMPerformed
	}
	return Assessing, nil
}

func (s *session) verdict(ctx context.Context) (cvm.Verdict, error) {
	if s.profile.aip&emv.CVMSupported == 0 {
		return cvm.NotPerformed(), nil
	}
	list, err := cvm.Parse(s.objects.get(tag.CVMList))
	switch {
	case errors.Is(err, cvm.ErrNoRules):
		return cvm.NoRules(), nil
	case err != nil:
		return cvm.Verdict{}, broken(err, "CVM list")
	}
	perform := func(m cvm.Method) (cvm.Attempt, error) { return s.enterPIN(ctx, m) }
	if s.cfg.replay.performs() {
		perform = s.cfg.replay.PIN
	}
	return cvm.Evaluate(list, s.cvmTerms(), perform)
}

func (s *session) cvmTerms() cvm.Terms {
	var currency [2]byte
	appendDigits(currency[:0], int64(s.tx.Amount.Currency), 2)
	application := s.objects.get(tag.ApplicationCurrencyCode)
	return cvm.Terms{
		Capabilities: cvm.Capabilities(s.terminal.capabilities[1]),
		TerminalType: s.terminal.kind,
		Transaction:  s.tx.Type,
		AmountMinor:  uint64(s.tx.Amount.Minor),
		SameCurrency: application != nil && [2]byte(application) == currency,
	}
}

// enterPIN performs a method that takes a PIN. Once bypassed, a PIN counts as bypassed
// wherever the list asks for one, unless the terminal is set to ask again. Only where
// somebody attends the terminal can a PIN be bypassed: elsewhere the cardholder gave up.
// EMV 4.4 Book 4, 6.3.4.3.
func (s *session) enterPIN(ctx context.Context, m cvm.Method) (cvm.Attempt, error) {
	if s.verified.bypassed && !s.cfg.AskPINAfterBypass {
		return cvm.Bypassed, nil
	}
	attempt := s.offlinePIN
	if m == cvm.OnlinePIN {
		attempt = s.onlinePIN
	}
	a, err := attempt(ctx, m)
	if a == cvm.Bypassed && s.terminal.unattended() {
		return a, fmt.Errorf("enter PIN: bypassed where nobody attends the terminal: %w", ErrCancelled)
	}
	s.verified.bypassed = s.verified.bypassed || a == cvm.Bypassed
	return a, err
}

// onlinePIN has a PIN block made for the issuer. EMV 4.4 Book 3, 10.5.2.
func (s *session) onlinePIN(ctx context.Context, _ cvm.Method) (cvm.Attempt, error) {
	r, err := s.askPIN(ctx, PINRequest{Online: true})
	wipe(r.VerifyData)
	return r.Status.attempt(), err
}

// maxPINTries bounds offline PIN entry: the counter of VERIFY has four bits.
const maxPINTries = 16

// offlinePIN has the card verify a PIN, until it is right, given up, or blocked.
// EMV 4.4 Book 3, 10.5.1.
func (s *session) offlinePIN(ctx context.Context, m cvm.Method) (cvm.Attempt, error) {
	var key *oda.PublicKey
	if m.Enciphered() {
		k, err := s.pinKey()
		if err != nil {
			return cvm.Failed, nil
		}
		key = &k
	}
	left, known, err := s.triesLeft(ctx)
	if err != nil || known && left == 0 {
		return cvm.TryLimit, err
	}
	req := PINRequest{TriesLeft: left, Key: key}
	for range maxPINTries {
		a, left, err := s.tryPIN(ctx, req)
		if err != nil || a != 0 {
			return a, err
		}
		req.TriesLeft, req.Again = left, true
	}
	return cvm.Failed, nil
}

// triesLeft reads the PIN try counter; a card that does not tell is asked all the same.
func (s *session) triesLeft(ctx context.Context) (left int, known bool, err error) {
	value, err := s.getData(ctx, tag.PINTryCounter, 1)
	if err != nil || value == nil {
		return 0, false, err
	}
	return int(value[0]), true, nil
}

// tryPIN is one entry and one VERIFY. A zero attempt says that the PIN was wrong and
// left more tries are allowed.
func (s *session) tryPIN(ctx context.Context, req PINRequest) (a cvm.Attempt, left int, err error) {
	if req.Key != nil {
		if req.Challenge, err = s.challenge(ctx); err != nil || req.Challenge == nil {
			return cvm.Failed, 0, err
		}
	}
	r, err := s.askPIN(ctx, req)
	defer wipe(r.VerifyData)
	if a := r.Status.attempt(); err != nil || a != cvm.Succeeded {
		return a, 0, err
	}
	cmd := apdu.Verify(apdu.PlaintextPIN, r.VerifyData)
	want := 8 // a PIN block of ISO 9564 format 2
	if req.Key != nil {
		cmd.P2, want = apdu.EncipheredPIN, len(req.Key.Modulus)
	}
	if len(r.VerifyData) != want || want > apdu.MaxCommandData {
		return 0, 0, fmt.Errorf("enter PIN: VERIFY data of %d bytes, %d wanted", len(r.VerifyData), want)
	}
	resp, err := s.transmit(ctx, cmd)
	if err != nil {
		return 0, 0, err
	}
	return judge(resp.SW)
}

// judge is point 28: what the card's answer to VERIFY says. EMV 4.4 Book 3, 6.5.12.
func judge(sw apdu.SW) (a cvm.Attempt, left int, err error) {
	switch {
	case sw == apdu.OK:
		return cvm.Succeeded, 0, nil
	case sw == apdu.AuthMethodBlocked || sw == apdu.ReferenceInvalidated || sw == 0x63C0:
		return cvm.TryLimit, 0, nil
	case sw&0xFFF0 == 0x63C0:
		return 0, int(sw & 0x0F), nil
	}
	return 0, 0, broken(sw, "VERIFY")
}

// challenge gets 8 random bytes of the card, nil where it has none to give.
func (s *session) challenge(ctx context.Context) ([]byte, error) {
	resp, err := s.transmit(ctx, apdu.GetChallenge())
	if err != nil || resp.SW != apdu.OK || len(resp.Data) != 8 {
		return nil, err
	}
	return resp.Data, nil
}

// askPIN asks the cardholder, with everything that a pad may show or need.
func (s *session) askPIN(ctx context.Context, req PINRequest) (PINResult, error) {
	req.PAN, req.Amount = s.records.pan, s.tx.Amount
	r, err := s.holder.EnterPIN(ctx, req)
	if err != nil {
		return r, fmt.Errorf("enter PIN: %w", err)
	}
	if r.Status < PINEntered || r.Status > PINPadFailed {
		return r, fmt.Errorf("enter PIN: status %d", r.Status)
	}
	return r, nil
}

// attempt is what an entry means to the CVM list.
func (p PINStatus) attempt() cvm.Attempt {
	switch p {
	case PINEntered:
		return cvm.Succeeded
	case PINBypassed:
		return cvm.Bypassed
	}
	return cvm.PadFailed
}

// wipe clears PIN data, also where it was never sent.
func wipe(b []byte) { clear(b) }

// getData returns the value of an object by GET DATA, nil where the card does not give
// it in its form and length. EMV 4.4 Book 3, 6.5.7.
func (s *session) getData(ctx context.Context, t tlv.Tag, length int) ([]byte, error) {
	resp, err := s.transmit(ctx, apdu.GetData(uint16(t)))
	if err != nil || resp.SW != apdu.OK {
		return nil, err
	}
	obj, rest, ok, err := tlv.Next(resp.Data)
	if err != nil || !ok || obj.Tag != t || len(obj.Value) != length || len(rest) != 0 {
		return nil, nil
	}
	return obj.Value, nil
}

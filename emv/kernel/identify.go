package kernel

import (
	"context"
	"fmt"

	"posd/emv"
)

// Identify finds out who a card is, for a payment that needs its number and no cryptogram:
// a refund, the completion of a pre-authorisation. It selects the application, gets the
// processing options and reads the records, and ends there; the card may then be taken
// out. The Result's outcome is Approved where the card was read. Where it is not one to be
// taken, Identity is zero and the Result says why, as that of Run does.
//
// No GENERATE AC is sent. The books let a terminal end a session when it wants, by taking
// the power off, and the messages of such payments carry no field 55, so nobody would see
// the AAC that a first GENERATE AC could end it with. It would not be without effect
// either: a card counts its declines and offline decisions (IAD, velocity of Book 3,
// 10.6.3 and the card's own risk management), and goes online for them the next time.
// What is read is therefore not authenticated: the host decides about the number.
// EMV 4.4 Book 1, 12, and Book 3, 10.1 and 10.2.
func (k *Kernel) Identify(ctx context.Context, tx Transaction, card Card, holder Cardholder) (Identity, Result, error) {
	switch {
	case card == nil:
		return Identity{}, Result{}, fmt.Errorf("kernel: identify: no card port")
	case holder == nil:
		return Identity{}, Result{}, fmt.Errorf("kernel: identify: no cardholder port")
	}
	if err := tx.check(); err != nil {
		return Identity{}, Result{}, fmt.Errorf("kernel: identify: %w", err)
	}
	s := newSession(k, tx, card, holder, nil)
	s.reading = true
	err := s.run(ctx)
	res := s.result()
	if err != nil || res.Outcome != 0 {
		return Identity{}, res, err
	}
	res.Outcome = emv.Approved
	return s.identity(), res, nil
}

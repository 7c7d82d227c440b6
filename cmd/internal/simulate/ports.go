package simulate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device/sim/card"
	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/keyblock"
	"posd/emv/payment"
	"posd/emv/pinblock"
	"posd/store/spool"
)

// Errors of the simulated devices.
var (
	errPulled = errors.New("card was pulled")
	errPaper  = errors.New("out of paper")
)

// checkedJournal stops whoever calls it once the power is gone, and watches what is
// stored.
type checkedJournal struct {
	payment.Journal
	l *life
}

func (j checkedJournal) Next(ctx context.Context) (payment.ID, error) {
	id, err := j.Journal.Next(ctx)
	j.l.alive()
	return id, err
}

func (j checkedJournal) Begin(ctx context.Context, rec *payment.Record) error {
	err := j.Journal.Begin(ctx, rec)
	j.l.stored("begin", rec, err)
	return err
}

func (j checkedJournal) Update(ctx context.Context, rec *payment.Record) error {
	err := j.Journal.Update(ctx, rec)
	j.l.stored("update", rec, err)
	return err
}

func (l *life) stored(verb string, rec *payment.Record, err error) {
	l.w.note("journal: %s %v %v %v%s", verb, rec.ID, rec.Kind, rec.State, because(err))
	l.alive()
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// checkedHost stops whoever calls it once the power is gone.
type checkedHost struct {
	payment.Authorizer
	l *life
}

func (h checkedHost) Authorize(ctx context.Context, req payment.AuthRequest) (payment.Answer, error) {
	h.l.alive()
	a, err := h.Authorizer.Authorize(ctx, req)
	h.l.answered("authorize", req.Record, a, err)
	return a, err
}

func (h checkedHost) Reverse(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	h.l.alive()
	a, err := h.Authorizer.Reverse(ctx, rec)
	h.l.answered("reverse", rec, a, err)
	return a, err
}

func (h checkedHost) Forward(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	h.l.alive()
	a, err := h.Authorizer.Forward(ctx, rec)
	h.l.answered("forward", rec, a, err)
	return a, err
}

func (h checkedHost) Notify(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	h.l.alive()
	a, err := h.Authorizer.Notify(ctx, rec)
	h.l.answered("notify", rec, a, err)
	return a, err
}

// answered lets a moment go by before the payment goes on: the link's goroutine is woken
// by the same answer, or by the same silence, and what both do then must have an order.
func (l *life) answered(verb string, rec *payment.Record, a payment.Answer, err error) {
	l.pause(l.w.orders.between(time.Microsecond, time.Millisecond))
	l.w.note("terminal: %s %v: %q%s", verb, rec.ID, a.Code, because(err))
	l.alive()
}

// slot is the reader with a card of device/sim/card in it, and the cardholder.
type slot struct {
	l    *life
	card *card.Card
	dice *dice
	// pulled counts down to the command at which the card goes; 0 for never.
	pulled int
}

// Insert has the cardholder insert the card.
func (s *slot) Insert(context.Context) (payment.Card, error) {
	s.l.pause(s.dice.between(time.Second, 20*time.Second))
	s.card.Reset()
	s.pulled = 0
	if s.dice.hits(s.l.w.weather().card) {
		s.pulled = 1 + s.dice.n(30)
	}
	return s, nil
}

// Eject gives the card back.
func (s *slot) Eject(context.Context) error {
	s.l.pause(s.dice.between(time.Second, 5*time.Second))
	return nil
}

// Transmit passes a command to the card.
func (s *slot) Transmit(_ context.Context, cmd apdu.Command) (apdu.Response, error) {
	s.l.pause(s.dice.between(5*time.Millisecond, 60*time.Millisecond))
	if s.pulled--; s.pulled == 0 {
		s.l.w.note("card: pulled at %02X", cmd.INS)
		s.pulled = 1 // and stays away
		return apdu.Response{}, errPulled
	}
	answer := s.card.Exchange(cmd.Append(nil))
	if answer == nil {
		return apdu.Response{}, errPulled
	}
	return apdu.ParseResponse(answer)
}

// Swipe reads the stripe.
func (s *slot) Swipe(context.Context) (emv.Track2, error) {
	s.l.pause(s.dice.between(time.Second, 20*time.Second))
	return s.card.Profile().Applications[0].Track2, nil
}

// pad is the PIN pad: it has the terminal's master key, as a real one has.
type pad struct {
	l    *life
	tmk  []byte
	pin  func() string
	dice *dice
}

// EnterPIN has the cardholder enter the PIN, or do something else.
func (p pad) EnterPIN(_ context.Context, req payment.PINEntry) ([]byte, error) {
	p.l.pause(p.dice.between(2*time.Second, 15*time.Second))
	pin := p.pin()
	if p.dice.hits(p.l.w.weather().holder) {
		switch p.dice.n(3) {
		case 0:
			return nil, kernel.ErrCancelled
		case 1:
			return nil, payment.ErrPINBypassed
		}
		pin = "9999"
	}
	key, err := keyblock.UnwrapECB(p.tmk, req.Key)
	if err != nil {
		return nil, err
	}
	block, err := keyblock.NewCipher(key)
	if err != nil {
		return nil, err
	}
	clear, err := pinblock.Encode0([]byte(pin), req.PAN)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(clear))
	block.Encrypt(out, clear[:])
	return out, nil
}

// face is display and chooser: nobody looks.
type face struct{}

func (face) Show(context.Context, payment.Message, ...string)        {}
func (face) Choose(context.Context, []kernel.Candidate) (int, error) { return 0, nil }

// printer prints slips on the world's paper.
type printer struct {
	l    *life
	dice *dice
}

// Print prints one slip. A slip that says that money moved is checked against the host at
// once.
func (p printer) Print(ctx context.Context, rec *payment.Record, c payment.Copy) error {
	p.l.pause(p.dice.between(500*time.Millisecond, 3*time.Second))
	if p.dice.hits(p.l.w.weather().paper) {
		return fmt.Errorf("%w: %w", spool.ErrUntouched, errPaper)
	}
	p.l.w.note("printer: %v %v copy %d", rec.ID, rec.State, c)
	p.l.w.printed(rec)
	return nil
}

// deviceKey is the terminal's device key: a constant of the simulation.
type deviceKey struct{}

// Derive gives 32 bytes for a label.
func (deviceKey) Derive(label string) ([]byte, error) {
	return fmt.Appendf(nil, "%-32.32s", "simulated device key "+label)[:32], nil
}

// yuan is an amount.
func yuan(minor int64) emv.Amount { return emv.Amount{Minor: minor, Currency: emv.CNY} }

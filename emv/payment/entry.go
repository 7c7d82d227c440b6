package payment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
)

// shown is a card as it was shown, however that was.
type shown struct {
	kernel.Identity
	expiry   string // YYMM
	how      string // the first two digits of field 22
	fallback bool
	icc      []byte // field 55
	facts    kernel.Facts
	pin      bool // an online PIN is in the cryptogram's TVR, or was entered for a stripe
}

// The first two digits of field 22; the third says whether a PIN was entered.
const (
	entryTyped  = "01"
	entryStripe = "02"
	entryChip   = "05"
)

// chip is a card that a kernel read.
func chip(id kernel.Identity, facts kernel.Facts) shown {
	return shown{Identity: id, expiry: expiry(id.Expiry), how: entryChip, facts: facts}
}

// run shows the card, in the way of the kind and of the order, and does the payment.
func (a *attempt) run(ctx context.Context) (Result, error) {
	switch {
	case a.rules.Card == NoCard:
		rec := a.of.rec
		id := kernel.Identity{PAN: rec.PAN, PANSequence: rec.PANSequence}
		return a.direct(ctx, shown{Identity: id, expiry: rec.Expiry, how: entryTyped})
	case !a.order.Card.PAN.IsZero():
		id := kernel.Identity{PAN: a.order.Card.PAN, PANSequence: -1}
		return a.direct(ctx, shown{Identity: id, expiry: a.order.Card.Expiry, how: entryTyped})
	case a.order.Swipe:
		return a.swipe(ctx, nil)
	}
	tx, err := a.transaction(ctx)
	if err != nil {
		return Result{}, err
	}
	return a.insert(ctx, tx)
}

// insert has the card inserted, runs the kernel, and settles what it means for the
// money. It leaves the journal in a state that is true whatever happens next.
func (a *attempt) insert(ctx context.Context, tx kernel.Transaction) (Result, error) {
	t := a.t
	t.Display.Show(ctx, InsertCard, a.order.Amount.String())
	waiting, stop := context.WithTimeout(ctx, t.InsertTime)
	card, err := t.Slot.Insert(waiting)
	stop()
	a.inserted = true
	switch {
	case errors.Is(err, ErrChip):
		return a.swipe(ctx, &kernel.Result{Outcome: emv.NotAccepted, Fallback: true, Why: "the chip does not answer"})
	case err != nil:
		return t.noCard(ctx, "no card was inserted in time", err)
	}
	t.Display.Show(ctx, Processing)
	if a.rules.Card == ReadCard {
		return a.identify(ctx, tx, card)
	}
	kres, kerr := t.Kernel.Run(ctx, tx, &watchedCard{Card: card, a: a}, holder{t, a}, a)
	if kerr == nil && kres.Fallback && a.rec == nil {
		return a.swipe(ctx, &kres)
	}
	return a.conclude(context.WithoutCancel(ctx), kres, kerr)
}

// noCard ends a payment for which no card was shown.
func (t *Terminal) noCard(ctx context.Context, why string, err error) (Result, error) {
	if errors.Is(err, kernel.ErrCancelled) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return Result{Outcome: emv.Cancelled, Why: why}, nil
	}
	return Result{Outcome: emv.Cancelled, Why: "no card"}, fmt.Errorf("payment: wait for a card: %w", err)
}

// identify reads who the card is; what the payment is about decides the rest.
func (a *attempt) identify(ctx context.Context, tx kernel.Transaction, card Card) (Result, error) {
	id, kres, err := a.t.Kernel.Identify(ctx, tx, card, holder{a.t, a})
	switch {
	case err != nil:
		return a.withoutHost(kres, err), err
	case kres.Fallback:
		return a.swipe(ctx, &kres)
	case kres.Outcome != emv.Approved:
		return a.withoutHost(kres, nil), nil
	}
	return a.direct(ctx, chip(id, kres.Facts))
}

// swipe has the card's stripe read: chip is how the session with its chip ended just
// before, nil where there was none.
func (a *attempt) swipe(ctx context.Context, failed *kernel.Result) (Result, error) {
	stripe, ok := a.t.Slot.(Stripe)
	switch {
	case failed != nil && (!ok || !a.t.Policy.Fallback):
		return a.withoutHost(*failed, nil), nil
	case !ok:
		return Result{}, refuse(CodeNoStripe, "the terminal has no stripe reader")
	case failed != nil:
		a.eject(ctx)
		a.t.Display.Show(ctx, ChipFailed)
	default:
		a.t.Display.Show(ctx, SwipeCard, a.order.Amount.String())
	}
	waiting, stop := context.WithTimeout(ctx, a.t.InsertTime)
	track, err := stripe.Swipe(waiting)
	stop()
	if err != nil {
		return a.t.noCard(ctx, "no card was swiped in time", err)
	}
	return a.swiped(ctx, track, failed)
}

func (a *attempt) swiped(ctx context.Context, track emv.Track2, failed *kernel.Result) (Result, error) {
	switch kernel.Swiped(track, true, failed) {
	case kernel.StripeAskChip:
		return Result{}, refuse(CodeUseChip, "the card has a chip: insert it")
	case kernel.StripeRefused:
		return Result{}, refuse(CodeNoStripe, "the chip refused the payment")
	}
	pan, err := track.PAN()
	if err != nil {
		return Result{}, refuse(CodeNoStripe, "the stripe cannot be read")
	}
	return a.direct(ctx, shown{
		Identity: kernel.Identity{PAN: pan, Track2: track, PANSequence: -1}, expiry: track.Expiry(),
		how: entryStripe, fallback: failed != nil && track.HasChip(),
	})
}

// eject gives the card back, once.
func (a *attempt) eject(ctx context.Context) {
	if !a.inserted {
		return
	}
	a.inserted = false
	if err := a.t.Slot.Eject(ctx); err != nil {
		a.t.Log.Warn("card was not taken", "error", err)
	}
}

// wantsPIN tells whether a PIN is asked for a payment in which no chip decides about that.
func (a *attempt) wantsPIN() bool {
	return a.rules.Card == FullEMV || slices.Contains(a.t.Policy.AskPIN, a.order.Kind)
}

// watchedCard sees the second GENERATE AC pass, which is a point where the power may go.
type watchedCard struct {
	Card
	a *attempt
}

// Transmit passes the command on.
func (c *watchedCard) Transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	if cmd.INS == apdu.InsGenerateAC && c.a.rec != nil && c.a.rec.State == Answered {
		c.a.t.At(BeforeSecondGAC)
	}
	return c.Card.Transmit(ctx, cmd)
}

// holder is the kernel's Cardholder: PIN pad and display.
type holder struct {
	t *Terminal
	a *attempt
}

// Select asks the cardholder to choose.
func (h holder) Select(ctx context.Context, candidates []kernel.Candidate) (int, error) {
	return h.t.Chooser.Choose(ctx, candidates)
}

// EnterPIN has an online PIN entered and keeps its block for the request. An offline
// PIN is not this terminal's: its capabilities (9F33) do not offer one.
func (h holder) EnterPIN(ctx context.Context, req kernel.PINRequest) (kernel.PINResult, error) {
	if !req.Online {
		return kernel.PINResult{Status: kernel.PINPadFailed}, nil
	}
	status, err := h.a.enterPIN(ctx, req.PAN, req.Amount)
	return kernel.PINResult{Status: status}, err
}

// enterPIN has a PIN entered and keeps its block. The error is kernel.ErrCancelled.
func (a *attempt) enterPIN(ctx context.Context, pan emv.PAN, amount emv.Amount) (kernel.PINStatus, error) {
	t := a.t
	key, err := t.Keys.PINKey()
	if err != nil {
		t.Log.Error("no PIN key", "error", err)
		return kernel.PINPadFailed, nil
	}
	t.Display.Show(ctx, EnterPIN, amount.String())
	block, err := t.PINPad.EnterPIN(ctx, PINEntry{PAN: pan, Amount: amount, Key: key})
	switch {
	case err == nil:
		a.pinBlock, a.pinKey = block, key.KCV
		t.Display.Show(ctx, Processing)
		return kernel.PINEntered, nil
	case errors.Is(err, ErrPINBypassed):
		return kernel.PINBypassed, nil
	case errors.Is(err, kernel.ErrCancelled), ctx.Err() != nil:
		return 0, errors.Join(kernel.ErrCancelled, err)
	}
	t.Log.Error("PIN pad failed", "error", err)
	return kernel.PINPadFailed, nil
}

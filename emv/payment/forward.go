package payment

import (
	"context"
	"fmt"
)

// Forward sends the stored payments, in the order in which they were taken and one at a
// time, after script notices and owed reversals; it returns how many still wait. It stops
// at the first that the host does not answer, or cannot decide about now: none overtakes
// another. A refused one is kept, and off the queue. Called between payments, when idle,
// and before a settlement.
func (t *Terminal) Forward(ctx context.Context) (left int, err error) {
	waiting, err := t.Journal.Waiting(ctx)
	if err != nil || len(waiting) == 0 {
		return len(waiting), wrap("payment: stored payments", err)
	}
	if _, err := t.NotifyScripts(ctx); err != nil {
		return len(waiting), err
	}
	if owed, err := t.SettleDebts(ctx); err != nil || owed > 0 {
		return len(waiting), err
	}
	if waiting, err = t.Journal.Waiting(ctx); err != nil { // a debt may have joined them
		return len(waiting), wrap("payment: stored payments", err)
	}
	return drain(ctx, waiting, t.forward)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// forward sends one stored payment and stores what came of it.
func (t *Terminal) forward(ctx context.Context, rec *Record) (sent, error) {
	rec.Tries = max(rec.Tries, t.tries[rec.ID]) + 1
	t.tries[rec.ID] = rec.Tries
	answer, err := t.Host.Forward(ctx, rec)
	verdict := VerdictOf(answer.Code)
	switch {
	case err != nil:
		t.Log.Warn("stored payment not answered", "payment", rec.ID, "try", rec.Tries, "error", err)
		return sent{}, t.saveTry(ctx, rec, rec.Tries)
	case verdict == NotNow, verdict == Settled && !fits(answer, rec), len(answer.Code) != 2:
		t.Log.Warn("stored payment not decided", "payment", rec.ID, "try", rec.Tries, "code", answer.Code)
		return sent{}, t.saveTry(ctx, rec, rec.Tries)
	}
	t.At(AfterForward)
	rec.Answer = &answer
	if verdict == HostRefuse {
		rec.State, rec.Why = Refused, "the host refused the stored payment with "+answer.Code
		t.Log.Error("stored payment refused", "payment", rec.ID, "code", answer.Code)
	} else {
		rec.State, rec.Completed = Completed, t.Now()
		t.Log.Info("stored payment taken", "payment", rec.ID, "tries", rec.Tries)
	}
	if err := t.save(ctx, rec); err != nil {
		return sent{}, err
	}
	delete(t.tries, rec.ID)
	t.printForwarded(ctx, rec)
	return sent{true, true}, nil
}

// printForwarded prints the receipt of a payment that never had one: the power went as it
// was taken, or its answer was lost.
func (t *Terminal) printForwarded(ctx context.Context, rec *Record) {
	if rec.Printed || rec.State != Completed {
		return
	}
	if err := t.Receipt.Print(ctx, rec, Reprint); err != nil {
		t.Log.Warn("receipt was not printed", "payment", rec.ID, "error", err)
		return
	}
	t.Journal.Printed(rec.ID)
}

// Resend puts a refused payment back among those that wait, at its old place: what the
// host disliked has been put right there.
func (t *Terminal) Resend(ctx context.Context, id ID) error {
	rec, err := t.Journal.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("payment: resend %v: %w", id, err)
	}
	if rec.State != Refused {
		return fmt.Errorf("payment: resend %v, which is %v: %w", id, rec.State, ErrIllegalMove)
	}
	rec.State, rec.Answer, rec.Why = Stored, nil, "sent again by hand"
	return t.save(ctx, rec)
}

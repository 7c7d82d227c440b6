package payment

import (
	"context"
	"fmt"
	"math/bits"
)

// Recover is called once at boot, before the first payment. A payment that was under
// way becomes a debt: whatever the host heard of it is to be taken back. A completed
// one whose receipt is not known to be printed is printed, marked as a copy.
// It returns the number of debts.
func (t *Terminal) Recover(ctx context.Context) (int, error) {
	owed, err := t.Journal.Owed(ctx)
	if err != nil {
		return 0, fmt.Errorf("payment: recover: %w", err)
	}
	for _, rec := range owed {
		if err := t.claim(ctx, rec); err != nil {
			return 0, err
		}
	}
	return len(owed), t.printLeft(ctx)
}

// claim turns a payment found half done into a debt.
func (t *Terminal) claim(ctx context.Context, rec *Record) error {
	switch rec.State {
	case Requested:
		return t.owe(ctx, rec, NoAnswer, "the terminal stopped before an answer was stored")
	case Answered:
		return t.owe(ctx, rec, CardFailed, "the terminal stopped after the host's approval")
	}
	return nil
}

func (t *Terminal) printLeft(ctx context.Context) error {
	left, err := t.Journal.Unprinted(ctx)
	if err != nil {
		return fmt.Errorf("payment: recover receipts: %w", err)
	}
	for _, rec := range left {
		if err := t.Receipt.Print(ctx, rec, Reprint); err != nil {
			t.Log.Warn("receipt was not printed", "payment", rec.ID, "error", err)
			return nil // the printer is a finding, not a reason to stay closed
		}
		t.Journal.Printed(rec.ID)
	}
	return nil
}

// SettleDebts sends each owed reversal once, oldest first, and returns how many are
// still owed. It stops at the first that the host does not answer: the line is the
// trouble then, not the reversal. A debt is dropped by nothing but an answer.
func (t *Terminal) SettleDebts(ctx context.Context) (int, error) {
	owed, err := t.Journal.Owed(ctx)
	if err != nil {
		return 0, fmt.Errorf("payment: debts: %w", err)
	}
	left := len(owed)
	for _, rec := range owed {
		if err := t.claim(ctx, rec); err != nil {
			return left, err
		}
		settled, answered, err := t.reverse(ctx, rec)
		if err != nil {
			return left, err
		}
		if settled {
			left--
		}
		if !answered {
			break
		}
	}
	return left, nil
}

// reverse sends one reversal and stores what came of it.
func (t *Terminal) reverse(ctx context.Context, rec *Record) (settled, answered bool, err error) {
	debt := rec.Reversal
	debt.Tries = max(debt.Tries, t.tries[rec.ID]) + 1
	t.tries[rec.ID] = debt.Tries
	answer, sendErr := t.Host.Reverse(ctx, rec)
	if sendErr != nil {
		debt.Last = sendErr.Error()
		t.Log.Warn("reversal not answered", "payment", rec.ID, "try", debt.Tries, "error", sendErr)
		return false, false, t.saveTry(ctx, rec)
	}
	if !settlesReversal(answer.Code) {
		debt.Last = "host answered " + answer.Code
		t.Log.Warn("reversal refused", "payment", rec.ID, "try", debt.Tries, "code", answer.Code)
		return false, true, t.saveTry(ctx, rec)
	}
	t.At(AfterReversal)
	debt.Answer, debt.Last = &answer, "host answered "+answer.Code
	rec.State = Reversed
	if err := t.save(ctx, rec); err != nil {
		return false, true, err
	}
	delete(t.tries, rec.ID)
	if err := t.Receipt.Print(ctx, rec, MerchantCopy); err != nil {
		t.Log.Warn("reversal slip was not printed", "payment", rec.ID, "error", err)
	}
	t.Log.Info("reversed", "payment", rec.ID, "tries", debt.Tries)
	return true, true, nil
}

// saveTry counts a try on disk, but only the 1st, 2nd, 4th, 8th …: a host that is down
// for a week shall not wear the flash out. Terminal.tries has the exact count.
func (t *Terminal) saveTry(ctx context.Context, rec *Record) error {
	if bits.OnesCount(uint(rec.Reversal.Tries)) != 1 {
		return nil
	}
	return t.save(ctx, rec)
}

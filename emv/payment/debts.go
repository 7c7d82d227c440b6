package payment

import (
	"context"
	"fmt"
	"math/bits"

	"posd/emv/tag"
	"posd/emv/tlv"
)

// Recover is called once at boot, before the first payment. A payment that was under
// way becomes what its kind's rules say: a reversal owed, a payment that is sent again, or
// nothing. A completed one whose receipt is not known to be printed is printed, marked as
// a copy. It returns the number of reversals owed.
func (t *Terminal) Recover(ctx context.Context) (int, error) {
	found, err := t.Journal.Owed(ctx)
	if err != nil {
		return 0, fmt.Errorf("payment: recover: %w", err)
	}
	owed := 0
	for _, rec := range found {
		if err := t.claim(ctx, rec); err != nil {
			return 0, err
		}
		if rec.State.Debt() {
			owed++
		}
	}
	return owed, t.printLeft(ctx)
}

// claim turns a payment found half done into what it means.
func (t *Terminal) claim(ctx context.Context, rec *Record) error {
	switch rec.State {
	case Requested:
		return t.unknown(ctx, rec, NoAnswer, "the terminal stopped before an answer was stored")
	case Answered:
		return t.unknown(ctx, rec, CardFailed, "the terminal stopped after the host's approval")
	}
	return nil
}

// unknown stores what becomes of a payment of which the host may have heard. If even that
// cannot be written, the record stands on disk as requested or answered, which means the
// same after a restart.
func (t *Terminal) unknown(ctx context.Context, rec *Record, reason Reason, why string) error {
	switch rec.Kind.Rules().Unanswered {
	case Repeat:
		rec.State, rec.Why = Stored, why
	case Forget:
		rec.State, rec.Why = Declined, why
	default:
		rec.State, rec.Why = ReversalOwed, why
		rec.Reversal = &Debt{Reason: reason, ICC: reversalICC(rec), Since: t.Now()}
	}
	if err := t.save(ctx, rec); err != nil {
		return err
	}
	t.At(AfterOwed)
	return nil
}

// save writes a record. After an error it reads back, for an error of the journal means
// unknown.
func (t *Terminal) save(ctx context.Context, rec *Record) error {
	err := t.Journal.Update(ctx, rec)
	if err == nil {
		return nil
	}
	if stored, getErr := t.Journal.Get(ctx, rec.ID); getErr == nil && stored.State == rec.State && sameEnd(stored, rec) {
		return nil
	}
	return fmt.Errorf("payment: store %v as %v: %w", rec.ID, rec.State, err)
}

// sameEnd tells apart two writes that leave the state as it is.
func sameEnd(stored, rec *Record) bool {
	return (stored.Script == nil) == (rec.Script == nil) &&
		(rec.Script == nil || (stored.Script.Answer == nil) == (rec.Script.Answer == nil))
}

// reversalTags is field 55 of a reversal in the cup dialect.
var reversalTags = []tlv.Tag{tag.TVR, tag.IFDSerialNumber, tag.IssuerApplicationData, tag.ATC, tag.IssuerScriptResults}

// reversalICC takes the reversal's field 55 out of the request's, so that it can be
// made after a power cut as well; what the card said later replaces it.
func reversalICC(rec *Record) []byte { return chipData(rec, reversalTags) }

// chipData makes a field 55 of the request's: the TVR is the last, and script results join
// where there are some.
func chipData(rec *Record, tags []tlv.Tag) []byte {
	var out []byte
	for _, want := range tags {
		value, ok := tlv.Find(rec.Request, want)
		switch {
		case want == tag.TVR && rec.Facts.TVR != 0 && len(rec.Request) > 0:
			tvr := rec.Facts.TVR.Bytes()
			value, ok = tvr[:], true
		case want == tag.IssuerScriptResults && rec.Script != nil:
			value, ok = tlv.Find(rec.Script.ICC, want)
		}
		if ok {
			out = tlv.Append(out, want, value)
		}
	}
	return out
}

func (t *Terminal) printLeft(ctx context.Context) error {
	left, err := t.Journal.Unprinted(ctx)
	if err != nil {
		return fmt.Errorf("payment: recover receipts: %w", err)
	}
	for _, rec := range left {
		if !rec.Kind.Rules().slip() {
			t.Journal.Printed(rec.ID)
			continue
		}
		if err := t.Receipt.Print(ctx, rec, Reprint); err != nil {
			t.Log.Warn("receipt was not printed", "payment", rec.ID, "error", err)
			return nil // the printer is a finding, not a reason to stay closed
		}
		t.Journal.Printed(rec.ID)
	}
	return nil
}

// sent is what came of sending one record of a queue.
type sent struct {
	settled  bool // it is off the queue
	answered bool // the next one may be sent
}

// drain sends a queue, in order and each record once, and returns how many are left. It
// stops at the first that the host does not answer: the line is the trouble then.
func drain(ctx context.Context, queue []*Record, send func(context.Context, *Record) (sent, error)) (int, error) {
	left := len(queue)
	for _, rec := range queue {
		was, err := send(ctx, rec)
		if err != nil {
			return left, err
		}
		if was.settled {
			left--
		}
		if !was.answered {
			break
		}
	}
	return left, nil
}

// SettleDebts sends each owed reversal once, oldest first, and returns how many are
// still owed. It stops at the first that the host does not answer. A debt is dropped by
// nothing but an answer.
func (t *Terminal) SettleDebts(ctx context.Context) (int, error) {
	owed, err := t.Journal.Owed(ctx)
	if err != nil {
		return 0, fmt.Errorf("payment: debts: %w", err)
	}
	return drain(ctx, owed, func(ctx context.Context, rec *Record) (sent, error) {
		if err := t.claim(ctx, rec); err != nil {
			return sent{}, err
		}
		if rec.State != ReversalOwed {
			return sent{true, true}, nil // of a kind that has no reversal
		}
		return t.reverse(ctx, rec)
	})
}

// reverse sends one reversal and stores what came of it.
func (t *Terminal) reverse(ctx context.Context, rec *Record) (sent, error) {
	debt := rec.Reversal
	debt.Tries = max(debt.Tries, t.tries[rec.ID]) + 1
	t.tries[rec.ID] = debt.Tries
	answer, sendErr := t.Host.Reverse(ctx, rec)
	if sendErr != nil {
		debt.Last = sendErr.Error()
		t.Log.Warn("reversal not answered", "payment", rec.ID, "try", debt.Tries, "error", sendErr)
		return sent{}, t.saveTry(ctx, rec, debt.Tries)
	}
	if !settlesReversal(answer.Code) {
		debt.Last = "host answered " + answer.Code
		t.Log.Warn("reversal refused", "payment", rec.ID, "try", debt.Tries, "code", answer.Code)
		return sent{answered: true}, t.saveTry(ctx, rec, debt.Tries)
	}
	t.At(AfterReversal)
	debt.Answer, debt.Last = &answer, "host answered "+answer.Code
	rec.State = Reversed
	if err := t.save(ctx, rec); err != nil {
		return sent{answered: true}, err
	}
	delete(t.tries, rec.ID)
	if err := t.Receipt.Print(ctx, rec, MerchantCopy); err != nil {
		t.Log.Warn("reversal slip was not printed", "payment", rec.ID, "error", err)
	}
	t.Log.Info("reversed", "payment", rec.ID, "tries", debt.Tries)
	return sent{true, true}, nil
}

// saveTry counts a try on disk, but only the 1st, 2nd, 4th, 8th …: a host that is down
// for a week shall not wear the flash out. The Terminal has the exact count.
func (t *Terminal) saveTry(ctx context.Context, rec *Record, tries int) error {
	if bits.OnesCount(uint(tries)) != 1 {
		return nil
	}
	return t.save(ctx, rec)
}

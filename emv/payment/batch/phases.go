package batch

import (
	"context"
	"errors"
	"fmt"
)

// steps says what is done in each phase; each ends in a later phase on disk, or in an
// error.
var steps = map[Phase]func(*run, context.Context) error{
	Begun:     (*run).compare,
	Answered:  (*run).show,
	Uploading: (*run).show,
	Ended:     (*run).close,
	Closed:    (*run).close, // the book was interrupted while it closed
}

// finish takes the settlement from where it is to its end.
func (r *run) finish(ctx context.Context) (Result, error) {
	if r.count == nil { // it began before this call
		if err := r.flush(ctx, r.cur.Batch); err != nil {
			return r.result(), err
		}
		if err := r.recount(ctx); err != nil {
			return r.result(), err
		}
	}
	r.At(AfterBegun)
	for !r.closed {
		step, ok := steps[r.cur.Phase]
		if !ok {
			return r.result(), fmt.Errorf("batch: settlement of batch %06d: phase %d is unknown", r.cur.Batch, r.cur.Phase)
		}
		if err := step(r, ctx); err != nil {
			return r.result(), err
		}
	}
	return r.result(), r.signOff(ctx)
}

// recount looks whether the journal still says what the host was told. It always does
// while nobody begins payments during a settlement; where it does not, the host is told
// anew, and shown everything if it compared already.
func (r *run) recount(ctx context.Context) error {
	if r.cur.Phase >= Ended || (r.cur.Domestic == r.count.domestic && r.cur.Foreign == r.count.foreign) {
		return nil
	}
	r.Log.Error("the batch changed while it was settled", "batch", r.cur.Batch)
	next := *r.cur
	next.Domestic, next.Foreign = r.count.domestic, r.count.foreign
	if next.Phase > Begun {
		r.resend(&next)
		return r.save(ctx, &next)
	}
	var err error
	if next.STAN, err = r.Book.Number(ctx); err != nil {
		return fmt.Errorf("batch: begin again: %w", err)
	}
	return r.save(ctx, &next)
}

// resend has every payment go up from the first.
func (r *run) resend(next *Settlement) {
	next.DomesticVerdict, next.ForeignVerdict = Unbalanced, Unbalanced
	next.Next, next.Uploaded, next.Rejected = 0, 0, nil
}

// compare asks the host for its totals.
func (r *run) compare(ctx context.Context) error {
	var answer Answer
	taken, err := r.ask(ctx, "totals", func() (code string, err error) {
		wire := *r.cur
		wire.Domestic, wire.Foreign = wire.Domestic.wire(), wire.Foreign.wire()
		answer, err = r.Host.Settle(ctx, &wire)
		return answer.Code, err
	})
	resend := errors.Is(err, errResend)
	switch {
	case err != nil && !resend:
		return err
	case !taken && !resend:
		return fmt.Errorf("batch: totals: host answered %s: %w", answer.Code, ErrHost)
	}
	r.At(AfterVerdict)
	next := *r.cur
	next.Phase, next.Answer = Answered, &answer.Answer
	next.DomesticVerdict, next.ForeignVerdict = answer.Domestic, answer.Foreign
	if resend {
		r.resend(&next)
	}
	if err := r.save(ctx, &next); err != nil {
		return err
	}
	r.At(AfterAnswered)
	return nil
}

// show uploads what the host is to see, and ends the batch.
func (r *run) show(ctx context.Context) error {
	err := r.uploadAndEnd(ctx)
	if !errors.Is(err, errResend) {
		return err
	}
	if r.resent {
		return fmt.Errorf("batch: batch %06d: %w again: %w", r.cur.Batch, err, ErrHost)
	}
	r.resent = true
	next := *r.cur
	next.Phase = Uploading
	r.resend(&next)
	return r.save(ctx, &next)
}

func (r *run) uploadAndEnd(ctx context.Context) error {
	if err := r.upload(ctx); err != nil {
		return err
	}
	balanced := r.cur.balanced(true) && r.cur.balanced(false)
	taken, err := r.ask(ctx, "end", func() (string, error) {
		return r.Host.End(ctx, r.cur.Batch, balanced, r.cur.Uploaded)
	})
	switch {
	case err != nil:
		return err
	case !taken:
		return fmt.Errorf("batch: end of batch %06d: %w", r.cur.Batch, ErrHost)
	}
	r.At(AfterEnd)
	next := *r.cur
	next.Phase = Ended
	if err := r.save(ctx, &next); err != nil {
		return err
	}
	r.At(AfterEnded)
	return nil
}

// close prints the totals and begins the next batch. A printer that fails holds nothing
// up: the slip can be printed again, from Book.Last.
func (r *run) close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	next := *r.cur
	if next.Phase != Closed {
		r.print(ctx, &next)
		next.Phase, next.Closed = Closed, r.Now()
	}
	if err := r.Book.Close(ctx, &next); err != nil {
		open, readErr := r.Book.Open(ctx)
		if readErr != nil || open != nil {
			return fmt.Errorf("batch: close batch %06d: %w", next.Batch, err)
		}
	}
	r.cur, r.closed = &next, true
	r.At(AfterClose)
	return nil
}

func (r *run) print(ctx context.Context, next *Settlement) {
	err := r.Slip.Print(ctx, next, r.count.unsent)
	next.Printed = err == nil
	if err != nil {
		r.Log.Warn("totals were not printed", "batch", next.Batch, "error", err)
	}
	r.At(AfterSlip)
}

// signOff ends the day where the parameters want it. The batch is closed whatever comes
// of it.
func (r *run) signOff(ctx context.Context) error {
	if !r.Terms().SignOff {
		return nil
	}
	if err := r.Host.SignOff(ctx); err != nil {
		r.Log.Warn("not signed off", "error", err)
	}
	return nil
}

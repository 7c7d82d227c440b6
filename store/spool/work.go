package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"posd/emv"
	"posd/emv/payment"
	"posd/store"
)

// Work prints what waits, oldest first, but for what is held, and returns how many jobs
// still wait. It stops at the first that fails: the printer is the trouble then, and
// Work is to be called again later. A job that can never be printed is thrown away; the
// others are printed all the same, and the error names it (ErrUnprintable).
func (s *Spool) Work(ctx context.Context) (left int, err error) {
	if err := s.take(ctx); err != nil {
		left, _ := s.Left()
		return left, fmt.Errorf("spool: work: %w", err)
	}
	defer s.release()
	var lost *lostError
	for {
		it, err := s.first(ctx)
		if err == nil && it != nil {
			err = s.try(ctx, it)
		}
		left, _ := s.Left()
		switch {
		case errors.Is(err, ErrUnprintable):
			lost = &lostError{it.job, err, lost}
		case err != nil:
			return left, fmt.Errorf("spool: work: %w", errors.Join(err, lost.orNil()))
		case it == nil:
			return left, lost.orNil()
		}
	}
}

// lostError names the jobs that a Work threw away.
type lostError struct {
	job   Job
	cause error
	next  *lostError
}

func (e *lostError) Error() string {
	return fmt.Sprintf("spool: work: %s is thrown away: %v", e.job.ID, e.cause)
}

// Unwrap leads to what was wrong, and to the others.
func (e *lostError) Unwrap() []error {
	if e.next == nil {
		return []error{e.cause}
	}
	return []error{e.cause, e.next}
}

// orNil keeps a nil pointer from becoming an error.
func (e *lostError) orNil() error {
	if e == nil {
		return nil
	}
	return e
}

// first returns the oldest job that is not held, or nil.
func (s *Spool) first(ctx context.Context) (*item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fresh(); err != nil {
		return nil, err
	}
	for _, it := range s.queue {
		if !s.held(it) {
			return it, nil
		}
	}
	if !s.overflow {
		return nil, nil
	}
	before := len(s.queue)
	if err := s.refill(ctx); err != nil || len(s.queue) == before {
		return nil, err
	}
	return s.queue[before], nil
}

func (s *Spool) held(it *item) bool { return it.tried >= s.cfg.Tries }

// try prints one job. It counts as touched before the first byte goes out, and as
// untouched again only if the printer's side says so.
func (s *Spool) try(ctx context.Context, it *item) error {
	s.mu.Lock()
	again := it.touched
	it.touched = true
	it.tried++
	s.mu.Unlock()
	err := s.output(ctx, it.job, again)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.finish(it)
		return nil
	case errors.Is(err, ErrUntouched), errors.Is(err, ErrUnprintable):
		it.touched = again
		it.tried--
	}
	if errors.Is(err, ErrUnprintable) {
		s.finish(it)
	}
	return fmt.Errorf("%s: %w", it.job.ID, err)
}

// output has a job printed.
func (s *Spool) output(ctx context.Context, job Job, again bool) error {
	if !job.isSlip() {
		return s.cfg.Documents(ctx, job, again)
	}
	rec, err := s.cfg.Journal.Get(ctx, job.Payment)
	switch {
	case errors.Is(err, payment.ErrNoRecord), errors.Is(err, store.ErrDamaged):
		return fmt.Errorf("%w: %w", ErrUnprintable, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUntouched, err)
	}
	rec.PAN = emv.PAN{} // a slip shows Masked
	c := job.Copy
	if again {
		c = payment.Reprint
	}
	return s.cfg.Receipts.Print(ctx, rec, c)
}

// finish takes a job out of the queue; s.mu is held.
func (s *Spool) finish(it *item) {
	s.queue = slices.DeleteFunc(s.queue, func(other *item) bool { return other == it })
	switch {
	case it.seq != 0:
		s.done = append(s.done, it.seq)
	case it.marks && !s.hasReceipt(it.job.Payment):
		s.cfg.Journal.Printed(it.job.Payment)
	}
}

// hasReceipt tells whether a copy of the payment's receipt waits for which the journal's
// mark stands; s.mu is held.
func (s *Spool) hasReceipt(id payment.ID) bool {
	return slices.ContainsFunc(s.queue, func(it *item) bool { return it.seq == 0 && it.job.Payment == id })
}

// answerFor has the spool tell the journal when the last copy of a receipt is printed.
func (s *Spool) answerFor(id payment.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.queue {
		it.marks = it.marks || it.job.Payment == id
	}
}

// find returns the waiting job that is the same: by ID; or, for a copy that is wanted of
// a receipt, any of that payment. s.mu is held.
func (s *Spool) find(job Job) *item {
	for _, it := range s.queue {
		same := it.job.ID == job.ID
		if job.Copy == payment.Reprint {
			same = it.job.Payment == job.Payment
		}
		if same {
			return it
		}
	}
	return nil
}

func (s *Spool) waits(job Job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(job) != nil
}

// want puts a slip into the queue: in memory where the journal's mark keeps it, else in
// the store.
func (s *Spool) want(ctx context.Context, rec *payment.Record, job Job) error {
	if rec.State != payment.Completed || rec.Printed {
		return s.add(ctx, job)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.find(job) != nil:
	case s.receipts() >= s.cfg.Limit:
		s.overflow = true
		return fmt.Errorf("%d receipts wait: %w", s.receipts(), ErrFull)
	default:
		s.queue = append(s.queue, &item{job: job, touched: job.Copy == payment.Reprint})
	}
	return nil
}

// receipts counts those that wait in memory only; s.mu is held.
func (s *Spool) receipts() (n int) {
	for _, it := range s.queue {
		if it.seq == 0 {
			n++
		}
	}
	return n
}

// refill takes receipts into the queue that the journal calls unprinted: after a start,
// and after there were too many. They become copies, one for each payment.
func (s *Spool) refill(ctx context.Context) error {
	recs, err := s.cfg.Journal.Unprinted(ctx)
	if err != nil {
		return err
	}
	s.overflow = false
	room := s.cfg.Limit - s.receipts()
	for _, rec := range recs {
		if s.hasReceipt(rec.ID) {
			continue
		}
		if room == 0 {
			s.overflow = true
			break
		}
		room--
		job := Job{ID: slipID(rec.ID, payment.Reprint), Payment: rec.ID, Copy: payment.Reprint}
		s.queue = append(s.queue, &item{job: job, touched: true, marks: true})
	}
	return nil
}

package payment_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"posd/emv/payment"
)

var errDisk = errors.New("disk error")

// memJournal is a journal whose writes can fail, before or after they take hold.
type memJournal struct {
	recs     map[payment.ID]payment.Record
	next     uint32
	writes   int
	failAt   int  // the write, counted from 1, that returns an error; 0 for none
	failKept bool // the failing write takes hold all the same
	failMore int  // how many writes after it fail as well
	printed  map[payment.ID]bool
}

func newJournal() *memJournal {
	return &memJournal{recs: map[payment.ID]payment.Record{}, next: 1, printed: map[payment.ID]bool{}}
}

func (j *memJournal) Next(context.Context) (payment.ID, error) {
	return payment.ID{Batch: 1, STAN: j.next}, nil
}

// write runs f unless this write is to fail for good.
func (j *memJournal) write(f func()) error {
	j.writes++
	failing := j.failAt > 0 && j.writes >= j.failAt && j.writes <= j.failAt+j.failMore
	if !failing || j.failKept {
		f()
	}
	if failing {
		return errDisk
	}
	return nil
}

func clone(rec *payment.Record) payment.Record {
	c := *rec
	if rec.Reversal != nil {
		debt := *rec.Reversal
		c.Reversal = &debt
	}
	if rec.Script != nil {
		notice := *rec.Script
		c.Script = &notice
	}
	return c
}

func (j *memJournal) Begin(_ context.Context, rec *payment.Record) error {
	if rec.ID.STAN != j.next || !payment.State(0).CanMove(rec.State) {
		return fmt.Errorf("begin %v as %v: next is %d", rec.ID, rec.State, j.next)
	}
	return j.write(func() { j.recs[rec.ID] = clone(rec); j.next++ })
}

func (j *memJournal) Update(_ context.Context, rec *payment.Record) error {
	old, ok := j.recs[rec.ID]
	if !ok {
		return payment.ErrNoRecord
	}
	if !old.State.CanMove(rec.State) {
		return fmt.Errorf("%v to %v: %w", old.State, rec.State, payment.ErrIllegalMove)
	}
	if old.Kind != rec.Kind && (old.State != payment.Requested || rec.State != payment.Stored || !old.Kind.CanBecome(rec.Kind)) {
		return fmt.Errorf("%v as a %v: %w", rec.ID, rec.Kind, payment.ErrIllegalMove)
	}
	return j.write(func() {
		c := clone(rec)
		c.PAN = old.PAN // the seal is written once
		j.recs[rec.ID] = c
	})
}

func (j *memJournal) Get(_ context.Context, id payment.ID) (*payment.Record, error) {
	rec, ok := j.recs[id]
	if !ok {
		return nil, payment.ErrNoRecord
	}
	c := clone(&rec)
	return &c, nil
}

func (j *memJournal) Owed(context.Context) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool { return r.State.Debt() }), nil
}

func (j *memJournal) Unprinted(context.Context) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool {
		return r.State == payment.Completed && !j.printed[r.ID]
	}), nil
}

func (j *memJournal) Waiting(context.Context) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool { return r.State == payment.Stored }), nil
}

func (j *memJournal) Notices(context.Context) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool { return r.Script != nil && r.Script.Answer == nil }), nil
}

func (j *memJournal) Related(_ context.Context, id payment.ID) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool { return r.Original != nil && r.Original.ID == id }), nil
}

func (j *memJournal) Printed(id payment.ID) { j.printed[id] = true }

func (j *memJournal) filter(want func(payment.Record) bool) []*payment.Record {
	var out []*payment.Record
	for _, rec := range j.recs {
		if want(rec) {
			c := clone(&rec)
			c.Printed = j.printed[rec.ID]
			out = append(out, &c)
		}
	}
	slices.SortFunc(out, func(a, b *payment.Record) int { return int(a.ID.STAN) - int(b.ID.STAN) })
	return out
}

package main

import (
	"context"
	"testing"

	"posd/emv/payment"
)

// book is a journal of n payments, STAN 1 to n, whose pages are as small as the real one
// may make them.
type book struct{ n int }

func (b book) Count() (int, int) { return b.n, b.n }

func (b book) List(_ context.Context, limit int, before payment.ID) (recs []*payment.Record, _ error) {
	next := uint32(b.n)
	if before != (payment.ID{}) {
		next = before.STAN - 1
	}
	for ; next > 0 && len(recs) < limit; next-- {
		recs = append(recs, &payment.Record{ID: payment.ID{Batch: 1, STAN: next}})
	}
	return recs, nil
}

// An old payment is found behind thousands that are not looked for.
func TestSearchReadsTheWholeJournal(t *testing.T) {
	for _, wanted := range []uint32{1, 2, 999, 5000} {
		recs, err := inJournal(t.Context(), book{5000}, 10, func(r *payment.Record) bool { return r.ID.STAN == wanted })
		if err != nil || len(recs) != 1 || recs[0].ID.STAN != wanted {
			t.Errorf("STAN %d: %d found, %v", wanted, len(recs), err)
		}
	}
	recs, err := inJournal(t.Context(), book{5000}, 10, func(*payment.Record) bool { return true })
	if err != nil || len(recs) != 10 || recs[0].ID.STAN != 5000 {
		t.Errorf("all: %d found, %v; want the newest 10", len(recs), err)
	}
}

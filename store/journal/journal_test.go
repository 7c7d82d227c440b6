package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/payment"
)

var ctx = context.Background()

func TestNextWritesNothingAndBeginUsesItUp(t *testing.T) {
	f := newFixture(t)
	first, err := f.Next(ctx)
	if err != nil || first != (payment.ID{Batch: 1, STAN: 1}) {
		t.Fatalf("got %v %v, want 000001/000001", first, err)
	}
	if again, _ := f.Next(ctx); again != first {
		t.Errorf("asked again: %v", again)
	}
	if f.commits() != 0 {
		t.Errorf("%d commits", f.commits())
	}
	f.begin()
	f.restart()
	if got, _ := f.Next(ctx); got.STAN != 2 {
		t.Errorf("after a restart: %v, want STAN 2", got)
	}
}

func TestBeginRefuses(t *testing.T) {
	f := newFixture(t)
	for _, row := range []struct {
		name string
		edit func(*payment.Record)
		want error
	}{
		{"an ID that is not next", func(r *payment.Record) { r.ID.STAN = 7 }, ErrNotNext},
		{"another batch", func(r *payment.Record) { r.ID.Batch = 2 }, ErrNotNext},
		{"a payment that is answered", func(r *payment.Record) { r.State = payment.Answered }, payment.ErrIllegalMove},
		{"a state that there is not", func(r *payment.Record) { r.State = 99 }, payment.ErrIllegalMove},
		{"a time that cannot be written", func(r *payment.Record) { r.Time = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC) }, nil},
	} {
		rec := request(payment.ID{Batch: 1, STAN: 1})
		row.edit(rec)
		err := f.Begin(ctx, rec)
		if err == nil || (row.want != nil && !errors.Is(err, row.want)) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := f.Begin(over, request(payment.ID{Batch: 1, STAN: 1})); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is over: %v", err)
	}
	if n, _ := f.Count(); n != 0 || f.commits() != 0 {
		t.Errorf("%d payments, %d commits", n, f.commits())
	}
}

func TestTheNumbersGoRoundWithoutReuse(t *testing.T) {
	f := newFixture(t)
	f.begin() // 1/1
	f.begin() // 1/2
	f.Journal.head.stan = maxSTAN - 1
	for _, want := range []uint32{maxSTAN, 3, 4} {
		if rec := f.begin(); rec.ID.STAN != want {
			t.Errorf("got %v, want STAN %d", rec.ID, want)
		}
	}
	if err := f.SetBatch(ctx, 2); err != nil {
		t.Fatal(err)
	}
	if rec := f.begin(); rec.ID != (payment.ID{Batch: 2, STAN: 5}) {
		t.Errorf("in the next batch: %v", rec.ID)
	}
	if err := f.SetBatch(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if rec := f.begin(); rec.ID != (payment.ID{Batch: 1, STAN: 6}) {
		t.Errorf("back in the first batch: %v", rec.ID)
	}
	f.restart()
	recs, err := f.List(ctx, 100, payment.ID{})
	if err != nil || len(recs) != 7 || recs[0].ID.STAN != 6 || recs[4].ID.STAN != maxSTAN {
		t.Errorf("newest first: %d records, %v", len(recs), err)
	}
}

func TestSetBatch(t *testing.T) {
	f := newFixture(t)
	for _, bad := range []uint32{0, maxBatch + 1} {
		if err := f.SetBatch(ctx, bad); err == nil {
			t.Errorf("batch %d accepted", bad)
		}
	}
	if err := f.SetBatch(ctx, 42); err != nil {
		t.Fatal(err)
	}
	before := f.commits()
	if err := f.SetBatch(ctx, 42); err != nil || f.commits() != before {
		t.Errorf("the same batch again: %v, %d commits", err, f.commits()-before)
	}
	f.restart()
	if id, _ := f.Next(ctx); id.Batch != 42 {
		t.Errorf("after a restart: %v", id)
	}
}

func TestAFullJournalRefusesAndSaysWhatToDo(t *testing.T) {
	f := newFixture(t)
	f.Journal.limit = 2
	f.begin()
	f.begin()
	id, _ := f.Next(ctx)
	err := f.Begin(ctx, request(id))
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "holds 2 payments: settle") {
		t.Errorf("got %v", err)
	}
}

// One commit a move: two for a declined sale, three for an approved one, and the
// receipt's mark with the next payment.
func TestCommitsPerSale(t *testing.T) {
	for _, row := range []struct {
		name string
		path []payment.State
		want uint64
	}{
		{"declined", []payment.State{payment.Declined}, 2},
		{"approved", []payment.State{payment.Answered, payment.Completed}, 3},
		{"reversed", []payment.State{payment.ReversalOwed, payment.Reversed}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFixture(t)
			f.begin() // makes the buckets
			before := f.db.Stats()
			rec := f.begin()
			for _, to := range row.path {
				f.move(rec, to)
			}
			f.Printed(rec.ID)
			got := f.db.Stats()
			if got.Commits-before.Commits != row.want || got.Flushes-before.Flushes != 2*row.want {
				t.Errorf("%d commits and %d flushes, want %d and %d",
					got.Commits-before.Commits, got.Flushes-before.Flushes, row.want, 2*row.want)
			}
		})
	}
}

func TestStoringWhatIsStoredCostsNothing(t *testing.T) {
	f := newFixture(t)
	rec := f.begin()
	f.move(rec, payment.ReversalOwed)
	before := f.commits()
	if err := errors.Join(f.Update(ctx, rec), f.Update(ctx, rec)); err != nil || f.commits() != before {
		t.Errorf("%v, %d commits", err, f.commits()-before)
	}
	rec.Reversal.Tries++
	if err := f.Update(ctx, rec); err != nil || f.commits() != before+1 {
		t.Errorf("one more try: %v, %d commits", err, f.commits()-before)
	}
	f.move(rec, payment.Reversed)
	before = f.commits()
	if err := f.Update(ctx, rec); err != nil || f.commits() != before {
		t.Errorf("again, with a card number that the disk has forgotten: %v, %d commits", err, f.commits()-before)
	}
	other := f.begin()
	before = f.commits()
	if err := f.Begin(ctx, other); err != nil || f.commits() != before {
		t.Errorf("begun again, word for word: %v, %d commits", err, f.commits()-before)
	}
	other.Amount.Minor++
	if err := f.Begin(ctx, other); !errors.Is(err, ErrNotNext) {
		t.Errorf("begun again with another amount: %v", err)
	}
}

func TestAnUpdateCannotMakeItAnotherPayment(t *testing.T) {
	f := newFixture(t)
	rec := f.begin()
	for name, edit := range map[string]func(*payment.Record){
		"amount":   func(r *payment.Record) { r.Amount.Minor = 1 },
		"currency": func(r *payment.Record) { r.Amount.Currency = emv.USD },
		"kind":     func(r *payment.Record) { r.Kind = 9 },
		"card":     func(r *payment.Record) { r.PAN = mustPAN("6277000000000025") },
	} {
		changed := *rec
		changed.State = payment.Answered
		edit(&changed)
		err := f.Update(ctx, &changed)
		if !errors.Is(err, ErrChanged) {
			t.Errorf("%s: got %v, want ErrChanged", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "000000000") {
			t.Errorf("%s: the error shows the card number: %v", name, err)
		}
	}
	if got := f.state(rec.ID); got != payment.Requested {
		t.Errorf("state %v", got)
	}
}

func TestUpdateAndGetOfNoRecord(t *testing.T) {
	f := newFixture(t)
	none := payment.ID{Batch: 9, STAN: 9}
	if err := f.Update(ctx, request(none)); !errors.Is(err, payment.ErrNoRecord) {
		t.Errorf("update: %v", err)
	}
	if _, err := f.Get(ctx, none); !errors.Is(err, payment.ErrNoRecord) {
		t.Errorf("get: %v", err)
	}
	if err := f.Resolve(ctx, none, "01", "why"); !errors.Is(err, payment.ErrNoRecord) {
		t.Errorf("resolve: %v", err)
	}
	if _, err := f.List(ctx, 1, none); !errors.Is(err, payment.ErrNoRecord) {
		t.Errorf("list: %v", err)
	}
}

func TestAnUpdateIsWrittenThoughTheContextIsOver(t *testing.T) {
	f := newFixture(t)
	rec := f.begin()
	over, cancel := context.WithCancel(ctx)
	cancel()
	rec.State = payment.Declined
	if err := f.Update(over, rec); err != nil {
		t.Fatal(err)
	}
	if got := f.state(rec.ID); got != payment.Declined {
		t.Errorf("state %v", got)
	}
}

func TestPrintedGoesToDiskWithTheNextCommitOrFlush(t *testing.T) {
	f := newFixture(t)
	rec := f.begin()
	f.move(rec, payment.Answered)
	f.move(rec, payment.Completed)
	if left, _ := f.Unprinted(ctx); len(left) != 1 || left[0].ID != rec.ID || !left[0].PAN.IsZero() {
		t.Fatalf("unprinted: %v, want one without card number", left)
	}
	before := f.commits()
	f.Printed(rec.ID)
	f.Printed(payment.ID{Batch: 9, STAN: 9}) // nobody's
	if left, _ := f.Unprinted(ctx); len(left) != 0 || f.commits() != before {
		t.Errorf("after Printed: %d left, %d commits", len(left), f.commits()-before)
	}
	if got, _ := f.Get(ctx, rec.ID); !got.Printed {
		t.Error("Get does not know it")
	}
	f.restart()
	if left, _ := f.Unprinted(ctx); len(left) != 1 {
		t.Errorf("after a power cut: %d left, want 1: a receipt twice, not never", len(left))
	}
	f.Printed(rec.ID)
	f.begin()
	f.restart()
	if left, _ := f.Unprinted(ctx); len(left) != 0 {
		t.Errorf("after the next payment and a power cut: %d left", len(left))
	}
	rec = f.begin()
	f.move(rec, payment.Answered)
	f.move(rec, payment.Completed)
	f.Printed(rec.ID)
	if err := errors.Join(f.Flush(ctx), f.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	f.restart()
	if got, _ := f.Get(ctx, rec.ID); !got.Printed {
		t.Error("after Flush and a restart: not printed")
	}
}

func TestOwedIsOldestFirstWithCardNumber(t *testing.T) {
	f := newFixture(t)
	requested, answered, owed, done, declined := f.begin(), f.begin(), f.begin(), f.begin(), f.begin()
	f.move(answered, payment.Answered)
	f.move(owed, payment.ReversalOwed)
	f.move(done, payment.Answered)
	f.move(done, payment.Completed)
	f.move(declined, payment.Declined)
	f.restart()
	got, err := f.Owed(ctx)
	if err != nil || len(got) != 3 {
		t.Fatalf("got %d %v, want 3", len(got), err)
	}
	for i, want := range []*payment.Record{requested, answered, owed} {
		if got[i].ID != want.ID || got[i].PAN.Reveal() != canary {
			t.Errorf("%d: got %v, want %v with its card number", i, got[i].ID, want.ID)
		}
	}
}

func TestResolveKeepsWhoAndWhy(t *testing.T) {
	f := newFixture(t)
	rec := f.begin()
	if err := f.Resolve(ctx, rec.ID, "00", "too early"); !errors.Is(err, payment.ErrIllegalMove) {
		t.Errorf("of a payment that owes nothing yet: %v", err)
	}
	f.move(rec, payment.ReversalOwed)
	for _, bad := range [][2]string{{"", "why"}, {"00", ""}} {
		if err := f.Resolve(ctx, rec.ID, bad[0], bad[1]); !errors.Is(err, ErrNoReason) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := f.Resolve(ctx, rec.ID, "00", "host confirmed by phone"); err != nil {
		t.Fatal(err)
	}
	f.restart()
	got, err := f.Get(ctx, rec.ID)
	if err != nil || got.State != payment.Resolved || got.Reversal.Operator != "00" || got.Reversal.Resolution != "host confirmed by phone" {
		t.Errorf("got %+v %v", got.Reversal, err)
	}
	if err := f.Resolve(ctx, rec.ID, "01", "another story"); !errors.Is(err, payment.ErrIllegalMove) {
		t.Errorf("a second time: %v", err)
	}
}

func TestListAndCount(t *testing.T) {
	f := newFixture(t)
	for range 5 {
		f.begin()
	}
	stans := func(recs []*payment.Record, err error) (out []uint32) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if !r.PAN.IsZero() {
				t.Error("a list shows card numbers")
			}
			out = append(out, r.ID.STAN)
		}
		return out
	}
	for _, row := range []struct {
		limit  int
		before payment.ID
		want   string
	}{
		{2, payment.ID{}, "[5 4]"},
		{2, payment.ID{Batch: 1, STAN: 4}, "[3 2]"},
		{9, payment.ID{Batch: 1, STAN: 2}, "[1]"},
		{9, payment.ID{Batch: 1, STAN: 1}, "[]"},
		{0, payment.ID{}, "[]"},
	} {
		if got := fmt.Sprint(stans(f.List(ctx, row.limit, row.before))); got != row.want {
			t.Errorf("List(%d, %v): %s, want %s", row.limit, row.before, got, row.want)
		}
	}
	if n, limit := f.Count(); n != 5 || limit != 200 {
		t.Errorf("count %d of %d", n, limit)
	}
}

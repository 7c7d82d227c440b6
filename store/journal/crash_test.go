package journal

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"posd/emv/payment"
	"posd/store"
)

// A commit fails once, at each commit of each kind of sale, before or after the disk
// has it. What the journal then says is what it says after a restart; an error is never
// wrong about a record that it calls stored; and the payment goes on from there.
func TestAFailureAtEachCommit(t *testing.T) {
	sales := map[string][]payment.State{
		"approved": {payment.Answered, payment.Completed},
		"declined": {payment.Declined},
		"reversed": {payment.ReversalOwed, payment.Reversed},
		"late":     {payment.Answered, payment.ReversalOwed, payment.Reversed},
		"resolved": {payment.ReversalOwed, payment.Resolved},
	}
	for name, path := range sales {
		for at := range len(path) + 1 {
			for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
				t.Run(fmt.Sprintf("%s/%d/%s", name, at, point), func(t *testing.T) {
					failOnce(t, path, at, point)
				})
			}
		}
	}
}

func failOnce(t *testing.T, path []payment.State, at int, point store.Point) {
	f := newFixture(t)
	rec := request(payment.ID{Batch: 1, STAN: 1})
	want := payment.State(0)
	for i, to := range append([]payment.State{payment.Requested}, path...) {
		arm(f, i == at, point)
		rec.State = to
		err := f.write(rec, i == 0)
		stored := f.state(rec.ID)
		if err == nil {
			want = to
		}
		if i == at && point == store.BeforeCommit && !errors.Is(err, store.ErrUnknown) {
			t.Errorf("step %d: %v, want ErrUnknown: nothing was written", i, err)
		}
		if i == at && point == store.AfterCommit && err != nil {
			t.Errorf("step %d: %v, want none: the disk has it, and confirmed it", i, err)
		}
		if stored != want {
			t.Errorf("step %d: the journal says %v, want %v", i, stored, want)
		}
		f.restart()
		if again := f.state(rec.ID); again != stored {
			t.Errorf("step %d: %v before the restart, %v after", i, stored, again)
		}
		if err := f.write(rec, i == 0); err != nil {
			t.Fatalf("step %d, tried again: %v", i, err)
		}
		want = to
	}
	if n, _ := f.Count(); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
	if err := f.db.Check(ctx); err != nil {
		t.Error(err)
	}
}

func (f *fixture) write(rec *payment.Record, begin bool) error {
	if begin {
		return f.Begin(ctx, rec)
	}
	return f.Update(ctx, rec)
}

// arm makes the next commit fail at a point, once.
func arm(f *fixture, on bool, point store.Point) {
	f.fail = func(p store.Point) error {
		if !on || p != point {
			return nil
		}
		on = false
		return errors.New("disk")
	}
}

// A disk that stays bad: nothing is said to be stored, and nothing is said at all.
func TestWhileTheDiskFailsTheJournalSaysUnknown(t *testing.T) {
	f := newFixture(t)
	f.begin()
	for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
		f.fail = func(p store.Point) error {
			if p == point {
				return errors.New("disk")
			}
			return nil
		}
		id, err := f.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Begin(ctx, request(id)); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: begin: %v", point, err)
		}
		if _, err := f.Get(ctx, id); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: get: %v, want ErrUnknown", point, err)
		}
		if _, err := f.Owed(ctx); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: owed: %v, want ErrUnknown", point, err)
		}
		f.fail = nil
		if got, want := f.state(id), map[store.Point]payment.State{store.AfterCommit: payment.Requested}[point]; got != want {
			t.Errorf("%s: once it works again: %v, want %v", point, got, want)
		}
	}
}

// A printed mark outlives the commit that should have carried it.
func TestAPrintedMarkIsNotLostWithAFailedCommit(t *testing.T) {
	f := newFixture(t)
	rec := f.begin()
	f.move(rec, payment.Answered)
	f.move(rec, payment.Completed)
	f.Printed(rec.ID)
	arm(f, true, store.BeforeCommit)
	id, _ := f.Next(ctx)
	if err := f.Begin(ctx, request(id)); err == nil {
		t.Fatal("the commit did not fail")
	}
	if err := f.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	f.restart()
	if got, err := f.Get(ctx, rec.ID); err != nil || !got.Printed {
		t.Errorf("printed %v %v", got.Printed, err)
	}
}

// model is what a journal should be, in a few lines.
type model struct {
	order   []payment.ID
	state   map[payment.ID]payment.State
	printed map[payment.ID]bool // on disk
	pending map[payment.ID]bool
}

func (m *model) settle() {
	for id := range m.pending {
		m.printed[id] = true
	}
	clear(m.pending)
}

// Random moves, legal and not, restarts, failed commits, printed marks: the journal and
// the model agree after each.
func TestJournalAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixture(t)
		defer f.close()
		m := &model{state: map[payment.ID]payment.State{}, printed: map[payment.ID]bool{}, pending: map[payment.ID]bool{}}
		rt.Repeat(map[string]func(*rapid.T){
			"":          func(rt *rapid.T) { m.compare(rt, f) },
			"begin":     func(rt *rapid.T) { m.begin(rt, f) },
			"move":      func(rt *rapid.T) { m.move(rt, f) },
			"print":     func(rt *rapid.T) { m.print(rt, f) },
			"set batch": func(rt *rapid.T) { m.setBatch(rt, f) },
			"restart": func(*rapid.T) {
				f.restart()
				clear(m.pending)
			},
		})
	})
}

// failing arms a failure now and then, and tells whether the commit that follows will
// not be on disk.
func failing(rt *rapid.T, f *fixture) (lost bool) {
	point := rapid.SampledFrom([]store.Point{"", "", "", store.BeforeCommit, store.AfterCommit}).Draw(rt, "fail")
	arm(f, point != "", point)
	return point == store.BeforeCommit
}

func (m *model) begin(rt *rapid.T, f *fixture) {
	f.fail = nil
	id, err := f.Next(ctx)
	if err != nil {
		rt.Fatal(err)
	}
	lost := failing(rt, f)
	if err := f.Begin(ctx, request(id)); (err != nil) != lost {
		rt.Fatalf("begin %v: %v, want an error: %v", id, err, lost)
	}
	if !lost {
		m.settle()
		m.order = append(m.order, id)
		m.state[id] = payment.Requested
	}
}

func (m *model) move(rt *rapid.T, f *fixture) {
	if len(m.order) == 0 {
		rt.Skip("no payment")
	}
	id := rapid.SampledFrom(m.order).Draw(rt, "id")
	to := payment.State(rapid.IntRange(0, 8).Draw(rt, "to"))
	f.fail = nil
	rec, err := f.Get(ctx, id)
	if err != nil {
		rt.Fatal(err)
	}
	same := rec.State == to
	rec.State = to
	lost := failing(rt, f) && !same
	legal := m.state[id].CanMove(to)
	err = f.Update(ctx, rec)
	switch {
	case !legal && !errors.Is(err, payment.ErrIllegalMove):
		rt.Fatalf("%v from %v to %v: %v, want ErrIllegalMove", id, m.state[id], to, err)
	case legal && (err != nil) != lost:
		rt.Fatalf("%v from %v to %v: %v, want an error: %v", id, m.state[id], to, err, lost)
	case err == nil && !same:
		m.settle()
		m.state[id] = to
	}
}

func (m *model) print(rt *rapid.T, f *fixture) {
	if len(m.order) == 0 {
		rt.Skip("no payment")
	}
	id := rapid.SampledFrom(m.order).Draw(rt, "id")
	f.Printed(id)
	if !m.printed[id] {
		m.pending[id] = true
	}
}

func (m *model) setBatch(rt *rapid.T, f *fixture) {
	f.fail = nil
	id, err := f.Next(ctx)
	if err != nil {
		rt.Fatal(err)
	}
	batch := rapid.Uint32Range(1, 3).Draw(rt, "batch")
	if err := f.SetBatch(ctx, batch); err != nil {
		rt.Fatal(err)
	}
	if batch != id.Batch {
		m.settle()
	}
}

func (m *model) compare(rt *rapid.T, f *fixture) {
	f.fail = nil
	got, err := f.List(ctx, maxList, payment.ID{})
	if err != nil || len(got) != len(m.order) {
		rt.Fatalf("list: %d records %v, want %d", len(got), err, len(m.order))
	}
	owed := 0
	for i, rec := range got {
		id := m.order[len(m.order)-1-i]
		if printed := m.printed[id] || m.pending[id]; rec.ID != id || rec.State != m.state[id] || rec.Printed != printed {
			rt.Fatalf("got %v %v printed %v, want %v %v printed %v", rec.ID, rec.State, rec.Printed, id, m.state[id], printed)
		}
		if m.state[id].Debt() {
			owed++
		}
	}
	if debts, err := f.Owed(ctx); err != nil || len(debts) != owed {
		rt.Fatalf("owed: %d %v, want %d", len(debts), err, owed)
	}
	if _, err := f.Next(context.Background()); err != nil {
		rt.Fatal(err)
	}
}

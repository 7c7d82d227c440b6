package journal

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store"
	"posd/store/archive"
	"posd/store/wal"
)

// ended saves a settlement of the current batch up to the phase in which the host has
// confirmed its end.
func (f *fixture) ended() *batch.Settlement {
	f.t.Helper()
	number, err := f.Batch(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	stan, err := f.Number(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	s := &batch.Settlement{Batch: number, STAN: stan, Began: request(payment.ID{}).Time, Operator: "01"}
	s.Domestic.Debit = batch.Count{Amount: 1200, Number: 1}
	s.Answer = &payment.Answer{Code: "00"}
	s.Rejected = []payment.ID{{Batch: 1, STAN: 3}}
	for s.Phase < batch.Ended {
		s.Phase++
		if err := f.Save(ctx, s); err != nil {
			f.t.Fatal(err)
		}
	}
	return s
}

func (f *fixture) archived() map[payment.ID]payment.State {
	f.t.Helper()
	found, err := f.Journal.archive.Search(ctx, archive.Query{})
	if err != nil {
		f.t.Fatal(err)
	}
	out := map[payment.ID]payment.State{}
	for _, e := range found {
		rec, err := FromArchive(e)
		if err != nil {
			f.t.Fatal(err)
		}
		if !rec.PAN.IsZero() {
			f.t.Errorf("%v: a card number in the archive", rec.ID)
		}
		out[rec.ID] = rec.State
	}
	return out
}

func TestASettlementIsKeptPhaseByPhase(t *testing.T) {
	f := newFixture(t)
	f.move(f.begin(), payment.Declined)
	if s, err := f.Open(ctx); s != nil || err != nil {
		t.Fatalf("open %+v %v", s, err)
	}
	early := &batch.Settlement{Batch: 1, Phase: batch.Answered}
	if err := f.Save(ctx, early); !errors.Is(err, ErrPhase) {
		t.Errorf("a settlement that begins in the middle: %v", err)
	}
	s := f.ended()
	if s.STAN != 2 {
		t.Errorf("STAN %d, want 2", s.STAN)
	}
	before := f.commits()
	if err := f.Save(ctx, s); err != nil || f.commits() != before {
		t.Errorf("saved again: %v, %d commits", err, f.commits()-before)
	}
	f.restart()
	got, err := f.Open(ctx)
	if err != nil || fmt.Sprint(got.Phase, got.STAN, got.Domestic, got.Answer.Code, got.Rejected) != fmt.Sprint(s.Phase, s.STAN, s.Domestic, s.Answer.Code, s.Rejected) {
		t.Errorf("got %+v %v, want %+v", got, err, s)
	}
	back := *s
	back.Phase = batch.Begun
	if err := f.Save(ctx, &back); !errors.Is(err, ErrPhase) {
		t.Errorf("back to the beginning: %v", err)
	}
	id, _ := f.Next(ctx)
	if err := f.Begin(ctx, request(id)); !errors.Is(err, batch.ErrUnderWay) {
		t.Errorf("a payment while the batch is settled: %v", err)
	}
	if err := f.SetBatch(ctx, 7); !errors.Is(err, batch.ErrUnderWay) {
		t.Errorf("another batch while this one is settled: %v", err)
	}
}

func TestACloseBatchLeavesTheJournal(t *testing.T) {
	f := newFixture(t)
	all := f.mixed()
	s := f.ended()
	if err := f.Close(ctx, s); err != nil {
		t.Fatal(err)
	}
	f.restart()
	kept, gone := 0, f.archived()
	for id, rec := range all {
		_, isGone := gone[id]
		got, err := f.Get(ctx, id)
		if rec.State.Final() != isGone || isGone == (err == nil) {
			t.Errorf("%v %v: in the archive %v, journal %v", id, rec.State, isGone, err)
		}
		if err == nil {
			kept++
			sameMoney(t, got, rec)
		}
	}
	if n, _ := f.Count(); n != kept || kept != 5 {
		t.Errorf("%d payments, %d kept, want 5", n, kept)
	}
	if number, _ := f.Batch(ctx); number != 2 {
		t.Errorf("batch %d, want 2", number)
	}
	if open, _ := f.Open(ctx); open != nil {
		t.Errorf("open %+v", open)
	}
	if last, err := f.Last(ctx); err != nil || last.Batch != 1 || last.Phase != batch.Closed {
		t.Errorf("last %+v %v", last, err)
	}
	if err := f.Close(ctx, s); err != nil {
		t.Errorf("closed again: %v", err)
	}
	f.begin()
}

// What stayed leaves with the batch after which nothing is owed for it.
func TestWhatStayedLeavesLater(t *testing.T) {
	f := newFixture(t)
	debt := f.begin()
	f.move(debt, payment.ReversalOwed)
	if err := f.Close(ctx, f.ended()); err != nil {
		t.Fatal(err)
	}
	f.move(debt, payment.Reversed)
	f.move(f.begin(), payment.Declined)
	if err := f.Close(ctx, f.ended()); err != nil {
		t.Fatal(err)
	}
	if n, _ := f.Count(); n != 0 {
		t.Errorf("%d payments", n)
	}
	if gone := f.archived(); len(gone) != 2 || gone[debt.ID] != payment.Reversed {
		t.Errorf("archive %v", gone)
	}
	f.lose()
	if n, _ := f.Count(); n != 0 {
		t.Errorf("%d payments came back although they were settled", n)
	}
	if number, _ := f.Batch(ctx); number != 3 {
		t.Errorf("batch %d, want 3", number)
	}
}

func TestABatchThatTheHostDidNotEndIsNotClosed(t *testing.T) {
	f := newFixture(t)
	rec := f.begin()
	f.move(rec, payment.Declined)
	s := &batch.Settlement{Batch: 1, Phase: batch.Begun, Began: rec.Time}
	if err := f.Close(ctx, s); !errors.Is(err, ErrPhase) {
		t.Errorf("none begun: %v", err)
	}
	if err := f.Save(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(ctx, s); !errors.Is(err, ErrPhase) {
		t.Errorf("begun: %v", err)
	}
	if n, _ := f.Count(); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
}

// The secrets of a closed batch are gone from both copies.
func TestACloseWipes(t *testing.T) {
	f := newFixture(t)
	rec := f.begin()
	f.move(rec, payment.Answered)
	f.move(rec, payment.Completed)
	at := f.second.trail[rec.ID].secret
	if at == 0 {
		t.Fatal("the log has no card number")
	}
	if err := f.Close(ctx, f.ended()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(f.log.Path)
	if err != nil {
		t.Fatal(err)
	}
	place := 4096 + int(at-1)*512
	for _, b := range file[place+436 : place+512] {
		if b != 0 {
			t.Fatal("the sealed card number is still in the log")
		}
	}
	if tail, _ := f.wal.Span(); tail <= at {
		t.Errorf("tail %d: the batch was not let go", tail)
	}
}

// settleWith closes a batch while something fails once, and then again as a terminal
// does after a restart. Every payment is in the journal or in the archive, and in one of
// them only.
func settleWith(t *testing.T, name string, arm func(f *fixture), lose bool) {
	t.Run(name, func(t *testing.T) {
		f := newFixture(t)
		all := f.mixed()
		s := f.ended()
		arm(f)
		err := f.Close(ctx, s)
		f.fail, f.step = nil, nil
		_ = os.Chmod(f.arc.Dir, 0o700)
		if lose {
			f.lose()
		} else {
			f.restart()
		}
		if open, _ := f.Open(ctx); open != nil {
			if err == nil {
				t.Error("Close said that it was done")
			}
			if err := f.Close(ctx, open); err != nil {
				t.Fatal(err)
			}
		}
		gone := f.archived()
		for id, rec := range all {
			_, isGone := gone[id]
			got, err := f.Get(ctx, id)
			if isGone == (err == nil) {
				t.Errorf("%v %v: archived %v, journal %v", id, rec.State, isGone, err)
			}
			if err == nil {
				sameMoney(t, got, rec)
			}
		}
		if number, _ := f.Batch(ctx); number != 2 {
			t.Errorf("batch %d, want 2", number)
		}
		f.restart()
		if r := f.Recovery(); len(r.Restored) != 0 || r.Caught != 0 {
			t.Errorf("the second time: %+v", r)
		}
	})
}

func TestAPowerCutAtEachStepOfAClose(t *testing.T) {
	for _, lose := range []bool{false, true} {
		for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
			if lose && point == store.BeforeCommit {
				continue // the archive has the batch, the log the same: below
			}
			settleWith(t, fmt.Sprint(point, " lost ", lose), func(f *fixture) { arm(f, true, point) }, lose)
		}
		for _, step := range []wal.Step{wal.BeforeWrite, wal.BeforeFlush, wal.AfterFlush} {
			settleWith(t, fmt.Sprint(step, " lost ", lose), func(f *fixture) {
				f.step = func(s wal.Step) error {
					if s == step {
						return errors.New("power")
					}
					return nil
				}
			}, lose)
		}
	}
	settleWith(t, "archived, then the store was lost", func(f *fixture) { arm(f, true, store.BeforeCommit) }, true)
}

func TestWithoutAnArchiveNothingIsClosed(t *testing.T) {
	f := newFixture(t)
	all := f.mixed()
	s := f.ended()
	f.Journal.archive = nil
	if err := f.Close(ctx, s); !errors.Is(err, ErrNoArchive) {
		t.Errorf("got %v, want ErrNoArchive", err)
	}
	if n, _ := f.Count(); n != len(all) {
		t.Errorf("%d payments, want %d", n, len(all))
	}
}

func TestRoomSaysEarlyThatASettlementIsDue(t *testing.T) {
	f := newFixture(t)
	f.close()
	f.limit = 20
	f.open()
	var nearly, full int
	for i := range 25 {
		if r := f.Room(); r.Nearly && nearly == 0 {
			nearly = i
		}
		id, _ := f.Next(ctx)
		if err := f.Begin(ctx, request(id)); err != nil {
			if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "settle the batch first") {
				t.Errorf("full: %v", err)
			}
			full = i
			break
		}
	}
	if nearly != 18 || full != 20 {
		t.Errorf("nearly full at %d, full at %d; want 18, 20", nearly, full)
	}
	if found := fmt.Sprint(f.Findings()); !strings.Contains(found, FindingRoom) {
		t.Errorf("findings %s", found)
	}
}

// Payments, settlements, restarts, failed commits, a log that fails, either file lost:
// each payment is in the journal or in the archive, once, in the state that was told.
func TestNothingIsLostAndNothingTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixture(t)
		defer f.close()
		state := map[payment.ID]payment.State{}
		var order []payment.ID
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) { agree(rt, f, state) },
			"begin": func(rt *rapid.T) {
				rec := f.begin()
				state[rec.ID] = payment.Requested
				order = append(order, rec.ID)
			},
			"move": func(rt *rapid.T) {
				if len(order) == 0 {
					rt.Skip("no payment")
				}
				id := rapid.SampledFrom(order).Draw(rt, "id")
				to := payment.State(rapid.IntRange(1, 9).Draw(rt, "to"))
				rec, err := f.Get(ctx, id)
				if errors.Is(err, payment.ErrNoRecord) || !state[id].CanMove(to) || state[id] == payment.Refused {
					rt.Skip("archived, or no move")
				}
				rec.State = to
				lost := failing(rt, f)
				if err := f.Update(ctx, rec); err == nil {
					state[id] = to
				} else if !lost {
					rt.Fatal(err)
				}
				f.fail = nil
			},
			"settle": func(rt *rapid.T) {
				s := f.ended()
				failing(rt, f)
				if f.Close(ctx, s) != nil {
					f.fail = nil
					f.restart()
					if open, _ := f.Open(ctx); open != nil {
						if err := f.Close(ctx, open); err != nil {
							rt.Fatal(err)
						}
					}
				}
				f.fail = nil
			},
			"restart": func(*rapid.T) { f.restart() },
			"lose the store": func(*rapid.T) {
				_ = os.Remove(f.cfg.Path + ".bad")
				f.lose()
			},
			"lose the log": func(rt *rapid.T) {
				f.close()
				if err := os.Remove(f.log.Path); err != nil {
					rt.Fatal(err)
				}
				f.open()
			},
		})
	})
}

func agree(rt *rapid.T, f *fixture, state map[payment.ID]payment.State) {
	gone := f.archived()
	n, _ := f.Count()
	if n+len(gone) != len(state) {
		rt.Fatalf("%d in the journal and %d in the archive, want %d", n, len(gone), len(state))
	}
	for id, want := range state {
		got, ok := gone[id]
		if !ok {
			got = f.state(id)
		}
		if got != want {
			rt.Fatalf("%v: %v, want %v (archived %v)", id, got, want, ok)
		}
	}
	if id, err := f.Next(ctx); err != nil || state[id] != 0 {
		rt.Fatalf("next %v was given before (%v): %v", id, state[id], err)
	}
}

package spool_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"posd/emv/payment"
	"posd/store"
	"posd/store/spool"
)

// day is what a terminal prints: two sales, the slip of a reversal, a report, and what a
// till does in between. It returns what must be on paper in the end: everything that the
// disk confirmed.
func (w *world) day() (wanted []string) {
	done := func(rec *payment.Record) {
		if rec != nil {
			wanted = append(wanted, rec.ID.String())
		}
	}
	done(w.sell())
	if w.spool.Add(ctx, spool.Job{ID: "report"}) == nil {
		wanted = append(wanted, "report")
	}
	_, _ = w.spool.Work(ctx)
	// A slip is in the queue once Print had its commit; it says so by an error of the
	// printer's, or none.
	if rec := w.take(payment.ReversalOwed, payment.Reversed); rec != nil {
		if err := w.spool.Print(ctx, rec, payment.MerchantCopy); !errors.Is(err, store.ErrUnknown) {
			done(rec)
		}
	}
	done(w.sell())
	_, _ = w.spool.Work(ctx)
	return wanted
}

// The terminal loses its power at each commit, before and after the disk has it, with a
// printer that is well, one that is off, and one that dies at each byte. Afterwards each
// receipt and each job is on paper, and no original twice.
func TestPowerCutAtEachCommitAndPrinterThatDiesAtEachByte(t *testing.T) {
	stories := 0
	for dieAt := 0; dieAt <= slipLength+1; dieAt++ {
		for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
			for failAt := 0; ; failAt++ { // 0: no power cut
				w := newWorld(t)
				w.dieAt, w.failAt, w.point = dieAt, failAt, point
				if failAt > 0 {
					w.failAt += w.commits
				}
				last := w.commits
				wanted := w.day()
				if failAt > w.commits-last {
					break // there are no more commits
				}
				err := w.mend()
				if err == nil {
					err = w.audit(wanted)
				}
				if err != nil {
					t.Fatalf("printer dies at %d, power goes %s %d: %v", dieAt, point, failAt, err)
				}
				stories++
				w.db.Close()
			}
		}
	}
	if stories < 100 {
		t.Errorf("%d stories only", stories)
	}
	t.Logf("%d stories", stories)
}

// The terminal loses its power at each byte of each slip of the day.
func TestPowerCutAtEachByte(t *testing.T) {
	for slip := range 6 {
		for cut := range slipLength + 1 {
			w := newWorld(t)
			printed := 0
			w.before = func() {
				w.cutAt = -1
				if printed == slip {
					w.cutAt = cut
				}
				printed++
			}
			wanted := w.day()
			err := w.mend()
			if err == nil {
				err = w.audit(wanted)
			}
			if err != nil {
				t.Fatalf("power goes at byte %d of slip %d: %v", cut, slip, err)
			}
			w.db.Close()
		}
	}
}

// Anything, in any order: sales, reversals, reports, reprints, work, power cuts at
// commits and in the middle of slips, a printer that comes and goes, restarts.
func TestSpoolAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer w.db.Close()
		wanted, reports := []string{}, 0
		alive := func(rec *payment.Record) {
			if rec != nil {
				wanted = append(wanted, rec.ID.String())
			}
			if !w.power {
				w.failAt, w.cutAt = 0, -1
				w.restart()
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				if err := w.originals(); err != nil {
					rt.Fatal(err)
				}
			},
			"printer": func(rt *rapid.T) { w.dieAt = rapid.IntRange(0, slipLength+1).Draw(rt, "dies at") },
			"cut at a byte": func(rt *rapid.T) {
				w.cutAt = rapid.IntRange(-1, slipLength).Draw(rt, "cut at")
			},
			"cut at a commit": func(rt *rapid.T) {
				w.failAt = w.commits + rapid.IntRange(1, 5).Draw(rt, "commit")
				w.point = rapid.SampledFrom([]store.Point{store.BeforeCommit, store.AfterCommit}).Draw(rt, "point")
			},
			"sell":    func(*rapid.T) { alive(w.sell()) },
			"reverse": func(*rapid.T) { w.reverse(); alive(nil) },
			"report": func(*rapid.T) {
				reports++
				id := fmt.Sprint("report ", reports)
				if w.spool.Add(ctx, spool.Job{ID: id}) == nil {
					wanted = append(wanted, id)
				}
				alive(nil)
			},
			"work":    func(*rapid.T) { _, _ = w.spool.Work(ctx); alive(nil) },
			"release": func(*rapid.T) { w.spool.Release() },
			"flush":   func(*rapid.T) { _ = w.spool.Flush(ctx); alive(nil) },
			"restart": func(*rapid.T) {
				_ = errors.Join(w.spool.Flush(ctx), w.jnl.Flush(ctx))
				w.restart()
			},
		})
		if err := w.mend(); err != nil {
			rt.Fatal(err)
		}
		if err := w.audit(wanted); err != nil {
			rt.Fatal(err)
		}
	})
}

// The audit must find queues that do it wrong.
func TestAuditFindsPlantedBugs(t *testing.T) {
	for name, lie := range map[string]func(error) error{
		"every failure counts as untouched": func(err error) error { return fmt.Errorf("%w: %w", spool.ErrUntouched, err) },
		"every failure counts as printed":   func(error) error { return nil },
	} {
		found := false
		for dieAt := 1; dieAt < slipLength; dieAt++ {
			w := newWorld(t)
			w.dieAt, w.lie = dieAt, lie
			wanted := w.day()
			w.lie = nil
			w.dieAt = slipLength + 1
			_, _ = w.spool.Work(ctx)
			must(t, errors.Join(w.spool.Flush(ctx), w.jnl.Flush(ctx)))
			found = found || w.audit(wanted) != nil
		}
		if !found {
			t.Errorf("%s: not found", name)
		}
	}
}

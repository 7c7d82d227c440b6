package batch

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"posd/emv/payment"
)

// money lists the payments of the archive whose details belong to the totals, by class.
func (w *world) money(domestic bool) (out []*payment.Record) {
	completed := map[payment.ID]bool{}
	for _, rec := range w.book.archived {
		if rec.State != payment.Completed {
			continue
		}
		completed[rec.ID] = true
		rules := rec.Kind.Rules()
		counts := rules.Side != payment.Neither && (!rules.Adjusts || completed[rec.Original.ID])
		if counts && (rec.Masked[:2] == "62") == domestic {
			out = append(out, rec)
		}
	}
	return out
}

// check says what must hold once a batch of n payments is closed, whatever happened
// before.
func (w *world) check(n int) {
	w.t.Helper()
	last := w.book.last
	if w.book.closed != 1 || w.book.batch != 42 || last == nil || last.Batch != 41 {
		w.t.Fatalf("closed %d times, batch %d, last %+v", w.book.closed, w.book.batch, last)
	}
	if len(w.book.archived) != n {
		w.t.Errorf("%d payments archived of %d", len(w.book.archived), n)
	}
	details := 0
	equal := last.DomesticVerdict == Balanced && last.ForeignVerdict == Balanced
	for i, domestic := range []bool{true, false} {
		told := []Totals{last.Domestic, last.Foreign}[i]
		if want := totals(w.host.truth, domestic); told != want {
			w.t.Errorf("domestic %v: totals %+v, want %+v", domestic, told, want)
		}
		details += w.checkUploads(last, domestic)
	}
	w.checkProofs(last)
	if w.host.ended < 1 || w.host.balanced != equal {
		w.t.Errorf("ended %d times, balanced %v, want %v", w.host.ended, w.host.balanced, equal)
	}
	if w.host.counted != details || last.Uploaded != details {
		w.t.Errorf("the end counts %d payments, the record %d, want %d", w.host.counted, last.Uploaded, details)
	}
	if w.slips < 1 {
		w.t.Error("no slip")
	}
}

func (s *Settlement) verdict(domestic bool) Verdict {
	if domestic {
		return s.DomesticVerdict
	}
	return s.ForeignVerdict
}

// checkUploads: where the host counted otherwise it now has every payment, and comes to
// the terminal's totals from them; elsewhere it was sent none.
func (w *world) checkUploads(last *Settlement, domestic bool) int {
	w.t.Helper()
	wanted := w.money(domestic)
	if !last.Everything && last.verdict(domestic) == Balanced {
		for _, rec := range wanted {
			if _, ok := w.host.terminal[rec.ID]; ok {
				w.t.Errorf("%v was uploaded, and its totals are equal", rec.ID)
			}
		}
		return 0
	}
	ledger := map[payment.ID]posting{}
	for _, rec := range wanted {
		if _, ok := w.host.terminal[rec.ID]; !ok {
			w.t.Errorf("%v (%v) was never uploaded", rec.ID, rec.Kind)
			continue
		}
		bookIn(ledger, rec)
	}
	if got, want := totals(ledger, domestic), totals(w.host.truth, domestic); got != want {
		w.t.Errorf("domestic %v: uploads come to %+v, want %+v", domestic, got, want)
	}
	return len(wanted)
}

func (w *world) checkProofs(last *Settlement) {
	w.t.Helper()
	want := map[payment.ID]string{}
	for _, rec := range w.book.archived {
		if len(rec.Final) == 0 || rec.State != payment.Completed || (rec.Kind != payment.Sale && rec.Kind != payment.Preauth) {
			continue
		}
		kind := UploadTC
		if rec.Facts.TVR != 0 {
			kind = UploadBadARPC
		}
		want[rec.ID] = fmt.Sprint(kind, last.verdict(rec.Masked[:2] == "62") == Balanced)
	}
	if !maps.Equal(want, w.host.proofs) {
		w.t.Errorf("cryptograms %v, want %v", w.host.proofs, want)
	}
}

// day is a world with a random batch; diverged, the host counts otherwise.
func day(t testing.TB, seed uint64, payments int, diverged bool) *world {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(seed, 5))
	w.random(r, payments)
	if len(w.book.records) == 0 {
		w.add(r, payment.Sale)
	}
	if diverged {
		w.diverge(r)
	}
	return w
}

func TestASettlementEndsWithBothSidesAgreed(t *testing.T) {
	for seed := range uint64(400) {
		w := day(t, seed, 60, seed%2 == 1)
		w.terms = Terms{Everything: seed%5 == 0, SignOff: seed%3 == 0}
		n := len(w.book.records)
		w.settleAll()
		w.check(n)
		if want := map[bool]int{true: 1}[w.terms.SignOff]; w.host.signOffs != want {
			t.Errorf("%d sign-offs, want %d", w.host.signOffs, want)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// The power goes once, at each event of a settlement that uploads in turn, and the boot
// takes it up: nothing is lost, and the batch number moves once.
func TestThePowerGoesAtEachEvent(t *testing.T) {
	for seed := range uint64(4) {
		dry := day(t, seed, 30, seed != 0)
		dry.settleAll()
		for at := 1; at <= dry.events; at++ {
			w := day(t, seed, 30, seed != 0)
			n := len(w.book.records)
			w.cut = func(event int) bool { return event == at }
			w.settleAll()
			w.check(n)
			if t.Failed() {
				t.Fatalf("seed %d, the power went at event %d of %d", seed, at, dry.events)
			}
		}
	}
}

// Each message is lost once, in each way.
func TestEachMessageIsLostOnce(t *testing.T) {
	for seed := range uint64(4) {
		dry := day(t, seed, 30, seed != 0)
		dry.settleAll()
		for at := 1; at <= dry.calls; at++ {
			for _, how := range []fate{notSent, unheard, unanswered} {
				w := day(t, seed, 30, seed != 0)
				n := len(w.book.records)
				w.lost = func(call int) fate {
					if call == at {
						return how
					}
					return delivered
				}
				w.settleAll()
				w.check(n)
				if t.Failed() {
					t.Fatalf("seed %d, message %d of %d lost as %d", seed, at, dry.calls, how)
				}
			}
		}
	}
}

// Each write fails once, with the change on disk and without.
func TestEachWriteFailsOnce(t *testing.T) {
	for seed := range uint64(4) {
		dry := day(t, seed, 30, seed != 0)
		dry.settleAll()
		for at := 1; at <= dry.book.writes; at++ {
			for _, done := range []bool{false, true} {
				w := day(t, seed, 30, seed != 0)
				n := len(w.book.records)
				w.book.fail = func(write int) (before, after bool) { return write == at && !done, write == at && done }
				w.settleAll()
				w.check(n)
				if t.Failed() {
					t.Fatalf("seed %d, write %d of %d failed, done %v", seed, at, dry.book.writes, done)
				}
			}
		}
	}
}

// Everything at once, at random.
func TestATroubledNight(t *testing.T) {
	seeds := uint64(1500)
	if testing.Short() {
		seeds = 200
	}
	for seed := range seeds {
		w := day(t, seed, 40, seed%3 != 0)
		w.terms = Terms{Everything: seed%5 == 0, SignOff: seed%7 == 0}
		r := rand.New(rand.NewPCG(seed, 77))
		w.cut = func(int) bool { return r.IntN(25) == 0 }
		w.lost = func(int) fate {
			if r.IntN(6) > 0 {
				return delivered
			}
			return fate(1 + r.IntN(3))
		}
		w.book.fail = func(int) (before, after bool) { return r.IntN(20) == 0, r.IntN(20) == 0 }
		w.code = func(string, int) string {
			if r.IntN(12) > 0 {
				return ""
			}
			return []string{"77", "A0", "96", "91"}[r.IntN(4)]
		}
		n := len(w.book.records)
		w.settleAll()
		w.check(n)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// What the host says at each step, and where that leaves the settlement.
func TestWhatTheHostAnswers(t *testing.T) {
	rows := []struct {
		name, what, code string
		once             bool
		phase            Phase // 0: closed
		err              error
		signs            int
	}{
		{"totals: sign on, then again", "settle", "77", true, 0, nil, 1},
		{"totals: sign on is of no use", "settle", "A0", false, Begun, ErrHost, 1},
		{"totals: host is busy", "settle", "96", false, Begun, ErrHost, 0},
		{"totals: refused", "settle", "58", false, Begun, ErrHost, 0},
		{"totals: wants all", "settle", "79", true, 0, nil, 0},
		{"totals: not reconciled", "settle", "95", true, 0, nil, 0},
		{"group: sign on, then again", "group", "A0", true, 0, nil, 1},
		{"group: host is busy", "group", "90", false, Answered, ErrHost, 0},
		{"group: host had it", "group", "94", false, 0, nil, 0},
		{"one: sign on is of no use", "one", "77", false, Uploading, ErrHost, 1},
		{"end: wants all once", "end", "79", true, 0, nil, 0},
		{"end: wants all for ever", "end", "95", false, Uploading, ErrHost, 0},
		{"end: refused", "end", "12", false, Uploading, ErrHost, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := day(t, 3, 40, false)
			w.terms.Everything = true
			n := len(w.book.records)
			said := false
			w.code = func(what string, _ int) string {
				if what != row.what || (row.once && said) {
					return ""
				}
				said = true
				return row.code
			}
			_, err, _ := w.step(settle)
			if !errors.Is(err, row.err) {
				t.Fatalf("%v, want %v", err, row.err)
			}
			if w.signs != row.signs {
				t.Errorf("%d sign-ons, want %d", w.signs, row.signs)
			}
			if row.phase == 0 {
				if row.code != "94" {
					w.check(n)
				}
				return
			}
			if w.book.open == nil || w.book.open.Phase != row.phase {
				t.Fatalf("left as %+v, want phase %d", w.book.open, row.phase)
			}
			w.code = func(string, int) string { return "" }
			w.settleAll()
			w.check(n)
		})
	}
}

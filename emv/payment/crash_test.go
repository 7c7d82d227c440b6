package payment_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"posd/emv/payment"
)

// explore runs one story: two sales, with a power cut, a disk error or a bad line at a
// given place, then a boot with everything in order; and audits the books.
type story struct {
	host, reversal mode
	card           cardMode
	crash          payment.Point
	failAt         int
	failKept       bool
	failMore       int
}

func (s story) String() string {
	return fmt.Sprintf("host %s, reversal: host %s, card %s, cut %q, write %d+%d fails (kept %v)",
		s.host, s.reversal, s.card, s.crash, s.failAt, s.failMore, s.failKept)
}

func (s story) run(t testing.TB, w *world) error {
	w.bank.sale, w.bank.reversal, w.card, w.crashAt = s.host, s.reversal, s.card, s.crash
	w.journal.failAt, w.journal.failKept, w.journal.failMore = s.failAt, s.failKept, s.failMore
	for range 2 {
		res, _, crashed := w.sell(t, w.boot(t))
		if !crashed && res.Outcome.String() == "approved" && w.journal.recs[res.Record.ID].State != payment.Completed {
			return fmt.Errorf("told approved, but the disk says %v", w.journal.recs[res.Record.ID].State)
		}
	}
	if err := w.settle(t); err != nil {
		return err
	}
	return w.audit()
}

// stories enumerates every combination that the model has.
func stories() []story {
	var all []story
	for _, host := range []mode{answers, declines, swallows, unsent, lost, forged, partially} {
		for _, reversal := range []mode{answers, swallows, lost, refuses, unsent} {
			for _, card := range []cardMode{agrees, saysNo, pulled} {
				base := story{host: host, reversal: reversal, card: card}
				all = append(all, base)
				for _, p := range payment.Points() {
					base.crash = p
					all = append(all, base)
				}
				base.crash = ""
				for fail := 1; fail <= 6; fail++ {
					for more := range 3 {
						base.failAt, base.failMore = fail, more
						base.failKept = false
						all = append(all, base)
						base.failKept = true
						all = append(all, base)
					}
				}
			}
		}
	}
	return all
}

// Whatever goes wrong wherever, after a boot with everything in order the journal and
// the bank agree, payment by payment.
func TestEveryCrashAndFault(t *testing.T) {
	seen := map[payment.Point]bool{}
	for _, s := range stories() {
		w := newWorld()
		if err := s.run(t, w); err != nil {
			t.Errorf("%v: %v", s, err)
		}
		if s.crash != "" && w.crashAt == "" {
			seen[s.crash] = true
		}
	}
	t.Logf("%d stories", len(stories()))
	for _, p := range payment.Points() {
		if !seen[p] {
			t.Errorf("no story crashed at %q", p)
		}
	}
}

// Random chains of stories on one terminal, without settling between them.
func TestRandomChains(t *testing.T) {
	all := stories()
	for seed := range uint64(300) {
		r := randomIndex(seed)
		w := newWorld()
		for range 5 {
			s := all[r.IntN(len(all))]
			s.failAt = 0
			if s.failMore > 0 {
				s.failAt = w.journal.writes + 1 + r.IntN(6)
			}
			if err := s.run(t, w); err != nil {
				t.Fatalf("seed %d: %v: %v", seed, s, err)
			}
		}
	}
}

// The audit must find terminals that do it wrong. Each of these wraps a port so that
// the terminal behaves as if that line of code were wrong.
func TestAuditFindsPlantedBugs(t *testing.T) {
	bugs := map[string]func(*world){
		"send first, save later": func(w *world) {
			w.wrapJournal = func(j payment.Journal) payment.Journal { return &lateJournal{Journal: j} }
		},
		"forget the reversal after a try": func(w *world) {
			w.wrapJournal = func(j payment.Journal) payment.Journal { return &forgetfulJournal{Journal: j} }
		},
		"count any answer as a reversal": func(w *world) {
			w.wrapHost = func(h payment.Authorizer) payment.Authorizer { return &credulousHost{h} }
		},
		"try again with a new number": func(w *world) {
			w.wrapHost = func(h payment.Authorizer) payment.Authorizer { return &retryingHost{h} }
		},
		"lost answer counts as not sent": func(w *world) {
			w.wrapHost = func(h payment.Authorizer) payment.Authorizer { return &optimisticHost{h} }
		},
	}
	for name, plant := range bugs {
		t.Run(name, func(t *testing.T) {
			for _, s := range stories() {
				w := newWorld()
				plant(w)
				if err := s.run(t, w); err != nil {
					t.Logf("found: %v: %v", s, err)
					return
				}
			}
			t.Error("no story found the planted bug")
		})
	}
}

// lateJournal keeps Begin in memory until the next Update.
type lateJournal struct {
	payment.Journal
	begun *payment.Record
}

func (j *lateJournal) Begin(_ context.Context, rec *payment.Record) error {
	c := clone(rec)
	j.begun = &c
	return nil
}

func (j *lateJournal) Update(ctx context.Context, rec *payment.Record) error {
	if j.begun != nil {
		if err := j.Journal.Begin(ctx, j.begun); err != nil {
			return err
		}
		j.begun = nil
	}
	return j.Journal.Update(ctx, rec)
}

// forgetfulJournal shows each debt once.
type forgetfulJournal struct {
	payment.Journal
}

func (j *forgetfulJournal) Owed(ctx context.Context) ([]*payment.Record, error) {
	owed, err := j.Journal.Owed(ctx)
	for _, rec := range owed {
		if rec.State == payment.ReversalOwed && rec.Reversal.Tries > 0 {
			rec.State, rec.Reversal.Answer = payment.Reversed, nil
			err = errors.Join(err, j.Update(ctx, rec))
		}
	}
	return owed, err
}

// credulousHost takes a refused reversal for a done one.
type credulousHost struct{ payment.Authorizer }

func (h *credulousHost) Reverse(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	answer, err := h.Authorizer.Reverse(ctx, rec)
	answer.Code = "00"
	return answer, err
}

// retryingHost sends an unanswered sale again under another number.
type retryingHost struct{ payment.Authorizer }

func (h *retryingHost) Authorize(ctx context.Context, req payment.AuthRequest) (payment.Answer, error) {
	answer, err := h.Authorizer.Authorize(ctx, req)
	if errors.Is(err, payment.ErrNoAnswer) {
		again := clone(req.Record)
		again.ID.STAN += 500
		_, err := h.Authorizer.Authorize(ctx, payment.AuthRequest{Record: &again})
		return payment.Answer{}, err
	}
	return answer, err
}

// optimisticHost says "not sent" when there was no answer.
type optimisticHost struct{ payment.Authorizer }

func (h *optimisticHost) Authorize(ctx context.Context, req payment.AuthRequest) (payment.Answer, error) {
	answer, err := h.Authorizer.Authorize(ctx, req)
	if errors.Is(err, payment.ErrNoAnswer) {
		err = payment.ErrNotSent
	}
	return answer, err
}

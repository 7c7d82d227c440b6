package payment_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"posd/emv/payment"
)

// String says what goes wrong, for a failing test.
func (s story) String() string {
	return fmt.Sprintf("%s: host %s, later: host %s, card %s, cut %q, write %d+%d fails (kept %v)",
		s.name, s.host, s.later, s.card, s.crash, s.failAt, s.failMore, s.failKept)
}

// run pays twice, with everything that the story has go wrong, and what waits is sent in
// between; then the terminal boots with everything in order, and the books are audited.
func (s story) run(t testing.TB, w *world) error {
	w.logLevel = slog.LevelError + 1
	order := s.prepare(t, w)
	w.bank.sale, w.bank.reversal, w.card, w.crashAt = s.host, s.later, s.card, s.crash
	if w.journal.failAt = 0; s.failAt > 0 {
		w.journal.failAt = w.journal.writes + s.failAt
	}
	w.journal.failKept, w.journal.failMore = s.failKept, s.failMore
	for range 2 {
		term := w.boot(t)
		if _, _, crashed := w.pay(t, term, order); crashed {
			term = w.boot(t)
		}
		guard(func() { _, _ = term.Forward(t.Context()) })
	}
	term := w.boot(t)
	for range 4 {
		guard(func() { _, _ = term.SettleDebts(t.Context()) })
	}
	if err := w.settle(t); err != nil {
		return err
	}
	return w.audit()
}

// Whatever goes wrong wherever, after a boot with everything in order the journal and
// the bank agree, payment by payment.
func TestEveryCrashAndFault(t *testing.T) {
	seen, count := map[payment.Point]bool{}, map[string]int{}
	for _, s := range allStories() {
		w := newWorld()
		if err := s.run(t, w); err != nil {
			t.Errorf("%v: %v", s, err)
		}
		if s.crash != "" && w.crashed {
			seen[s.crash] = true
		}
		count[s.name]++
	}
	t.Logf("%d stories: %v", len(allStories()), count)
	for _, p := range append(payment.Points(), payment.ForwardPoints()...) {
		if !seen[p] {
			t.Errorf("no story crashed at %q", p)
		}
	}
}

// Random chains of stories on one terminal, without settling between them.
func TestRandomChains(t *testing.T) {
	all := allStories()
	for seed := range uint64(300) {
		r := randomIndex(seed)
		w := newWorld()
		for range 5 {
			s := all[r.IntN(len(all))]
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
			w.wrapJournal = func(j payment.Journal) payment.Journal { return &forgetfulJournal{Journal: j, tries: 1} }
		},
		"count any answer as a reversal": func(w *world) {
			w.wrapHost = func(h payment.Authorizer) payment.Authorizer { return &credulousHost{h} }
		},
		"drop the reversal after three tries": func(w *world) {
			w.wrapJournal = func(j payment.Journal) payment.Journal { return &forgetfulJournal{Journal: j, tries: 3} }
		},
		"try again with a new number": func(w *world) {
			w.wrapHost = func(h payment.Authorizer) payment.Authorizer { return &retryingHost{h} }
		},
		"lost answer counts as not sent": func(w *world) {
			w.wrapHost = func(h payment.Authorizer) payment.Authorizer { return &optimisticHost{h} }
		},
		"delete a stored payment that is refused":        wrong(func(j wrongJournal) *wrongJournal { j.deletes = true; return &j }),
		"send the youngest stored payment first":         wrong(func(j wrongJournal) *wrongJournal { j.backwards = true; return &j }),
		"void twice":                                     wrong(func(j wrongJournal) *wrongJournal { j.unrelated = true; return &j }),
		"forget the script notice":                       wrong(func(j wrongJournal) *wrongJournal { j.silent = true; return &j }),
		"reverse a refund":                               wrong(func(j wrongJournal) *wrongJournal { j.reverses = true; return &j }),
		"give up an unanswered refund":                   wrong(func(j wrongJournal) *wrongJournal { j.givesUp = true; return &j }),
		"say approved before a stored payment is stored": wrong(func(j wrongJournal) *wrongJournal { j.forgets = true; return &j }),
		"take a refusal of a stored payment for done": func(w *world) {
			w.wrapHost = func(h payment.Authorizer) payment.Authorizer { return &yesHost{h} }
		},
		"send a stored payment again under a new number": func(w *world) {
			w.wrapHost = func(h payment.Authorizer) payment.Authorizer { return &renumberingHost{h} }
		},
	}
	for name, plant := range bugs {
		t.Run(name, func(t *testing.T) {
			all := allStories()
			for i := range all {
				s := all[i*7919%len(all)] // a stride that visits each: the kinds come mixed
				w := newWorld()
				plant(w)
				if err := s.run(t, w); err != nil {
					t.Logf("found by story %d: %v: %v", i, s, err)
					return
				}
			}
			t.Error("no story found the planted bug")
		})
	}
}

// wrongJournal makes the terminal look as if it had one of these bugs.
type wrongJournal struct {
	*memJournal
	deletes, backwards, unrelated, silent, reverses, givesUp, forgets bool
}

func wrong(bug func(wrongJournal) *wrongJournal) func(*world) {
	return func(w *world) {
		w.wrapJournal = func(payment.Journal) payment.Journal { return bug(wrongJournal{memJournal: w.journal}) }
	}
}

func (j *wrongJournal) Begin(ctx context.Context, rec *payment.Record) error {
	if j.forgets && rec.State == payment.Stored {
		j.next++
		return nil
	}
	return j.memJournal.Begin(ctx, rec)
}

func (j *wrongJournal) Update(ctx context.Context, rec *payment.Record) error {
	if j.deletes && rec.State == payment.Refused {
		delete(j.recs, rec.ID)
		return nil
	}
	if j.givesUp && rec.Kind == payment.Refund && rec.State == payment.Stored {
		rec.State = payment.Declined
	}
	return j.memJournal.Update(ctx, rec)
}

func (j *wrongJournal) Waiting(ctx context.Context) ([]*payment.Record, error) {
	waiting, err := j.memJournal.Waiting(ctx)
	if j.backwards {
		slices.Reverse(waiting)
	}
	return waiting, err
}

func (j *wrongJournal) Related(ctx context.Context, id payment.ID) ([]*payment.Record, error) {
	if j.unrelated {
		return nil, nil
	}
	return j.memJournal.Related(ctx, id)
}

func (j *wrongJournal) Notices(ctx context.Context) ([]*payment.Record, error) {
	if j.silent {
		return nil, nil
	}
	return j.memJournal.Notices(ctx)
}

func (j *wrongJournal) Owed(ctx context.Context) ([]*payment.Record, error) {
	owed, err := j.memJournal.Owed(ctx)
	for _, rec := range owed {
		if j.reverses && rec.Kind == payment.Refund {
			rec.State, rec.Reversal = payment.ReversalOwed, &payment.Debt{Reason: payment.NoAnswer}
		}
	}
	return owed, err
}

// yesHost takes any answer to a stored payment for an approval.
type yesHost struct{ payment.Authorizer }

func (h *yesHost) Forward(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	answer, err := h.Authorizer.Forward(ctx, rec)
	answer.Code = "00"
	return answer, err
}

// renumberingHost repeats an unanswered stored payment under another number.
type renumberingHost struct{ payment.Authorizer }

func (h *renumberingHost) Forward(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	answer, err := h.Authorizer.Forward(ctx, rec)
	if errors.Is(err, payment.ErrNoAnswer) {
		again := clone(rec)
		again.ID.STAN += 500
		return h.Authorizer.Forward(ctx, &again)
	}
	return answer, err
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

// forgetfulJournal drops a debt after some tries.
type forgetfulJournal struct {
	payment.Journal
	tries int
}

func (j *forgetfulJournal) Owed(ctx context.Context) ([]*payment.Record, error) {
	owed, err := j.Journal.Owed(ctx)
	for _, rec := range owed {
		if rec.State == payment.ReversalOwed && rec.Reversal.Tries >= j.tries {
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

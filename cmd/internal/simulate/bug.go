package simulate

import (
	"context"
	"errors"

	"posd/emv/payment"
)

// Bug is a fault planted in the terminal by wrapping its ports; the zero Bug is none.
type Bug struct {
	Name string
	// Host and Journal wrap the ports of a life; nil leaves them. Both are asked for at
	// each boot, so what they keep in memory is lost with the power.
	Host    func(payment.Authorizer) payment.Authorizer
	Journal func(payment.Journal) payment.Journal
}

func (b Bug) plant(host payment.Authorizer, journal payment.Journal) (payment.Authorizer, payment.Journal) {
	if b.Host != nil {
		host = b.Host(host)
	}
	if b.Journal != nil {
		journal = b.Journal(journal)
	}
	return host, journal
}

// Bugs are faults that terminals are known to have had. A simulation that is worth its
// time finds each of them.
func Bugs() []Bug {
	return []Bug{
		{Name: "send-before-save", Journal: func(j payment.Journal) payment.Journal { return &lateJournal{Journal: j} }},
		{Name: "drop-reversal", Journal: func(j payment.Journal) payment.Journal { return &forgetfulJournal{Journal: j} }},
		{Name: "new-stan", Host: func(h payment.Authorizer) payment.Authorizer { return retryingHost{h} }},
		{Name: "forget-migration", Journal: func(j payment.Journal) payment.Journal { return &migratedJournal{Journal: j} }},
	}
}

// lateJournal sends before it saves: what begins is in memory until the next update.
type lateJournal struct {
	payment.Journal
	begun *payment.Record
}

// Begin keeps the record in memory.
func (j *lateJournal) Begin(ctx context.Context, rec *payment.Record) error {
	if rec.State != payment.Requested {
		return j.Journal.Begin(ctx, rec)
	}
	c := *rec
	j.begun = &c
	return nil
}

// Get knows what is in memory.
func (j *lateJournal) Get(ctx context.Context, id payment.ID) (*payment.Record, error) {
	if j.begun != nil && j.begun.ID == id {
		c := *j.begun
		return &c, nil
	}
	return j.Journal.Get(ctx, id)
}

// Update writes both.
func (j *lateJournal) Update(ctx context.Context, rec *payment.Record) error {
	if j.begun != nil && j.begun.ID == rec.ID {
		if err := j.Journal.Begin(ctx, j.begun); err != nil {
			return err
		}
		j.begun = nil
	}
	return j.Journal.Update(ctx, rec)
}

// tryLimit is after how many tries forgetfulJournal gives a reversal up.
const tryLimit = 3

// forgetfulJournal drops a reversal that was sent three times without success.
type forgetfulJournal struct {
	payment.Journal
	tries map[payment.ID]int
}

// Owed counts what it shows, and shows nothing too often.
func (j *forgetfulJournal) Owed(ctx context.Context) ([]*payment.Record, error) {
	owed, err := j.Journal.Owed(ctx)
	if j.tries == nil {
		j.tries = map[payment.ID]int{}
	}
	var out []*payment.Record
	for _, rec := range owed {
		if j.tries[rec.ID]++; rec.State != payment.ReversalOwed || j.tries[rec.ID] <= tryLimit {
			out = append(out, rec)
			continue
		}
		rec.State, rec.Reversal.Answer = payment.Reversed, &payment.Answer{Code: "00"}
		err = errors.Join(err, j.Update(ctx, rec))
	}
	return out, err
}

// retryingHost sends an unanswered request again under another number.
type retryingHost struct{ payment.Authorizer }

// Authorize asks twice.
func (h retryingHost) Authorize(ctx context.Context, req payment.AuthRequest) (payment.Answer, error) {
	answer, err := h.Authorizer.Authorize(ctx, req)
	if !errors.Is(err, payment.ErrNoAnswer) {
		return answer, err
	}
	again := *req.Record
	again.ID.STAN += 500
	req.Record = &again
	return h.Authorizer.Authorize(ctx, req)
}

// migratedJournal is a journal whose migration at the boot forgot the newest payment that
// waits for the host.
type migratedJournal struct {
	payment.Journal
	forgot payment.ID
	looked bool
}

// Waiting shows all but the one that the migration forgot.
func (j *migratedJournal) Waiting(ctx context.Context) ([]*payment.Record, error) {
	waiting, err := j.Journal.Waiting(ctx)
	if !j.looked && err == nil {
		j.looked = true
		if n := len(waiting); n > 0 {
			j.forgot = waiting[n-1].ID
		}
	}
	var out []*payment.Record
	for _, rec := range waiting {
		if rec.ID != j.forgot {
			out = append(out, rec)
			continue
		}
		// Nothing is left of it: it says that it ended long ago.
		rec.State = payment.Resolved
		err = errors.Join(err, j.Update(ctx, rec))
	}
	return out, err
}

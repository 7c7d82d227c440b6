package spool

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"posd/emv/payment"
	"posd/store"
)

// What Config's functions may say beside why they failed.
var (
	// ErrUntouched says that nothing of the job can be on paper.
	ErrUntouched = errors.New("printing did not begin")
	// ErrUnprintable says that the job can never be printed, on any day: it is thrown
	// away, so that it does not stand in the way of the others.
	ErrUnprintable = errors.New("it cannot be printed")
)

var (
	// ErrFull says that the spool holds as many jobs as it may.
	ErrFull = errors.New("print queue is full")
	// ErrHeld says that a job waits until Release: it was tried too often.
	ErrHeld = errors.New("tried too often: see to the printer")
	// ErrNoJob says that no such job waits.
	ErrNoJob = errors.New("no such job waits")
)

// Limits and defaults.
const (
	DefaultLimit = 200
	DefaultTries = 3
	maxLimit     = 10_000
	maxID        = 64
	maxKind      = 32
	maxData      = 16 << 10
	maxTotal     = 512 << 10 // bytes of all jobs in the store: its room is the journal's
)

// Journal is what the spool needs of the journal of payments.
type Journal interface {
	Get(ctx context.Context, id payment.ID) (*payment.Record, error)
	Unprinted(ctx context.Context) ([]*payment.Record, error)
	Printed(id payment.ID)
}

// Config is what a spool needs. DB, Journal, Receipts and Documents are required.
type Config struct {
	DB      *store.DB
	Journal Journal
	// Receipts prints a slip, and returns when the printer has confirmed it; with
	// payment.Reprint it is marked as a copy.
	Receipts payment.Receipt
	// Documents prints a job that is no slip; again says that it is to be marked as a
	// copy.
	Documents func(ctx context.Context, job Job, again bool) error
	// Limit is how many jobs wait in the store, and how many receipts in memory: more of
	// those are not lost, but become copies. 0 is DefaultLimit.
	Limit int
	// Tries is how often a job may use up paper. 0 is DefaultTries.
	Tries int
}

func (c *Config) check() error {
	for _, field := range []struct {
		name    string
		missing bool
	}{
		{"DB", c.DB == nil},
		{"Journal", c.Journal == nil},
		{"Receipts", c.Receipts == nil},
		{"Documents", c.Documents == nil},
	} {
		if field.missing {
			return fmt.Errorf("%s is missing", field.name)
		}
	}
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	if c.Tries == 0 {
		c.Tries = DefaultTries
	}
	if c.Limit < 1 || c.Limit > maxLimit || c.Tries < 1 {
		return fmt.Errorf("limit %d and tries %d: 1 to %d, and 1 or more wanted", c.Limit, c.Tries, maxLimit)
	}
	return nil
}

// Job is one thing to print.
type Job struct {
	// ID names it among those that wait, 1 to 64 bytes: adding one that waits already
	// changes nothing.
	ID   string
	Kind string // tells Documents what Data is; at most 32 bytes
	Data []byte // at most 16 KiB; no card number
	// Payment and Copy are set in place of Kind and Data where the job is a slip.
	Payment payment.ID
	Copy    payment.Copy
}

// isSlip tells whether the job is the slip of a payment.
func (j Job) isSlip() bool { return j.Payment != payment.ID{} }

// Waiting is a job that waits, as a screen shows it.
type Waiting struct {
	Job
	Touched bool // some of it may be on paper: it will be printed as a copy
	Tried   int  // how often since the start, or since Release
	Held    bool
}

// item is a job in the queue.
type item struct {
	job     Job
	seq     uint64 // its key in the store; 0 where the journal's mark keeps it
	touched bool
	tried   int
	// marks tells that nobody but the spool will tell the journal that the receipt is
	// printed: whoever wanted it was told that it failed.
	marks bool
}

// Spool is the queue. Its methods may be called by several goroutines; one prints at a
// time.
type Spool struct {
	cfg  Config
	turn chan struct{} // holds a token while somebody prints

	mu       sync.Mutex
	queue    []*item  // oldest first
	done     []uint64 // printed, and on disk as waiting
	next     uint64
	overflow bool // the journal has unprinted receipts that are not in the queue
	stale    bool // the above may not be what the disk holds
}

// Spool is what a payment prints with.
var _ payment.Receipt = (*Spool)(nil)

// Open reads what waits: jobs of the store, and the journal's unprinted receipts. All of
// it is printed as a copy. It prints nothing yet.
func Open(ctx context.Context, cfg Config) (*Spool, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("spool: open: %w", err)
	}
	s := &Spool{cfg: cfg, turn: make(chan struct{}, 1), next: 1}
	err := s.reload()
	if err == nil {
		err = s.refill(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("spool: open: %w", err)
	}
	return s, nil
}

// Add puts a job that is no slip into the store, in one commit. When it returns nil the
// job will be printed, by Work; it does not print. An error that is store.ErrUnknown
// leaves open whether the job waits: Add the same ID again.
func (s *Spool) Add(ctx context.Context, job Job) error {
	if err := job.check(); err != nil {
		return fmt.Errorf("spool: add %.64q: %w", job.ID, err)
	}
	if err := s.add(ctx, job); err != nil {
		return fmt.Errorf("spool: add %s: %w", job.ID, err)
	}
	return nil
}

func (j Job) check() error {
	switch {
	case j.ID == "" || len(j.ID) > maxID:
		return fmt.Errorf("ID of %d bytes, 1 to %d wanted", len(j.ID), maxID)
	case len(j.Kind) > maxKind:
		return fmt.Errorf("kind of %d bytes, at most %d", len(j.Kind), maxKind)
	case len(j.Data) > maxData:
		return fmt.Errorf("%d bytes, at most %d", len(j.Data), maxData)
	case j.isSlip() || j.Copy != 0:
		return errors.New("a slip goes through Print")
	}
	return nil
}

// Print implements payment.Receipt: the slip waits behind what waits already, and is
// printed with it. After an error it waits on, unless the error is ErrUnprintable,
// store.ErrUnknown, that of an ended ctx, or ErrFull for what needs a place in the store
// (a receipt beyond the limit is printed later, as a copy). It tells the journal that a
// receipt is printed where its caller will not: after an error.
func (s *Spool) Print(ctx context.Context, rec *payment.Record, c payment.Copy) error {
	job := Job{ID: slipID(rec.ID, c), Payment: rec.ID, Copy: c}
	refused := s.want(ctx, rec, job)
	if refused != nil && !errors.Is(refused, ErrFull) {
		return fmt.Errorf("spool: print %s: %w", job.ID, refused)
	}
	_, err := s.Work(ctx)
	switch {
	case refused != nil:
		return fmt.Errorf("spool: print %s: %w", job.ID, errors.Join(refused, err))
	case !s.waits(job):
		return thrownAway(err, job)
	case err == nil:
		err = ErrHeld
	}
	s.answerFor(rec.ID)
	return fmt.Errorf("spool: print %s: it waits: %w", job.ID, err)
}

// thrownAway is nil, unless err says that this job was thrown away: trouble with another
// is not this one's.
func thrownAway(err error, job Job) error {
	var lost *lostError
	for errors.As(err, &lost) {
		if lost.job.ID == job.ID {
			return fmt.Errorf("spool: print %s: %w", job.ID, lost.cause)
		}
		err = lost.next.orNil()
	}
	return nil
}

func slipID(id payment.ID, c payment.Copy) string {
	return fmt.Sprintf("slip/%v/%d", id, c)
}

// Left returns how many jobs wait, and how many of them are held.
func (s *Spool) Left() (waiting, held int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.queue {
		if s.held(it) {
			held++
		}
	}
	return len(s.queue), held
}

// List returns what waits, oldest first.
func (s *Spool) List() []Waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Waiting, 0, len(s.queue))
	for _, it := range s.queue {
		list = append(list, Waiting{Job: it.job, Touched: it.touched, Tried: it.tried, Held: s.held(it)})
	}
	return list
}

// Release lets Work try the jobs again that are held: somebody has seen to the printer.
func (s *Spool) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.queue {
		it.tried = 0
	}
}

// Drop throws a job away that nobody wants any more. It waits for one that is being
// printed. That it is gone goes to disk with the next commit.
func (s *Spool) Drop(ctx context.Context, id string) error {
	if err := s.take(ctx); err != nil {
		return fmt.Errorf("spool: drop %s: %w", id, err)
	}
	defer s.release()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.queue {
		if it.job.ID == id {
			it.marks = true
			s.finish(it)
			return nil
		}
	}
	return fmt.Errorf("spool: drop %s: %w", id, ErrNoJob)
}

// take waits for the turn to print.
func (s *Spool) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Spool) release() { <-s.turn }

package tamper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"posd/store"
)

// Errors on which a caller acts.
var (
	// ErrLocked says that the latch is set.
	ErrLocked = errors.New("terminal is locked: its housing was opened")
	// ErrPassword says that a name or a password is wrong; not which.
	ErrPassword = errors.New("wrong name or password")
	// ErrTooSoon says that after wrong tries one has to wait; State.RetryAt says until when.
	ErrTooSoon = errors.New("too many wrong tries: wait")
	// ErrNotEnrolled says that there are no technicians yet.
	ErrNotEnrolled = errors.New("no technicians are enrolled")
	// ErrEnrolled says that there are technicians already.
	ErrEnrolled = errors.New("technicians are enrolled already")
)

// Config is what the latch needs. All but Cost is required.
type Config struct {
	DB   *store.DB
	Now  func() time.Time // business clock
	Rand io.Reader        // salts
	// Erase removes the keys (keys.Keys.Erase). It may be called more than once.
	Erase func() error
	// Cost is that of new passwords; zero is DefaultCost.
	Cost Cost
}

// State is what is known of the latch.
type State struct {
	Tripped bool
	At      time.Time // when it was set
	Source  string    // what set it
	// Unerased says why the keys may be on disk still, and is empty if they are not.
	Unerased string
	Enrolled bool
	Failed   int       // wrong tries since the last right one
	RetryAt  time.Time // no try before it; zero for none to wait for
}

// Latch is the tamper latch. Its methods may be called by several goroutines.
type Latch struct {
	cfg Config

	mu       sync.Mutex
	latch    latch
	stored   bool // latch is on disk as it is here
	people   []technician
	tries    tries
	unerased error
}

// Bucket and keys of the records.
const bucket = "tamper"

func latchKey() []byte       { return []byte("latch") }
func techniciansKey() []byte { return []byte("technicians") }
func triesKey() []byte       { return []byte("tries") }

// latch is the stored form. Trips counts up, so that a Clear that a new trip overtook is
// known.
type latch struct {
	Tripped bool      `json:"tripped"`
	At      time.Time `json:"at,omitzero"`
	Source  string    `json:"source,omitempty"`
	Trips   uint64    `json:"trips"`
	Cleared time.Time `json:"cleared,omitzero"`
	By      []string  `json:"by,omitempty"` // who cleared it
}

// maxSource bounds what a source is called.
const maxSource = 80

// Open reads the latch, and erases the keys if it is set. An error is one of the Config;
// a store that cannot be read gives a latch that is set.
func Open(cfg Config) (*Latch, error) {
	for _, required := range []struct {
		name string
		ok   bool
	}{{"DB", cfg.DB != nil}, {"Now", cfg.Now != nil}, {"Rand", cfg.Rand != nil}, {"Erase", cfg.Erase != nil}} {
		if !required.ok {
			return nil, fmt.Errorf("tamper: open: %s is missing", required.name)
		}
	}
	if cfg.Cost == (Cost{}) {
		cfg.Cost = DefaultCost
	}
	if err := cfg.Cost.check(); err != nil {
		return nil, fmt.Errorf("tamper: open: %w", err)
	}
	l := &Latch{cfg: cfg, stored: true}
	if err := l.load(); err != nil {
		l.stored = false
		l.set(fmt.Sprintf("the latch cannot be read: %v", err))
	}
	if l.latch.Tripped {
		l.unerased = cfg.Erase()
	}
	return l, nil
}

// load reads the three records; one that is not there is as zero. Of the damaged ones that
// of the latch is the error, for without the others it can be set all the same.
func (l *Latch) load() error {
	return l.cfg.DB.View(func(tx *store.Tx) error {
		if err := read(tx, techniciansKey(), &l.people); err != nil || !usable(l.people) {
			l.people = nil
		}
		if err := read(tx, triesKey(), &l.tries); err != nil {
			l.tries = tries{Failed: freeTries, Last: l.cfg.Now()} // as if somebody had tried
		}
		return read(tx, latchKey(), &l.latch)
	})
}

func read(tx *store.Tx, key []byte, into any) error {
	value, err := tx.Get(bucket, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("record %s/%s: not understood: %w", bucket, key, store.ErrDamaged)
	}
	return nil
}

func put(tx *store.Tx, key []byte, record any) error {
	value, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return tx.Put(bucket, key, value)
}

// Tripped tells whether the latch is set.
func (l *Latch) Tripped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latch.Tripped
}

// State tells all that is known.
func (l *Latch) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := State{Enrolled: len(l.people) > 0, Failed: l.tries.Failed, RetryAt: l.tries.retryAt()}
	if l.latch.Tripped {
		s.Tripped, s.At, s.Source = true, l.latch.At, l.latch.Source
	}
	if l.unerased != nil {
		s.Unerased = l.unerased.Error()
	}
	return s
}

// Trip sets the latch, on disk first, and then erases the keys; source says what saw it. An
// error of the disk stops neither: the latch is set in memory all the same, and the keys are
// erased. A latch that is set keeps its time and source; what failed before is tried again.
func (l *Latch) Trip(source string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.latch.Tripped {
		l.stored = false
		l.set(source)
	} else {
		l.latch.Trips++ // a Clear that is under way comes too late
		l.stored = false
	}
	commit := l.save()
	l.unerased = l.cfg.Erase()
	if err := errors.Join(commit, l.unerased); err != nil {
		return fmt.Errorf("tamper: trip: %w", err)
	}
	return nil
}

func (l *Latch) set(source string) {
	if len(source) > maxSource {
		source = source[:maxSource]
	}
	l.latch = latch{Tripped: true, At: l.cfg.Now(), Source: source, Trips: l.latch.Trips + 1}
}

// save stores the latch, if it is not on disk as it is.
func (l *Latch) save() error {
	if l.stored {
		return nil
	}
	err := l.cfg.DB.Update(func(tx *store.Tx) error { return put(tx, latchKey(), l.latch) })
	l.stored = err == nil
	return err
}

// Clear takes the latch back with the passwords of two technicians, in either order. The
// keys stay erased. Errors: ErrPassword, ErrTooSoon, ErrNotEnrolled, and ErrLocked where the
// housing was opened again meanwhile. A latch that is not set is no error.
func (l *Latch) Clear(a, b Credential) error {
	trips, err := l.prove(a, b)
	if err == nil {
		err = l.clear(trips, a.Name, b.Name)
	}
	if err != nil {
		return fmt.Errorf("tamper: clear: %w", err)
	}
	return nil
}

// clear commits, and leaves the latch as it was where the disk does not have the change. trips
// is what it was when the passwords were proved.
func (l *Latch) clear(trips uint64, by ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latch.Trips != trips {
		return fmt.Errorf("opened again: %w", ErrLocked)
	}
	next := latch{Trips: l.latch.Trips, Cleared: l.cfg.Now(), By: by}
	err := l.cfg.DB.Update(func(tx *store.Tx) error {
		return errors.Join(put(tx, latchKey(), next), put(tx, triesKey(), tries{}))
	})
	if errors.Is(err, store.ErrUnknown) {
		var there latch
		again := l.cfg.DB.View(func(tx *store.Tx) error { return read(tx, latchKey(), &there) })
		if again != nil || there.Tripped {
			return errors.Join(err, again)
		}
		err = nil
	}
	if err != nil {
		return err
	}
	l.latch, l.stored, l.tries, l.unerased = next, true, tries{}, nil
	return nil
}

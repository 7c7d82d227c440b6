package tamper

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/argon2"

	"posd/store"
)

// Cost is what checking a password takes. RFC 9106, 3.1.
type Cost struct {
	Passes    uint32 `json:"passes"`
	MemoryKiB uint32 `json:"memory_kib"`
	Threads   uint8  `json:"threads"`
}

// DefaultCost takes 19 MiB and, on a small ARM, about a second for the two passwords.
var DefaultCost = Cost{Passes: 2, MemoryKiB: 19 << 10, Threads: 1}

// Bounds of a Cost, also of one that is read from disk.
const (
	maxPasses    = 16
	maxMemoryKiB = 64 << 10
	maxThreads   = 4
)

func (c Cost) check() error {
	if c.Passes < 1 || c.Passes > maxPasses || c.MemoryKiB < 8*uint32(c.Threads) || c.MemoryKiB > maxMemoryKiB || c.Threads < 1 || c.Threads > maxThreads {
		return fmt.Errorf("cost %+v: 1 to %d passes, up to %d KiB, 1 to %d threads wanted", c, maxPasses, maxMemoryKiB, maxThreads)
	}
	return nil
}

// Credential is what a technician types. The password is the caller's to wipe.
type Credential struct {
	Name     string
	Password []byte
}

// Lengths of names and passwords, in bytes.
const (
	maxName     = 32
	MinPassword = 8
	MaxPassword = 128
	saltSize    = 16
	hashSize    = 32
)

// technician is the stored form.
type technician struct {
	Name string `json:"name"`
	Salt []byte `json:"salt"`
	Hash []byte `json:"hash"`
	Cost Cost   `json:"cost"`
}

// usable tells whether stored technicians can be used: two, with costs within the bounds.
func usable(people []technician) bool {
	for _, p := range people {
		if p.Cost.check() != nil || len(p.Salt) != saltSize || len(p.Hash) != hashSize {
			return false
		}
	}
	return len(people) == 0 || len(people) == 2
}

func (c Cost) hash(password, salt []byte) []byte {
	return argon2.IDKey(password, salt, c.Passes, c.MemoryKiB, c.Threads, hashSize)
}

func (p technician) matches(c Credential) bool {
	hash := p.Cost.hash(c.Password, p.Salt)
	defer clear(hash)
	right := subtle.ConstantTimeCompare(hash, p.Hash)
	return right&subtle.ConstantTimeCompare([]byte(c.Name), []byte(p.Name)) == 1
}

// tries counts wrong ones.
type tries struct {
	Failed int       `json:"failed"`
	Last   time.Time `json:"last,omitzero"`
}

// Waits after wrong tries.
const (
	freeTries = 3
	firstWait = 30 * time.Second
	maxWait   = time.Hour
)

// retryAt is when the next try may be made; zero for at once.
func (t tries) retryAt() time.Time {
	if t.Failed < freeTries {
		return time.Time{}
	}
	wait := maxWait
	if n := t.Failed - freeTries; n < 7 {
		wait = min(firstWait<<n, maxWait)
	}
	return t.Last.Add(wait)
}

// Enrol stores the first two technicians. Errors: ErrEnrolled, ErrLocked.
func (l *Latch) Enrol(a, b Credential) error {
	people, err := l.newTechnicians(a, b)
	if err != nil {
		return fmt.Errorf("tamper: enrol: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.latch.Tripped:
		err = ErrLocked
	case len(l.people) > 0:
		err = ErrEnrolled
	default:
		err = l.employ(people)
	}
	if err != nil {
		return fmt.Errorf("tamper: enrol: %w", err)
	}
	return nil
}

// Replace stores two technicians in place of the two that prove themselves. Errors are those
// of Clear, and ErrLocked while the latch is set.
func (l *Latch) Replace(oldA, oldB, a, b Credential) error {
	if l.Tripped() {
		return fmt.Errorf("tamper: replace: %w", ErrLocked)
	}
	people, err := l.newTechnicians(a, b)
	if err != nil {
		return fmt.Errorf("tamper: replace: %w", err)
	}
	trips, err := l.prove(oldA, oldB)
	if err != nil {
		return fmt.Errorf("tamper: replace: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latch.Trips != trips {
		return fmt.Errorf("tamper: replace: %w", ErrLocked)
	}
	if err := l.employ(people); err != nil {
		return fmt.Errorf("tamper: replace: %w", err)
	}
	return nil
}

// employ commits technicians, with no wrong tries.
func (l *Latch) employ(people []technician) error {
	err := l.cfg.DB.Update(func(tx *store.Tx) error {
		return errors.Join(put(tx, techniciansKey(), people), put(tx, triesKey(), tries{}))
	})
	if errors.Is(err, store.ErrUnknown) { // the disk knows
		return errors.Join(err, l.load())
	}
	if err == nil {
		l.people, l.tries = people, tries{}
	}
	return err
}

func (l *Latch) newTechnicians(a, b Credential) ([]technician, error) {
	switch {
	case a.Name == b.Name:
		return nil, fmt.Errorf("both technicians are called %q", a.Name)
	case bytes.Equal(a.Password, b.Password):
		return nil, errors.New("both technicians have the same password")
	}
	var people []technician
	for _, c := range []Credential{a, b} {
		if n := len(c.Name); n == 0 || n > maxName {
			return nil, fmt.Errorf("name of %d bytes, 1 to %d wanted", n, maxName)
		}
		if n := len(c.Password); n < MinPassword || n > MaxPassword {
			return nil, fmt.Errorf("password of %d bytes, %d to %d wanted", n, MinPassword, MaxPassword)
		}
		salt := make([]byte, saltSize)
		if _, err := io.ReadFull(l.cfg.Rand, salt); err != nil {
			return nil, fmt.Errorf("salt: %w", err)
		}
		people = append(people, technician{c.Name, salt, l.cfg.Cost.hash(c.Password, salt), l.cfg.Cost})
	}
	return people, nil
}

// prove checks both passwords, and returns how often the latch was tripped when it began. The
// try is on disk as a wrong one before a password is looked at; who is right takes it back.
func (l *Latch) prove(a, b Credential) (trips uint64, err error) {
	l.mu.Lock()
	people, trips := l.people, l.latch.Trips
	err = l.count()
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if len(a.Password) > MaxPassword || len(b.Password) > MaxPassword {
		return 0, ErrPassword
	}
	if a.Name == people[1].Name {
		a, b = b, a
	}
	first, second := people[0].matches(a), people[1].matches(b) // both, whatever is wrong
	if !first || !second {
		return 0, ErrPassword
	}
	return trips, nil
}

// count stores one more wrong try, if this is the time for a try.
func (l *Latch) count() error {
	now := l.cfg.Now()
	if l.tries.Last.After(now) {
		l.tries.Last = now // the clock was set back: nobody waits for a year
	}
	switch {
	case len(l.people) == 0:
		return ErrNotEnrolled
	case now.Before(l.tries.retryAt()):
		return fmt.Errorf("%w until %s", ErrTooSoon, l.tries.retryAt().Format(time.DateTime))
	}
	next := tries{Failed: l.tries.Failed + 1, Last: now}
	if err := l.cfg.DB.Update(func(tx *store.Tx) error { return put(tx, triesKey(), next) }); err != nil {
		return err
	}
	l.tries = next
	return nil
}

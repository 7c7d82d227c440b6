package operators

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/argon2"
)

// Cost is what checking a password takes. RFC 9106, 3.1.
type Cost struct {
	Passes    uint32 `json:"passes"`
	MemoryKiB uint32 `json:"memory_kib"`
	Threads   uint8  `json:"threads"`
}

// DefaultCost is that of new passwords.
var DefaultCost = Cost{Passes: 3, MemoryKiB: 12 << 10, Threads: 1}

// Bounds of a Cost, also of one that is read from disk.
const (
	maxPasses    = 16
	maxMemoryKiB = 64 << 10
	maxThreads   = 4
	saltSize     = 16
	hashSize     = 32
)

func (c Cost) check() error {
	if c.Passes < 1 || c.Passes > maxPasses || c.MemoryKiB < 8*uint32(c.Threads) || c.MemoryKiB > maxMemoryKiB || c.Threads < 1 || c.Threads > maxThreads {
		return fmt.Errorf("cost %+v: 1 to %d passes, up to %d KiB, 1 to %d threads wanted", c, maxPasses, maxMemoryKiB, maxThreads)
	}
	return nil
}

// hashed is a password as it is stored.
type hashed struct {
	Salt []byte    `json:"salt"`
	Hash []byte    `json:"hash"`
	Cost Cost      `json:"cost"`
	Set  time.Time `json:"set"`
}

func (c Cost) hash(random io.Reader, password []byte, now time.Time) (hashed, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(random, salt); err != nil {
		return hashed{}, fmt.Errorf("salt: %w", err)
	}
	return hashed{salt, c.key(password, salt), c, now}, nil
}

func (c Cost) key(password, salt []byte) []byte {
	return argon2.IDKey(password, salt, c.Passes, c.MemoryKiB, c.Threads, hashSize)
}

// usable tells whether a stored hash can be computed at all.
func (h hashed) usable() bool {
	return h.Cost.check() == nil && len(h.Salt) == saltSize && len(h.Hash) == hashSize
}

func (h hashed) matches(password []byte) bool {
	got := h.Cost.key(password, h.Salt)
	defer clear(got)
	return subtle.ConstantTimeCompare(got, h.Hash) == 1
}

// Policy is what is asked of passwords and sessions, as data. The zero value of a field is
// that of [DefaultPolicy], but for Classes and History, where it means none.
type Policy struct {
	MinLength int           // characters
	Classes   int           // of digits, lower case, upper case and others: how many have to be there
	History   int           // so many passwords before may not come back, at most 8
	MaxAge    time.Duration // then it has to be changed
	MaxTries  int           // wrong ones in a row; then the number is locked
	LockFor   time.Duration // how long; a reset by a senior ends it
	MaxIdle   time.Duration // then a session is over
}

// DefaultPolicy follows PCI DSS 4.0, 8.3.4 to 8.3.9, with 8 characters, as it allows for
// systems that cannot take 12.
var DefaultPolicy = Policy{
	MinLength: 8, Classes: 2, History: 4, MaxAge: 90 * 24 * time.Hour,
	MaxTries: 6, LockFor: 30 * time.Minute, MaxIdle: 15 * time.Minute,
}

// Bounds.
const (
	MaxPassword = 64 // bytes
	maxHistory  = 8
)

func (p Policy) withDefaults() (Policy, error) {
	d := DefaultPolicy
	if p == (Policy{}) {
		return d, nil
	}
	for _, row := range []struct{ field, other *int }{{&p.MinLength, &d.MinLength}, {&p.MaxTries, &d.MaxTries}} {
		if *row.field == 0 {
			*row.field = *row.other
		}
	}
	for _, row := range []struct{ field, other *time.Duration }{{&p.MaxAge, &d.MaxAge}, {&p.LockFor, &d.LockFor}, {&p.MaxIdle, &d.MaxIdle}} {
		if *row.field == 0 {
			*row.field = *row.other
		}
	}
	if p.MinLength < 4 || p.MinLength > MaxPassword || p.Classes < 0 || p.Classes > 4 || p.History < 0 || p.History > maxHistory ||
		p.MaxAge < 0 || p.MaxTries < 1 || p.LockFor < 0 || p.MaxIdle < 0 {
		return p, fmt.Errorf("policy %+v is out of bounds", p)
	}
	return p, nil
}

// Rule names what a password breaks.
type Rule string

const (
	TooShort   Rule = "too short"
	TooLong    Rule = "too long"
	TooPlain   Rule = "too few kinds of characters"
	Weak       Rule = "on the list of weak passwords, or a pattern"
	HasNumber  Rule = "holds nothing but the operator's number"
	Reused     Rule = "used before"
	Unprinted  Rule = "has a character that no keyboard gives"
	SameAsSet  Rule = "the one that was given out"
	noneBroken Rule = ""
)

// RuleError is a password that the policy refuses.
type RuleError struct {
	Rule Rule
	Want int // the length, the classes or the number of passwords that the rule asks for; 0 where it has none
}

// Error says the rule, never the password.
func (e *RuleError) Error() string {
	if e.Want > 0 {
		return fmt.Sprintf("password is refused: %s (%d)", e.Rule, e.Want)
	}
	return "password is refused: " + string(e.Rule)
}

// judge returns the first rule that a password breaks by its looks.
func (p Policy) judge(number int, password []byte) error {
	switch {
	case len(password) < p.MinLength:
		return &RuleError{TooShort, p.MinLength}
	case len(password) > MaxPassword:
		return &RuleError{TooLong, MaxPassword}
	case bytes.ContainsFunc(password, func(r rune) bool { return r < ' ' || r > '~' }):
		return &RuleError{Unprinted, 0}
	case classes(password) < p.Classes:
		return &RuleError{TooPlain, p.Classes}
	case repeats(password, fmt.Appendf(nil, "%02d", number)):
		return &RuleError{HasNumber, 0}
	case weak(password):
		return &RuleError{Weak, 0}
	}
	return nil
}

// classes counts digits, lower case, upper case, others.
func classes(password []byte) int {
	var seen [4]bool
	for _, b := range password {
		switch {
		case b >= '0' && b <= '9':
			seen[0] = true
		case b >= 'a' && b <= 'z':
			seen[1] = true
		case b >= 'A' && b <= 'Z':
			seen[2] = true
		default:
			seen[3] = true
		}
	}
	n := 0
	for _, s := range seen {
		if s {
			n++
		}
	}
	return n
}

// repeats tells whether password is unit over and over.
func repeats(password, unit []byte) bool {
	for i, b := range password {
		if b != unit[i%len(unit)] {
			return false
		}
	}
	return true
}

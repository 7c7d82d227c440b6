package operators

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/store"
)

// Session is an operator who is logged in. It is a value: who has it shows it with each
// call.
type Session struct {
	Number     int
	Role       Role
	MustChange bool      // the password is to be changed: Check refuses all else
	LastLogin  time.Time // the one before this; zero for the first
	Failed     int       // wrong tries since then
	Expires    time.Time // of the password
	id         uint64
}

// Login checks a password, which is wiped, and opens a session. A wrong try is on disk
// before the password is looked at. Errors: ErrPassword, ErrLocked, ErrInUse, that of ctx.
func (o *Operators) Login(ctx context.Context, number int, password []byte, now time.Time) (Session, error) {
	defer clear(password)
	s, err := o.login(ctx, number, password, now)
	if err != nil {
		return Session{}, fmt.Errorf("operators: log in %02d: %w", number, err)
	}
	return s, nil
}

func (o *Operators) login(ctx context.Context, number int, password []byte, now time.Time) (Session, error) {
	if RoleOf(number) == 0 || len(password) > MaxPassword {
		return Session{}, ErrPassword
	}
	before, err := o.prove(ctx, number, password, now)
	if err != nil {
		return Session{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_, on := o.open(number, now)
	r, err := o.change(number, func(r *record) error {
		if r.Failed = 0; !on {
			r.LastLogin = now
		}
		return nil
	})
	if err != nil {
		return Session{}, err
	}
	if on {
		return Session{}, ErrInUse
	}
	o.last++
	o.sessions[number] = &live{o.last, now}
	return Session{
		Number: number, Role: RoleOf(number), MustChange: o.mustChange(r, now), LastLogin: before.LastLogin,
		Failed: before.Failed, Expires: r.Password.Set.Add(o.cfg.Policy.MaxAge), id: o.last,
	}, nil
}

// prove counts the try as a wrong one, on disk, and then looks at the password. It returns
// the record as it was before the try. A number that nobody has takes as long as one.
func (o *Operators) prove(ctx context.Context, number int, password []byte, now time.Time) (before record, err error) {
	o.mu.Lock()
	r, err := o.count(number, now, &before)
	o.mu.Unlock()
	switch {
	case errors.Is(err, store.ErrNotFound):
		nobody := hashed{make([]byte, saltSize), make([]byte, hashSize), o.cfg.Cost, now}
		if err := o.compute(ctx, func() { nobody.matches(password) }); err != nil {
			return record{}, err
		}
		return record{}, ErrPassword
	case err != nil:
		return record{}, err
	}
	right := false
	if err := o.compute(ctx, func() { right = r.Password.matches(password) }); err != nil {
		return record{}, err
	}
	if !right {
		if until := o.lockedUntil(r, now); !until.IsZero() {
			return record{}, fmt.Errorf("%w: %w", ErrPassword, &LockedError{until})
		}
		return record{}, ErrPassword
	}
	return before, nil
}

// count stores one more try, unless the number is locked. When a lock is over the count
// begins again at one less than the limit would be: one more wrong try locks again.
func (o *Operators) count(number int, now time.Time, before *record) (record, error) {
	return o.change(number, func(r *record) error {
		if until := o.lockedUntil(*r, now); !until.IsZero() {
			return &LockedError{until}
		}
		*before = *r
		r.Failed = min(r.Failed, o.cfg.Policy.MaxTries-1) + 1
		r.LastTry = now
		return nil
	})
}

// open returns the session of an operator that is not idle for too long.
func (o *Operators) open(number int, now time.Time) (*live, bool) {
	l := o.sessions[number]
	if l == nil || now.Sub(l.seen) >= o.cfg.Policy.MaxIdle || now.Before(l.seen.Add(-o.cfg.Policy.MaxIdle)) {
		return nil, false
	}
	return l, true
}

// Check says whether a session is good for work, and counts as use of it. Errors:
// ErrSession, ErrMustChange.
func (o *Operators) Check(s Session, now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.check(s, now)
	if err == nil && s.MustChange {
		err = ErrMustChange
	}
	if err != nil {
		return fmt.Errorf("operators: %02d: %w", s.Number, err)
	}
	return nil
}

// check is Check for a session whose password may have to be changed.
func (o *Operators) check(s Session, now time.Time) error {
	l, on := o.open(s.Number, now)
	if !on || l.id != s.id || s.id == 0 {
		return ErrSession
	}
	l.seen = now
	return nil
}

// Require is Check, and that the role is at least this: the supervisor may do what a
// cashier may, the administrator all. Errors: ErrRole as well.
func (o *Operators) Require(s Session, least Role, now time.Time) error {
	if err := o.Check(s, now); err != nil {
		return err
	}
	if s.Role < least {
		return fmt.Errorf("operators: %02d: %v wanted: %w", s.Number, least, ErrRole)
	}
	return nil
}

// Logout ends a session; one that is over already is no error.
func (o *Operators) Logout(s Session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.sessions[s.Number]; l != nil && l.id == s.id {
		delete(o.sessions, s.Number)
	}
}

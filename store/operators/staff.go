package operators

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/store"
)

// Setup gives a terminal without operators its administrator and its supervisor. Both
// passwords are given out: they have to be changed at the first log-in. They are wiped.
// Errors: ErrSetUp, RuleError.
func (o *Operators) Setup(ctx context.Context, administrator, supervisor []byte, now time.Time) error {
	defer clear(administrator)
	defer clear(supervisor)
	if err := o.setup(ctx, administrator, supervisor, now); err != nil {
		return fmt.Errorf("operators: set up: %w", err)
	}
	return nil
}

func (o *Operators) setup(ctx context.Context, administrator, supervisor []byte, now time.Time) error {
	fresh := map[int]record{}
	for number, password := range map[int][]byte{AdministratorNumber: administrator, SupervisorNumber: supervisor} {
		r, err := o.given(ctx, number, password, AdministratorNumber, now)
		if err != nil {
			return err
		}
		fresh[number] = r
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cfg.DB.Update(func(tx *store.Tx) error {
		for number := range AdministratorNumber + 1 {
			if _, err := get(tx, number); !errors.Is(err, store.ErrNotFound) {
				return errors.Join(ErrSetUp, err)
			}
		}
		return errors.Join(put(tx, AdministratorNumber, fresh[AdministratorNumber]), put(tx, SupervisorNumber, fresh[SupervisorNumber]))
	})
}

// given is the record of an operator with a password that somebody else has set.
func (o *Operators) given(ctx context.Context, number int, password []byte, by int, now time.Time) (r record, err error) {
	if err := o.cfg.Policy.judge(number, password); err != nil {
		return record{}, err
	}
	r = record{Given: true, Added: now, By: by}
	if failed := o.compute(ctx, func() { r.Password, err = o.cfg.Cost.hash(o.cfg.Rand, password, now) }); failed != nil {
		return record{}, failed
	}
	return r, err
}

// Change sets an operator's own password, and returns his session, now good for work. The
// present one is asked for again: who finds a terminal open cannot take it over. Both are
// wiped. Errors: ErrSession, ErrPassword, ErrLocked, RuleError.
func (o *Operators) Change(ctx context.Context, s Session, present, next []byte, now time.Time) (Session, error) {
	defer clear(present)
	defer clear(next)
	if err := o.changePassword(ctx, s, present, next, now); err != nil {
		return Session{}, fmt.Errorf("operators: change password of %02d: %w", s.Number, err)
	}
	s.MustChange, s.Expires = false, now.Add(o.cfg.Policy.MaxAge)
	return s, nil
}

func (o *Operators) changePassword(ctx context.Context, s Session, present, next []byte, now time.Time) error {
	o.mu.Lock()
	err := o.check(s, now)
	o.mu.Unlock()
	if err != nil {
		return err
	}
	if len(present) > MaxPassword {
		return ErrPassword
	}
	if err := o.cfg.Policy.judge(s.Number, next); err != nil {
		return err
	}
	if _, err := o.prove(ctx, s.Number, present, now); err != nil {
		return err
	}
	var fresh hashed
	rule := noneBroken
	r, err := o.find(s.Number)
	if err != nil {
		return err
	}
	if failed := o.compute(ctx, func() {
		if rule = o.reused(r, next); rule == noneBroken {
			fresh, err = o.cfg.Cost.hash(o.cfg.Rand, next, now)
		}
	}); failed != nil || err != nil {
		return errors.Join(failed, err)
	}
	return o.adopt(s, r, fresh, rule, now)
}

// adopt commits the password, if the record is still the one that it was compared with. The
// present password was right, so the tries are taken back even if the next one is refused.
func (o *Operators) adopt(s Session, seen record, fresh hashed, rule Rule, now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.check(s, now); err != nil {
		return err
	}
	_, err := o.change(s.Number, func(r *record) error {
		if string(r.Password.Hash) != string(seen.Password.Hash) {
			return ErrSession // a senior has reset it meanwhile
		}
		r.Failed = 0
		if rule != noneBroken {
			return nil
		}
		r.Before = append([]hashed{r.Password}, r.Before...)
		r.Before = r.Before[:min(len(r.Before), max(o.cfg.Policy.History-1, 0))]
		r.Password, r.Given = fresh, false
		return nil
	})
	if err == nil && rule != noneBroken {
		return &RuleError{rule, o.cfg.Policy.History}
	}
	return err
}

// reused holds a password against the present one and those before: as many as the history
// has, and always the present one.
func (o *Operators) reused(r record, next []byte) Rule {
	if r.Password.matches(next) {
		if r.Given {
			return SameAsSet
		}
		return Reused
	}
	for _, h := range r.Before[:min(len(r.Before), max(o.cfg.Policy.History-1, 0))] {
		if h.usable() && h.matches(next) {
			return Reused
		}
	}
	return noneBroken
}

// senior says whether a role may add, reset and remove another: the supervisor cashiers,
// the administrator cashiers and the supervisor.
func senior(by, of Role) bool { return by > of && of >= Cashier }

// Add makes an operator with a password that he has to change, which is wiped. Errors:
// ErrSession, ErrMustChange, ErrRole, ErrNumber where he exists, RuleError.
func (o *Operators) Add(ctx context.Context, by Session, number int, password []byte, now time.Time) error {
	defer clear(password)
	return o.staff(ctx, "add", by, number, password, now, func(tx *store.Tx, fresh record) error {
		if _, err := get(tx, number); !errors.Is(err, store.ErrNotFound) {
			return errors.Join(fmt.Errorf("%w %02d exists", ErrNumber, number), err)
		}
		return put(tx, number, fresh)
	})
}

// Reset gives an operator another password, which he has to change, and takes a lock-out
// back. It ends his session. Errors: as Add, ErrNumber where he does not exist.
func (o *Operators) Reset(ctx context.Context, by Session, number int, password []byte, now time.Time) error {
	defer clear(password)
	return o.staff(ctx, "reset", by, number, password, now, func(tx *store.Tx, fresh record) error {
		r, err := get(tx, number)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w %02d does not exist", ErrNumber, number)
		}
		if err == nil {
			fresh.Added, fresh.LastLogin = r.Added, r.LastLogin
			fresh.Before = append([]hashed{r.Password}, r.Before...)
			fresh.Before = fresh.Before[:min(len(fresh.Before), max(o.cfg.Policy.History-1, 0))]
		}
		return put(tx, number, fresh) // a damaged record too
	})
}

// Remove takes a cashier away and ends his session. The numbers 00 and 99 stay. Errors: as
// Reset.
func (o *Operators) Remove(ctx context.Context, by Session, number int, now time.Time) error {
	if RoleOf(number) != Cashier {
		return fmt.Errorf("operators: remove %02d: %w: cashiers only", number, ErrNumber)
	}
	return o.staff(ctx, "remove", by, number, nil, now, func(tx *store.Tx, _ record) error {
		if _, err := get(tx, number); errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w %02d does not exist", ErrNumber, number)
		}
		return tx.Delete(bucket, key(number))
	})
}

// staff runs a change of somebody else's record for a senior; password is nil for none.
func (o *Operators) staff(ctx context.Context, what string, by Session, number int, password []byte, now time.Time, fn func(*store.Tx, record) error) error {
	err := o.Check(by, now)
	if err == nil && !senior(by.Role, RoleOf(number)) {
		err = ErrRole
	}
	var fresh record
	if err == nil && password != nil {
		fresh, err = o.given(ctx, number, password, by.Number, now)
	}
	if err == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if err = o.check(by, now); err == nil {
			err = o.cfg.DB.Update(func(tx *store.Tx) error { return fn(tx, fresh) })
		}
		if err == nil {
			delete(o.sessions, number)
		}
	}
	if err != nil {
		return fmt.Errorf("operators: %s %02d: %w", what, number, err)
	}
	return nil
}

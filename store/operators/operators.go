package operators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"posd/store"
)

// Errors on which a caller acts; those of a password that the policy refuses are
// [RuleError].
var (
	// ErrPassword says that number or password is wrong; not which.
	ErrPassword = errors.New("wrong operator number or password")
	// ErrLocked says that there were too many wrong tries; [LockedError] says until when.
	ErrLocked = errors.New("locked after too many wrong tries")
	// ErrMustChange says that the password has to be changed before anything else.
	ErrMustChange = errors.New("password has to be changed first")
	// ErrInUse says that the operator is logged in elsewhere.
	ErrInUse = errors.New("operator is logged in already")
	// ErrSession says that a session is over: logged out, idle for too long, or replaced.
	ErrSession = errors.New("not logged in")
	// ErrRole says that the operator's role does not allow it.
	ErrRole = errors.New("role does not allow it")
	// ErrNumber says that there is no such operator, or that one is there already.
	ErrNumber = errors.New("operator number")
	// ErrSetUp says that the terminal has its operators already.
	ErrSetUp = errors.New("operators are set up already")
)

// LockedError is ErrLocked with the time.
type LockedError struct{ Until time.Time }

func (e *LockedError) Error() string {
	return ErrLocked.Error() + ", until " + e.Until.Format(time.DateTime)
}

// Is makes errors.Is(err, ErrLocked) hold.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Role is what an operator may do.
type Role uint8

const (
	Cashier Role = iota + 1
	Supervisor
	Administrator
)

// String is the role's name.
func (r Role) String() string {
	if r < Cashier || r > Administrator {
		return "nobody"
	}
	return [...]string{"cashier", "supervisor", "administrator"}[r-1]
}

// Numbers that are no cashier's. UnionPay POS practice.
const (
	SupervisorNumber    = 0
	AdministratorNumber = 99
)

// RoleOf is the role of a number, 0 to 99; 0 for any other.
func RoleOf(number int) Role {
	switch {
	case number == SupervisorNumber:
		return Supervisor
	case number == AdministratorNumber:
		return Administrator
	case number > 0 && number < AdministratorNumber:
		return Cashier
	}
	return 0
}

// Config is what the operators need. DB and Rand are required.
type Config struct {
	DB     *store.DB
	Rand   io.Reader // salts
	Cost   Cost      // of new passwords; zero is DefaultCost
	Policy Policy    // zero is DefaultPolicy
}

// Operators are those of one terminal. Its methods may be called by several goroutines;
// one password is computed at a time.
type Operators struct {
	cfg Config

	mu       sync.Mutex // of the store's records and the sessions
	sessions map[int]*live
	last     uint64 // id of the last session

	computing chan struct{} // holds one token: who has it computes a password
}

// live is a session that is open.
type live struct {
	id   uint64
	seen time.Time
}

const bucket = "operators"

// record is an operator as stored, under his number (one byte).
type record struct {
	Password  hashed    `json:"password"`
	Before    []hashed  `json:"before,omitempty"` // passwords that may not come back, latest first
	Given     bool      `json:"given"`            // set by somebody else: to be changed
	Failed    int       `json:"failed"`           // wrong tries since the last right one
	LastTry   time.Time `json:"last_try,omitzero"`
	LastLogin time.Time `json:"last_login,omitzero"`
	Added     time.Time `json:"added,omitzero"`
	By        int       `json:"by"` // who added or reset
}

// Open checks the Config. That there are no operators yet is no error: see Setup.
func Open(cfg Config) (*Operators, error) {
	if cfg.DB == nil {
		return nil, errors.New("operators: open: DB is missing")
	}
	if cfg.Rand == nil {
		return nil, errors.New("operators: open: Rand is missing")
	}
	if cfg.Cost == (Cost{}) {
		cfg.Cost = DefaultCost
	}
	policy, err := cfg.Policy.withDefaults()
	if err = errors.Join(err, cfg.Cost.check()); err != nil {
		return nil, fmt.Errorf("operators: open: %w", err)
	}
	cfg.Policy = policy
	o := &Operators{cfg: cfg, sessions: map[int]*live{}, computing: make(chan struct{}, 1)}
	o.computing <- struct{}{}
	return o, nil
}

// compute runs fn with the only token, so that two log-ins do not take twice the memory.
func (o *Operators) compute(ctx context.Context, fn func()) error {
	select {
	case <-o.computing:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { o.computing <- struct{}{} }()
	fn()
	return nil
}

func key(number int) []byte { return []byte{byte(number)} }

func get(tx *store.Tx, number int) (r record, err error) {
	value, err := tx.Get(bucket, key(number))
	if err != nil {
		return record{}, err
	}
	if err := json.Unmarshal(value, &r); err != nil || !r.Password.usable() {
		return record{}, fmt.Errorf("record %s/%02d: not understood: %w", bucket, number, store.ErrDamaged)
	}
	return r, nil
}

func put(tx *store.Tx, number int, r record) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.PutBare(bucket, key(number), value)
}

// find reads an operator.
func (o *Operators) find(number int) (r record, err error) {
	err = o.cfg.DB.View(func(tx *store.Tx) error {
		r, err = get(tx, number)
		return err
	})
	return r, err
}

// change stores what fn makes of an operator's record. After a commit whose outcome is not
// known the error stands: the next reading tells.
func (o *Operators) change(number int, fn func(*record) error) (r record, err error) {
	err = o.cfg.DB.Update(func(tx *store.Tx) error {
		if r, err = get(tx, number); err != nil {
			return err
		}
		if err := fn(&r); err != nil {
			return err
		}
		return put(tx, number, r)
	})
	return r, err
}

// Info tells of an operator, without his password.
type Info struct {
	Number     int
	Role       Role
	Added      time.Time
	LastLogin  time.Time // zero for never
	Expires    time.Time // of the password
	MustChange bool
	Failed     int       // wrong tries since the last right one
	Locked     time.Time // until when; zero for not
	LoggedIn   bool
}

// List tells of all operators, by number; a damaged record is an error.
func (o *Operators) List(now time.Time) (list []Info, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	err = o.cfg.DB.View(func(tx *store.Tx) error {
		for number := range AdministratorNumber + 1 {
			r, err := get(tx, number)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			list = append(list, o.infoOf(number, r, now))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("operators: list: %w", err)
	}
	return list, nil
}

func (o *Operators) infoOf(number int, r record, now time.Time) Info {
	_, on := o.open(number, now)
	return Info{
		Number: number, Role: RoleOf(number), Added: r.Added, LastLogin: r.LastLogin,
		Expires: r.Password.Set.Add(o.cfg.Policy.MaxAge), MustChange: o.mustChange(r, now),
		Failed: r.Failed, Locked: o.lockedUntil(r, now), LoggedIn: on,
	}
}

// mustChange tells whether a password was given out, is too old, or is from the future:
// then a clock was wrong, and its age is not known.
func (o *Operators) mustChange(r record, now time.Time) bool {
	return r.Given || !now.Before(r.Password.Set.Add(o.cfg.Policy.MaxAge)) || r.Password.Set.After(now.Add(24*time.Hour))
}

// lockedUntil is zero for a number that is not locked. A last try from the future counts
// as now: nobody waits for a year because a clock was wrong.
func (o *Operators) lockedUntil(r record, now time.Time) time.Time {
	last := r.LastTry
	if last.After(now) {
		last = now
	}
	if until := last.Add(o.cfg.Policy.LockFor); r.Failed >= o.cfg.Policy.MaxTries && now.Before(until) {
		return until
	}
	return time.Time{}
}

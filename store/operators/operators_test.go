package operators

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posd/store"
)

var clock = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// Passwords of the tests.
const (
	adminGiven = "Kran-7714"
	superGiven = "Hafen-3820"
	adminOwn   = "Leuchtturm-55"
	superOwn   = "Anker-9061"
	cashGiven  = "Boje-4417"
	cashOwn    = "Moewe-2093"
)

type fixture struct {
	t    *testing.T
	cfg  store.Config
	db   *store.DB
	now  time.Time
	fail store.Point
	*Operators
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	random := rand.NewChaCha8(sha256.Sum256([]byte("operators")))
	key, err := store.FileDeviceKey(filepath.Join(dir, "device.key"), random)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, now: clock}
	f.cfg = store.Config{
		Path: filepath.Join(dir, "store.db"), Key: key, Rand: random, MaxSize: store.MinMaxSize,
		Fail: func(p store.Point, _ uint64) error {
			if p == f.fail {
				return errors.New("power")
			}
			return nil
		},
	}
	f.open()
	t.Cleanup(func() { f.db.Close() })
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	var err error
	if f.db, err = store.Open(f.cfg); err != nil {
		f.t.Fatal(err)
	}
	cheap := Cost{Passes: 1, MemoryKiB: 64, Threads: 1}
	if f.Operators, err = Open(Config{DB: f.db, Rand: f.cfg.Rand, Cost: cheap}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) restart() {
	f.t.Helper()
	if err := f.db.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.open()
}

func (f *fixture) login(number int, password string) (Session, error) {
	return f.Login(context.Background(), number, []byte(password), f.now)
}

func (f *fixture) mustLogin(number int, password string) Session {
	f.t.Helper()
	s, err := f.login(number, password)
	if err != nil {
		f.t.Fatalf("%02d: %v", number, err)
	}
	return s
}

func (f *fixture) change(s Session, present, next string) (Session, error) {
	return f.Change(context.Background(), s, []byte(present), []byte(next), f.now)
}

// staffed has an administrator, a supervisor and cashier 01, with passwords of their own.
func staffed(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	ctx := context.Background()
	if err := f.Setup(ctx, []byte(adminGiven), []byte(superGiven), f.now); err != nil {
		t.Fatal(err)
	}
	first := func(number int, given, own string) Session {
		t.Helper()
		s, err := f.change(f.mustLogin(number, given), given, own)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first(AdministratorNumber, adminGiven, adminOwn)
	if err := f.Add(ctx, first(SupervisorNumber, superGiven, superOwn), 1, []byte(cashGiven), f.now); err != nil {
		t.Fatal(err)
	}
	first(1, cashGiven, cashOwn)
	f.restart() // nobody is logged in
	return f
}

func TestThePasswordThatWasGivenHasToBeChanged(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	if err := f.Setup(ctx, []byte(adminGiven), []byte(superGiven), f.now); err != nil {
		t.Fatal(err)
	}
	if err := f.Setup(ctx, []byte(adminGiven), []byte(superGiven), f.now); !errors.Is(err, ErrSetUp) {
		t.Errorf("twice: %v", err)
	}
	s := f.mustLogin(AdministratorNumber, adminGiven)
	if !s.MustChange || s.Role != Administrator || !s.LastLogin.IsZero() {
		t.Errorf("got %+v", s)
	}
	if err := f.Check(s, f.now); !errors.Is(err, ErrMustChange) {
		t.Errorf("work: %v", err)
	}
	if err := f.Add(ctx, s, 1, []byte(cashGiven), f.now); !errors.Is(err, ErrMustChange) {
		t.Errorf("add: %v", err)
	}
	var rule *RuleError
	if _, err := f.change(s, adminGiven, adminGiven); !errors.As(err, &rule) || rule.Rule != SameAsSet {
		t.Errorf("the same again: %v", err)
	}
	s, err := f.change(s, adminGiven, adminOwn)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(s, f.now); err != nil {
		t.Error(err)
	}
	f.Logout(s)
	if err := f.Check(s, f.now); !errors.Is(err, ErrSession) {
		t.Errorf("after log-out: %v", err)
	}
	if _, err := f.login(AdministratorNumber, adminGiven); !errors.Is(err, ErrPassword) {
		t.Errorf("the old password: %v", err)
	}
	f.mustLogin(AdministratorNumber, adminOwn)
}

func TestTheRuleIsNamed(t *testing.T) {
	f := staffed(t)
	s := f.mustLogin(1, cashOwn)
	for password, want := range map[string]Rule{
		"Ab1":                        TooShort,
		strings.Repeat("aB3-", 17):   TooLong,
		"zhubaojie":                  TooPlain,
		"01010101":                   TooPlain,
		"密码密码密码":                     Unprinted,
		"Password1":                  Weak,
		"p4ssw0rd!":                  Weak,
		"Unionpay88":                 Weak,
		"abcd1234":                   Weak,
		"12345678a":                  Weak,
		"aaaaaaa1":                   Weak,
		"a1a1a1a1":                   Weak,
		"xk7pxk7p":                   Weak,
		"1qaz2wsx":                   Weak,
		"Supervisor":                 Weak,
		cashOwn:                      Reused,
		cashGiven:                    Reused,
		"with\x00zero and 8 letters": Unprinted,
	} {
		var rule *RuleError
		_, err := f.change(s, cashOwn, password)
		if !errors.As(err, &rule) || rule.Rule != want {
			t.Errorf("%q: %v, want %q", password, err, want)
		}
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	if err := (Policy{MinLength: 6}).judge(12, []byte("121212")); err == nil || !strings.Contains(err.Error(), string(HasNumber)) {
		t.Errorf("the operator's number: %v", err)
	}
	if _, err := f.change(s, cashOwn, "Robbe-1184"); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func TestOldPasswordsDoNotComeBack(t *testing.T) {
	f := staffed(t)
	s := f.mustLogin(1, cashOwn)
	present := cashOwn
	for i := range 6 {
		next := fmt.Sprintf("Robbe-%d184", i)
		var err error
		if s, err = f.change(s, present, next); err != nil {
			t.Fatal(err)
		}
		present = next
	}
	var rule *RuleError
	for _, old := range []string{"Robbe-5184", "Robbe-4184", "Robbe-3184", "Robbe-2184"} {
		if _, err := f.change(s, present, old); !errors.As(err, &rule) || rule.Rule != Reused {
			t.Errorf("%s: %v", old, err)
		}
	}
	if _, err := f.change(s, present, "Robbe-1184"); err != nil {
		t.Errorf("the fifth before: %v", err)
	}
}

func TestALockOutOutlivesARestart(t *testing.T) {
	f := staffed(t)
	tries := DefaultPolicy.MaxTries
	for i := range tries {
		if i == 3 {
			f.restart()
		}
		_, err := f.login(1, "wrong-1184")
		if !errors.Is(err, ErrPassword) || errors.Is(err, ErrLocked) != (i == tries-1) {
			t.Fatalf("try %d: %v", i+1, err)
		}
	}
	f.restart()
	_, err := f.login(1, cashOwn)
	var locked *LockedError
	if !errors.As(err, &locked) || !locked.Until.Equal(f.now.Add(DefaultPolicy.LockFor)) {
		t.Fatalf("the right one, locked: %v", err)
	}
	list, err := f.List(f.now)
	if err != nil || len(list) != 3 || list[1].Number != 1 || list[1].Locked.IsZero() {
		t.Errorf("got %+v, %v", list, err)
	}
	f.mustLogin(SupervisorNumber, superOwn) // others are not locked
	f.now = f.now.Add(DefaultPolicy.LockFor)
	if _, err := f.login(1, "wrong-1184"); !errors.Is(err, ErrLocked) {
		t.Errorf("the first wrong one after a lock-out: %v", err)
	}
	f.now = f.now.Add(-24 * 365 * time.Hour) // the clock is set back: nobody waits for a year
	if _, err := f.login(1, cashOwn); !errors.As(err, &locked) || locked.Until.After(f.now.Add(DefaultPolicy.LockFor)) {
		t.Errorf("clock set back: %v", err)
	}
	f.now = clock.Add(2 * DefaultPolicy.LockFor)
	s := f.mustLogin(1, cashOwn)
	if s.Failed != tries {
		t.Errorf("told of %d wrong tries, want %d", s.Failed, tries)
	}
	f.Logout(s)
	if s := f.mustLogin(1, cashOwn); s.Failed != 0 || !s.LastLogin.Equal(f.now) {
		t.Errorf("got %+v", s)
	}
}

// The plug is pulled at each moment of a wrong try: none is free.
func TestAPulledPlugGivesNoFreeTry(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
		f := staffed(t)
		f.fail = point
		if _, err := f.login(1, cashOwn); !errors.Is(err, store.ErrUnknown) {
			t.Fatalf("%s: a try that was not counted was looked at: %v", point, err)
		}
		f.fail = ""
		f.restart()
		f.mustLogin(1, cashOwn)
	}
}

func TestPasswordsGetOld(t *testing.T) {
	f := staffed(t)
	f.now = f.now.Add(DefaultPolicy.MaxAge - time.Hour)
	if s := f.mustLogin(1, cashOwn); s.MustChange || !s.Expires.Equal(clock.Add(DefaultPolicy.MaxAge)) {
		t.Errorf("an hour before: %+v", s)
	}
	f.now = f.now.Add(time.Hour)
	s := f.mustLogin(1, cashOwn) // the one before was idle
	if !s.MustChange {
		t.Error("old and still good")
	}
	if err := f.Check(s, f.now); !errors.Is(err, ErrMustChange) {
		t.Errorf("work: %v", err)
	}
	if s, err := f.change(s, cashOwn, "Robbe-1184"); err != nil || f.Check(s, f.now) != nil {
		t.Errorf("after the change: %v", err)
	}
}

func TestOneSessionForEachOperator(t *testing.T) {
	f := staffed(t)
	s := f.mustLogin(1, cashOwn)
	for range DefaultPolicy.MaxTries + 1 { // a right password locks nobody out
		if _, err := f.login(1, cashOwn); !errors.Is(err, ErrInUse) {
			t.Fatalf("second log-in: %v", err)
		}
	}
	f.now = f.now.Add(DefaultPolicy.MaxIdle - time.Second)
	if err := f.Check(s, f.now); err != nil {
		t.Errorf("not idle yet: %v", err)
	}
	f.now = f.now.Add(DefaultPolicy.MaxIdle)
	if err := f.Check(s, f.now); !errors.Is(err, ErrSession) {
		t.Errorf("idle: %v", err)
	}
	next := f.mustLogin(1, cashOwn)
	if err := f.Check(s, f.now); !errors.Is(err, ErrSession) {
		t.Errorf("the old session: %v", err)
	}
	f.Logout(s)
	if err := f.Check(next, f.now); err != nil {
		t.Errorf("logging the old one out ended the new one: %v", err)
	}
	if err := f.Check(Session{Number: 1}, f.now); !errors.Is(err, ErrSession) {
		t.Errorf("made up: %v", err)
	}
}

func TestRolesDecide(t *testing.T) {
	f := staffed(t)
	ctx := context.Background()
	admin, super, cash := f.mustLogin(AdministratorNumber, adminOwn), f.mustLogin(SupervisorNumber, superOwn), f.mustLogin(1, cashOwn)
	type step struct {
		name string
		err  error
		want error
	}
	for _, s := range []step{
		{"cashier adds", f.Add(ctx, cash, 2, []byte(cashGiven), f.now), ErrRole},
		{"supervisor adds", f.Add(ctx, super, 2, []byte(cashGiven), f.now), nil},
		{"again", f.Add(ctx, super, 2, []byte(cashGiven), f.now), ErrNumber},
		{"number 100", f.Add(ctx, super, 100, []byte(cashGiven), f.now), ErrRole},
		{"supervisor resets himself", f.Reset(ctx, super, SupervisorNumber, []byte(cashGiven), f.now), ErrRole},
		{"supervisor resets the administrator", f.Reset(ctx, super, AdministratorNumber, []byte(cashGiven), f.now), ErrRole},
		{"nobody resets the administrator", f.Reset(ctx, admin, AdministratorNumber, []byte(cashGiven), f.now), ErrRole},
		{"reset of nobody", f.Reset(ctx, super, 55, []byte(cashGiven), f.now), ErrNumber},
		{"supervisor removes", f.Remove(ctx, super, 2, f.now), nil},
		{"removed twice", f.Remove(ctx, super, 2, f.now), ErrNumber},
		{"administrator removes the supervisor", f.Remove(ctx, admin, SupervisorNumber, f.now), ErrNumber},
		{"cashier needs supervisor", f.Require(cash, Supervisor, f.now), ErrRole},
		{"administrator is enough", f.Require(admin, Supervisor, f.now), nil},
		{"administrator resets the supervisor", f.Reset(ctx, admin, SupervisorNumber, []byte("Segel-7702"), f.now), nil},
		{"whose session is over", f.Check(super, f.now), ErrSession},
		{"administrator resets a cashier", f.Reset(ctx, admin, 1, []byte("Segel-7702"), f.now), nil},
	} {
		if s.want == nil && s.err != nil || !errors.Is(s.err, s.want) {
			t.Errorf("%s: %v, want %v", s.name, s.err, s.want)
		}
	}
	if s := f.mustLogin(1, "Segel-7702"); !s.MustChange {
		t.Error("a password that was reset is good for work")
	}
	if got := fmt.Sprint(RoleOf(0), RoleOf(1), RoleOf(98), RoleOf(99), RoleOf(100), RoleOf(-1)); got != "supervisor cashier cashier administrator nobody nobody" {
		t.Error(got)
	}
}

func TestAResetEndsALockOut(t *testing.T) {
	f := staffed(t)
	for range DefaultPolicy.MaxTries {
		f.login(1, "wrong-1184")
	}
	super := f.mustLogin(SupervisorNumber, superOwn)
	if err := f.Reset(context.Background(), super, 1, []byte("Segel-7702"), f.now); err != nil {
		t.Fatal(err)
	}
	s := f.mustLogin(1, "Segel-7702")
	var rule *RuleError
	if _, err := f.change(s, "Segel-7702", cashOwn); !errors.As(err, &rule) || rule.Rule != Reused {
		t.Errorf("the password from before the reset: %v", err)
	}
	if _, err := f.change(s, "wrong-1184", "Robbe-1184"); !errors.Is(err, ErrPassword) {
		t.Errorf("change with a wrong password: %v", err)
	}
}

func TestPasswordsAreWipedAndInNoFile(t *testing.T) {
	f := staffed(t)
	right, wrong, next := []byte(cashOwn), []byte("wrong-1184"), []byte("Robbe-1184")
	f.Login(context.Background(), 1, wrong, f.now)
	s, err := f.Login(context.Background(), 1, right, f.now)
	if err != nil {
		t.Fatal(err)
	}
	f.Change(context.Background(), s, []byte(cashOwn), next, f.now)
	for _, p := range [][]byte{right, wrong, next} {
		if !bytes.Equal(p, make([]byte, len(p))) {
			t.Error("a password is not wiped")
		}
	}
	file, err := os.ReadFile(f.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{adminGiven, adminOwn, superOwn, cashOwn, "Robbe-1184"} {
		if bytes.Contains(file, []byte(p)) {
			t.Error("a password is in the file")
		}
	}
	if _, err := f.login(42, cashOwn); !errors.Is(err, ErrPassword) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := f.login(200, cashOwn); !errors.Is(err, ErrPassword) {
		t.Errorf("no number: %v", err)
	}
}

func TestALogInThatIsCancelled(t *testing.T) {
	f := staffed(t)
	<-f.computing // somebody else's password is being computed
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Login(ctx, 1, []byte(cashOwn), f.now); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkLogin(b *testing.B) {
	for b.Loop() {
		DefaultCost.key([]byte(cashOwn), make([]byte, saltSize))
	}
}

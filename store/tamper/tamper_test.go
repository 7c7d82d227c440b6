package tamper

import (
	"crypto/sha256"
	"encoding/hex"
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

var (
	ann   = Credential{"ann", []byte("correct horse")}
	bob   = Credential{"bob", []byte("battery staple")}
	carol = Credential{"carol", []byte("trombone 1877")}
	cheap = Cost{Passes: 1, MemoryKiB: 8, Threads: 1}
)

type fixture struct {
	t      *testing.T
	cfg    store.Config
	db     *store.DB
	now    time.Time
	fail   store.Point
	erased int   // calls of Erase
	broken error // what Erase returns
	*Latch
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	random := rand.NewChaCha8(sha256.Sum256([]byte("tamper")))
	dir := t.TempDir()
	key, err := store.FileDeviceKey(filepath.Join(dir, "device.key"), random)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, now: time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)}
	f.cfg = store.Config{
		Path: filepath.Join(dir, "store.db"), Key: key, Rand: random, MaxSize: store.MinMaxSize,
		Fail: func(p store.Point, _ uint64) error {
			if p == f.fail {
				f.fail = ""
				return errors.New("disk")
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
	f.Latch, err = Open(Config{
		DB: f.db, Rand: f.cfg.Rand, Cost: cheap,
		Now:   func() time.Time { return f.now },
		Erase: func() error { f.erased++; return f.broken },
	})
	if err != nil {
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

// enrolled is a fixture with ann and bob.
func enrolled(t *testing.T) *fixture {
	f := newFixture(t)
	if err := f.Enrol(ann, bob); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheLatchStandsUntilTwoClearIt(t *testing.T) {
	f := enrolled(t)
	if f.Tripped() || f.erased != 0 {
		t.Fatalf("a new latch: tripped %v, erased %d", f.Tripped(), f.erased)
	}
	at := f.now
	if err := f.Trip("housing switch"); err != nil {
		t.Fatal(err)
	}
	if f.erased != 1 {
		t.Errorf("erased %d times", f.erased)
	}
	for i := range 2 {
		f.now = f.now.Add(time.Hour)
		f.restart()
		if s := f.State(); !s.Tripped || !s.At.Equal(at) || s.Source != "housing switch" || f.erased != 2+i {
			t.Errorf("after restart %d: %+v, erased %d", i+1, s, f.erased)
		}
	}
	if err := f.Clear(bob, ann); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if s := f.State(); s.Tripped || s.Source != "" || !s.Enrolled {
			t.Errorf("cleared: %+v", s)
		}
		f.restart()
	}
	if f.erased != 3 {
		t.Errorf("erased %d times, though it was cleared", f.erased)
	}
}

// What was first seen is what is kept.
func TestASecondTripKeepsTheFirst(t *testing.T) {
	f := enrolled(t)
	f.Trip("housing switch")
	at := f.now
	f.now = f.now.Add(time.Hour)
	f.Trip(strings.Repeat("x", 500))
	f.restart()
	if s := f.State(); s.Source != "housing switch" || !s.At.Equal(at) {
		t.Errorf("%+v", s)
	}
	g := newFixture(t)
	g.Trip(strings.Repeat("x", 500))
	if n := len(g.State().Source); n != maxSource {
		t.Errorf("a source of %d bytes", n)
	}
}

func TestNothingElseClears(t *testing.T) {
	wrong := func(c Credential) Credential { return Credential{c.Name, []byte("wrong " + string(c.Password))} }
	for name, pair := range map[string][2]Credential{
		"one password is wrong":       {ann, wrong(bob)},
		"the other password is wrong": {wrong(ann), bob},
		"both are wrong":              {wrong(ann), wrong(bob)},
		"one technician, twice":       {ann, ann},
		"the other, twice":            {bob, bob},
		"one technician alone":        {ann, {}},
		"a stranger":                  {ann, carol},
		"names changed":               {{"bob", ann.Password}, {"ann", bob.Password}},
		"no names":                    {{"", ann.Password}, {"", bob.Password}},
		"a password that never ends":  {ann, {"bob", make([]byte, 1<<20)}},
	} {
		t.Run(name, func(t *testing.T) {
			f := enrolled(t)
			f.Trip("housing switch")
			err := f.Clear(pair[0], pair[1])
			if !errors.Is(err, ErrPassword) || !f.Tripped() {
				t.Errorf("%v, tripped %v", err, f.Tripped())
			}
			for _, c := range append(pair[:], ann, bob) {
				if len(c.Password) > 0 && len(c.Password) < 100 && strings.Contains(fmt.Sprint(err, f.State()), string(c.Password)) {
					t.Errorf("a password shows in %v", err)
				}
			}
			f.restart()
			if !f.Tripped() {
				t.Error("cleared by a restart")
			}
			if err := f.Clear(ann, bob); err != nil {
				t.Errorf("the right ones: %v", err)
			}
		})
	}
}

func TestWithoutTechniciansNobodyClears(t *testing.T) {
	f := newFixture(t)
	f.Trip("housing switch")
	if err := f.Clear(ann, bob); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("clear: %v", err)
	}
	if err := f.Enrol(ann, bob); !errors.Is(err, ErrLocked) || !f.Tripped() {
		t.Errorf("enrol: %v", err)
	}
}

func TestTechniciansThatAreRefused(t *testing.T) {
	long := []byte(strings.Repeat("p", MaxPassword+1))
	for want, pair := range map[string][2]Credential{
		`called "ann"`:         {ann, {"ann", bob.Password}},
		"the same password":    {ann, {"bob", ann.Password}},
		"password of 7 bytes":  {ann, {"bob", []byte("1234567")}},
		"password of 129":      {ann, {"bob", long}},
		"name of 0 bytes":      {{"", ann.Password}, bob},
		"name of 33 bytes":     {{strings.Repeat("n", 33), ann.Password}, bob},
		"enrolled already":     {ann, bob},
		"salt: random is used": {ann, bob},
	} {
		f := newFixture(t)
		switch want {
		case "enrolled already":
			f = enrolled(t)
		case "salt: random is used":
			f.Latch.cfg.Rand = strings.NewReader("short")
			want = "salt:"
		}
		if err := f.Enrol(pair[0], pair[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

func TestReplace(t *testing.T) {
	f := enrolled(t)
	if err := f.Replace(ann, carol, bob, carol); !errors.Is(err, ErrPassword) {
		t.Errorf("by a stranger: %v", err)
	}
	if err := f.Replace(bob, ann, ann, carol); err != nil {
		t.Fatal(err)
	}
	f.restart()
	f.Trip("housing switch")
	if err := f.Replace(ann, carol, ann, bob); !errors.Is(err, ErrLocked) {
		t.Errorf("while it is locked: %v", err)
	}
	if err := f.Clear(ann, bob); !errors.Is(err, ErrPassword) {
		t.Errorf("by one who left: %v", err)
	}
	if err := f.Clear(ann, carol); err != nil {
		t.Error(err)
	}
}

// Three tries are free, then there is a wait that doubles, over restarts too.
func TestWrongTriesHaveToWait(t *testing.T) {
	f := enrolled(t)
	f.Trip("housing switch")
	bad := Credential{"bob", []byte("not this one")}
	for i, wait := range []time.Duration{0, 0, 0, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour, time.Hour} {
		if wait > 0 {
			f.now = f.now.Add(wait - time.Second)
			if err := f.Clear(ann, bob); !errors.Is(err, ErrTooSoon) {
				t.Fatalf("try %d, a second too soon: %v", i+1, err)
			}
			f.now = f.now.Add(time.Second)
		}
		if err := f.Clear(ann, bad); !errors.Is(err, ErrPassword) {
			t.Fatalf("try %d: %v", i+1, err)
		}
		f.restart()
	}
	if s := f.State(); s.Failed != 13 || !s.RetryAt.Equal(f.now.Add(time.Hour)) {
		t.Errorf("%+v", s)
	}
	f.now = f.now.Add(time.Hour)
	if err := f.Clear(ann, bob); err != nil || f.State().Failed != 0 {
		t.Errorf("the right ones: %v, %+v", err, f.State())
	}
}

func TestAClockThatIsSetBackDoesNotLockForYears(t *testing.T) {
	f := enrolled(t)
	f.now = f.now.AddDate(10, 0, 0)
	for range freeTries {
		f.Clear(ann, carol)
	}
	f.now = f.now.AddDate(-10, 0, 0)
	if err := f.Clear(ann, bob); !errors.Is(err, ErrTooSoon) {
		t.Errorf("at once: %v", err)
	}
	f.now = f.now.Add(firstWait)
	if err := f.Clear(ann, bob); err != nil {
		t.Error(err)
	}
}

// A try is on disk before a password is looked at: pulling the plug gives none for nothing.
func TestATryIsCountedFirst(t *testing.T) {
	f := enrolled(t)
	f.Trip("housing switch")
	f.fail = store.BeforeCommit
	if err := f.Clear(ann, bob); !errors.Is(err, store.ErrUnknown) || !f.Tripped() {
		t.Errorf("a try that cannot be counted: %v", err)
	}
	before := f.db.Stats().Commits
	f.Clear(ann, carol)
	if got := f.db.Stats().Commits - before; got < 1 || f.State().Failed != 1 {
		t.Errorf("%d commits, %+v", got, f.State())
	}
}

// Whatever the disk does, the latch is set in memory and the keys are erased; the next trip
// tries the disk again.
func TestTripWithABadDisk(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
		f := enrolled(t)
		f.fail = point
		if err := f.Trip("housing switch"); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: %v", point, err)
		}
		if !f.Tripped() || f.erased != 1 {
			t.Errorf("%s: tripped %v, erased %d", point, f.Tripped(), f.erased)
		}
		if err := f.Trip("housing switch"); err != nil {
			t.Errorf("%s: again: %v", point, err)
		}
		f.restart()
		if !f.Tripped() {
			t.Errorf("%s: forgotten", point)
		}
	}
}

// The keys that could not be erased are erased at the next boot.
func TestEraseThatFails(t *testing.T) {
	f := enrolled(t)
	f.broken = errors.New("disk")
	if err := f.Trip("housing switch"); !errors.Is(err, f.broken) {
		t.Errorf("trip: %v", err)
	}
	if s := f.State(); s.Unerased != "disk" || !s.Tripped {
		t.Errorf("%+v", s)
	}
	f.restart()
	if s := f.State(); s.Unerased != "disk" || !s.Tripped {
		t.Errorf("after a restart: %+v", s)
	}
	f.broken = nil
	f.restart()
	if s := f.State(); s.Unerased != "" {
		t.Errorf("erased at last: %+v", s)
	}
}

// A latch is not cleared by a commit that failed, unless the disk has it.
func TestClearWithABadDisk(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
		f := enrolled(t)
		f.Trip("housing switch")
		commits := 0
		f.db.Close()
		f.cfg.Fail = func(p store.Point, _ uint64) error {
			if p != point {
				return nil
			}
			if commits++; commits == 2 { // the first counts the try
				return errors.New("disk")
			}
			return nil
		}
		f.open()
		err := f.Clear(ann, bob)
		if (err == nil) != (point == store.AfterCommit) || f.Tripped() != (err != nil) {
			t.Errorf("%s: %v, tripped %v", point, err, f.Tripped())
		}
		f.cfg.Fail = nil
		was := f.Tripped()
		f.restart()
		if f.Tripped() != was {
			t.Errorf("%s: tripped %v, after a restart %v", point, was, f.Tripped())
		}
	}
}

// A housing that is opened while two people type is not cleared by them.
func TestATripOvertakesAClear(t *testing.T) {
	f := enrolled(t)
	f.Trip("housing switch")
	trips, err := f.prove(ann, bob)
	if err != nil {
		t.Fatal(err)
	}
	f.Trip("housing switch")
	if err := f.clear(trips, "ann", "bob"); !errors.Is(err, ErrLocked) || !f.Tripped() {
		t.Errorf("%v, tripped %v", err, f.Tripped())
	}
}

// A record that cannot be read is a latch that is set.
func TestADamagedLatchIsSet(t *testing.T) {
	f := enrolled(t)
	if err := f.db.Update(func(tx *store.Tx) error { return tx.Put(bucket, latchKey(), []byte("{")) }); err != nil {
		t.Fatal(err)
	}
	f.restart()
	if s := f.State(); !s.Tripped || !strings.Contains(s.Source, "cannot be read") || f.erased != 1 {
		t.Errorf("%+v, erased %d", s, f.erased)
	}
	if err := f.Clear(ann, bob); err != nil {
		t.Errorf("clear: %v", err)
	}
	f.restart()
	if f.Tripped() {
		t.Error("set again")
	}
}

// Technicians with a cost that would stop the terminal are none.
func TestDamagedTechnicians(t *testing.T) {
	for _, record := range []string{
		"{", `[{"name":"ann"}]`,
		`[{"name":"ann","salt":"AAAAAAAAAAAAAAAAAAAAAA==","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","cost":{"passes":4000000000,"memory_kib":8,"threads":1}}]`,
	} {
		f := enrolled(t)
		f.Trip("housing switch")
		if err := f.db.Update(func(tx *store.Tx) error { return tx.Put(bucket, techniciansKey(), []byte(record)) }); err != nil {
			t.Fatal(err)
		}
		f.restart()
		if err := f.Clear(ann, bob); !errors.Is(err, ErrNotEnrolled) || !f.Tripped() {
			t.Errorf("%s: %v", record, err)
		}
	}
}

// No password is in the file.
func TestPasswordsAtRest(t *testing.T) {
	f := enrolled(t)
	file, err := os.ReadFile(f.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Credential{ann, bob} {
		if strings.Contains(string(file), string(c.Password)) {
			t.Errorf("the password of %s is readable", c.Name)
		}
	}
}

// The hash is the published one: test vectors of the Argon2 reference implementation
// (phc-winner-argon2, src/test.c), Argon2id version 13.
func TestHash(t *testing.T) {
	for _, row := range []struct {
		cost Cost
		want string
	}{
		{Cost{2, 64 << 10, 1}, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"},
		{Cost{2, 256, 1}, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"},
	} {
		if got := hex.EncodeToString(row.cost.hash([]byte("password"), []byte("somesalt"))); got != row.want {
			t.Errorf("%+v: %s, want %s", row.cost, got, row.want)
		}
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	f := newFixture(t)
	for want, edit := range map[string]func(*Config){
		"DB is missing":     func(c *Config) { c.DB = nil },
		"Now is missing":    func(c *Config) { c.Now = nil },
		"Rand is missing":   func(c *Config) { c.Rand = nil },
		"Erase is missing":  func(c *Config) { c.Erase = nil },
		"64 passes":         func(c *Config) { c.Cost = Cost{64, 8, 1} },
		"up to 65536 KiB":   func(c *Config) { c.Cost = Cost{1, 1 << 20, 1} },
		"1 to 4 threads":    func(c *Config) { c.Cost = Cost{1, 8, 0} },
		"cost {Passes:1 Me": func(c *Config) { c.Cost = Cost{1, 8, 4} },
	} {
		c := f.Latch.cfg
		edit(&c)
		_, err := Open(c)
		if want == "64 passes" {
			want = "1 to 16 passes"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testKey is a device key for tests: HKDF over a seed byte.
func testKey(seed byte) DeviceKey {
	k := new(fileKey)
	for i := range k.secret {
		k.secret[i] = seed
	}
	return k
}

// testRand is a deterministic source.
func testRand() io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte("store"))) }

func testConfig(t testing.TB) Config {
	return Config{
		Path: filepath.Join(t.TempDir(), "journal.db"), Key: testKey(1), Rand: testRand(),
		MaxSize: MinMaxSize, LockTimeout: 100 * time.Millisecond,
	}
}

func mustOpen(t testing.TB, cfg Config) *DB {
	t.Helper()
	db, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func put(t testing.TB, db *DB, key, value, secret string) {
	t.Helper()
	err := db.Update(func(tx *Tx) error {
		if secret == "" {
			return tx.Put("b", []byte(key), []byte(value))
		}
		return tx.PutSecret("b", []byte(key), []byte(value), []byte(secret))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, db *DB, key string) (value, secret string, err error) {
	t.Helper()
	err = db.View(func(tx *Tx) error {
		v, err := tx.Get("b", []byte(key))
		if err != nil {
			return err
		}
		value = string(v)
		s, err := tx.Secret("b", []byte(key))
		secret = string(s)
		if errors.Is(err, ErrNoSecret) {
			return nil
		}
		return err
	})
	return value, secret, err
}

func TestTheFileIsMadeWholeAndPrivate(t *testing.T) {
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	info, err := os.Stat(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %04o, want 0600", got)
	}
	if info.Size() != MinMaxSize {
		t.Errorf("size %d, want %d", info.Size(), MinMaxSize)
	}
	var st unix.Stat_t
	if err := unix.Stat(cfg.Path, &st); err != nil {
		t.Fatal(err)
	}
	if got := st.Blocks * 512; got < MinMaxSize {
		t.Errorf("%d bytes are reserved on disk, want %d: a full disk would stop the queue", got, MinMaxSize)
	}
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(cfg.Path), "*"))
	if len(names) != 1 {
		t.Errorf("files beside the store: %v", names)
	}
	if db.Schema() != 1 {
		t.Errorf("schema %d, want 1", db.Schema())
	}
}

func TestAHalfMadeFileIsMadeAnew(t *testing.T) {
	cfg := testConfig(t)
	if err := os.WriteFile(cfg.Path+".new", []byte("power went"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, cfg)
}

func TestRecordsOutliveAReopening(t *testing.T) {
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	put(t, db, "k", "value", "secret")
	put(t, db, "k", "other", "")
	put(t, db, "bare", "no secret", "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = mustOpen(t, cfg)
	if v, s, err := get(t, db, "k"); v != "other" || s != "secret" || err != nil {
		t.Errorf("got %q %q %v: Put keeps the secret", v, s, err)
	}
	if v, s, err := get(t, db, "bare"); v != "no secret" || s != "" || err != nil {
		t.Errorf("got %q %q %v", v, s, err)
	}
	if _, _, err := get(t, db, "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if err := db.Check(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestAFunctionThatFailsWritesNothing(t *testing.T) {
	db := mustOpen(t, testConfig(t))
	mine := errors.New("mine")
	err := db.Update(func(tx *Tx) error {
		if err := tx.PutSecret("b", []byte("k"), []byte("v"), []byte("s")); err != nil {
			t.Fatal(err)
		}
		return mine
	})
	if err != mine {
		t.Errorf("got %v, want the function's own error", err)
	}
	if _, _, err := get(t, db, "k"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if n := usedSlots(db); n != 0 {
		t.Errorf("%d slots in use", n)
	}
}

func usedSlots(db *DB) (n int) {
	for _, used := range db.slots.used {
		if used {
			n++
		}
	}
	return n
}

func TestATransactionCannotBeKept(t *testing.T) {
	db := mustOpen(t, testConfig(t))
	var kept *Tx
	if err := db.Update(func(tx *Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Get("b", []byte("k")); !errors.Is(err, ErrClosed) {
		t.Errorf("Get: %v, want ErrClosed", err)
	}
	if err := kept.Put("b", []byte("k"), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Put: %v, want ErrClosed", err)
	}
	if err := kept.Each("b", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Each: %v, want ErrClosed", err)
	}
}

func TestACallersPanicComesThroughAndLocksNothing(t *testing.T) {
	db := mustOpen(t, testConfig(t))
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v, want mine", p)
			}
		}()
		db.Update(func(*Tx) error { panic("mine") })
	}()
	put(t, db, "k", "v", "")
}

func TestAClosedStoreSaysSo(t *testing.T) {
	db := mustOpen(t, testConfig(t))
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := db.View(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("View: %v", err)
	}
	if err := db.Update(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Update: %v", err)
	}
}

func TestTheLockIsWaitedForAndTheFileNamed(t *testing.T) {
	cfg := testConfig(t)
	mustOpen(t, cfg)
	_, err := Open(cfg)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), cfg.Path) {
		t.Errorf("got %v, want ErrLocked with the path", err)
	}
}

func TestAFullFileSaysSoAndGoesOn(t *testing.T) {
	db := mustOpen(t, testConfig(t))
	value := make([]byte, 3000)
	var err error
	stored := 0
	for ; err == nil && stored < 1000; stored++ {
		err = db.Update(func(tx *Tx) error { return tx.Put("b", []byte(fmt.Sprintf("%04d", stored)), value) })
	}
	if !errors.Is(err, ErrFull) || errors.Is(err, ErrUnknown) {
		t.Fatalf("after %d records: %v, want ErrFull", stored, err)
	}
	if used, size := db.Size(); used < size*8/10 {
		t.Errorf("full at %d of %d bytes", used, size)
	}
	if err := db.Update(func(tx *Tx) error { return tx.Put("b", []byte("0000"), []byte("shorter")) }); err != nil {
		t.Errorf("a record that is there cannot be replaced: %v", err)
	}
	if err := db.Check(context.Background()); err != nil {
		t.Error(err)
	}
}

// An error from a commit means unknown. What the next read says is what a reopened
// store says.
func TestAfterAFailedCommitTheReadTellsTheTruth(t *testing.T) {
	failed := errors.New("disk")
	for _, row := range []struct {
		point Point
		there bool
	}{{BeforeCommit, false}, {AfterCommit, true}} {
		t.Run(string(row.point), func(t *testing.T) {
			cfg := testConfig(t)
			var failing Point
			cfg.Fail = func(p Point, _ uint64) error {
				if p == failing {
					return failed
				}
				return nil
			}
			db := mustOpen(t, cfg)
			failing = row.point
			err := db.Update(func(tx *Tx) error { return tx.PutSecret("b", []byte("k"), []byte("v"), []byte("s")) })
			if !errors.Is(err, ErrUnknown) || !errors.Is(err, failed) {
				t.Fatalf("got %v, want ErrUnknown and its cause", err)
			}
			if _, _, err := get(t, db, "k"); !errors.Is(err, ErrUnknown) {
				t.Errorf("while the disk fails a read says %v, want ErrUnknown", err)
			}
			failing = ""
			_, secret, err := get(t, db, "k")
			if there := err == nil && secret == "s"; there != row.there {
				t.Errorf("read back: there %v (%v), want %v", there, err, row.there)
			}
			db.Close()
			db = mustOpen(t, cfg)
			if _, _, again := get(t, db, "k"); (again == nil) != row.there {
				t.Errorf("after reopening: %v, want there %v", again, row.there)
			}
			if want := map[bool]int{true: 1}[row.there]; usedSlots(db) != want {
				t.Errorf("%d slots in use, want %d", usedSlots(db), want)
			}
		})
	}
}

// The same with a real failure: bbolt's descriptor is made read-only under it, so that
// its own write fails.
func TestARealWriteErrorIsUnknownAndHeals(t *testing.T) {
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	put(t, db, "k", "before", "")
	readOnly, err := os.Open(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	fd := int(db.file.Fd())
	saved, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(int(readOnly.Fd()), fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *Tx) error { return tx.Put("b", []byte("k"), []byte("after")) })
	if !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	if _, _, err := get(t, db, "k"); !errors.Is(err, ErrUnknown) {
		t.Errorf("read while the disk fails: %v, want ErrUnknown", err)
	}
	if err := unix.Dup3(saved, fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	unix.Close(saved)
	if v, _, err := get(t, db, "k"); v != "before" || err != nil {
		t.Errorf("read back %q %v, want the value before", v, err)
	}
	put(t, db, "k", "again", "")
	if got := db.Stats(); got.Failed < 2 || got.Commits < 2 {
		t.Errorf("stats %+v", got)
	}
}

func TestARandomSourceThatFailsStopsTheWrite(t *testing.T) {
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	db.seal.rand = strings.NewReader("few")
	err := db.Update(func(tx *Tx) error { return tx.Put("b", []byte("k"), []byte("v")) })
	if err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want an error before the commit", err)
	}
}

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
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

// A file that is no good gives one error and keeps every byte and its time.
func TestAFileThatIsNoStoreIsRefusedAndLeftAlone(t *testing.T) {
	good := func(t *testing.T, cfg Config) []byte {
		db := mustOpen(t, cfg)
		put(t, db, "k", "value", "secret")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(cfg.Path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	foreign := func(t *testing.T, size int64) []byte {
		path := filepath.Join(t.TempDir(), "other.db")
		b, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	for _, row := range []struct {
		name    string
		content func(*testing.T, Config) []byte
		key     byte
		want    error
		says    string
	}{
		{"empty", func(*testing.T, Config) []byte { return nil }, 1, ErrDamaged, "empty"},
		{"text", func(*testing.T, Config) []byte { return []byte("hello") }, 1, ErrDamaged, "5 bytes"},
		{"garbage of the right size", func(*testing.T, Config) []byte {
			return bytes.Repeat([]byte{0xA5}, MinMaxSize)
		}, 1, ErrForeign, "neither meta page"},
		{"zeros of the right size", func(*testing.T, Config) []byte { return make([]byte, MinMaxSize) }, 1, ErrForeign, "neither meta page"},
		{"cut to an odd size", func(t *testing.T, c Config) []byte { return good(t, c)[:MinMaxSize-1000] }, 1, ErrDamaged, "bytes"},
		{"cut inside the tree", func(t *testing.T, c Config) []byte { return good(t, c)[:3*pageSize] }, 1, ErrDamaged, "bytes"},
		{"cut behind the tree", func(t *testing.T, c Config) []byte {
			c.MaxSize = 2 * MinMaxSize
			return good(t, c)[:MinMaxSize]
		}, 1, ErrDamaged, "cut short"},
		{"another program's bbolt file", func(t *testing.T, c Config) []byte { return foreign(t, MinMaxSize) }, 1, ErrForeign, "another program"},
		{"another device's file", good, 2, ErrForeign, "another device"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			content := row.content(t, cfg)
			if err := os.WriteFile(cfg.Path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			then := time.Unix(1_700_000_000, 0)
			if err := os.Chtimes(cfg.Path, then, then); err != nil {
				t.Fatal(err)
			}
			cfg.Key = testKey(row.key)
			_, err := Open(cfg)
			if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), cfg.Path) {
				t.Errorf("got %v, want %v that says %q and names the file", err, row.want, row.says)
			}
			after, _ := os.ReadFile(cfg.Path)
			info, _ := os.Stat(cfg.Path)
			if !bytes.Equal(after, content) || !info.ModTime().Equal(then) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	cfg := testConfig(t)
	mustOpen(t, cfg).Close()
	if err := os.Chmod(cfg.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "0640") {
		t.Errorf("got %v, want a refusal that names the mode", err)
	}
}

func TestSchemaGoesUpOneStepATimeAndNeverDown(t *testing.T) {
	cfg := testConfig(t)
	mustOpen(t, cfg).Close()
	var steps []string
	step := func(name string) func(*Tx) error {
		return func(tx *Tx) error {
			steps = append(steps, name)
			return tx.Put("b", []byte(name), []byte("done"))
		}
	}
	three := schema{3, map[int]func(*Tx) error{1: step("to 2"), 2: step("to 3")}}
	db, err := open(cfg, three)
	if err != nil {
		t.Fatal(err)
	}
	if db.Schema() != 3 || len(steps) != 2 || steps[0] != "to 2" {
		t.Errorf("schema %d by steps %v", db.Schema(), steps)
	}
	if v, _, err := get(t, db, "to 3"); v != "done" {
		t.Errorf("step's record: %q %v", v, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "schema 3, this program knows 1") {
		t.Errorf("got %v, want ErrNewer with both numbers", err)
	}
}

func TestAStepThatFailsLeavesTheOldSchema(t *testing.T) {
	cfg := testConfig(t)
	mustOpen(t, cfg).Close()
	broken := schema{2, map[int]func(*Tx) error{1: func(*Tx) error { return errors.New("no") }}}
	if _, err := open(cfg, broken); err == nil || !strings.Contains(err.Error(), "schema 1 to 2") {
		t.Errorf("got %v", err)
	}
	if db := mustOpen(t, cfg); db.Schema() != 1 {
		t.Errorf("schema %d, want 1", db.Schema())
	}
}

// What DESIGN.md measured: Delete does not erase. The sealed record stays in the file;
// what must be gone is the one thing that opens its secret.
func TestAWipedSecretIsGoneFromTheFile(t *testing.T) {
	const canary = "6277000000000017"
	for _, row := range []struct {
		name   string
		forget func(tx *Tx) error
	}{
		{"PutBare", func(tx *Tx) error { return tx.PutBare("b", []byte("k"), []byte("v2")) }},
		{"Delete", func(tx *Tx) error { return tx.Delete("b", []byte("k")) }},
		{"PutSecret of another", func(tx *Tx) error {
			return tx.PutSecret("b", []byte("k"), []byte("v2"), []byte("another"))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			db := mustOpen(t, cfg)
			put(t, db, "k", "v", canary)
			slot := slotInUse(t, db)
			before := rawSlot(t, cfg.Path, slot)
			if err := db.Update(row.forget); err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(cfg.Path)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(file, before[nonceSize:slotUsed]) {
				t.Error("the wrapped data key is still in the file")
			}
			if bytes.Contains(file, []byte(canary)) {
				t.Error("the secret is in the file in the clear")
			}
		})
	}
}

func slotInUse(t *testing.T, db *DB) uint32 {
	t.Helper()
	for n, used := range db.slots.used {
		if used {
			return uint32(n)
		}
	}
	t.Fatal("no slot in use")
	return 0
}

func rawSlot(t *testing.T, path string, n uint32) []byte {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := layoutOf(int64(len(file))).data + int64(n)*slotSize
	return file[at : at+slotSize]
}

// A power cut can undo a wipe that was not flushed. The next Open wipes again.
func TestAWipeThatThePowerCutUndidIsDoneAgain(t *testing.T) {
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	put(t, db, "k", "v", "secret")
	put(t, db, "kept", "v", "kept secret")
	slot := slotInUse(t, db)
	before := rawSlot(t, cfg.Path, slot)
	if err := db.Update(func(tx *Tx) error { return tx.PutBare("b", []byte("k"), []byte("v")) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(cfg.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(before, layoutOf(MinMaxSize).data+int64(slot)*slotSize); err != nil {
		t.Fatal(err)
	}
	f.Close()
	db = mustOpen(t, cfg)
	if got := rawSlot(t, cfg.Path, slot); !allZero(got) {
		t.Error("the slot came back to life")
	}
	if _, s, err := get(t, db, "kept"); s != "kept secret" || err != nil {
		t.Errorf("the other secret: %q %v", s, err)
	}
}

func TestSlotsAreUsedAgainAndRunOut(t *testing.T) {
	db := mustOpen(t, testConfig(t))
	room := len(db.slots.used) - 1
	for i := range 3 * room {
		put(t, db, "k", fmt.Sprint(i), "secret")
	}
	for i := range room - 1 {
		put(t, db, fmt.Sprint("k", i), "v", "secret")
	}
	err := db.Update(func(tx *Tx) error { return tx.PutSecret("b", []byte("one more"), nil, []byte("s")) })
	if !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
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

func TestARecordIsBoundToItsPlace(t *testing.T) {
	db := mustOpen(t, testConfig(t))
	put(t, db, "k", "v", "")
	var sealed []byte
	if err := db.bolt.View(func(tx *bbolt.Tx) error {
		sealed = bytes.Clone(tx.Bucket([]byte("b")).Get([]byte("k")))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	raw := func(bucket, key string, value []byte) {
		t.Helper()
		if err := db.bolt.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte(bucket))
			if err != nil {
				return err
			}
			return b.Put([]byte(key), value)
		}); err != nil {
			t.Fatal(err)
		}
	}
	raw("b", "moved", sealed)
	raw("c", "k", sealed)
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 0x10
		raw("b", fmt.Sprintf("flip %03d", i), flipped)
		raw("b", "k", flipped)
		if _, _, err := get(t, db, "k"); err == nil {
			t.Fatalf("a flipped bit in byte %d was not noticed", i)
		}
	}
	if _, _, err := get(t, db, "moved"); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "b/"+hex.EncodeToString([]byte("moved"))) {
		t.Errorf("moved to another key: %v", err)
	}
	if err := db.View(func(tx *Tx) error { _, err := tx.Get("c", []byte("k")); return err }); !errors.Is(err, ErrDamaged) {
		t.Errorf("moved to another bucket: %v", err)
	}
	if err := db.Check(context.Background()); !errors.Is(err, ErrDamaged) {
		t.Errorf("check: %v", err)
	}
}

// Of 408 harmful bit flips bbolt's own check saw 13. Whatever bit of the pages in use
// is flipped: the store is refused, or a read says so, or every record is as it was.
// It never panics and never gives a wrong value.
func TestAFlippedBitIsNoticedOrHarmless(t *testing.T) {
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	const records = 60
	value := func(i int) string { return strings.Repeat(fmt.Sprintf("value %d ", i), 12) }
	for i := range records {
		put(t, db, fmt.Sprintf("%04d", i), value(i), "")
	}
	used := db.bolt.Stats()
	_ = used
	size, _ := db.Size()
	size -= db.slots.lay.slots
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	refused, noticed, harmless := 0, 0, 0
	rounds := 1500
	if testing.Short() {
		rounds = 200
	}
	for range rounds {
		bit := r.Int64N(size * 8)
		flip(t, cfg.Path, whole, bit)
		switch err := readAll(cfg, records, value); {
		case err == nil:
			harmless++
		case errors.Is(err, errWrong):
			t.Errorf("bit %d: %v", bit, err)
		case strings.HasPrefix(err.Error(), "store: open"):
			refused++
		default:
			noticed++
		}
		flip(t, cfg.Path, whole, -1)
	}
	t.Logf("%d flips: %d refused at open, %d noticed by a read or Check, %d harmless", rounds, refused, noticed, harmless)
	if refused+noticed == 0 {
		t.Error("no flip was noticed: the test does not reach the pages")
	}
}

var errWrong = errors.New("a wrong value, and nobody noticed")

// flip writes the file with one bit turned; -1 puts it right again.
func flip(t *testing.T, path string, whole []byte, bit int64) {
	t.Helper()
	if bit >= 0 {
		whole = bytes.Clone(whole)
		whole[bit/8] ^= 1 << (bit % 8)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readAll(cfg Config, records int, value func(int) string) error {
	db, err := Open(cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	n := 0
	err = db.View(func(tx *Tx) error {
		if err := tx.Each("b", func(_, _ []byte, damage error) error { n++; return damage }); err != nil {
			return err
		}
		for i := range records {
			got, err := tx.Get("b", []byte(fmt.Sprintf("%04d", i)))
			if errors.Is(err, ErrNotFound) && n == records {
				return fmt.Errorf("record %d is gone, %d are there: %w", i, n, errWrong)
			}
			if err != nil {
				return err
			}
			if string(got) != value(i) {
				return fmt.Errorf("record %d: %w", i, errWrong)
			}
		}
		return nil
	})
	return errors.Join(err, db.Check(context.Background()))
}

// A page that cannot be read raises SIGBUS, for the file is mapped.
func TestAPageThatTheDiskCannotGiveIsAnError(t *testing.T) {
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	put(t, db, "k", "v", "")
	if err := os.Truncate(cfg.Path, 2*pageSize); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, db, "k"); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

func TestSetAsideKeepsTheFile(t *testing.T) {
	cfg := testConfig(t)
	if err := os.WriteFile(cfg.Path, []byte("bad"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 18, 45, 0, 0, time.UTC)
	aside, err := SetAside(cfg.Path, now)
	if err != nil || aside != cfg.Path+".bad-20261123T184500Z" {
		t.Fatalf("got %q %v", aside, err)
	}
	if b, err := os.ReadFile(aside); string(b) != "bad" {
		t.Errorf("set aside: %q %v", b, err)
	}
	mustOpen(t, cfg).Close()
	if _, err := SetAside(cfg.Path, now); err == nil {
		t.Error("an older file that was set aside was replaced")
	}
}

func TestConfigSaysWhatIsMissing(t *testing.T) {
	full := testConfig(t)
	for _, row := range []struct {
		name string
		edit func(*Config)
	}{
		{"Path", func(c *Config) { c.Path = "" }},
		{"Key", func(c *Config) { c.Key = nil }},
		{"Rand", func(c *Config) { c.Rand = nil }},
		{"MaxSize", func(c *Config) { c.MaxSize = 1000 }},
	} {
		cfg := full
		row.edit(&cfg)
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), row.name) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if _, err := os.Stat(full.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was made")
	}
}

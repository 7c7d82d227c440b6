package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

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
// is flipped: the store is refused, or a read says so, or every record is as it was, or
// one is missing, which whoever numbers its records sees. It never panics and never
// gives a wrong value.
func TestAFlippedBitIsNoticedOrHarmless(t *testing.T) {
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	const records = 60
	value := func(i int) string { return strings.Repeat(fmt.Sprintf("value %d ", i), 12) }
	for i := range records {
		put(t, db, fmt.Sprintf("%04d", i), value(i), "")
	}
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
	refused, noticed, missed, harmless := 0, 0, 0, 0
	rounds := 1000
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
		case errors.Is(err, ErrNotFound):
			missed++
		default:
			noticed++
		}
		flip(t, cfg.Path, whole, -1)
	}
	t.Logf("%d flips: %d refused at open, %d noticed by a read or Check, %d hid a record (the journal counts), %d harmless",
		rounds, refused, noticed, missed, harmless)
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

// FuzzInspect: a file with any bytes anywhere is refused, or it is safe for bbolt: its
// pages are walked to the end without a panic.
func FuzzInspect(f *testing.F) {
	cfg := testConfig(f)
	db := mustOpen(f, cfg)
	for i := range 40 {
		put(f, db, fmt.Sprintf("%04d", i), strings.Repeat("x", 300), "")
	}
	if err := db.Close(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(cfg.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte(nil))
	for page := range uint32(12) {
		f.Add(page*pageSize+8, []byte{1, 0, 255, 255, 255, 0, 0, 0})
	}
	path := filepath.Join(f.TempDir(), "fuzz.db")
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		file := bytes.Clone(whole)
		copy(file[int(at)%len(file):], change)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := inspect(path); err != nil {
			return
		}
		b, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize, NoFreelistSync: true, Timeout: time.Second})
		if err != nil {
			t.Fatalf("passed, and bbolt says %v", err)
		}
		defer b.Close()
		err = b.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
				return b.ForEach(func(_, _ []byte) error { return nil })
			})
		})
		if err != nil {
			t.Errorf("passed, and bbolt says %v", err)
		}
	})
}

package archive

import (
	"bytes"
	"context"
	"crypto/hkdf"
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

	"posd/store"
)

var (
	ctx   = context.Background()
	start = time.Date(2026, 11, 23, 18, 45, 0, 0, time.UTC)
)

type key byte

func (k key) Derive(label string) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte{byte(k)}, nil, label, 32)
}

func testConfig(t testing.TB) Config {
	return Config{
		Dir: filepath.Join(t.TempDir(), "archive"), Key: key(1),
		Rand: rand.NewChaCha8(sha256.Sum256([]byte("archive"))), Reserve: 64 << 10, Limit: 1 << 20,
	}
}

func mustOpen(t testing.TB, cfg Config) *Archive {
	t.Helper()
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func entry(batch, stan uint32, at time.Time) Entry {
	return Entry{
		Time: at, Minor: int64(stan) * 100, Currency: 156, Batch: batch, STAN: stan,
		LastFour: fmt.Sprintf("%04d", stan), RRN: fmt.Sprintf("%012d", stan), Body: []byte(fmt.Sprintf("body %d/%d", batch, stan)),
	}
}

// write archives a batch of n payments, a minute apart, closed at a time.
func write(t testing.TB, a *Archive, batch uint32, n int, closed time.Time) {
	t.Helper()
	err := a.Write(ctx, batch, closed, []byte("summary"), func(add func(Entry) error) error {
		for i := range n {
			if err := add(entry(batch, uint32(i+1), closed.Add(time.Duration(i-n)*time.Minute))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestABatchIsFoundAgain(t *testing.T) {
	cfg := testConfig(t)
	a := mustOpen(t, cfg)
	write(t, a, 1, 20, start)
	write(t, a, 2, 20, start.AddDate(0, 0, 1))
	a = mustOpen(t, cfg)
	for _, row := range []struct {
		name string
		q    Query
		want string
	}{
		{"amount", Query{Minor: 700}, "2/7 1/7"},
		{"last four", Query{LastFour: "0003"}, "2/3 1/3"},
		{"STAN", Query{STAN: 20}, "2/20 1/20"},
		{"RRN", Query{RRN: "000000000005"}, "2/5 1/5"},
		{"batch and STAN", Query{Batch: 1, STAN: 9}, "1/9"},
		{"from", Query{From: start.AddDate(0, 0, 1).Add(-2 * time.Minute)}, "2/20 2/19"},
		{"to", Query{To: start.Add(-19 * time.Minute)}, "1/2 1/1"},
		{"limit", Query{Limit: 3}, "2/20 2/19 2/18"},
		{"nothing", Query{LastFour: "9999"}, ""},
	} {
		found, err := a.Search(ctx, row.q)
		var got []string
		for _, e := range found {
			got = append(got, strings.TrimPrefix(string(e.Body), "body "))
		}
		if err != nil || strings.Join(got, " ") != row.want {
			t.Errorf("%s: %v %v, want %s", row.name, got, err, row.want)
		}
	}
	if n, err := a.Check(ctx); n != 40 || err != nil {
		t.Errorf("check: %d %v", n, err)
	}
	summary, err := a.Read(ctx, Name(1, start), func(e Entry) error {
		if want := entry(1, e.STAN, e.Time); !bytes.Equal(e.append(nil), want.append(nil)) {
			t.Errorf("got %+v, want %+v", e, want)
		}
		return nil
	})
	if string(summary) != "summary" || err != nil {
		t.Errorf("summary %q %v", summary, err)
	}
}

// The same batch again, as after a power cut: one file, the same content.
func TestTheSameBatchAgainIsTheSameFile(t *testing.T) {
	a := mustOpen(t, testConfig(t))
	write(t, a, 1, 5, start)
	write(t, a, 1, 5, start)
	if files, err := a.Files(); len(files) != 1 || err != nil {
		t.Errorf("%v %v", files, err)
	}
	if n, err := a.Check(ctx); n != 5 || err != nil {
		t.Errorf("check: %d %v", n, err)
	}
}

// A write that fails, and a power cut in the middle, leave no file under the name.
func TestABatchHalfWrittenIsNotThere(t *testing.T) {
	cfg := testConfig(t)
	a := mustOpen(t, cfg)
	err := a.Write(ctx, 1, start, []byte("summary"), func(add func(Entry) error) error {
		return errors.Join(add(entry(1, 1, start)), errors.New("the journal is damaged"))
	})
	if err == nil || !strings.Contains(err.Error(), "batch-000001") {
		t.Errorf("got %v, want an error that names the batch", err)
	}
	a = mustOpen(t, cfg)
	if files, _ := a.Files(); len(files) != 0 {
		t.Errorf("files %v", files)
	}
	write(t, a, 1, 3, start)
	if n, err := a.Check(ctx); n != 3 || err != nil {
		t.Errorf("check: %d %v", n, err)
	}
}

func TestTheOldestGoFirst(t *testing.T) {
	cfg := testConfig(t)
	cfg.Limit = cfg.Reserve
	a := mustOpen(t, cfg)
	for i := range 10 {
		write(t, a, uint32(i+1), 100, start.AddDate(0, 0, i)) // some 12 KiB each
	}
	files, err := a.Files()
	if err != nil || len(files) < 3 || len(files) > 6 || files[len(files)-1].Batch != 10 {
		t.Fatalf("%v %v: the newest few wanted", files, err)
	}
	if found := a.Findings(); len(found) != 1 || found[0].Code != FindingTrimmed {
		t.Errorf("findings %v", found)
	}
}

func TestABatchPastItsTimeGoesWithoutAFinding(t *testing.T) {
	a := mustOpen(t, testConfig(t))
	write(t, a, 1, 1, start)
	write(t, a, 2, 1, start.AddDate(0, 17, 0))
	if files, _ := a.Files(); len(files) != 2 {
		t.Errorf("after 17 months: %v", files)
	}
	write(t, a, 3, 1, start.AddDate(0, 18, 1))
	if files, _ := a.Files(); len(files) != 2 || files[0].Batch != 2 {
		t.Errorf("after 18 months: %v", files)
	}
	if found := a.Findings(); len(found) != 0 {
		t.Errorf("findings %v", found)
	}
}

// Another program fills the disk: the batch that is due is archived all the same, and
// the next one, for which nothing can be reserved, is a finding before it is due.
func TestAFullDiskDoesNotKeepABatchOpen(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=0700"); err != nil {
		if os.Geteuid() == 0 && os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("mount a tmpfs: %v (only root may)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	cfg := testConfig(t)
	cfg.Dir = filepath.Join(dir, "archive")
	cfg.Reserve = 256 << 10
	a := mustOpen(t, cfg)
	other, err := os.Create(filepath.Join(dir, "another program's"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for err == nil {
		_, err = other.Write(make([]byte, 512))
	}
	write(t, a, 1, 1000, start)
	if n, err := a.Check(ctx); n != 1000 || err != nil {
		t.Errorf("check: %d %v", n, err)
	}
	if found := a.Findings(); len(found) != 1 || found[0].Code != FindingReserve {
		t.Errorf("findings %v, want the missing reserve", found)
	}
}

// A thousand bits: a payment comes as it was or not at all, and then an error says so.
func TestAFlippedBitIsNoticedOrHarmless(t *testing.T) {
	cfg := testConfig(t)
	a := mustOpen(t, cfg)
	write(t, a, 1, 20, start)
	path := a.path(Name(1, start))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		bit := r.IntN(len(whole) * 8)
		file := bytes.Clone(whole)
		file[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := a.Search(ctx, Query{})
		for _, e := range found {
			if want := entry(1, e.STAN, e.Time); !bytes.Equal(e.append(nil), want.append(nil)) {
				t.Errorf("bit %d: %+v", bit, e)
			}
		}
		if !errors.Is(err, store.ErrDamaged) {
			t.Errorf("bit %d: %d payments and %v, want ErrDamaged", bit, len(found), err)
		}
	}
}

func TestAFileOfAnotherBatchOrDeviceIsNoticed(t *testing.T) {
	cfg := testConfig(t)
	a := mustOpen(t, cfg)
	write(t, a, 1, 2, start)
	if err := os.Rename(a.path(Name(1, start)), a.path(Name(2, start))); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Search(ctx, Query{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("under another name: %v", err)
	}
	cfg.Key = key(2)
	if _, err := mustOpen(t, cfg).Search(ctx, Query{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("another device's: %v", err)
	}
	if _, err := a.Read(ctx, "../journal.db", nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a path: %v", err)
	}
}

// A damaged file does not hide the whole ones.
func TestADamagedFileDoesNotHideTheOthers(t *testing.T) {
	a := mustOpen(t, testConfig(t))
	write(t, a, 1, 3, start)
	write(t, a, 2, 3, start.AddDate(0, 0, 1))
	if err := os.Truncate(a.path(Name(2, start.AddDate(0, 0, 1))), 100); err != nil {
		t.Fatal(err)
	}
	found, err := a.Search(ctx, Query{STAN: 2})
	if len(found) != 1 || found[0].Batch != 1 || !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "batch-000002") {
		t.Errorf("got %v %v", found, err)
	}
}

// FuzzRead: a file may hold anything.
func FuzzRead(f *testing.F) {
	cfg := testConfig(f)
	a := mustOpen(f, cfg)
	write(f, a, 1, 3, start)
	path := a.path(Name(1, start))
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(magic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := a.Read(ctx, Name(1, start), func(Entry) error { return nil })
		if (err == nil) != bytes.Equal(b, whole) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
		if err != nil && !errors.Is(err, store.ErrDamaged) && !errors.Is(err, io.EOF) {
			t.Errorf("%v, want ErrDamaged", err)
		}
	})
}

package params

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"posd/emv/params"
	"posd/store"
)

var (
	ctx  = context.Background()
	when = time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
)

// fixture is a shelf in a folder of its own, which can be closed and opened again.
type fixture struct {
	t    testing.TB
	cfg  store.Config
	fail func(store.Point) error
	db   *store.DB
	*Shelf
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	dir := t.TempDir()
	random := rand.NewChaCha8(sha256.Sum256([]byte("params")))
	key, err := store.FileDeviceKey(filepath.Join(dir, "device.key"), random)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t}
	f.cfg = store.Config{
		Path: filepath.Join(dir, "store.db"), Key: key, Rand: random, MaxSize: 1 << 20,
		Fail: func(p store.Point, _ uint64) error {
			if f.fail == nil {
				return nil
			}
			return f.fail(p)
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
	if f.Shelf, err = New(f.db); err != nil {
		f.t.Fatal(err)
	}
}

// restart is a power cut: what was not committed is gone.
func (f *fixture) restart() {
	f.t.Helper()
	f.fail = nil
	if err := f.db.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.open()
}

// arm makes the nth commit from now on fail at a point.
func (f *fixture) arm(n int, point store.Point) {
	f.fail = func(p store.Point) error {
		if p != point {
			return nil
		}
		if n--; n == 0 {
			return errors.New("disk")
		}
		return nil
	}
}

func item(version, i int) params.Item {
	return params.Item{Key: []byte{byte(i)}, Value: fmt.Appendf(nil, "item %d of version %d", i, version)}
}

const items = 4

// download puts a version on the shelf, step by step, until one fails.
func (f *fixture) download(version int) error {
	l := params.List{What: params.CAKeys, Time: when}
	for i := range items {
		l.Items = append(l.Items, params.Item{Key: []byte{byte(i)}})
	}
	if err := f.Begin(ctx, l); err != nil {
		return err
	}
	for i := range items {
		if err := f.Put(ctx, params.CAKeys, i, item(version, i)); err != nil {
			return err
		}
	}
	return f.Switch(ctx, params.CAKeys, when)
}

// version checks that the list in force is one version, whole, and returns it.
func (f *fixture) version() int {
	f.t.Helper()
	l, err := f.List(ctx, params.CAKeys)
	if err != nil {
		f.t.Fatal(err)
	}
	if l.Version == 0 {
		return 0
	}
	if !l.Complete || !l.Time.Equal(when) || len(l.Items) != items || l.Missing() > 0 {
		f.t.Fatalf("%+v", l)
	}
	for i, it := range l.Items {
		if want := item(int(l.Version), i); !reflect.DeepEqual(it, want) {
			f.t.Fatalf("version %d, item %d: %q", l.Version, i, it.Value)
		}
	}
	return int(l.Version)
}

func TestAListAndItsSuccessor(t *testing.T) {
	f := newFixture(t)
	if got, _ := f.List(ctx, params.CAKeys); got.Version != 0 || got.Complete || len(got.Items) != 0 {
		t.Errorf("%+v", got)
	}
	for version := 1; version < 5; version++ {
		if err := f.download(version); err != nil {
			t.Fatal(err)
		}
		f.restart()
		if got := f.version(); got != version {
			t.Errorf("version %d, want %d", got, version)
		}
		if d, err := f.Draft(ctx, params.CAKeys); d != nil || err != nil {
			t.Errorf("draft %+v %v", d, err)
		}
	}
}

// A commit fails at each step of a download, before or after the disk has it, and then the
// power goes: the list in force is the old one or the new one, whole, and a new download
// goes through.
func TestAFailureAtEachCommit(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
		for n := 1; n <= items+2; n++ {
			t.Run(fmt.Sprintf("%s/%d", point, n), func(t *testing.T) {
				f := newFixture(t)
				if err := f.download(1); err != nil {
					t.Fatal(err)
				}
				f.arm(n, point)
				if err := f.download(2); !errors.Is(err, store.ErrUnknown) {
					t.Fatalf("%v, want ErrUnknown", err)
				}
				want := 1
				if n == items+2 && point == store.AfterCommit {
					want = 2
				}
				f.fail = nil
				live := f.version()
				f.restart()
				if got := f.version(); got != want || live != want {
					t.Errorf("version %d, after a restart %d, want %d", live, got, want)
				}
				if err := f.download(want + 1); err != nil || f.version() != want+1 {
					t.Errorf("the next download: %v", err)
				}
				if err := f.db.Check(ctx); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Pages that came before a power cut are there after it.
func TestADraftOutlivesAPowerCut(t *testing.T) {
	f := newFixture(t)
	if err := f.Begin(ctx, params.List{What: params.TableB, Time: when}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := f.Put(ctx, params.TableB, i, params.Item{Value: []byte{byte(i + 1)}}); err != nil {
			t.Fatal(err)
		}
		f.restart()
		d, err := f.Draft(ctx, params.TableB)
		if err != nil || d == nil || len(d.Items) != i+1 || !d.Time.Equal(when) || d.Complete || d.Items[i].Value[0] != byte(i+1) {
			t.Fatalf("%+v %v", d, err)
		}
	}
}

func TestWhatTheShelfRefuses(t *testing.T) {
	f := newFixture(t)
	if err := f.Put(ctx, params.QPS, 0, params.Item{}); !errors.Is(err, ErrNoDraft) {
		t.Error(err)
	}
	if err := f.Switch(ctx, params.QPS, when); !errors.Is(err, ErrNoDraft) {
		t.Error(err)
	}
	if err := f.Begin(ctx, params.List{What: 99}); err == nil {
		t.Error("a list that there is not")
	}
	if err := f.Begin(ctx, params.List{What: params.QPS, Items: []params.Item{{Key: []byte{1}}}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Switch(ctx, params.QPS, when); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a draft with a hole: %v", err)
	}
	for _, at := range []int{-1, 2, params.MaxPages} {
		if err := f.Put(ctx, params.QPS, at, params.Item{Value: []byte{1}}); err == nil {
			t.Errorf("item %d", at)
		}
	}
	if l, err := f.List(ctx, params.QPS); err != nil || l.Version != 0 {
		t.Errorf("%+v %v", l, err)
	}
	if _, err := New(nil); err == nil {
		t.Error("no store")
	}
}

// Old versions leave nothing behind: the file does not fill up.
func TestVersionsDoNotPileUp(t *testing.T) {
	f := newFixture(t)
	for version := 1; version <= 200; version++ {
		if err := f.download(version); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
	}
	n := 0
	err := f.db.View(func(tx *store.Tx) error {
		return tx.Each(bucket, func(_, _ []byte, damage error) error { n++; return damage })
	})
	if err != nil || n != items+1 {
		t.Errorf("%d records %v, want %d", n, err, items+1)
	}
}

// A card number of the black list is not in the file in clear.
func TestNoCardNumberInTheFile(t *testing.T) {
	f := newFixture(t)
	const pan = "6277000000000017"
	if err := f.Begin(ctx, params.List{What: params.BlackList, Items: []params.Item{{Value: []byte("00016" + pan)}}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Switch(ctx, params.BlackList, when); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(f.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte(pan)) || bytes.Contains(raw, []byte("NjI3NzAwMDAwMDAwMDAxN")) {
		t.Error("it is")
	}
	if set, err := params.Load(ctx, f.Shelf); err != nil || set.Blocked() != 1 {
		t.Errorf("%v", err)
	}
}

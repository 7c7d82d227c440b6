package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"posd/emv/payment"
)

// A 4 MB disk that another program fills: what is queued goes on to its end, payments are
// taken for as long as the journal has room of its own, the next is refused as ErrFull,
// the batch is settled and archived, and then payments are taken again.
func TestAFullDiskStopsNothingThatIsQueued(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=0700"); err != nil {
		if os.Geteuid() == 0 && os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("mount a tmpfs: %v (only root may)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	f := newFixture(t)
	f.close()
	f.cfg.Path, f.log.Path = filepath.Join(dir, "journal.db"), filepath.Join(dir, "journal.log")
	f.arc.Dir = filepath.Join(dir, "archive")
	f.open()
	queued := f.mixed()
	other, err := os.Create(filepath.Join(dir, "another program's"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for err == nil {
		_, err = other.Write(make([]byte, 512))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	for id, rec := range queued {
		for _, to := range []payment.State{payment.ReversalOwed, payment.Reversed, payment.Stored, payment.Completed} {
			if rec.State != to && rec.State.CanMove(to) {
				f.move(rec, to)
			}
		}
		if !rec.State.Final() {
			t.Errorf("%v stays %v", id, rec.State)
		}
	}
	taken := fillUp(t, f)
	if taken < 100 {
		t.Errorf("%d payments were taken, more than 100 wanted", taken)
	}
	if err := f.Close(ctx, f.ended()); err != nil {
		t.Fatal(err)
	}
	if n := len(f.archived()); n != taken+len(queued) {
		t.Errorf("%d payments archived, want %d", n, taken+len(queued))
	}
	f.begin()
	f.restart()
	if r := f.Recovery(); len(r.Restored)+len(r.Faults)+r.Lost != 0 {
		t.Errorf("recovery %+v", r)
	}
	if err := f.db.Check(ctx); err != nil {
		t.Error(err)
	}
}

// fillUp takes payments until the journal is full.
func fillUp(t *testing.T, f *fixture) (taken int) {
	t.Helper()
	for ; taken < 500; taken++ {
		id, err := f.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		rec := request(id)
		if err := f.Begin(ctx, rec); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Errorf("full: %v, want ErrFull", err)
			}
			t.Log(fmt.Sprint(taken, " payments, then: ", err))
			return taken
		}
		f.move(rec, payment.Answered)
		f.move(rec, payment.Completed)
	}
	return taken
}

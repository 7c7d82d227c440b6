package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a tmpfs of the given size, which only root may.
func smallDisk(t testing.TB, size int) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size))
	if err != nil {
		if os.Geteuid() == 0 && os.Getenv("CI") == "true" {
			t.Fatalf("mount a tmpfs: %v", err)
		}
		t.Skipf("mount a tmpfs: %v (only root may)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fillDisk has another file take what the disk has left, but spare bytes.
func fillDisk(t testing.TB, dir string, spare int) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "another program's"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for range (int(st.Bavail)*int(st.Bsize) - spare) / len(block) {
		if _, err := f.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if spare > 0 {
		return
	}
	for err == nil {
		_, err = f.Write(block[:512])
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the disk: %v, want ENOSPC", err)
	}
}

// DESIGN.md measured 0 of 50 deletes with bbolt as it comes. Another program fills the
// disk: what is queued can still be changed and deleted, new records are taken for as
// long as the store has room of its own, and then refused as ErrFull, with all the others
// whole.
func TestADiskThatAnotherProgramFilledStopsNothing(t *testing.T) {
	cfg := testConfig(t)
	cfg.Path = filepath.Join(smallDisk(t, 4<<20), "journal.db")
	cfg.MaxSize = 2 << 20
	db := mustOpen(t, cfg)
	for i := range 50 {
		put(t, db, fmt.Sprint("queued ", i), strings.Repeat("x", 1000), "secret")
	}
	fillDisk(t, filepath.Dir(cfg.Path), 0)
	for i := range 50 {
		if err := db.Update(func(tx *Tx) error { return tx.Delete("b", []byte(fmt.Sprint("queued ", i))) }); err != nil {
			t.Fatalf("delete %d: %v", i, err)
		}
	}
	n, err := fillStore(db)
	if n < 900 || !errors.Is(err, ErrFull) || errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "store is full") {
		t.Errorf("%d records, then %v; want more than 900, then ErrFull", n, err)
	}
	if err := db.Update(func(tx *Tx) error { return tx.PutBare("b", []byte("r 0"), []byte("changed")) }); err != nil {
		t.Errorf("change a record of a full store: %v", err)
	}
	db.Close()
	db = mustOpen(t, cfg)
	for i := 1; i < n; i++ {
		if v, _, err := get(t, db, fmt.Sprint("r ", i)); len(v) != 1000 || err != nil {
			t.Fatalf("record %d: %d bytes, %v", i, len(v), err)
		}
	}
	if err := db.Check(context.Background()); err != nil {
		t.Error(err)
	}
}

func fillStore(db *DB) (n int, err error) {
	for ; n < 10000; n++ {
		err = db.Update(func(tx *Tx) error {
			return tx.PutBare("b", []byte(fmt.Sprint("r ", n)), []byte(strings.Repeat("x", 1000)))
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

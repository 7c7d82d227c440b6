package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// version2 is a program that knows one schema more.
func version2(st step) schema { return schema{2, map[int]step{1: st}} }

// oldFile makes a file of schema 1 with four records, one with a secret.
func oldFile(t *testing.T) Config {
	t.Helper()
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	for _, k := range []string{"a", "b", "c"} {
		put(t, db, k, "value "+k, "")
	}
	put(t, db, "card", "value", "6277000000000017")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func onlyFile(t *testing.T, path string) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if len(names) != 1 {
		t.Errorf("files left: %v", names)
	}
}

// A migration that forgets a record, the planted bug, is found, and the older file goes
// on as it was, byte for byte.
func TestAMigrationThatLosesSomethingIsFound(t *testing.T) {
	for _, row := range []struct {
		name string
		step step
		says string
	}{
		{"a record", step{
			run:      func(tx *Tx) error { return tx.Delete("b", []byte("b")) },
			rewrites: []string{"b"},
		}, "lost record b/62"},
		{"a secret", step{
			run:      func(tx *Tx) error { return tx.PutBare("b", []byte("card"), []byte("new")) },
			rewrites: []string{"b"},
		}, "lost the secret of record b/63617264"},
		{"a value that no step names", step{
			run: func(tx *Tx) error { return tx.Put("b", []byte("a"), []byte("other")) },
		}, "changed record b/61"},
		{"the step itself", step{run: func(*Tx) error { return errors.New("no") }}, "step to 2: no"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := oldFile(t)
			before, err := os.ReadFile(cfg.Path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := open(cfg, version2(row.step)); err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want %q", err, row.says)
			}
			if after, _ := os.ReadFile(cfg.Path); !bytes.Equal(before, after) {
				t.Error("the older file was changed")
			}
			onlyFile(t, cfg.Path)
			if _, s, err := get(t, mustOpen(t, cfg), "card"); s == "" || err != nil {
				t.Errorf("the older program: %q %v", s, err)
			}
		})
	}
}

func rewriteAll(tx *Tx) error {
	for _, k := range []string{"a", "b", "c", "card"} {
		if err := tx.Put("b", []byte(k), []byte("v2 "+k)); err != nil {
			return err
		}
	}
	return tx.PutBare("new", []byte("n"), []byte("v"))
}

func TestAMigrationKeepsEverything(t *testing.T) {
	cfg := oldFile(t)
	db, err := open(cfg, version2(step{run: rewriteAll, rewrites: []string{"b"}}))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if v, s, err := get(t, db, "card"); v != "v2 card" || s != "6277000000000017" || err != nil {
		t.Errorf("got %q %q %v", v, s, err)
	}
	if db.Schema() != 2 {
		t.Errorf("schema %d, want 2", db.Schema())
	}
	onlyFile(t, cfg.Path) // the older file was wiped once the new one had been opened
}

// A power cut between any two steps of the switch: the next start finds a whole file,
// migrates it if it has to, and leaves nothing behind.
func TestAPowerCutInAMigration(t *testing.T) {
	good := version2(step{run: rewriteAll, rewrites: []string{"b"}})
	for _, row := range []struct {
		name string
		cut  func(t *testing.T, path string)
	}{
		{"a copy half made", func(t *testing.T, path string) {
			whole, _ := os.ReadFile(path)
			write(t, migratingPath(path), whole[:len(whole)/2])
		}},
		{"linked, not renamed", func(t *testing.T, path string) {
			whole, _ := os.ReadFile(path)
			write(t, migratingPath(path), whole)
			if err := os.Link(path, olderPath(path, 1)); err != nil {
				t.Fatal(err)
			}
		}},
		{"renamed, the older one not wiped", func(t *testing.T, path string) {
			whole, _ := os.ReadFile(path)
			cfg := testConfig(t)
			cfg.Path = path
			db, err := open(cfg, good)
			if err != nil {
				t.Fatal(err)
			}
			db.Close()
			write(t, olderPath(path, 1), whole)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := oldFile(t)
			row.cut(t, cfg.Path)
			db, err := open(cfg, good)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if v, s, err := get(t, db, "card"); v != "v2 card" || s != "6277000000000017" || err != nil {
				t.Errorf("got %q %q %v", v, s, err)
			}
			onlyFile(t, cfg.Path)
		})
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What a migration leaves in the free space of the disk must not open a secret.
func TestACopyIsWipedBeforeItIsRemoved(t *testing.T) {
	cfg := oldFile(t)
	other := cfg.Path + ".copy"
	if err := os.Link(cfg.Path, other); err != nil {
		t.Fatal(err)
	}
	if err := forgetCopy(cfg.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cfg.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the copy is there")
	}
	cfg.Path = other
	if _, s, err := get(t, mustOpen(t, cfg), "card"); s != "" || err != nil {
		t.Errorf("the secret opens: %q %v", s, err)
	}
}

func TestAMigrationWithoutRoomLeavesTheFile(t *testing.T) {
	dir := smallDisk(t, 640<<10)
	cfg := testConfig(t)
	cfg.Path = filepath.Join(dir, "journal.db")
	db := mustOpen(t, cfg)
	put(t, db, "a", "value", "")
	db.Close()
	fillDisk(t, dir, 64<<10)
	_, err := open(cfg, version2(step{run: func(*Tx) error { return nil }}))
	if !errors.Is(err, ErrFull) || !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "KiB free") {
		t.Errorf("got %v, want ErrFull that says how much is needed", err)
	}
	if v, _, err := get(t, mustOpen(t, cfg), "a"); v != "value" || err != nil {
		t.Errorf("the older program: %q %v", v, err)
	}
}

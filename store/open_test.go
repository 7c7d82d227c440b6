package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

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
	to := func(name string) step {
		return step{run: func(tx *Tx) error {
			steps = append(steps, name)
			return tx.Put("b", []byte(name), []byte("done"))
		}}
	}
	three := schema{3, map[int]step{1: to("to 2"), 2: to("to 3")}}
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
	broken := schema{2, map[int]step{1: {run: func(*Tx) error { return errors.New("no") }}}}
	if _, err := open(cfg, broken); err == nil || !strings.Contains(err.Error(), "schema 1 to 2") {
		t.Errorf("got %v", err)
	}
	if db := mustOpen(t, cfg); db.Schema() != 1 {
		t.Errorf("schema %d, want 1", db.Schema())
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

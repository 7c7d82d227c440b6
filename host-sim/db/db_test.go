package db

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
)

func openTest(t *testing.T, path string) *DB {
	t.Helper()
	d, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestMigrationsRunOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h st?.db") // a name that a DSN must escape
	first := openTest(t, path)
	first.Close()
	second := openTest(t, path)
	n, err := second.version(t.Context())
	files, globErr := fs.Glob(schema, "schema/*.sql")
	if err != nil || globErr != nil || n != len(files) {
		t.Fatalf("version = %d, %v, %v; want %d", n, err, globErr, len(files))
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host.db")
	d := openTest(t, path)
	exec(t, d, `INSERT INTO schema_version (version, name) VALUES (99, 'future')`)
	d.Close()
	if _, err := Open(t.Context(), path); err == nil {
		t.Fatal("opened a database of a newer program")
	}
}

func exec(t *testing.T, d *DB, statement string) {
	t.Helper()
	err := d.Update(t.Context(), func(tx Tx) error {
		_, err := tx.ExecContext(t.Context(), statement)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUpdateRollsBack(t *testing.T) {
	d := openTest(t, filepath.Join(t.TempDir(), "host.db"))
	boom := errors.New("boom")
	err := d.Update(t.Context(), func(tx Tx) error {
		if _, err := tx.ExecContext(t.Context(), `INSERT INTO rrn_counter (node, day, last) VALUES (1, 'x', 1)`); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("err = %v, want boom", err)
	}
	var n int
	err = d.View(t.Context(), func(tx Tx) error {
		return tx.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM rrn_counter`).Scan(&n)
	})
	if err != nil || n != 0 {
		t.Fatalf("rows = %d, %v; want 0", n, err)
	}
}

func TestViewCannotWrite(t *testing.T) {
	d := openTest(t, filepath.Join(t.TempDir(), "host.db"))
	err := d.View(t.Context(), func(tx Tx) error {
		_, err := tx.ExecContext(t.Context(), `DELETE FROM payment`)
		return err
	})
	if err == nil {
		t.Fatal("a view deleted rows")
	}
}

// TestDurabilitySettings pins what "on disk when it returns" rests on.
func TestDurabilitySettings(t *testing.T) {
	d := openTest(t, filepath.Join(t.TempDir(), "host.db"))
	want := map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "foreign_keys": "1"}
	for pragma, value := range want {
		var got string
		err := d.Update(t.Context(), func(tx Tx) error { return tx.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got) })
		if err != nil || got != value {
			t.Errorf("%s = %q, %v; want %q", pragma, got, err, value)
		}
	}
}

func TestUpdateAfterCancel(t *testing.T) {
	d := openTest(t, filepath.Join(t.TempDir(), "host.db"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Update(ctx, func(Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v, want cancelled", err)
	}
}

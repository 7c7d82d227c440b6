package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"posd/host-sim/db"
	"posd/host-sim/db/postgres"
)

// Name returns the name of a fresh database, for db.Open: on SQLite, or on PostgreSQL where
// the environment has POSD_TEST_DB=postgres, with which make test runs the host's tests again.
func Name(t testing.TB) string {
	t.Helper()
	if os.Getenv("POSD_TEST_DB") == "postgres" {
		return URL(t)
	}
	return filepath.Join(t.TempDir(), "host.db")
}

// Open opens a database of that [Name], closed when the test ends.
func Open(t testing.TB) *db.DB {
	t.Helper()
	return open(t, Name(t))
}

// OpenVolatile is [Open] where the file need not be flushed: for tests of many payments.
func OpenVolatile(t testing.TB) *db.DB {
	t.Helper()
	name, how := Name(t), db.OpenVolatile
	if db.IsURL(name) {
		how = db.Open
	}
	return opened(t, name, how)
}

// SQLite opens a SQLite database, not flushed, whatever the environment says: for tests that
// speak its dialect.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	return opened(t, filepath.Join(t.TempDir(), "host.db"), db.OpenVolatile)
}

// Each runs fn as two tests, "sqlite" and "postgres", each with a fresh database.
func Each(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	EachName(t, func(t *testing.T, name string) { fn(t, open(t, name)) })
}

// EachName is [Each] for tests that open the database themselves, by its name.
func EachName(t *testing.T, fn func(t *testing.T, name string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, filepath.Join(t.TempDir(), "host.db")) })
	t.Run("postgres", func(t *testing.T) { fn(t, URL(t)) })
}

func open(t testing.TB, name string) *db.DB {
	t.Helper()
	return opened(t, name, db.Open)
}

func opened(t testing.TB, name string, how func(context.Context, string) (*db.DB, error)) *db.DB {
	t.Helper()
	d, err := how(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

var schemas atomic.Int64

// URL makes a schema of the process's PostgreSQL and returns its address.
func URL(t testing.TB) string {
	t.Helper()
	s, err := server()
	if errors.Is(err, postgres.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	schema := fmt.Sprintf("test_%d", schemas.Add(1))
	pool, err := sql.Open("pgx", s.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	return s.URL(schema)
}

// server is the one of this process, with fsync on: its figures count.
var server = sync.OnceValues(func() (*postgres.Server, error) {
	return postgres.StartTemporary(context.Background(), "max_connections=200", "shared_buffers=32MB")
})

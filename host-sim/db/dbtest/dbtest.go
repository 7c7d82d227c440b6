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

// Open returns a fresh SQLite database, closed when the test ends.
func Open(t testing.TB) *db.DB {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "host.db"))
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
	d, err := db.Open(context.Background(), name)
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

// server is the one of this process. fsync is off: a test process does not survive a power
// cut either, and durability is what host-sim/db/postgres and make failover look at.
var server = sync.OnceValues(func() (*postgres.Server, error) {
	return postgres.StartTemporary(context.Background(), "fsync=off", "max_connections=200", "shared_buffers=32MB")
})

package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Limits of the pool. SQLite has one writer; readers do not wait for it.
const (
	maxReaders    = 4
	busyTimeoutMS = 5000
)

// ErrCommit says that a commit failed: whether the disk has the transaction is not
// known, and the caller asks by key before it tells anybody anything.
var ErrCommit = errors.New("commit failed, outcome unknown")

// Tx is what a package's queries need: a transaction of either kind.
type Tx = *sql.Tx

// DB is the host's database: one writer and a few readers of one file. A volatile one
// has one connection for both.
type DB struct {
	write *sql.DB
	read  *sql.DB
}

// durable and volatile are the settings of the two kinds of database.
const (
	durable  = "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&"
	volatile = "_pragma=journal_mode(MEMORY)&_pragma=synchronous(OFF)&_pragma=locking_mode(EXCLUSIVE)&"
)

// Open opens or creates the file at path and applies the migrations that it lacks.
// Close ends it.
func Open(ctx context.Context, path string) (*DB, error) {
	if err := create(path); err != nil {
		return nil, err
	}
	write, err := open(path, durable+"_txlock=immediate", 1)
	if err != nil {
		return nil, err
	}
	read, err := open(path, durable+"_pragma=query_only(1)", maxReaders)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	d := &DB{write, read}
	if err := d.migrate(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// OpenVolatile is [Open] for simulations: nothing is flushed, so a commit that returned
// survives the end of the host, but not the loss of power; the one connection has the
// file for itself.
func OpenVolatile(ctx context.Context, path string) (*DB, error) {
	if err := create(path); err != nil {
		return nil, err
	}
	both, err := open(path, volatile+"_txlock=immediate", 1)
	if err != nil {
		return nil, err
	}
	d := &DB{both, both}
	if err := d.migrate(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// create makes the file where it is missing, for its owner only: SQLite gives its
// other files the same mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("db: open: %w", err)
	}
	return f.Close()
}

func open(path, more string, conns int) (*sql.DB, error) {
	dsn := fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=foreign_keys(1)&%s",
		(&url.URL{Path: path}).EscapedPath(), busyTimeoutMS, more)
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("db: open %s: %w", path, err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// Close ends both pools, after the transactions that are open.
func (d *DB) Close() error { return errors.Join(d.read.Close(), d.write.Close()) }

// Update runs fn in one transaction of the writer and commits it. An error of fn
// rolls everything back and comes back as it is; an error of the commit wraps
// [ErrCommit].
func (d *DB) Update(ctx context.Context, fn func(Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("db: begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it has nothing to do
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("db: %w: %w", ErrCommit, err)
	}
	return nil
}

// View runs fn in one read-only transaction.
func (d *DB) View(ctx context.Context, fn func(Tx) error) error {
	tx, err := d.read.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("db: begin view: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return fn(tx)
}

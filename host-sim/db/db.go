package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ErrCommit says that a commit failed: whether the disk has the transaction is not
// known, and the caller asks by key before it tells anybody anything.
var ErrCommit = errors.New("commit failed, outcome unknown")

// Tx is what a package's queries need: a transaction of either kind, in either database. A
// statement of a transaction is not cut short by the end of its context: it would take the
// other updates of the transaction with it.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// engine is one kind of database.
type engine interface {
	// begin starts a write transaction; one at a time is asked for.
	begin(ctx context.Context) (transaction, error)
	// look starts a read-only transaction.
	look(ctx context.Context) (transaction, error)
	close() error
}

// transaction is one that is open. commit and rollback end it.
type transaction interface {
	Tx
	commit() error
	rollback() error
}

// DB is the host's database: one writer, which puts what waits into one commit, and a few
// readers.
type DB struct {
	engine engine
	queue  queue
}

// Open opens the database at name and applies the migrations that it lacks. A name that
// begins with postgres:// is a PostgreSQL server's; any other is the path of a SQLite file,
// which is made where missing. Close ends it.
func Open(ctx context.Context, name string) (*DB, error) {
	if IsURL(name) {
		return start(ctx, openPostgreSQL(name))
	}
	return start(ctx, openSQLite(name, durable))
}

// IsURL tells whether name is a database server's, not a file's.
func IsURL(name string) bool {
	return strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://")
}

// OpenVolatile is [Open] of a file for simulations: nothing is flushed, so a commit that
// returned survives the end of the host, but not the loss of power; the one connection has
// the file for itself.
func OpenVolatile(ctx context.Context, path string) (*DB, error) {
	return start(ctx, openSQLite(path, volatile))
}

func start(ctx context.Context, open func(context.Context) (engine, error)) (*DB, error) {
	e, err := open(ctx)
	if err != nil {
		return nil, err
	}
	d := &DB{engine: e, queue: newQueue()}
	if err := d.migrate(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Close ends all connections. No transaction may be open.
func (d *DB) Close() error { return d.engine.close() }

// View runs fn in one read-only transaction, which sees what was committed before it.
func (d *DB) View(ctx context.Context, fn func(Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("db: view: %w", err)
	}
	tx, err := d.engine.look(ctx)
	if err != nil {
		return fmt.Errorf("db: begin view: %w", err)
	}
	defer func() {
		if endErr := tx.rollback(); err == nil && endErr != nil {
			err = fmt.Errorf("db: end view: %w", endErr)
		}
	}()
	return fn(tx)
}

package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Limits of the PostgreSQL connections of one host.
const (
	maxServerReaders = 8
	lifetime         = 30 * time.Minute
)

// server is a PostgreSQL database. Write transactions of all hosts follow one another, by a
// lock that ends with the transaction: the desk reads, decides and writes, and nobody comes
// between. What one host cannot do in parallel it does in groups; see [DB.Update].
type server struct {
	write *sql.DB
	read  *sql.DB
}

// oneWriter is the lock, one for each schema. What waits for it longer than lock_timeout
// fails before it did anything.
const oneWriter = `SELECT pg_advisory_xact_lock(hashtext('posd host writer'), hashtext(current_schema()))`

func openPostgreSQL(url string) func(context.Context) (engine, error) {
	return func(ctx context.Context) (engine, error) {
		cfg, err := pgx.ParseConfig(url)
		if err != nil {
			return nil, fmt.Errorf("db: database address: %w", err) // pgx hides the password
		}
		for name, value := range map[string]string{
			"timezone": "UTC", "lock_timeout": "20s", "statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s",
		} {
			cfg.RuntimeParams[name] = value
		}
		e := &server{stdlib.OpenDB(*cfg), stdlib.OpenDB(*cfg)}
		e.write.SetMaxOpenConns(1)
		e.read.SetMaxOpenConns(maxServerReaders)
		for _, pool := range []*sql.DB{e.write, e.read} {
			pool.SetConnMaxLifetime(lifetime)
		}
		if err := e.write.PingContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("db: open: %w", err), e.close())
		}
		return e, nil
	}
}

func (e *server) begin(ctx context.Context) (transaction, error) {
	tx, err := e.write.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(context.WithoutCancel(ctx), oneWriter); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return remote{tx}, nil
}

func (e *server) look(ctx context.Context) (transaction, error) {
	tx, err := e.read.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	return remote{tx}, err
}

func (e *server) close() error { return errors.Join(e.read.Close(), e.write.Close()) }

// remote is a transaction of a server; pgx keeps its statements ready by itself.
type remote struct{ tx *sql.Tx }

func (r remote) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return r.tx.ExecContext(context.WithoutCancel(ctx), query, plain(args)...)
}

func (r remote) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return r.tx.QueryContext(context.WithoutCancel(ctx), query, plain(args)...)
}

func (r remote) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return r.tx.QueryRowContext(context.WithoutCancel(ctx), query, plain(args)...)
}

// plain writes truth as 1 and 0, as the schema has it and SQLite's driver does by itself.
func plain(args []any) []any {
	for i, a := range args {
		if yes, ok := a.(bool); ok {
			args[i] = 0
			if yes {
				args[i] = 1
			}
		}
	}
	return args
}

func (r remote) commit() error { return r.tx.Commit() }

func (r remote) rollback() error { return r.tx.Rollback() }

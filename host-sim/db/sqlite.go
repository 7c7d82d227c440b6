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

// Limits of the SQLite connections. SQLite has one writer; readers do not wait for it.
const (
	maxReaders    = 4
	busyTimeoutMS = 5000
	maxStatements = 512 // that a connection keeps ready
)

// mode is how a file is used.
type mode struct {
	pragmas string
	readers int // 0: the writer's connection is the only one
}

var (
	durable  = mode{"_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&", maxReaders}
	volatile = mode{"_pragma=journal_mode(MEMORY)&_pragma=synchronous(OFF)&_pragma=locking_mode(EXCLUSIVE)&", 0}
)

// lite is a SQLite file: its connections are held for good, with their statements ready,
// for reading SQL costs more than doing what it says.
type lite struct {
	pools []*sql.DB
	all   []*session
	write chan *session
	read  chan *session
}

func openSQLite(path string, m mode) func(context.Context) (engine, error) {
	return func(ctx context.Context) (engine, error) {
		if err := create(path); err != nil {
			return nil, err
		}
		e := &lite{write: make(chan *session, 1), read: make(chan *session, max(m.readers, 1))}
		if err := e.connect(ctx, e.write, path, m.pragmas, "BEGIN IMMEDIATE", 1); err != nil {
			return nil, errors.Join(err, e.close())
		}
		if m.readers == 0 {
			e.read = e.write
			return e, nil
		}
		if err := e.connect(ctx, e.read, path, m.pragmas+"_pragma=query_only(1)&", "BEGIN", m.readers); err != nil {
			return nil, errors.Join(err, e.close())
		}
		return e, nil
	}
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

// connect opens n connections and puts them into free.
func (e *lite) connect(ctx context.Context, free chan *session, path, pragmas, begin string, n int) error {
	dsn := fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=foreign_keys(1)&%s", (&url.URL{Path: path}).EscapedPath(), busyTimeoutMS, pragmas)
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return fmt.Errorf("db: open %s: %w", path, err)
	}
	e.pools = append(e.pools, pool)
	pool.SetMaxOpenConns(n)
	for range n {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return fmt.Errorf("db: open %s: %w", path, err)
		}
		s := &session{conn: conn, free: free, start: begin, ready: map[string]*sql.Stmt{}}
		e.all = append(e.all, s)
		free <- s
	}
	return nil
}

func (e *lite) begin(ctx context.Context) (transaction, error) { return pick(ctx, e.write) }

func (e *lite) look(ctx context.Context) (transaction, error) { return pick(ctx, e.read) }

// pick waits for a connection and begins a transaction on it.
func pick(ctx context.Context, free chan *session) (transaction, error) {
	select {
	case s := <-free:
		if _, err := s.ExecContext(ctx, s.start); err != nil {
			free <- s
			return nil, err
		}
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *lite) close() (err error) {
	for _, s := range e.all {
		for _, stmt := range s.ready {
			err = errors.Join(err, stmt.Close())
		}
		err = errors.Join(err, s.conn.Close())
	}
	for _, pool := range e.pools {
		err = errors.Join(err, pool.Close())
	}
	return err
}

// session is one connection with the statements that it has read.
type session struct {
	conn  *sql.Conn
	free  chan *session
	start string
	ready map[string]*sql.Stmt
}

// stmt returns the statement of a query, read once.
func (s *session) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := s.ready[query]; ok {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(ctx, query)
	if err == nil && len(s.ready) < maxStatements {
		s.ready[query] = stmt
	}
	return stmt, err
}

func (s *session) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx = context.WithoutCancel(ctx)
	if len(args) == 0 { // of the transaction's own words, or a migration's: said once, or too short to keep
		return s.conn.ExecContext(ctx, query)
	}
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

func (s *session) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx = context.WithoutCancel(ctx)
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (s *session) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	ctx = context.WithoutCancel(ctx)
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return s.conn.QueryRowContext(ctx, query, args...) // which says what is wrong
	}
	return stmt.QueryRowContext(ctx, args...)
}

func (s *session) commit() error { return s.end("COMMIT") }

func (s *session) rollback() error { return s.end("ROLLBACK") }

// end ends the transaction and gives the connection back. A commit that failed leaves the
// transaction open, or SQLite has ended it: the rollback after it is right for both.
func (s *session) end(how string) error {
	defer func() { s.free <- s }()
	_, err := s.ExecContext(context.Background(), how)
	if err != nil && how != "ROLLBACK" {
		s.ExecContext(context.Background(), "ROLLBACK") //nolint:errcheck // there may be nothing left to roll back
	}
	return err
}

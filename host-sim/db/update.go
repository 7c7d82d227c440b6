package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxBatch bounds how many updates share a commit.
const maxBatch = 256

// errLost says that an update's work was undone by what another one of its commit did to
// the connection. Nothing of it is in the database.
var errLost = errors.New("rolled back with the transaction that it shared")

// work is one update that waits, or runs.
type work struct {
	ctx  context.Context
	fn   func(Tx) error
	err  error
	fell any // what fn panicked with
	done chan struct{}
}

// queue is what waits for the writer. Whoever holds turn is the writer, and works for all.
type queue struct {
	mu      sync.Mutex
	waiting []*work
	turn    chan struct{}
}

func newQueue() queue { return queue{turn: make(chan struct{}, 1)} }

func (q *queue) add(w *work) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, w)
}

// take returns what is worked on next, at most maxBatch, oldest first.
func (q *queue) take() []*work {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), maxBatch)
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}

// drop takes w out; false where somebody works on it.
func (q *queue) drop(w *work) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, w)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// Update runs fn in a transaction and commits it; it is on disk when Update returns nil. An
// error of fn rolls back what fn did, and comes back as it is; an error of the commit wraps
// [ErrCommit]. What comes while a commit runs waits, and shares the next one: each fn then
// has a savepoint of its own, and fails alone. fn may be run by another caller's goroutine,
// is run once, and must not wait for another update.
func (d *DB) Update(ctx context.Context, fn func(Tx) error) error {
	w := &work{ctx: ctx, fn: fn, done: make(chan struct{})}
	d.queue.add(w)
	for {
		select {
		case <-w.done:
			return w.result()
		case d.queue.turn <- struct{}{}:
			d.lead()
		case <-ctx.Done():
			if d.queue.drop(w) {
				return fmt.Errorf("db: update: %w", ctx.Err())
			}
			<-w.done
		}
	}
}

func (w *work) result() error {
	if w.fell != nil {
		panic(w.fell)
	}
	return w.err
}

// lead commits what waits and gives the turn back, also where a fn ends the goroutine.
func (d *DB) lead() {
	defer func() { <-d.queue.turn }()
	d.commit(d.queue.take())
}

// commit does the work of a batch and tells each who waits. A fn that ends the goroutine
// (runtime.Goexit, as FailNow of a test does) leaves nothing committed, and all are told.
func (d *DB) commit(batch []*work) {
	batch = slices.DeleteFunc(batch, (*work).over)
	if len(batch) == 0 {
		return
	}
	whole := false
	defer func() {
		if !whole {
			fail(batch, errLost)
		}
		for _, w := range batch {
			close(w.done)
		}
	}()
	tx, err := d.engine.begin(batch[0].ctx)
	if err != nil {
		fail(batch, fmt.Errorf("db: begin: %w", err))
		whole = true
		return
	}
	defer func() {
		if !whole {
			tx.rollback() //nolint:errcheck // as in alone
		}
	}()
	if len(batch) == 1 {
		alone(tx, batch[0])
	} else {
		together(tx, batch)
	}
	whole = true
}

// over ends the work of a caller who is gone.
func (w *work) over() bool {
	if w.ctx.Err() == nil {
		return false
	}
	w.err = fmt.Errorf("db: update: %w", w.ctx.Err())
	close(w.done)
	return true
}

// run calls fn and keeps what becomes of it.
func (w *work) run(tx Tx) {
	defer func() {
		if w.fell = recover(); w.fell != nil {
			w.err = fmt.Errorf("db: update: panic: %v", w.fell)
		}
	}()
	w.err = w.fn(tx)
}

func alone(tx transaction, w *work) {
	if w.run(tx); w.err != nil {
		tx.rollback() //nolint:errcheck // a transaction that cannot be rolled back ends with its connection
		return
	}
	if err := tx.commit(); err != nil {
		w.err = fmt.Errorf("db: %w: %w", ErrCommit, err)
	}
}

// together gives each work a savepoint, and all one commit. Where a savepoint is lost, the
// transaction is: those that had no error of their own fail with it.
func together(tx transaction, batch []*work) {
	for _, w := range batch {
		if err := separate(tx, w); err != nil {
			tx.rollback() //nolint:errcheck // as in alone
			fail(batch, fmt.Errorf("db: %w: %w", errLost, err))
			return
		}
	}
	if err := tx.commit(); err != nil {
		fail(batch, fmt.Errorf("db: %w: %w", ErrCommit, err))
	}
}

func separate(tx transaction, w *work) error {
	ctx := context.WithoutCancel(w.ctx)
	if _, err := tx.ExecContext(ctx, `SAVEPOINT one`); err != nil {
		return err
	}
	if w.run(tx); w.err != nil {
		if _, err := tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT one`); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `RELEASE SAVEPOINT one`)
	return err
}

// fail gives err to those that have no error of their own.
func fail(batch []*work, err error) {
	for _, w := range batch {
		if w.err == nil {
			w.err = err
		}
	}
}

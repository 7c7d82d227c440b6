package store

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Tx is a transaction. It is good until the function that got it returns; afterwards
// every method says ErrClosed.
type Tx struct {
	bolt  *bbolt.Tx
	seal  *sealer
	slots *slots
	fresh []uint32 // slots filled by this transaction
	stale []uint32 // slots to wipe once it is committed
}

// View calls fn with a transaction that reads. After a failed commit it first has the
// disk confirm what it holds: until that works it says ErrUnknown, so that what a
// caller reads back is what a power cut leaves.
func (db *DB) View(fn func(*Tx) error) error {
	if err := db.confirm(); err != nil {
		return err
	}
	return db.read(fn)
}

func (db *DB) read(fn func(*Tx) error) error {
	err := guard(func() error {
		return db.bolt.View(func(btx *bbolt.Tx) error {
			tx := &Tx{bolt: btx, seal: db.seal, slots: db.slots}
			defer tx.end()
			return own(func() error { return fn(tx) })
		})
	})
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return fmt.Errorf("store: %s: %w", db.path, ErrClosed)
	}
	return err
}

// Update calls fn with a transaction that writes, and commits if fn returns nil. fn's
// own error comes back as it is, and then nothing was written. ErrUnknown means that
// the commit failed; ErrFull that there is no room, and nothing was written.
//
// fn must not call the DB's methods.
func (db *DB) Update(fn func(*Tx) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.usable(); err != nil {
		return err
	}
	return db.update(fn)
}

func (db *DB) usable() error {
	switch {
	case db.closed:
		return fmt.Errorf("store: %s: %w", db.path, ErrClosed)
	case db.broken != nil:
		return fmt.Errorf("store: %s: open it again: %w", db.path, db.broken)
	}
	return nil
}

// confirm commits nothing, after a failed commit: bbolt writes a meta page and flushes
// twice, which makes all before it durable or fails again.
func (db *DB) confirm() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.usable(); err != nil || !db.unsure {
		return err
	}
	if err := db.update(func(*Tx) error { return nil }); err != nil {
		return err
	}
	return db.sweep()
}

// update runs fn and commits, with db.mu held.
func (db *DB) update(fn func(*Tx) error) error {
	tx := &Tx{seal: db.seal, slots: db.slots}
	before := db.bolt.Stats()
	committing := false
	err := guard(func() error {
		return db.bolt.Update(func(btx *bbolt.Tx) error {
			tx.bolt = btx
			defer tx.end()
			if err := own(func() error { return fn(tx) }); err != nil {
				return err
			}
			committing = true
			return db.failAt(BeforeCommit)
		})
	})
	if err == nil {
		err = db.failAt(AfterCommit)
	}
	return db.ended(tx, before, committing, err)
}

func (db *DB) failAt(p Point) error {
	if db.fail == nil {
		return nil
	}
	return db.fail(p, db.stats.Commits)
}

// ended counts, wipes what is to be wiped, and says what the error means.
func (db *DB) ended(tx *Tx, before bbolt.Stats, committing bool, err error) error {
	if committing && errors.Is(err, ErrDamaged) {
		db.broken = err // bbolt panicked while it held its locks
	}
	switch {
	case err == nil:
		after := db.bolt.Stats()
		db.stats.Commits++
		db.stats.Flushes += 2
		db.stats.Bytes += uint64(after.TxStats.GetPageAlloc()-before.TxStats.GetPageAlloc()) + pageSize
		db.unsure, db.slots.dirty = false, false
		db.wipe(tx.stale)
	case !committing:
		db.wipe(tx.fresh)
	case errors.Is(err, berrors.ErrMaxSizeReached):
		err = fmt.Errorf("store: %s: %w", db.path, ErrFull)
		db.wipe(tx.fresh)
	default:
		db.unsure = true
		db.stats.Failed++
		err = fmt.Errorf("store: %s: %w: %w", db.path, ErrUnknown, err)
	}
	return err
}

// wipe wipes slots that no record on disk refers to. That a slot cannot be written now
// does not make the commit fail: it stays marked as used, and the next Open wipes it.
func (db *DB) wipe(list []uint32) { _ = db.slots.wipe(list) }

// end makes the transaction useless for whoever kept it.
func (tx *Tx) end() { tx.bolt = nil }

// Get returns the value of a record, ErrNotFound, or ErrDamaged with bucket and key.
func (tx *Tx) Get(bucket string, key []byte) ([]byte, error) {
	r, err := tx.record(bucket, key)
	return r.value, err
}

// Secret returns the secret of a record; ErrNoSecret where it has none any longer. The
// caller wipes it.
func (tx *Tx) Secret(bucket string, key []byte) ([]byte, error) {
	r, err := tx.record(bucket, key)
	if err != nil {
		return nil, err
	}
	return tx.openSecret(bucket, key, r)
}

func (tx *Tx) openSecret(bucket string, key []byte, r record) ([]byte, error) {
	if r.slot == 0 {
		return nil, fmt.Errorf("record %s/%x: %w", bucket, key, ErrNoSecret)
	}
	dataKey, err := tx.slots.key(r.slot)
	if err != nil {
		return nil, fmt.Errorf("record %s/%x: %w", bucket, key, err)
	}
	defer clear(dataKey)
	secret, err := openBox(dataKey, r.box, bucket, key)
	if err != nil {
		return nil, damaged(bucket, key, err.Error())
	}
	return secret, nil
}

// Put stores a value. A secret that the record has stays with it.
func (tx *Tx) Put(bucket string, key, value []byte) error {
	old, err := tx.record(bucket, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return tx.put(bucket, key, record{old.slot, old.box, value})
}

// PutSecret stores a value and a secret with a data key of its own. The data key of a
// secret that was there is wiped after the commit.
func (tx *Tx) PutSecret(bucket string, key, value, secret []byte) error {
	if err := tx.retire(bucket, key); err != nil {
		return err
	}
	slot, dataKey, err := tx.slots.fresh()
	if slot != 0 {
		tx.fresh = append(tx.fresh, slot)
	}
	if err != nil {
		return fmt.Errorf("record %s/%x: %w", bucket, key, err)
	}
	defer clear(dataKey)
	box, err := sealBox(dataKey, secret, bucket, key)
	if err != nil {
		return fmt.Errorf("record %s/%x: %w", bucket, key, err)
	}
	return tx.put(bucket, key, record{slot, box, value})
}

// PutBare stores a value without a secret. The data key of a secret that was there is
// wiped after the commit, and nobody can read the secret any more.
func (tx *Tx) PutBare(bucket string, key, value []byte) error {
	if err := tx.retire(bucket, key); err != nil {
		return err
	}
	return tx.put(bucket, key, record{value: value})
}

// Delete removes a record, if it is there. Its secret's data key is wiped after the
// commit; old copies of the value stay in the file, sealed.
func (tx *Tx) Delete(bucket string, key []byte) error {
	if err := tx.retire(bucket, key); err != nil {
		return err
	}
	return guard(func() error {
		if b := tx.bolt.Bucket([]byte(bucket)); b != nil {
			return b.Delete(key)
		}
		return nil
	})
}

// retire notes the slot of the record that is about to go. A damaged record's slot is
// left alone, for the number in it may be another record's.
func (tx *Tx) retire(bucket string, key []byte) error {
	old, err := tx.record(bucket, key)
	if err == nil && old.slot != 0 {
		tx.stale = append(tx.stale, old.slot)
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
		return nil
	}
	return err
}

// Each calls fn for each record of a bucket in the order of keys, until fn returns an
// error. A damaged record comes as an error in its turn, with a nil value; what fn
// makes of it decides.
func (tx *Tx) Each(bucket string, fn func(key, value []byte, damage error) error) error {
	return tx.each(bucket, func(key, sealed []byte) error {
		r, err := tx.seal.openRecord(bucket, key, sealed)
		return fn(bytes.Clone(key), r.value, err)
	})
}

// Scan is Each for many records and little memory: key and value are good only until fn
// returns.
func (tx *Tx) Scan(bucket string, fn func(key, value []byte, damage error) error) error {
	var buf []byte
	defer func() { clear(buf) }()
	return tx.each(bucket, func(key, sealed []byte) error {
		if cap(buf) < len(sealed) {
			buf = make([]byte, 0, 2*len(sealed))
		}
		r, err := tx.seal.openRecordIn(buf[:0], bucket, key, sealed)
		return fn(key, r.value, err)
	})
}

// each walks the sealed records. What fn gets is good only until it returns.
func (tx *Tx) each(bucket string, fn func(key, sealed []byte) error) error {
	if tx.bolt == nil {
		return fmt.Errorf("store: bucket %s: transaction: %w", bucket, ErrClosed)
	}
	b := tx.bolt.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	c := copier{cursor: b.Cursor()}
	for err := c.move(c.cursor.First); c.key != nil || err != nil; err = c.move(c.cursor.Next) {
		if err != nil {
			return fmt.Errorf("bucket %s: %w", bucket, err)
		}
		if err := fn(c.key, c.value); err != nil {
			return err
		}
	}
	return nil
}

// copier moves a cursor, and copies what it finds out of the mapped file.
type copier struct {
	cursor     *bbolt.Cursor
	buf        []byte
	key, value []byte
}

func (c *copier) move(to func() (k, v []byte)) error {
	return guard(func() error {
		k, v := to()
		if c.key, c.value = nil, nil; k == nil {
			return nil
		}
		c.buf = append(append(c.buf[:0], k...), v...)
		c.key, c.value = c.buf[:len(k):len(k)], c.buf[len(k):]
		return nil
	})
}

// record reads and opens a record.
func (tx *Tx) record(bucket string, key []byte) (r record, err error) {
	if tx.bolt == nil {
		return r, fmt.Errorf("store: record %s/%x: transaction: %w", bucket, key, ErrClosed)
	}
	err = guard(func() error {
		var sealed []byte
		if b := tx.bolt.Bucket([]byte(bucket)); b != nil {
			sealed = b.Get(key)
		}
		if sealed == nil {
			return fmt.Errorf("record %s/%x: %w", bucket, key, ErrNotFound)
		}
		r, err = tx.seal.openRecord(bucket, key, sealed)
		return err
	})
	return r, err
}

func (tx *Tx) put(bucket string, key []byte, r record) error {
	sealed, err := tx.seal.sealRecord(bucket, key, r)
	if err != nil {
		return fmt.Errorf("record %s/%x: %w", bucket, key, err)
	}
	return guard(func() error {
		b, err := tx.bolt.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return fmt.Errorf("bucket %s: %w", bucket, err)
		}
		return b.Put(key, sealed)
	})
}

// guard turns a panic or a fault on the mapped file into ErrDamaged. bbolt trusts the
// pages that it reads: a damaged one makes it panic, and one that the disk cannot give
// raises SIGBUS.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case callerPanic:
			panic(p.value)
		default:
			err = fmt.Errorf("bbolt: %v: %w", p, ErrDamaged)
		}
	}()
	return fn()
}

// callerPanic carries a caller's own panic through guard.
type callerPanic struct{ value any }

// own calls a caller's function, and marks a panic in it as the caller's.
func own(fn func() error) error {
	defer func() {
		if p := recover(); p != nil {
			panic(callerPanic{p})
		}
	}()
	return fn()
}

package store

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// maxReported bounds how many faults one check reports.
const maxReported = 20

var errRollback = errors.New("roll back")

// Check verifies everything: the page tree by our own bounded reader, then by bbolt's,
// and the seal of each record, secret and slot. It reports up to 20 faults, each with
// its bucket and key, as ErrDamaged; nothing is written. It holds up writers.
func (db *DB) Check(ctx context.Context) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.usable(); err != nil {
		return err
	}
	if err := walk(db.file, db.slots.lay); err != nil {
		return fmt.Errorf("store: check %s: %w", db.path, err)
	}
	var faults []error
	err := guard(func() error {
		return db.bolt.Update(func(btx *bbolt.Tx) error {
			faults = checkTree(ctx, btx)
			return errRollback
		})
	})
	if !errors.Is(err, errRollback) {
		return fmt.Errorf("store: check %s: %w", db.path, err)
	}
	var r Report
	found, err := db.checkRecords(ctx, &r)
	faults = append(faults, found...)
	if err := errors.Join(append(faults, err)...); err != nil {
		return fmt.Errorf("store: check %s: %w", db.path, err)
	}
	return nil
}

// checkTree drains bbolt's own check, for its goroutine ends only then.
func checkTree(ctx context.Context, btx *bbolt.Tx) (faults []error) {
	for err := range btx.Check() {
		if len(faults) < maxReported && ctx.Err() == nil {
			faults = append(faults, fmt.Errorf("%w: %w", err, ErrDamaged))
		}
	}
	return faults
}

func (tx *Tx) checkRecord(bucket string, key, sealed []byte) error {
	r, err := tx.seal.openRecord(bucket, key, sealed)
	if err != nil || r.slot == 0 {
		return err
	}
	secret, err := tx.openSecret(bucket, key, r)
	clear(secret)
	if errors.Is(err, ErrNoSecret) {
		return damaged(bucket, key, "its data key is gone")
	}
	return err
}

// everyRecord calls fn for each sealed record of each bucket.
// What fn gets is good only until it returns.
func (tx *Tx) everyRecord(fn func(bucket string, key, sealed []byte) error) error {
	var names []string
	err := guard(func() error {
		return tx.bolt.ForEach(func(name []byte, b *bbolt.Bucket) error {
			names = append(names, string(name))
			return nil
		})
	})
	for _, name := range names {
		if err == nil {
			err = tx.each(name, func(key, sealed []byte) error { return fn(name, key, sealed) })
		}
	}
	return err
}

// sweep wipes the slots to which no record refers. If a record's seal is broken nothing
// is wiped: the number of its slot cannot be trusted, and somebody may mend the file.
func (db *DB) sweep() error {
	live := make([]bool, len(db.slots.used))
	err := db.read(func(tx *Tx) error {
		return tx.everyRecord(func(_ string, _, sealed []byte) error {
			if n := slotOf(sealed); uint64(n) < uint64(len(live)) {
				live[n] = true
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	var lost []uint32
	for n, used := range db.slots.used {
		if used && !live[n] {
			lost = append(lost, uint32(n))
		}
	}
	if len(lost) == 0 || !db.allIntact() {
		return nil
	}
	if err := db.slots.wipe(lost); err != nil {
		return err
	}
	return db.flush()
}

func (db *DB) allIntact() bool {
	return nil == db.read(func(tx *Tx) error {
		var buf []byte
		return tx.everyRecord(func(bucket string, key, sealed []byte) error {
			if cap(buf) < len(sealed) {
				buf = make([]byte, 0, 2*len(sealed))
			}
			_, err := tx.seal.openRecordIn(buf[:0], bucket, key, sealed)
			return err
		})
	})
}

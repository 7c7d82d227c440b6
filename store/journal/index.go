package journal

import (
	"context"
	"errors"
	"fmt"

	"posd/emv/payment"
	"posd/store"
)

// change is one commit of the journal, and what the index is after it.
type change struct {
	head head
	set  []entry                  // begun or moved
	put  func(tx *store.Tx) error // nil where no record changes
}

// store commits a change to rec. If the commit fails it asks the disk: an error that
// comes back all the same means that the disk has no such record, or cannot say.
func (j *Journal) store(ctx context.Context, rec *payment.Record, c change) error {
	err := j.commit(ctx, c)
	if errors.Is(err, store.ErrUnknown) && !j.stale && j.holds(rec) {
		return nil
	}
	return err
}

// commit writes a change, and which receipts were printed meanwhile. Afterwards the
// index is what the disk holds, or j.stale is set.
func (j *Journal) commit(ctx context.Context, c change) error {
	err := j.db.Update(func(tx *store.Tx) error {
		if err := j.putPrinted(tx); err != nil {
			return err
		}
		if c.head != j.head {
			if err := tx.PutBare(bucketHead, keyHead(), c.head.encode()); err != nil {
				return err
			}
		}
		if c.put == nil {
			return nil
		}
		return c.put(tx)
	})
	switch {
	case err == nil:
		j.apply(c)
	case errors.Is(err, store.ErrUnknown):
		err = errors.Join(err, j.reload(context.WithoutCancel(ctx)))
	}
	return err
}

// putPrinted marks the records whose receipt was printed since the last commit.
func (j *Journal) putPrinted(tx *store.Tx) error {
	for id := range j.printed {
		seq := j.entries[j.byID[id]].seq
		value, err := tx.Get(bucketRecords, keyOf(seq))
		if err != nil {
			return err
		}
		markPrinted(value)
		if err := tx.Put(bucketRecords, keyOf(seq), value); err != nil {
			return err
		}
	}
	return nil
}

// apply brings the index up to a change that is on disk.
func (j *Journal) apply(c change) {
	for id := range j.printed {
		j.entries[j.byID[id]].printed = true
	}
	clear(j.printed)
	j.head = c.head
	for _, e := range c.set {
		at, ok := j.byID[e.id]
		if !ok {
			at = len(j.entries)
			j.entries = append(j.entries, e)
			j.byID[e.id] = at
		}
		j.entries[at] = e
	}
}

// fresh makes sure that the index is what the disk holds, and that ctx is not over.
func (j *Journal) fresh(ctx context.Context) error {
	if err := ctx.Err(); err != nil || !j.stale {
		return err
	}
	return j.reload(ctx)
}

// reload reads the index from disk. After a failed commit the View has the disk
// confirm what it holds first.
func (j *Journal) reload(ctx context.Context) error {
	j.stale = true
	var h head
	var entries []entry
	err := j.db.View(func(tx *store.Tx) (err error) {
		if h, err = readHead(tx); err != nil {
			return err
		}
		entries, err = readEntries(ctx, tx)
		return err
	})
	if err == nil {
		err = contiguous(h, entries)
	}
	if err != nil {
		return err
	}
	j.head, j.entries, j.byID = h, entries, make(map[payment.ID]int, len(entries))
	for at, e := range entries {
		j.byID[e.id] = at
		if e.printed {
			delete(j.printed, e.id)
		}
	}
	j.stale = false
	return nil
}

func readEntries(ctx context.Context, tx *store.Tx) (entries []entry, err error) {
	err = tx.Each(bucketRecords, func(key, value []byte, damage error) error {
		if damage != nil {
			return damage
		}
		e, err := entryOf(key, value)
		entries = append(entries, e)
		return errors.Join(err, ctx.Err())
	})
	return entries, err
}

// contiguous checks that no record is missing: the seal of a record says nothing about
// one that a damaged page no longer shows.
func contiguous(h head, entries []entry) error {
	if want := h.next - h.first; uint64(len(entries)) != want {
		return fmt.Errorf("%d records, %d were stored: %w", len(entries), want, store.ErrDamaged)
	}
	for i, e := range entries {
		if want := h.first + uint64(i); e.seq != want {
			return fmt.Errorf("record %d is missing: %w", want, store.ErrDamaged)
		}
	}
	return nil
}

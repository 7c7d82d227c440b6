package journal

import (
	"context"
	"errors"
	"fmt"

	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store"
)

// entry is what is known of a record without opening it.
type entry struct {
	seq          uint64
	id, original payment.ID
	state        payment.State
	kind         payment.Kind
	flags        uint8
}

func (e entry) printed() bool { return e.flags&flagPrinted != 0 }
func (e entry) carried() bool { return e.flags&flagCarried != 0 }
func (e entry) hole() bool    { return e.state == 0 && e.id == payment.ID{} }

// owed tells that something is still to be sent for the payment, or decided by a person.
func (e entry) owed() bool { return !e.state.Final() || e.flags&flagNotice != 0 }

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
		err = nil
	}
	if errors.Is(err, store.ErrFull) {
		err = fmt.Errorf("%w: %w", payment.ErrNoSpace, err)
	}
	if err == nil {
		j.follow(rec)
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
		j.entries[j.byID[id]].flags |= flagPrinted
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
	var next index
	err := j.db.View(func(tx *store.Tx) error { return next.read(ctx, tx) })
	if err == nil {
		err = next.contiguous()
	}
	if err != nil {
		return err
	}
	j.index = next
	for id := range j.printed {
		if at, ok := j.byID[id]; !ok || j.entries[at].printed() {
			delete(j.printed, id)
		}
	}
	j.stale = false
	return nil
}

// index is what the journal knows of its file without opening a record.
type index struct {
	head     head
	entries  []entry            // in the order in which they began
	byID     map[payment.ID]int // index in entries
	holes    []uint64           // numbers of records that both copies lost
	settling *batch.Settlement  // nil for none under way
	last     *batch.Settlement  // nil for none
}

func (x *index) read(ctx context.Context, tx *store.Tx) (err error) {
	if x.head, err = readHead(tx); err != nil {
		return err
	}
	if x.settling, err = readSettlement(tx, keyOpen()); err != nil {
		return err
	}
	if x.last, err = readSettlement(tx, keyLast()); err != nil {
		return err
	}
	most := min(x.head.next-x.head.first, maxEntries)
	x.entries, x.byID = make([]entry, 0, most), make(map[payment.ID]int, most)
	return tx.Scan(bucketRecords, func(key, value []byte, damage error) error {
		if damage != nil {
			return damage
		}
		e, err := entryOf(key, value)
		if err != nil {
			return err
		}
		x.add(e)
		return ctx.Err()
	})
}

func (x *index) add(e entry) {
	if e.hole() {
		x.holes = append(x.holes, e.seq)
		return
	}
	x.byID[e.id] = len(x.entries)
	x.entries = append(x.entries, e)
}

// contiguous checks that no record is missing: the seal of a record says nothing about
// one that a damaged page no longer shows.
func (x *index) contiguous() error {
	if got, want := uint64(len(x.entries)+len(x.holes)), x.head.next-x.head.first; got != want {
		return fmt.Errorf("%d records, %d were stored: %w", got, want, store.ErrDamaged)
	}
	holes := x.holes
	seq := x.head.first
	for _, e := range x.entries {
		for len(holes) > 0 && holes[0] == seq {
			holes = holes[1:]
			seq++
		}
		if e.seq != seq {
			return fmt.Errorf("record %d is missing: %w", seq, store.ErrDamaged)
		}
		seq++
	}
	return nil
}

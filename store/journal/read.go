package journal

import (
	"context"
	"errors"
	"fmt"

	"posd/emv"
	"posd/emv/payment"
	"posd/store"
)

// Get implements payment.Journal. The record has its card number for as long as a
// reversal may need it.
func (j *Journal) Get(ctx context.Context, id payment.ID) (*payment.Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return nil, fmt.Errorf("journal: get %v: %w", id, err)
	}
	at, ok := j.byID[id]
	if !ok {
		return nil, fmt.Errorf("journal: get %v: %w", id, payment.ErrNoRecord)
	}
	rec, err := j.read(at, true)
	if err != nil {
		return nil, fmt.Errorf("journal: get %v: %w", id, err)
	}
	return rec, nil
}

// Owed implements payment.Journal.
func (j *Journal) Owed(ctx context.Context) ([]*payment.Record, error) {
	recs, err := j.pick(ctx, true, func(e entry) bool { return e.state.Debt() })
	if err != nil {
		return nil, fmt.Errorf("journal: owed: %w", err)
	}
	return recs, nil
}

// Unprinted implements payment.Journal, oldest first. The records come without card
// number: a receipt shows Masked.
func (j *Journal) Unprinted(ctx context.Context) ([]*payment.Record, error) {
	recs, err := j.pick(ctx, false, func(e entry) bool {
		_, pending := j.printed[e.id]
		return e.state == payment.Completed && !e.printed() && !pending
	})
	if err != nil {
		return nil, fmt.Errorf("journal: unprinted: %w", err)
	}
	return recs, nil
}

// Waiting implements payment.Journal.
func (j *Journal) Waiting(ctx context.Context) ([]*payment.Record, error) {
	recs, err := j.pick(ctx, true, func(e entry) bool { return e.state == payment.Stored })
	if err != nil {
		return nil, fmt.Errorf("journal: waiting: %w", err)
	}
	return recs, nil
}

// Notices implements payment.Journal.
func (j *Journal) Notices(ctx context.Context) ([]*payment.Record, error) {
	recs, err := j.pick(ctx, true, func(e entry) bool { return e.flags&flagNotice != 0 })
	if err != nil {
		return nil, fmt.Errorf("journal: notices: %w", err)
	}
	return recs, nil
}

// Related implements payment.Journal. The records come without card number.
func (j *Journal) Related(ctx context.Context, id payment.ID) ([]*payment.Record, error) {
	recs, err := j.pick(ctx, false, func(e entry) bool { return e.original == id && id != payment.ID{} })
	if err != nil {
		return nil, fmt.Errorf("journal: related to %v: %w", id, err)
	}
	return recs, nil
}

// pick reads the records that want says, oldest first.
func (j *Journal) pick(ctx context.Context, pan bool, want func(entry) bool) ([]*payment.Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return nil, err
	}
	var recs []*payment.Record
	for at, e := range j.entries {
		if !want(e) {
			continue
		}
		rec, err := j.read(at, pan)
		if err != nil {
			return nil, err
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// List returns at most limit (at most 500) records, newest first, that began before the
// one with ID before; the zero ID means from the newest. They come without card number.
func (j *Journal) List(ctx context.Context, limit int, before payment.ID) ([]*payment.Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return nil, fmt.Errorf("journal: list: %w", err)
	}
	end := len(j.entries)
	if before != (payment.ID{}) {
		at, ok := j.byID[before]
		if !ok {
			return nil, fmt.Errorf("journal: list before %v: %w", before, payment.ErrNoRecord)
		}
		end = at
	}
	var recs []*payment.Record
	for at := end - 1; at >= 0 && len(recs) < min(limit, maxList); at-- {
		rec, err := j.read(at, false)
		if err != nil {
			return nil, fmt.Errorf("journal: list: %w", err)
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// Count returns the number of payments in the journal, and how many it may hold.
func (j *Journal) Count() (n, limit int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.entries), j.limit
}

// read opens the record of an entry, with its card number or without.
func (j *Journal) read(at int, pan bool) (*payment.Record, error) {
	rec, _, err := j.load(at, pan)
	return rec, err
}

// load is read, with the value that the record is stored as.
func (j *Journal) load(at int, pan bool) (rec *payment.Record, value []byte, err error) {
	seq := j.entries[at].seq
	err = j.db.View(func(tx *store.Tx) (err error) {
		if value, err = tx.Get(bucketRecords, keyOf(seq)); err != nil {
			return err
		}
		if rec, err = decode(value); err != nil || !pan {
			return err
		}
		rec.PAN, err = readPAN(tx, seq)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if _, pending := j.printed[rec.ID]; pending {
		rec.Printed = true
		markPrinted(value)
	}
	return rec, value, nil
}

func readPAN(tx *store.Tx, seq uint64) (emv.PAN, error) {
	digits, err := tx.Secret(bucketRecords, keyOf(seq))
	if errors.Is(err, store.ErrNoSecret) {
		return emv.PAN{}, nil
	}
	if err != nil {
		return emv.PAN{}, err
	}
	defer clear(digits)
	return emv.ParsePAN(string(digits))
}

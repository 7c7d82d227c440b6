package spool

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"posd/emv/payment"
	"posd/store"
)

// A job's key is a number that grows, 8 bytes big-endian, so that jobs are kept in the
// order in which they came; its value is stored as JSON.
const bucket = "spool"

func keyOf(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// stored is the persisted form of a Job.
type stored struct {
	Format int    `json:"format"` // 1
	ID     string `json:"id"`
	Kind   string `json:"kind,omitempty"`
	Data   []byte `json:"data,omitempty"`
	Batch  uint32 `json:"batch,omitempty"`
	STAN   uint32 `json:"stan,omitempty"`
	Copy   uint8  `json:"copy,omitempty"`
}

const format = 1

func encode(j Job) ([]byte, error) {
	return json.Marshal(stored{
		Format: format, ID: j.ID, Kind: j.Kind, Data: j.Data,
		Batch: j.Payment.Batch, STAN: j.Payment.STAN, Copy: uint8(j.Copy),
	})
}

func decode(value []byte) (Job, error) {
	var s stored
	if err := json.Unmarshal(value, &s); err != nil {
		return Job{}, fmt.Errorf("job: %w: %w", store.ErrDamaged, err)
	}
	if s.Format != format || s.ID == "" {
		return Job{}, fmt.Errorf("job %.64q of format %d: %w", s.ID, s.Format, store.ErrDamaged)
	}
	return Job{
		ID: s.ID, Kind: s.Kind, Data: s.Data,
		Payment: payment.ID{Batch: s.Batch, STAN: s.STAN}, Copy: payment.Copy(s.Copy),
	}, nil
}

// add stores a job and queues it, unless it waits already.
func (s *Spool) add(ctx context.Context, job Job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.fresh()); err != nil {
		return err
	}
	if s.find(job) != nil {
		return nil
	}
	if n, bytes := s.stored(); n >= s.cfg.Limit || bytes+len(job.Data) > maxTotal {
		return fmt.Errorf("%d jobs of %d bytes wait: %w", n, bytes, ErrFull)
	}
	value, err := encode(job)
	if err != nil {
		return err
	}
	seq := s.next
	err = s.commit(func(tx *store.Tx) error { return tx.PutBare(bucket, keyOf(seq), value) })
	switch {
	case err == nil:
		s.next++
		s.queue = append(s.queue, &item{job: job, seq: seq})
	case errors.Is(err, store.ErrUnknown) && !s.stale && s.at(seq) != nil:
		s.at(seq).touched = false // the disk has it after all, and nobody has printed it
		return nil
	}
	return err
}

// stored counts the jobs in the store, and their bytes; s.mu is held.
func (s *Spool) stored() (n, bytes int) {
	for _, it := range s.queue {
		if it.seq != 0 {
			n, bytes = n+1, bytes+len(it.job.Data)
		}
	}
	return n, bytes
}

// Flush puts on disk what was printed, in one commit, or none if nothing is left to
// write. Call it before the store is closed.
func (s *Spool) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.fresh()
	if err == nil && len(s.done) > 0 {
		err = s.commit(func(*store.Tx) error { return nil })
	}
	if err != nil && (s.stale || len(s.done) > 0) {
		return fmt.Errorf("spool: flush: %w", err)
	}
	return nil
}

// commit writes a change, and removes what was printed meanwhile. If the disk's answer is
// unknown it reads back what the disk holds, or leaves s.stale set.
func (s *Spool) commit(change func(*store.Tx) error) error {
	err := s.cfg.DB.Update(func(tx *store.Tx) error {
		for _, seq := range s.done {
			if err := tx.Delete(bucket, keyOf(seq)); err != nil {
				return err
			}
		}
		return change(tx)
	})
	switch {
	case err == nil:
		s.done = s.done[:0]
	case errors.Is(err, store.ErrUnknown):
		err = errors.Join(err, s.reload())
	}
	return err
}

// fresh makes sure that the queue is what the disk holds.
func (s *Spool) fresh() error {
	if !s.stale {
		return nil
	}
	return s.reload()
}

// reload reads the jobs of the store. What is known of those in the queue is kept; what
// was printed stays printed; the others count as touched.
func (s *Spool) reload() error {
	s.stale = true
	var found []*item
	err := s.cfg.DB.View(func(tx *store.Tx) error {
		return tx.Each(bucket, func(key, value []byte, damage error) error {
			if damage != nil || len(key) != 8 {
				return cmp.Or(damage, fmt.Errorf("key %x: %w", key, store.ErrDamaged))
			}
			job, err := decode(value)
			found = append(found, &item{job: job, seq: binary.BigEndian.Uint64(key), touched: true})
			return err
		})
	})
	if err != nil {
		return err
	}
	s.merge(found)
	s.stale = false
	return nil
}

// merge makes the queue of what the store holds, and of the receipts.
func (s *Spool) merge(found []*item) {
	onDisk := func(seq uint64) bool {
		return slices.ContainsFunc(found, func(it *item) bool { return it.seq == seq })
	}
	s.done = slices.DeleteFunc(s.done, func(seq uint64) bool { return !onDisk(seq) })
	s.queue = slices.DeleteFunc(s.queue, func(it *item) bool { return it.seq != 0 && !onDisk(it.seq) })
	for _, it := range found {
		s.next = max(s.next, it.seq+1)
		if s.at(it.seq) == nil && !slices.Contains(s.done, it.seq) {
			s.queue = append(s.queue, it)
		}
	}
}

// at returns the job with a key, or nil.
func (s *Spool) at(seq uint64) *item {
	for _, it := range s.queue {
		if it.seq == seq {
			return it
		}
	}
	return nil
}

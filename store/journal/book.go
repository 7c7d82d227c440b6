package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store"
	"posd/store/archive"
)

// Journal is the book of a settlement too.
var _ batch.Book = (*Journal)(nil)

var (
	// ErrNoArchive says that a batch cannot be closed, for there is nowhere to keep it.
	ErrNoArchive = errors.New("no archive")
	// ErrPhase says that a settlement would go back, or is not the one that is open.
	ErrPhase = errors.New("not the settlement that is under way")
)

const bucketSettlement = "settlement"

func keyOpen() []byte { return []byte("open") }
func keyLast() []byte { return []byte("last") }

// storedSettlement is the persisted form of batch.Settlement. Its names are the disk's.
type storedSettlement struct {
	Format     int           `json:"format"` // 1
	Batch      uint32        `json:"batch"`
	STAN       uint32        `json:"stan"`
	Began      time.Time     `json:"began"`
	Operator   string        `json:"operator,omitempty"`
	Phase      uint8         `json:"phase"`
	Domestic   storedTotals  `json:"domestic"`
	Foreign    storedTotals  `json:"foreign"`
	DomesticV  uint8         `json:"domestic_verdict,omitempty"`
	ForeignV   uint8         `json:"foreign_verdict,omitempty"`
	Answer     *storedAnswer `json:"answer,omitempty"`
	Everything bool          `json:"everything,omitempty"`
	Next       int           `json:"next,omitempty"`
	Uploaded   int           `json:"uploaded,omitempty"`
	Rejected   [][2]uint32   `json:"rejected,omitempty"`
	Closed     time.Time     `json:"closed,omitzero"`
	Printed    bool          `json:"printed,omitempty"`
}

// storedTotals are debit amount and number, credit amount and number.
type storedTotals [4]int64

func toTotals(t batch.Totals) storedTotals {
	return storedTotals{t.Debit.Amount, int64(t.Debit.Number), t.Credit.Amount, int64(t.Credit.Number)}
}

func fromTotals(t storedTotals) batch.Totals {
	return batch.Totals{
		Debit:  batch.Count{Amount: t[0], Number: int(t[1])},
		Credit: batch.Count{Amount: t[2], Number: int(t[3])},
	}
}

func encodeSettlement(s *batch.Settlement) ([]byte, error) {
	out := storedSettlement{
		Format: 1, Batch: s.Batch, STAN: s.STAN, Began: s.Began, Operator: s.Operator, Phase: uint8(s.Phase),
		Domestic: toTotals(s.Domestic), Foreign: toTotals(s.Foreign),
		DomesticV: uint8(s.DomesticVerdict), ForeignV: uint8(s.ForeignVerdict), Answer: (*storedAnswer)(s.Answer),
		Everything: s.Everything, Next: s.Next, Uploaded: s.Uploaded, Closed: s.Closed, Printed: s.Printed,
	}
	for _, id := range s.Rejected {
		out.Rejected = append(out.Rejected, [2]uint32{id.Batch, id.STAN})
	}
	return json.Marshal(out)
}

// DecodeSettlement reads a settlement as the journal and the archive's summaries have it.
func DecodeSettlement(b []byte) (*batch.Settlement, error) {
	var s storedSettlement
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("settlement: %w: %w", store.ErrDamaged, err)
	}
	if s.Format != 1 || s.Phase < uint8(batch.Begun) || s.Phase > uint8(batch.Closed) {
		return nil, fmt.Errorf("settlement of format %d in phase %d: %w", s.Format, s.Phase, store.ErrDamaged)
	}
	out := &batch.Settlement{
		Batch: s.Batch, STAN: s.STAN, Began: s.Began, Operator: s.Operator, Phase: batch.Phase(s.Phase),
		Domestic: fromTotals(s.Domestic), Foreign: fromTotals(s.Foreign),
		DomesticVerdict: batch.Verdict(s.DomesticV), ForeignVerdict: batch.Verdict(s.ForeignV), Answer: (*payment.Answer)(s.Answer),
		Everything: s.Everything, Next: s.Next, Uploaded: s.Uploaded, Closed: s.Closed, Printed: s.Printed,
	}
	for _, id := range s.Rejected {
		out.Rejected = append(out.Rejected, payment.ID{Batch: id[0], STAN: id[1]})
	}
	return out, nil
}

// readSettlement returns nil where there is none.
func readSettlement(tx *store.Tx, key []byte) (*batch.Settlement, error) {
	b, err := tx.Get(bucketSettlement, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return DecodeSettlement(b)
}

func clone(s *batch.Settlement) *batch.Settlement {
	if s == nil {
		return nil
	}
	c := *s
	return &c
}

// Open implements batch.Book.
func (j *Journal) Open(ctx context.Context) (*batch.Settlement, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return nil, fmt.Errorf("journal: settlement: %w", err)
	}
	return clone(j.settling), nil
}

// Last implements batch.Book.
func (j *Journal) Last(ctx context.Context) (*batch.Settlement, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return nil, fmt.Errorf("journal: last settlement: %w", err)
	}
	return clone(j.last), nil
}

// Batch implements batch.Book.
func (j *Journal) Batch(ctx context.Context) (uint32, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return 0, fmt.Errorf("journal: batch: %w", err)
	}
	return j.head.batch, nil
}

// Number implements batch.Book: one commit.
func (j *Journal) Number(ctx context.Context) (uint32, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return 0, fmt.Errorf("journal: number: %w", err)
	}
	id, err := j.next()
	if err != nil {
		return 0, fmt.Errorf("journal: number: %w", err)
	}
	h := j.head
	h.stan = id.STAN
	if err := j.commit(ctx, change{head: h}); err != nil && (j.stale || j.head.stan != id.STAN) {
		return 0, fmt.Errorf("journal: number: %w", err)
	}
	return id.STAN, nil
}

// Records implements batch.Book. fn may call the journal.
func (j *Journal) Records(ctx context.Context, number uint32, fn func(*payment.Record) error) error {
	ids, err := j.idsOf(ctx, number)
	if err != nil {
		return fmt.Errorf("journal: records of batch %06d: %w", number, err)
	}
	for _, id := range ids {
		rec, err := j.one(ctx, id, false)
		if err != nil {
			return fmt.Errorf("journal: records of batch %06d: %w", number, err)
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) idsOf(ctx context.Context, number uint32) (ids []payment.ID, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return nil, err
	}
	for _, e := range j.entries {
		if e.id.Batch == number {
			ids = append(ids, e.id)
		}
	}
	return ids, nil
}

func (j *Journal) one(ctx context.Context, id payment.ID, pan bool) (*payment.Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return nil, err
	}
	at, ok := j.byID[id]
	if !ok {
		return nil, fmt.Errorf("payment %v: %w", id, payment.ErrNoRecord)
	}
	return j.read(at, pan)
}

// Card implements batch.Book.
func (j *Journal) Card(ctx context.Context, id payment.ID) (*payment.Record, error) {
	rec, err := j.one(ctx, id, true)
	if err != nil {
		return nil, fmt.Errorf("journal: card: %w", err)
	}
	return rec, nil
}

// Save implements batch.Book: one commit, none for what is on disk already. The last
// settlement may be saved again too, for its slip was printed.
func (j *Journal) Save(ctx context.Context, s *batch.Settlement) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.save(ctx, s); err != nil {
		return fmt.Errorf("journal: save the settlement of batch %06d: %w", s.Batch, err)
	}
	return nil
}

func (j *Journal) save(ctx context.Context, s *batch.Settlement) error {
	if err := j.fresh(ctx); err != nil {
		return err
	}
	key, old := keyOpen(), j.settling
	if s.Phase == batch.Closed {
		key, old = keyLast(), j.last
	}
	if err := j.mayFollow(old, s); err != nil {
		return err
	}
	value, err := encodeSettlement(s)
	if err != nil {
		return err
	}
	if is, err := encodeSettlement(s0(old)); err == nil && old != nil && bytes.Equal(is, value) {
		return nil
	}
	return j.commitSettlement(ctx, key, s, value)
}

func s0(s *batch.Settlement) *batch.Settlement {
	if s == nil {
		return &batch.Settlement{}
	}
	return s
}

// mayFollow checks that next is old later on, or a new settlement of the current batch.
func (j *Journal) mayFollow(old, next *batch.Settlement) error {
	switch {
	case old == nil && (next.Phase != batch.Begun || next.Batch != j.head.batch):
		return fmt.Errorf("phase %d of batch %06d, where %06d has none: %w", next.Phase, next.Batch, j.head.batch, ErrPhase)
	case old == nil:
		return nil
	case old.Batch != next.Batch || !old.Began.Equal(next.Began) || next.Phase < old.Phase:
		return fmt.Errorf("phase %d of batch %06d after phase %d of %06d: %w", next.Phase, next.Batch, old.Phase, old.Batch, ErrPhase)
	}
	return nil
}

func (j *Journal) commitSettlement(ctx context.Context, key []byte, s *batch.Settlement, value []byte) error {
	c := change{head: j.head, put: func(tx *store.Tx) error { return tx.PutBare(bucketSettlement, key, value) }}
	err := j.commit(ctx, c)
	if errors.Is(err, store.ErrUnknown) && !j.stale {
		if is, encodeErr := encodeSettlement(s0(j.settling)); encodeErr == nil && bytes.Equal(is, value) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if s.Phase == batch.Closed {
		j.last = clone(s)
	} else {
		j.settling = clone(s)
	}
	return nil
}

// Close implements batch.Book: the payments of the batch go to the archive, whole and
// flushed, and then leave the journal in one commit that begins the next batch. What is
// still owed stays, and leaves with a later batch. After a power cut between both the
// archive's file is written again, under the same name and with the same content.
func (j *Journal) Close(ctx context.Context, s *batch.Settlement) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.close(context.WithoutCancel(ctx), s); err != nil {
		return fmt.Errorf("journal: close batch %06d: %w", s.Batch, err)
	}
	return nil
}

func (j *Journal) close(ctx context.Context, s *batch.Settlement) error {
	if err := j.fresh(ctx); err != nil {
		return err
	}
	if j.isClosed(s) {
		return nil
	}
	switch {
	case j.settling == nil || j.settling.Batch != s.Batch || !j.settling.Began.Equal(s.Began) || j.settling.Phase < batch.Ended:
		return fmt.Errorf("the host has not confirmed its end: %w", ErrPhase)
	case j.archive == nil:
		return ErrNoArchive
	}
	done := *s
	done.Phase = batch.Closed
	value, err := encodeSettlement(&done)
	if err != nil {
		return err
	}
	leave, stay := j.part(s.Batch)
	if err := j.archive.Write(ctx, s.Batch, s.Began, value, func(add func(archive.Entry) error) error {
		return j.archiveAll(leave, add)
	}); err != nil {
		return err
	}
	err = j.commit(ctx, j.closing(&done, value, leave, stay))
	if errors.Is(err, store.ErrUnknown) && !j.stale && j.isClosed(s) {
		err = nil
	}
	if err != nil {
		return err
	}
	return j.closedNow(ctx)
}

func (j *Journal) isClosed(s *batch.Settlement) bool {
	return j.settling == nil && j.last != nil && j.last.Batch == s.Batch && j.last.Began.Equal(s.Began)
}

// part says which payments leave with a batch: its own, and those that stayed when an
// earlier one was closed, unless something is still owed.
func (j *Journal) part(number uint32) (leave, stay []entry) {
	for _, e := range j.entries {
		if (e.id.Batch == number || e.carried()) && !e.owed() {
			leave = append(leave, e)
		} else {
			stay = append(stay, e)
		}
	}
	return leave, stay
}

func (j *Journal) archiveAll(leave []entry, add func(archive.Entry) error) error {
	for _, e := range leave {
		rec, value, err := j.load(j.byID[e.id], false)
		if err != nil {
			return err
		}
		if err := add(archived(rec, value)); err != nil {
			return err
		}
	}
	return nil
}

func archived(rec *payment.Record, value []byte) archive.Entry {
	e := archive.Entry{
		Time: rec.Time, Minor: rec.Amount.Minor, Currency: uint16(rec.Amount.Currency),
		Batch: rec.ID.Batch, STAN: rec.ID.STAN, Body: value,
	}
	if n := len(rec.Masked); n >= 4 {
		e.LastFour = rec.Masked[n-4:]
	}
	if rec.Answer != nil {
		e.RRN = rec.Answer.RRN
	}
	return e
}

// FromArchive gives the record of an archived payment, without card number.
func FromArchive(e archive.Entry) (*payment.Record, error) {
	rec, err := decode(e.Body)
	if err != nil {
		return nil, fmt.Errorf("journal: archived payment %06d/%06d: %w", e.Batch, e.STAN, err)
	}
	return rec, nil
}

// closing is the commit that ends a batch: payments that stay are numbered anew.
func (j *Journal) closing(done *batch.Settlement, value []byte, leave, stay []entry) change {
	h := j.head
	h.first = h.next
	h.next += uint64(len(stay))
	h.batch = done.Batch%maxBatch + 1
	holes := j.holes
	return change{head: h, put: func(tx *store.Tx) error {
		for i, e := range stay {
			if err := move(tx, e, h.first+uint64(i), e.id.Batch == done.Batch); err != nil {
				return err
			}
		}
		for _, e := range leave {
			if err := tx.Delete(bucketRecords, keyOf(e.seq)); err != nil {
				return err
			}
		}
		for _, seq := range holes {
			if err := tx.Delete(bucketRecords, keyOf(seq)); err != nil {
				return err
			}
		}
		return errors.Join(tx.PutBare(bucketSettlement, keyLast(), value), tx.Delete(bucketSettlement, keyOpen()))
	}}
}

// move gives a record another number; carry says that its batch is closed.
func move(tx *store.Tx, e entry, seq uint64, carry bool) error {
	value, err := tx.Get(bucketRecords, keyOf(e.seq))
	if err != nil {
		return err
	}
	if carry && value[0] == valueFormat {
		value[2] |= flagCarried
	}
	secret, err := tx.Secret(bucketRecords, keyOf(e.seq))
	defer clear(secret)
	switch {
	case errors.Is(err, store.ErrNoSecret):
		err = tx.PutBare(bucketRecords, keyOf(seq), value)
	case err == nil:
		err = tx.PutSecret(bucketRecords, keyOf(seq), value, secret)
	}
	if err != nil {
		return err
	}
	return tx.Delete(bucketRecords, keyOf(e.seq))
}

// closedNow reads the index anew, and lets go of the batch in the second copy.
func (j *Journal) closedNow(ctx context.Context) error {
	if err := j.reload(ctx); err != nil {
		return err
	}
	j.db.Unload()
	s := &j.second
	if s.log == nil {
		return nil
	}
	clear(s.behind)
	s.mark = true
	s.err = j.catchUp(nil)
	return nil
}

// settled tells which payments are in the archive.
func (j *Journal) settled(ctx context.Context, ids []payment.ID) (map[payment.ID]bool, error) {
	found := map[payment.ID]bool{}
	if j.archive == nil {
		return found, nil
	}
	oldest := uint32(maxBatch)
	for _, id := range ids {
		oldest = min(oldest, id.Batch)
	}
	files, err := j.archive.Files()
	for _, f := range files {
		if f.Batch < oldest { // a payment that stayed is archived with a later batch
			continue
		}
		_, readErr := j.archive.Read(ctx, f.Name, func(e archive.Entry) error {
			found[payment.ID{Batch: e.Batch, STAN: e.STAN}] = true
			return nil
		})
		err = errors.Join(err, readErr)
	}
	return found, err
}

// newestArchived returns the batch that was closed last; 0 for none.
func (j *Journal) newestArchived() uint32 {
	if j.archive == nil {
		return 0
	}
	files, err := j.archive.Files()
	if err != nil || len(files) == 0 {
		return 0
	}
	return files[len(files)-1].Batch
}

package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store"
	"posd/store/archive"
	"posd/store/wal"
)

// Journal is a payment.Journal.
var _ payment.Journal = (*Journal)(nil)

var (
	// ErrFull says that the journal holds as many payments as it may.
	ErrFull = payment.ErrFull
	// ErrNotNext says that a payment was begun under an ID that is not its turn.
	ErrNotNext = errors.New("not the next payment")
	// ErrChanged says that an update would turn a payment into another one.
	ErrChanged = errors.New("another payment than the one that began")
	// ErrNoReason says that a debt cannot be resolved without operator and reason.
	ErrNoReason = errors.New("operator and reason are needed")
)

// DefaultLimit is how many payments a journal holds.
const DefaultLimit = 5000

// spareSecrets are those of the store's secrets that a journal leaves to others.
const spareSecrets = 16

const (
	maxSTAN  = 999_999
	maxBatch = 999_999
	maxList  = 500 // records of one List
)

// maxEntries bounds what an index makes room for before it has counted.
const maxEntries = 100_000

// Config is what a journal needs. Limit is how many payments it holds; 0 is DefaultLimit.
// A store holds a payment for each 4 KiB of its size, less 16: 8175 in 32 MiB.
type Config struct {
	DB    *store.DB
	Limit int
	// Log is the second copy; nil for none.
	Log *wal.Log
	// Archive takes the batches that are closed; without one, none can be.
	Archive *archive.Archive
}

func (c Config) withDefaults() (Config, error) {
	if c.DB == nil {
		return c, errors.New("config: DB is missing")
	}
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	if most := c.DB.Secrets() - spareSecrets; c.Limit < 1 || c.Limit > most {
		return c, fmt.Errorf("config: Limit %d: a store of this size keeps 1 to %d payments", c.Limit, most)
	}
	return c, nil
}

// Journal keeps payments. Its methods may be called by several goroutines.
type Journal struct {
	db      *store.DB
	limit   int
	archive *archive.Archive

	mu sync.Mutex
	index
	printed map[payment.ID]struct{} // printed, and not yet on disk as such
	stale   bool                    // the index may not be what the disk holds
	second  second
}

// Open reads the journal: it opens every record's seal, and refuses a journal with a
// damaged or a missing one, which [Repair] mends. Then it compares both copies and puts
// right what differs: [Journal.Recovery] says what.
func Open(ctx context.Context, cfg Config) (*Journal, error) {
	j, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("journal: open: %w", err)
	}
	return j, nil
}

func open(ctx context.Context, cfg Config) (*Journal, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	j := &Journal{
		db: cfg.DB, limit: cfg.Limit, archive: cfg.Archive,
		printed: map[payment.ID]struct{}{}, second: newSecond(cfg.Log),
	}
	if err := j.reload(ctx); err != nil {
		return nil, err
	}
	if err := j.reconcile(ctx); err != nil {
		return nil, err
	}
	cfg.DB.Unload()
	return j, nil
}

// Next implements payment.Journal.
func (j *Journal) Next(ctx context.Context) (payment.ID, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return payment.ID{}, fmt.Errorf("journal: next: %w", err)
	}
	return j.next()
}

// next returns the first free ID after the last one. STAN 999999 is followed by 1.
func (j *Journal) next() (payment.ID, error) {
	id := payment.ID{Batch: j.head.batch, STAN: j.head.stan}
	for range len(j.entries) + 1 {
		id.STAN = id.STAN%maxSTAN + 1
		if _, taken := j.byID[id]; !taken {
			return id, nil
		}
	}
	return payment.ID{}, fmt.Errorf("journal: batch %06d: no free voucher number", id.Batch)
}

// Begin implements payment.Journal. A record that is in the journal already, word for
// word, is no error: after an unknown failure the caller may just try again.
func (j *Journal) Begin(ctx context.Context, rec *payment.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return fmt.Errorf("journal: begin %v: %w", rec.ID, err)
	}
	if j.holds(rec) {
		return nil
	}
	if err := j.accepts(rec); err != nil {
		return fmt.Errorf("journal: begin %v: %w", rec.ID, err)
	}
	if err := j.store(ctx, rec, j.begin(rec)); err != nil {
		return fmt.Errorf("journal: begin %v: %w", rec.ID, err)
	}
	return nil
}

func (j *Journal) accepts(rec *payment.Record) error {
	id, err := j.next()
	switch {
	case err != nil:
		return err
	case !payment.State(0).CanMove(rec.State):
		return fmt.Errorf("as %v: %w", rec.State, payment.ErrIllegalMove)
	case rec.ID != id:
		return fmt.Errorf("%v is: %w", id, ErrNotNext)
	case j.settling != nil:
		return fmt.Errorf("batch %06d: %w", j.settling.Batch, batch.ErrUnderWay)
	}
	return j.room().err()
}

// begin returns the change that stores a new record and moves the head.
func (j *Journal) begin(rec *payment.Record) change {
	head, e := j.head, entryFor(j.head.next, rec)
	head.next, head.stan = e.seq+1, rec.ID.STAN
	return change{
		head: head,
		set:  []entry{e},
		put:  func(tx *store.Tx) error { return putRecord(tx, e, rec, true) },
	}
}

// Update implements payment.Journal. Storing what is stored already costs no commit.
// ctx does not stop it: what happened is written down all the same.
func (j *Journal) Update(ctx context.Context, rec *payment.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.update(context.WithoutCancel(ctx), rec); err != nil {
		return fmt.Errorf("journal: update %v: %w", rec.ID, err)
	}
	return nil
}

func (j *Journal) update(ctx context.Context, rec *payment.Record) error {
	if err := j.fresh(ctx); err != nil {
		return err
	}
	at, ok := j.byID[rec.ID]
	if !ok {
		return payment.ErrNoRecord
	}
	old, value, err := j.load(at, true)
	if err != nil {
		return err
	}
	next := *rec
	next.Printed = rec.Printed || old.Printed
	if same(old, value, &next) {
		return nil
	}
	if err := allowed(old, &next); err != nil {
		return err
	}
	e := entryFor(j.entries[at].seq, &next)
	e.flags |= j.entries[at].flags & flagCarried
	return j.store(ctx, &next, change{
		head: j.head,
		set:  []entry{e},
		put:  func(tx *store.Tx) error { return putRecord(tx, e, &next, false) },
	})
}

// allowed checks the move, and that the money and the card are those that began.
func allowed(old, next *payment.Record) error {
	switch {
	case !old.State.CanMove(next.State):
		return fmt.Errorf("from %v to %v: %w", old.State, next.State, payment.ErrIllegalMove)
	case old.Kind != next.Kind && !becomes(old, next):
		return fmt.Errorf("kind %v was %v: %w", next.Kind, old.Kind, ErrChanged)
	case old.Amount != next.Amount:
		return fmt.Errorf("amount %v %v was %v %v: %w", next.Amount, next.Amount.Currency,
			old.Amount, old.Amount.Currency, ErrChanged)
	case !old.PAN.IsZero() && !next.PAN.IsZero() && old.PAN != next.PAN:
		return fmt.Errorf("another card number: %w", ErrChanged)
	}
	return nil
}

// becomes tells that a payment may change its kind: one that did not leave the terminal,
// and that the card approved without the host.
func becomes(old, next *payment.Record) bool {
	return old.Kind.CanBecome(next.Kind) && old.State == payment.Requested && next.State == payment.Stored
}

// same tells whether storing next over old, whose value is given, would change nothing.
// A card number that either side no longer has does not count.
func same(old *payment.Record, value []byte, next *payment.Record) bool {
	wanted, err := encode(next)
	value = bytes.Clone(value)
	value[2] &^= flagCarried
	return err == nil && bytes.Equal(value, wanted) &&
		(old.PAN.IsZero() || next.PAN.IsZero() || old.PAN == next.PAN)
}

// holds tells whether the journal has the record as it is.
func (j *Journal) holds(rec *payment.Record) bool {
	at, ok := j.byID[rec.ID]
	if !ok {
		return false
	}
	old, value, err := j.load(at, true)
	return err == nil && same(old, value, rec)
}

// Printed implements payment.Journal: the mark goes to disk with the next commit of the
// journal, or by Flush.
func (j *Journal) Printed(id payment.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if at, ok := j.byID[id]; ok && !j.entries[at].printed() {
		j.printed[id] = struct{}{}
	}
}

// Flush puts on disk which receipts were printed, in one commit, or none if nothing is
// left to write. Call it before the store is closed.
func (j *Journal) Flush(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("journal: flush: %w", err)
	}
	if len(j.printed) == 0 {
		return nil
	}
	if err := j.commit(ctx, change{head: j.head}); err != nil && len(j.printed) > 0 {
		return fmt.Errorf("journal: flush: %w", err)
	}
	return nil
}

// SetBatch makes the payments that follow belong to a batch, 1 to 999999, as the host's
// sign-on says. It costs no commit if the batch is the current one.
func (j *Journal) SetBatch(ctx context.Context, number uint32) error {
	if number < 1 || number > maxBatch {
		return fmt.Errorf("journal: set batch %d: 1 to %d wanted", number, maxBatch)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fresh(ctx); err != nil {
		return fmt.Errorf("journal: set batch %06d: %w", number, err)
	}
	if j.head.batch == number {
		return nil
	}
	if j.settling != nil {
		return fmt.Errorf("journal: set batch %06d: batch %06d: %w", number, j.settling.Batch, batch.ErrUnderWay)
	}
	head := j.head
	head.batch = number
	err := j.commit(ctx, change{head: head})
	if err != nil && (j.stale || j.head.batch != number) {
		return fmt.Errorf("journal: set batch %06d: %w", number, err)
	}
	return nil
}

// Resolve ends a debt by the word of an operator, with a reason that is kept: both go
// into the record's Reversal.
func (j *Journal) Resolve(ctx context.Context, id payment.ID, operator, reason string) error {
	if operator == "" || reason == "" {
		return fmt.Errorf("journal: resolve %v: %w", id, ErrNoReason)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.resolve(ctx, id, operator, reason); err != nil {
		return fmt.Errorf("journal: resolve %v: %w", id, err)
	}
	return nil
}

func (j *Journal) resolve(ctx context.Context, id payment.ID, operator, reason string) error {
	if err := j.fresh(ctx); err != nil {
		return err
	}
	at, ok := j.byID[id]
	if !ok {
		return payment.ErrNoRecord
	}
	rec, err := j.read(at, true)
	if err != nil {
		return err
	}
	if rec.State == payment.Resolved {
		return fmt.Errorf("it is resolved already: %w", payment.ErrIllegalMove)
	}
	if rec.Reversal == nil {
		rec.Reversal = &payment.Debt{Since: rec.Time}
	}
	rec.Reversal.Operator, rec.Reversal.Resolution = operator, reason
	rec.State = payment.Resolved
	return j.update(context.WithoutCancel(ctx), rec)
}

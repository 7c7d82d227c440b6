package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"posd/emv"
	"posd/emv/payment"
	"posd/store"
	"posd/store/wal"
)

// Buckets lists the buckets of a journal: damage in them is what Repair mends.
func Buckets() []string { return []string{bucketRecords, bucketHead, bucketSettlement} }

// reconcile compares both copies at Open: it restores what the store lost, has the log
// catch up where a power cut came between both, and wipes what should be wiped.
func (j *Journal) reconcile(ctx context.Context) error {
	s := &j.second
	if s.log == nil {
		return nil
	}
	last, err := j.replay(ctx)
	if err != nil {
		return err
	}
	lost, err := j.compare(ctx)
	if err != nil {
		return err
	}
	if err := j.restore(ctx, lost, last); err != nil {
		return err
	}
	s.found.Caught = len(s.behind)
	s.err = j.catchUp(nil)
	if last != nil && s.err == nil {
		s.err = s.log.Release(last.from)
	}
	return nil
}

// compare sorts the payments: those where the log lacks the last moves go to behind, and
// those that the store lost, or where it is behind, come back.
func (j *Journal) compare(ctx context.Context) (lost []payment.ID, err error) {
	s := &j.second
	var wipe []uint64
	for _, e := range j.entries {
		t, ok := s.trail[e.id]
		switch {
		case !ok:
			s.behind[e.id] = struct{}{}
		case t.state == e.state:
			if t.secret != 0 && forgets(e.state, e.kind, e.flags&flagNotice != 0) {
				wipe = append(wipe, t.secret)
				t.secret = 0
				s.trail[e.id] = t
			}
		case reaches(t.state, e.state):
			s.behind[e.id] = struct{}{}
		case reaches(e.state, t.state):
			lost = append(lost, e.id)
		default:
			s.found.Faults = append(s.found.Faults, fmt.Errorf("payment %v: the store says %v, the second copy %v: the store counts", e.id, e.state, t.state))
		}
	}
	missing, err := j.missing(ctx)
	if len(wipe) > 0 {
		s.err = s.log.Wipe(wipe...)
	}
	return append(lost, missing...), err
}

// missing lists the payments that only the log has, in the order in which they began.
// Those that were settled are in the archive: the log is to forget them.
func (j *Journal) missing(ctx context.Context) (ids []payment.ID, err error) {
	s := &j.second
	for id := range s.trail {
		if _, ok := j.byID[id]; !ok {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	settled, err := j.settled(ctx, ids)
	if err != nil {
		s.found.Faults = append(s.found.Faults, err) // a damaged archive: what it held comes back
	}
	ids = slices.DeleteFunc(ids, func(id payment.ID) bool {
		if settled[id] {
			s.mark = true
			delete(s.trail, id)
		}
		return settled[id]
	})
	slices.SortFunc(ids, func(a, b payment.ID) int { return cmp.Compare(s.trail[a].first, s.trail[b].first) })
	return ids, nil
}

// reaches tells whether a payment can come from one state to another, in any number of
// moves. From Refused it may go back to Stored: then the later state is not known, and
// neither reaches the other.
func reaches(from, to payment.State) bool {
	if from == payment.Refused && to == payment.Stored {
		return false
	}
	seen := map[payment.State]bool{from: true}
	for next := []payment.State{from}; len(next) > 0; next = next[1:] {
		for s := range payment.State(16) {
			if !seen[s] && s.Valid() && next[0].CanMove(s) {
				seen[s] = true
				next = append(next, s)
			}
		}
	}
	return from != to && seen[to]
}

// restore puts payments back that the store lost, as far as the log's facts go.
func (j *Journal) restore(ctx context.Context, ids []payment.ID, last *closed) error {
	h := j.head
	archived := j.newestArchived()
	if j.fromScratch() {
		if last != nil {
			h.batch, h.stan = last.batch, last.stan
		}
		if h.batch <= archived {
			h.batch, h.stan = archived%maxBatch+1, 0
		}
	}
	if len(ids) == 0 && h == j.head {
		return nil
	}
	for chunk := range slices.Chunk(ids, mostFrames) {
		if err := j.restoreSome(chunk, &h, archived); err != nil {
			return err
		}
	}
	if h != j.head {
		if err := j.commit(ctx, change{head: h}); err != nil {
			return err
		}
	}
	return nil
}

// fromScratch tells that the store was made anew.
func (j *Journal) fromScratch() bool {
	return len(j.entries)+len(j.holes) == 0 && j.head.next == 1 && j.head.stan == 0
}

func (j *Journal) restoreSome(ids []payment.ID, h *head, archived uint32) error {
	c := change{head: *h}
	var puts []func(tx *store.Tx) error
	holes := j.holes
	for _, id := range ids {
		rec, err := j.recall(id)
		if err != nil {
			j.second.found.Faults = append(j.second.found.Faults, err)
			continue
		}
		e := entryFor(c.head.next, rec)
		switch at, ok := j.byID[id]; {
		case ok:
			e.seq = j.entries[at].seq
		case len(holes) > 0:
			e.seq, holes = holes[0], holes[1:]
		default:
			c.head.next++
		}
		if id.Batch <= archived {
			e.flags |= flagCarried
		}
		c.head.after(id)
		c.set = append(c.set, e)
		puts = append(puts, func(tx *store.Tx) error { return putRecord(tx, e, rec, true) })
		j.second.found.Restored = append(j.second.found.Restored, id)
	}
	c.put = func(tx *store.Tx) error {
		for _, put := range puts {
			if err := put(tx); err != nil {
				return err
			}
		}
		return nil
	}
	if err := j.commit(context.Background(), c); err != nil {
		return fmt.Errorf("restore %d payments: %w", len(ids), err)
	}
	*h = c.head
	return j.reload(context.Background())
}

// after moves the head behind a payment that is known to have been begun.
func (h *head) after(id payment.ID) {
	if id.Batch > h.batch {
		h.batch, h.stan = id.Batch, 0
	}
	if id.Batch == h.batch && id.STAN > h.stan {
		h.stan = id.STAN
	}
}

// recall gives a payment as the log and, where it has an older state, the store know it.
func (j *Journal) recall(id payment.ID) (*payment.Record, error) {
	s := &j.second
	t := s.trail[id]
	f, err := s.log.Read(t.last)
	if err != nil && f.Payload == nil {
		return nil, fmt.Errorf("payment %v: %w", id, err)
	}
	clear(f.Secret)
	rec, err := decodeFacts(f.Payload)
	if err != nil {
		return nil, fmt.Errorf("payment %v: %w", id, err)
	}
	rec.Printed = rec.Printed || rec.State == payment.Completed // what its receipt shows is lost in part
	if rec.PAN, err = s.card(t); err != nil {
		s.found.Faults = append(s.found.Faults, fmt.Errorf("payment %v: %w", id, err))
	}
	if at, ok := j.byID[id]; ok {
		if old, err := j.read(at, true); err == nil {
			rec = overlay(old, rec)
		}
	}
	if rec.PAN.IsZero() && !forgets(rec.State, rec.Kind, owesNotice(rec)) {
		s.found.NoCard = append(s.found.NoCard, id)
	}
	return rec, nil
}

func (s *second) card(t trail) (emv.PAN, error) {
	if t.secret == 0 {
		return emv.PAN{}, nil
	}
	f, err := s.log.Read(t.secret)
	defer clear(f.Secret)
	if err != nil || len(f.Secret) == 0 {
		return emv.PAN{}, err
	}
	return emv.ParsePAN(string(f.Secret))
}

// overlay puts the facts of the log on an older record of the store.
func overlay(old, facts *payment.Record) *payment.Record {
	next := *old
	next.State, next.Why = facts.State, facts.Why
	if facts.Answer != nil {
		next.Answer = facts.Answer
	}
	if facts.Reversal != nil {
		next.Reversal = facts.Reversal
	}
	if facts.Script != nil {
		next.Script = facts.Script
	}
	if next.PAN.IsZero() {
		next.PAN = facts.PAN
	}
	return &next
}

// Repaired says what Repair did.
type Repaired struct {
	Damaged int // records of the store that did not open
	Cards   int // card numbers that did not open and came back from the log
	NoCards int // card numbers that are lost
	Head    bool
	Recovery
}

// Repair mends a journal in which records are damaged or missing: they are taken out of
// the store, and what the second copy knows of them is put in their places. What both
// lost stays as a hole, which Recovery counts. A journal that is whole stays as it is.
// Then the journal can be opened. It is for a store that opens: one whose tree is damaged
// is set aside as a whole, and Open brings back what is owed.
func Repair(ctx context.Context, cfg Config) (Repaired, error) {
	r, err := repair(ctx, cfg)
	if err != nil {
		return r, fmt.Errorf("journal: repair: %w", err)
	}
	return r, nil
}

func repair(ctx context.Context, cfg Config) (r Repaired, err error) {
	if cfg.Log == nil {
		return r, errNoLog
	}
	if cfg, err = cfg.withDefaults(); err != nil {
		return r, err
	}
	cards, err := cardsOf(ctx, cfg.Log)
	if err != nil {
		return r, err
	}
	if err := cfg.DB.Update(func(tx *store.Tx) error { return r.punch(tx, cards) }); err != nil {
		return r, err
	}
	j, err := open(ctx, cfg)
	if err != nil {
		return r, err
	}
	r.Recovery = j.Recovery()
	return r, nil
}

// cardsOf says where the log has the card numbers.
func cardsOf(ctx context.Context, log *wal.Log) (map[payment.ID]emv.PAN, error) {
	cards := map[payment.ID]emv.PAN{}
	err := log.Each(func(f wal.Frame, damage error) error {
		defer clear(f.Secret)
		rec, err := decodeFacts(f.Payload)
		if err != nil || len(f.Secret) == 0 {
			return ctx.Err()
		}
		if pan, err := emv.ParsePAN(string(f.Secret)); err == nil {
			cards[rec.ID] = pan
		}
		return ctx.Err()
	})
	return cards, err
}

// punch takes out what does not open, so that what is left is a journal with holes.
func (r *Repaired) punch(tx *store.Tx, cards map[payment.ID]emv.PAN) error {
	var bad [][]byte
	var good []entry
	err := tx.Each(bucketRecords, func(key, value []byte, damage error) error {
		e, err := entryOf(key, value)
		if damage != nil || err != nil {
			bad = append(bad, key)
			return nil
		}
		good = append(good, e)
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range bad {
		r.Damaged++
		if err := tx.Delete(bucketRecords, key); err != nil {
			return err
		}
	}
	for _, e := range good {
		if err := r.mendCard(tx, e, cards[e.id]); err != nil {
			return err
		}
	}
	return errors.Join(r.punchHead(tx, good, bad), punchSettlements(tx))
}

// mendCard replaces a card number that does not open.
func (r *Repaired) mendCard(tx *store.Tx, e entry, pan emv.PAN) error {
	secret, err := tx.Secret(bucketRecords, keyOf(e.seq))
	clear(secret)
	if err == nil || errors.Is(err, store.ErrNoSecret) && forgets(e.state, e.kind, e.flags&flagNotice != 0) {
		return nil
	}
	value, err := tx.Get(bucketRecords, keyOf(e.seq))
	if err != nil {
		return err
	}
	if pan.IsZero() {
		r.NoCards++
		return tx.PutBare(bucketRecords, keyOf(e.seq), value)
	}
	r.Cards++
	digits := pan.Append(nil)
	defer clear(digits)
	return tx.PutSecret(bucketRecords, keyOf(e.seq), value, digits)
}

// punchHead makes the head fit the records, and a hole of each number without one.
func (r *Repaired) punchHead(tx *store.Tx, good []entry, bad [][]byte) error {
	h, err := readHead(tx)
	if errors.Is(err, store.ErrDamaged) {
		r.Head = true
		h = head{first: 1, next: 1, batch: 1}
		if len(good) > 0 {
			h.first, h.next = good[0].seq, good[len(good)-1].seq+1
		}
		for _, e := range good {
			h.after(e.id)
		}
		err = tx.PutBare(bucketHead, keyHead(), h.encode())
	}
	if err != nil {
		return err
	}
	at := 0
	for seq := h.first; seq < h.next; seq++ {
		if at < len(good) && good[at].seq == seq {
			at++
			continue
		}
		if err := tx.PutBare(bucketRecords, keyOf(seq), hole()); err != nil {
			return err
		}
	}
	r.Damaged = max(r.Damaged, int(h.next-h.first)-len(good))
	return nil
}

// punchSettlements forgets a settlement that does not open: it begins anew.
func punchSettlements(tx *store.Tx) error {
	for _, key := range [][]byte{keyOpen(), keyLast()} {
		if _, err := readSettlement(tx, key); errors.Is(err, store.ErrDamaged) {
			if err := tx.Delete(bucketSettlement, key); err != nil {
				return err
			}
		}
	}
	return nil
}

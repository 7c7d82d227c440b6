package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"posd/emv/payment"
	"posd/store"
	"posd/store/wal"
)

// second is the second copy: what the log says of each payment of this journal.
//
// The order is the same always: the store commits, then the log is appended to, then the
// caller is told. So the store is never behind the log, unless it lost a commit that the
// disk had confirmed, or somebody put back an older file: where the log says more, the
// log is right. Where the store says more, a power cut came between both: the log catches
// up. A log that cannot be written stops no payment; it is a finding, and catches up
// later.
type second struct {
	log    *wal.Log
	trail  map[payment.ID]trail
	behind map[payment.ID]struct{} // moved in the store, not yet in the log
	mark   bool                    // a batch was closed in the store, not yet in the log
	err    error                   // why it is behind
	found  Recovery
}

// trail is where the log has a payment.
type trail struct {
	state               payment.State
	first, last, secret uint64 // frames; secret 0 for none
}

func newSecond(log *wal.Log) second {
	return second{log: log, trail: map[payment.ID]trail{}, behind: map[payment.ID]struct{}{}}
}

// mostFrames bounds the frames of one append.
const mostFrames = 128

// follow has the log say what the store says of rec.
func (j *Journal) follow(rec *payment.Record) {
	s := &j.second
	if s.log == nil {
		return
	}
	if t, ok := s.trail[rec.ID]; !ok || t.state != rec.State {
		s.behind[rec.ID] = struct{}{}
	}
	s.err = j.catchUp(rec)
}

// catchUp appends what the log lacks, in the order in which the payments began. cur is a
// record that the caller has at hand, or nil.
func (j *Journal) catchUp(cur *payment.Record) error {
	s := &j.second
	ids := slices.SortedFunc(maps.Keys(s.behind), func(a, b payment.ID) int {
		return cmp.Compare(j.byID[a], j.byID[b])
	})
	for chunk := range slices.Chunk(ids, mostFrames) {
		if err := j.appendAll(chunk, cur); err != nil {
			return err
		}
	}
	if !s.mark {
		return nil
	}
	return j.markClosed()
}

func (j *Journal) appendAll(ids []payment.ID, cur *payment.Record) error {
	s := &j.second
	var frames []wal.Frame
	var next []trail
	var wipe []uint64
	defer func() {
		for _, f := range frames {
			clear(f.Secret)
		}
	}()
	for _, id := range ids {
		rec, err := j.current(id, cur)
		if err != nil {
			return err
		}
		t := s.trail[id]
		f := wal.Frame{Payload: encodeFacts(rec)}
		switch gone := forgets(rec.State, rec.Kind, owesNotice(rec)); {
		case gone && t.secret != 0:
			wipe = append(wipe, t.secret)
			t.secret = 0
		case !gone && t.secret == 0 && !rec.PAN.IsZero():
			f.Secret = rec.PAN.Append(make([]byte, 0, wal.MaxSecret))
		}
		t.state = rec.State
		frames, next = append(frames, f), append(next, t)
	}
	first, err := s.log.AppendAll(frames, wipe...)
	if err != nil {
		return err
	}
	for i, id := range ids {
		t := next[i]
		t.last = first + uint64(i)
		if t.first == 0 {
			t.first = t.last
		}
		if frames[i].Secret != nil {
			t.secret = t.last
		}
		s.trail[id] = t
		delete(s.behind, id)
	}
	return nil
}

// current is what the store says of a payment.
func (j *Journal) current(id payment.ID, cur *payment.Record) (*payment.Record, error) {
	if cur != nil && cur.ID == id {
		return cur, nil
	}
	at, ok := j.byID[id]
	if !ok {
		return nil, fmt.Errorf("payment %v: %w", id, payment.ErrNoRecord)
	}
	return j.read(at, true)
}

// markClosed says in the log that the batch before the current one is closed: what is
// still open goes behind the mark's reach once more, and all before is let go.
func (j *Journal) markClosed() error {
	s := &j.second
	_, head := s.log.Span()
	from := head + 1
	old := s.trail
	s.trail = map[payment.ID]trail{}
	err := func() error {
		for chunk := range slices.Chunk(j.entries, mostFrames) {
			ids := make([]payment.ID, len(chunk))
			for i, e := range chunk {
				ids[i] = e.id
			}
			if err := j.appendAll(ids, nil); err != nil {
				return err
			}
		}
		_, err := s.log.Append(closed{j.head.batch, j.head.stan, from}.encode(), nil)
		return err
	}()
	if err != nil {
		maps.Copy(old, s.trail)
		s.trail = old
		return err
	}
	s.mark = false
	return s.log.Release(from)
}

// Recovery is what Open put right, and what it could not.
type Recovery struct {
	Restored []payment.ID // were lost or behind in the store, and are back from the log
	NoCard   []payment.ID // of those, the ones whose card number is lost too: an operator resolves them
	Caught   int          // payments that the log lacked
	Lost     int          // payments that neither copy has
	Faults   []error      // damage, and doubts that were settled in the store's favour
}

// Recovery returns what Open found.
func (j *Journal) Recovery() Recovery {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.second.found
	r.Lost = len(j.holes)
	return r
}

// Findings of a journal.
const (
	FindingSecond   = "journal-second"
	FindingRestored = "journal-restored"
	FindingLost     = "journal-lost"
	FindingRoom     = "journal-room"
)

// Findings tells what a technician must know of the journal.
func (j *Journal) Findings() (found []store.Finding) {
	j.mu.Lock()
	defer j.mu.Unlock()
	add := func(code, format string, args ...any) {
		found = append(found, store.Finding{Code: code, Detail: fmt.Sprintf(format, args...)})
	}
	if err := j.second.err; err != nil {
		add(FindingSecond, "%d payments are in the store alone: the second copy is not written: %v", len(j.second.behind), err)
	}
	if faults := j.second.found.Faults; len(faults) > 0 {
		add(FindingSecond, "%d faults, the first: %v", len(faults), faults[0])
	}
	if n := len(j.second.found.Restored); n > 0 {
		add(FindingRestored, "%d payments came back from the second copy, %d of them without card number", n, len(j.second.found.NoCard))
	}
	if n := len(j.holes); n > 0 {
		add(FindingLost, "%d payments are damaged in both copies", n)
	}
	if r := j.room(); r.Nearly {
		add(FindingRoom, "%d of %d payments: settle the batch", r.Payments, r.Limit)
	}
	return found
}

// Room is how much the journal may still take.
type Room struct {
	Payments, Limit int
	Nearly          bool   // settle before more payments begin
	Full            bool   // Begin says ErrFull
	Why             string // of Full
}

// err is the error of Begin.
func (r Room) err() error {
	if !r.Full {
		return nil
	}
	return fmt.Errorf("%s: settle the batch first: %w", r.Why, ErrFull)
}

// Shares that stay free for what follows a payment: moves, a settlement, its close.
const (
	framesPerPayment = 4
	spareFrames      = 32
	mostSpareBytes   = 256 << 10
)

// Room tells how full the journal is: in payments, in the store and in the log.
func (j *Journal) Room() Room {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.room()
}

func (j *Journal) room() Room {
	n := len(j.entries) + len(j.holes)
	r := Room{Payments: n, Limit: j.limit}
	_, size := j.db.Size()
	spare, free := min(mostSpareBytes, size/8), j.db.Free()
	switch {
	case n >= j.limit:
		r.Why = fmt.Sprintf("it holds %d payments", j.limit)
	case free < spare:
		r.Why = fmt.Sprintf("the store has %d KiB left", free>>10)
	case j.logFree() < spareFrames:
		r.Why = "the second copy is full"
	}
	r.Full = r.Why != ""
	r.Nearly = r.Full || n >= j.limit-j.limit/10 || free < 2*spare || j.logFree() < j.logSize()/10
	return r
}

// logFree is how many frames are left when every open payment had its own.
func (j *Journal) logFree() int {
	if j.second.log == nil {
		return spareFrames
	}
	open := 1
	for _, e := range j.entries {
		if e.owed() {
			open++
		}
	}
	return j.second.log.Free() - framesPerPayment*open
}

func (j *Journal) logSize() int {
	if j.second.log == nil {
		return 0
	}
	return j.second.log.Size() / 2
}

// replay reads what the log says of each payment.
func (j *Journal) replay(ctx context.Context) (last *closed, err error) {
	s := &j.second
	s.found.Faults = append(s.found.Faults, s.log.Faults()...)
	err = s.log.Each(func(f wal.Frame, damage error) error {
		defer clear(f.Secret)
		if damage != nil && f.Payload == nil {
			return ctx.Err() // Faults has it
		}
		if len(f.Payload) == closedSize && f.Payload[0] == frameClosed {
			c, err := decodeClosed(f.Payload)
			last = &c
			maps.DeleteFunc(s.trail, func(_ payment.ID, t trail) bool { return t.last < c.from })
			return err
		}
		rec, err := decodeFacts(f.Payload)
		if err != nil {
			s.found.Faults = append(s.found.Faults, fmt.Errorf("frame %d: %w", f.Number, err))
			return ctx.Err()
		}
		s.see(f, rec)
		return ctx.Err()
	})
	return last, err
}

func (s *second) see(f wal.Frame, rec *payment.Record) {
	t := s.trail[rec.ID]
	if t.first == 0 {
		t.first = f.Number
	}
	t.state, t.last = rec.State, f.Number
	if f.Secret != nil {
		t.secret = f.Number
	}
	s.trail[rec.ID] = t
}

// errNoLog says that there is no second copy.
var errNoLog = errors.New("there is no second copy")

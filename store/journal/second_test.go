package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"posd/emv/payment"
	"posd/store"
	"posd/store/wal"
)

// mixed fills a journal with a payment in each state, and returns what they are.
func (f *fixture) mixed() map[payment.ID]*payment.Record {
	f.t.Helper()
	all := map[payment.ID]*payment.Record{}
	for _, path := range [][]payment.State{
		{},
		{payment.Answered},
		{payment.Answered, payment.Completed},
		{payment.Declined},
		{payment.ReversalOwed},
		{payment.ReversalOwed, payment.Reversed},
		{payment.Answered, payment.ReversalOwed, payment.Resolved},
		{payment.Stored},
		{payment.Stored, payment.Refused},
		{payment.Stored, payment.Completed},
	} {
		rec := f.begin()
		for _, to := range path {
			f.move(rec, to)
		}
		all[rec.ID] = rec
	}
	return all
}

// lose is what a bad file costs: it is set aside, and a new one made.
func (f *fixture) lose() {
	f.t.Helper()
	f.close()
	if err := os.Rename(f.cfg.Path, f.cfg.Path+".bad"); err != nil {
		f.t.Fatal(err)
	}
	f.open()
}

// sameMoney compares what must never be lost.
func sameMoney(t *testing.T, got, want *payment.Record) {
	t.Helper()
	if got.State != want.State || got.Kind != want.Kind || got.Amount != want.Amount || !got.Time.Equal(want.Time) ||
		got.Masked != want.Masked || got.Expiry != want.Expiry || got.EntryMode != want.EntryMode ||
		got.PANSequence != want.PANSequence || got.Terminal != want.Terminal || got.Merchant != want.Merchant ||
		got.OnlinePIN != want.OnlinePIN || got.Operator != want.Operator {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if wantPAN := !forgets(want.State, want.Kind, owesNotice(want)); got.PAN.IsZero() == wantPAN || wantPAN && got.PAN != want.PAN {
		t.Errorf("%v %v: card number there: %v, want %v", want.ID, want.State, !got.PAN.IsZero(), wantPAN)
	}
	if a, b := got.Answer, want.Answer; (a == nil) != (b == nil) || a != nil && (a.Code != b.Code || a.RRN != b.RRN || a.AuthCode != b.AuthCode) {
		t.Errorf("%v: answer %+v, want %+v", want.ID, a, b)
	}
	if a, b := got.Reversal, want.Reversal; b != nil && (a == nil || a.Reason != b.Reason || !bytes.Equal(a.ICC, b.ICC)) {
		t.Errorf("%v: reversal %+v, want %+v", want.ID, a, b)
	}
	if len(want.Request) < 150 && !bytes.Equal(got.Request, want.Request) {
		t.Errorf("%v: request %x, want %x", want.ID, got.Request, want.Request)
	}
}

// The store's file is lost: every debt and every stored payment can still be sent, every
// completed one is still in the batch, and the next number was never given before.
func TestALostStoreComesBackFromTheLog(t *testing.T) {
	f := newFixture(t)
	want := f.mixed()
	next, _ := f.Next(ctx)
	f.lose()
	if n, _ := f.Count(); n != len(want) {
		t.Errorf("%d payments, want %d", n, len(want))
	}
	for id, rec := range want {
		got, err := f.Get(ctx, id)
		if err != nil {
			t.Error(err)
			continue
		}
		sameMoney(t, got, rec)
	}
	if id, err := f.Next(ctx); id != next || err != nil {
		t.Errorf("next %v %v, want %v", id, err, next)
	}
	if r := f.Recovery(); len(r.Restored) != len(want) || len(r.NoCard) != 0 || r.Lost != 0 || len(r.Faults) != 0 {
		t.Errorf("recovery %+v", r)
	}
	f.restart()
	if r := f.Recovery(); len(r.Restored) != 0 || r.Caught != 0 {
		t.Errorf("the second time: %+v", r)
	}
}

// An older file was put back, or the disk lied about a flush: the log says more, and is
// right.
func TestAnOlderStoreIsBroughtUpFromTheLog(t *testing.T) {
	f := newFixture(t)
	a, b := f.begin(), f.begin()
	f.move(b, payment.Answered)
	f.close()
	older, err := os.ReadFile(f.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	f.open()
	f.move(a, payment.ReversalOwed)
	f.move(b, payment.Completed)
	c := f.begin()
	f.close()
	if err := os.WriteFile(f.cfg.Path, older, 0o600); err != nil {
		t.Fatal(err)
	}
	f.open()
	for _, want := range []*payment.Record{a, b, c} {
		got, err := f.Get(ctx, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		sameMoney(t, got, want)
	}
	if r := f.Recovery(); len(r.Restored) != 3 {
		t.Errorf("recovery %+v", r)
	}
	if found := fmt.Sprint(f.Findings()); !strings.Contains(found, FindingRestored) {
		t.Errorf("findings %s", found)
	}
}

// A store that had no log, or whose log was lost, gives it everything.
func TestALostLogCatchesUp(t *testing.T) {
	f := newFixture(t)
	want := f.mixed()
	f.close()
	if err := os.Remove(f.log.Path); err != nil {
		t.Fatal(err)
	}
	f.open()
	if r := f.Recovery(); r.Caught != len(want) || len(r.Restored) != 0 {
		t.Errorf("recovery %+v", r)
	}
	f.lose()
	for id, rec := range want {
		got, err := f.Get(ctx, id)
		if err != nil {
			t.Error(err)
			continue
		}
		sameMoney(t, got, rec)
	}
}

// A log that cannot be written stops no payment. It is a finding, and catches up with
// the next move after it works again.
func TestALogThatFailsStopsNothing(t *testing.T) {
	for _, step := range []wal.Step{wal.BeforeWrite, wal.BeforeFlush, wal.AfterFlush} {
		f := newFixture(t)
		f.step = func(s wal.Step) error {
			if s == step {
				return errors.New("disk")
			}
			return nil
		}
		want := f.mixed()
		if found := fmt.Sprint(f.Findings()); !strings.Contains(found, FindingSecond) || !strings.Contains(found, "10 payments") {
			t.Errorf("%s: findings %s", step, found)
		}
		f.step = nil
		last := f.begin()
		want[last.ID] = last
		if found := f.Findings(); len(found) != 0 {
			t.Errorf("%s: findings %v", step, found)
		}
		f.lose()
		for id, rec := range want {
			if got, err := f.Get(ctx, id); err != nil {
				t.Errorf("%s: %v", step, err)
			} else {
				sameMoney(t, got, rec)
			}
		}
	}
}

// A power cut between the store's commit and the log's flush: the log catches up, and
// what should be wiped is wiped.
func TestAPowerCutBetweenBothCopies(t *testing.T) {
	for _, to := range []payment.State{payment.Answered, payment.Declined, payment.ReversalOwed} {
		f := newFixture(t)
		rec := f.begin()
		f.step = func(wal.Step) error { return errors.New("power") }
		f.move(rec, to)
		f.step = nil
		f.restart()
		if r := f.Recovery(); r.Caught != 1 || len(r.Restored) != 0 {
			t.Errorf("%v: %+v", to, r)
		}
		f.lose()
		got, err := f.Get(ctx, rec.ID)
		if err != nil {
			t.Fatal(err)
		}
		sameMoney(t, got, rec)
	}
}

// damage breaks the seal of a record, as a bad sector would.
func (f *fixture) damage(bucket string, keys ...[]byte) {
	f.t.Helper()
	db, err := bbolt.Open(f.cfg.Path, 0o600, &bbolt.Options{NoFreelistSync: true, PageSize: 4096, MaxSize: int(f.cfg.MaxSize - f.cfg.MaxSize/32)})
	if err != nil {
		f.t.Fatal(err)
	}
	db.AllocSize = 4096
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, key := range keys {
			v := bytes.Clone(tx.Bucket([]byte(bucket)).Get(key))
			v[len(v)-1] ^= 1
			if err := tx.Bucket([]byte(bucket)).Put(key, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		f.t.Fatal(err)
	}
}

// mend repairs the journal in a store that is closed, and opens it.
func (f *fixture) mend() Repaired {
	f.t.Helper()
	parts := f.parts()
	if _, err := Open(ctx, parts); !errors.Is(err, store.ErrDamaged) {
		f.t.Errorf("open: %v, want ErrDamaged", err)
	}
	r, err := Repair(ctx, parts)
	if err != nil {
		f.t.Fatal(err)
	}
	f.close()
	f.open()
	if err := f.db.Check(ctx); err != nil {
		f.t.Error(err)
	}
	return r
}

func TestRepairPutsDamagedRecordsBack(t *testing.T) {
	f := newFixture(t)
	want := f.mixed()
	f.close()
	f.damage(bucketRecords, keyOf(1), keyOf(5), keyOf(8))
	if r := f.mend(); r.Damaged != 3 || len(r.Restored) != 3 || r.Lost != 0 || len(r.NoCard) != 0 {
		t.Errorf("repaired %+v", r)
	}
	for id, rec := range want {
		if got, err := f.Get(ctx, id); err != nil {
			t.Error(err)
		} else {
			sameMoney(t, got, rec)
		}
	}
}

func TestRepairOfTheHead(t *testing.T) {
	f := newFixture(t)
	want := f.mixed()
	next, _ := f.Next(ctx)
	f.close()
	f.damage(bucketHead, keyHead())
	if r := f.mend(); !r.Head {
		t.Errorf("repaired %+v", r)
	}
	if id, err := f.Next(ctx); id != next || err != nil {
		t.Errorf("next %v %v, want %v", id, err, next)
	}
	if n, _ := f.Count(); n != len(want) {
		t.Errorf("%d payments, want %d", n, len(want))
	}
}

// What both copies lost is a hole: counted, shown, and in nobody's way.
func TestWhatBothLostIsAHole(t *testing.T) {
	f := newFixture(t)
	f.mixed()
	f.close()
	f.damage(bucketRecords, keyOf(4))
	if err := os.Remove(f.log.Path); err != nil {
		t.Fatal(err)
	}
	if r := f.mend(); r.Damaged != 1 || r.Lost != 1 {
		t.Errorf("repaired %+v", r)
	}
	if n, _ := f.Count(); n != 9 {
		t.Errorf("%d payments, want 9", n)
	}
	if found := fmt.Sprint(f.Findings()); !strings.Contains(found, FindingLost) {
		t.Errorf("findings %s", found)
	}
	f.begin()
	f.restart()
}

// The slot of a card number is damaged: the number comes back from the log, for a
// reversal needs it.
func TestRepairOfACardNumber(t *testing.T) {
	f := newFixture(t)
	rec := f.begin()
	f.move(rec, payment.ReversalOwed)
	f.close()
	file, err := os.OpenFile(f.cfg.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	slots := f.cfg.MaxSize - f.cfg.MaxSize/32
	if _, err := file.WriteAt([]byte{1, 2, 3}, slots+128+40); err != nil {
		t.Fatal(err)
	}
	file.Close()
	f.open()
	if _, err := f.Owed(ctx); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("owed: %v, want ErrDamaged", err)
	}
	f.close()
	r, err := Repair(ctx, f.parts())
	if err != nil || r.Cards != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	f.close()
	f.open()
	if owed, err := f.Owed(ctx); err != nil || len(owed) != 1 || owed[0].PAN != rec.PAN {
		t.Errorf("owed %v %v", owed, err)
	}
}

// Every fact that has a place in a frame comes back from it.
func TestFactsComeBack(t *testing.T) {
	f := newFixture(t)
	rec := request(payment.ID{Batch: 7, STAN: 9})
	rec.Kind, rec.Supervisor, rec.Fallback, rec.PANSequence = payment.Refund, "00", true, -1
	rec.Request = bytes.Repeat([]byte{1}, 40)
	rec.Final = bytes.Repeat([]byte{2}, 20)
	rec.Original = &payment.Original{ID: payment.ID{Batch: 3, STAN: 4}, RRN: "123456789012", AuthCode: "654321", Date: "1122"}
	rec.Answer = &payment.Answer{Code: "00", AuthCode: "123456", RRN: "012345678901", Time: "1123184500", SettleDate: "1124"}
	rec.Reversal = &payment.Debt{Reason: payment.CardFailed, ICC: []byte{3, 4}, Since: rec.Time}
	rec.Script = &payment.Notice{ICC: []byte{5}, Since: rec.Time}
	rec.Facts.AID, rec.Facts.TVR = []byte{0xA0, 0, 0, 3, 0x33}, 0x8000
	rec.State = payment.ReversalOwed
	got, err := decodeFacts(encodeFacts(rec))
	if err != nil {
		t.Fatal(err)
	}
	got.PAN = rec.PAN
	sameMoney(t, got, rec)
	if *got.Original != *rec.Original || got.Supervisor != "00" || !got.Fallback || got.Facts.TVR != rec.Facts.TVR ||
		!bytes.Equal(got.Facts.AID, rec.Facts.AID) || !bytes.Equal(got.Final, rec.Final) || !bytes.Equal(got.Script.ICC, rec.Script.ICC) {
		t.Errorf("got %+v", got)
	}
	f.restart()
}

// Chip data that does not fit is left out, last what is needed least, and the record
// says so.
func TestFactsThatDoNotFitAreLeftOut(t *testing.T) {
	rec := request(payment.ID{Batch: 1, STAN: 1})
	rec.State, rec.Reversal = payment.ReversalOwed, &payment.Debt{Reason: payment.NoAnswer, ICC: make([]byte, 60)}
	rec.Request = make([]byte, 250)
	b := encodeFacts(rec)
	got, err := decodeFacts(b)
	if err != nil || len(b) > wal.MaxPayload || len(got.Reversal.ICC) != 60 || got.Request != nil || !strings.Contains(got.Why, "no room") {
		t.Errorf("%d bytes: %+v %v", len(b), got, err)
	}
}

func FuzzFacts(f *testing.F) {
	f.Add(encodeFacts(request(payment.ID{Batch: 1, STAN: 2})))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := decodeFacts(b)
		if err != nil || !rec.State.Valid() {
			return
		}
		again, err := decodeFacts(encodeFacts(rec))
		if err != nil || again.ID != rec.ID || again.Amount != rec.Amount || again.State != rec.State {
			t.Errorf("%x: %+v %v, want %+v", b, again, err, rec)
		}
	})
}

package batch_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store"
	"posd/store/archive"
	"posd/store/journal"
)

// terminal is a journal on a real store, whose commits may fail.
type terminal struct {
	t       testing.TB
	cfg     store.Config
	archive archive.Config
	fail    func(store.Point) error
	db      *store.DB
	*journal.Journal
	uploaded map[payment.ID]int
	ends     int
}

func newTerminal(t testing.TB, payments int) *terminal {
	t.Helper()
	dir := t.TempDir()
	random := rand.NewChaCha8(sha256.Sum256([]byte("batch")))
	key, err := store.FileDeviceKey(filepath.Join(dir, "device.key"), random)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, uploaded: map[payment.ID]int{}}
	x.cfg = store.Config{Path: filepath.Join(dir, "journal.db"), Key: key, Rand: random, MaxSize: 1 << 20, Fail: func(p store.Point, _ uint64) error {
		if x.fail == nil {
			return nil
		}
		return x.fail(p)
	}}
	x.archive = archive.Config{Dir: filepath.Join(dir, "archive"), Key: key, Rand: random, Limit: 1 << 20, Reserve: 64 << 10}
	x.open()
	t.Cleanup(func() { x.db.Close() })
	for range payments {
		x.sale()
	}
	return x
}

func (x *terminal) open() {
	x.t.Helper()
	kept, err := archive.Open(x.archive)
	if err != nil {
		x.t.Fatal(err)
	}
	if x.db, err = store.Open(x.cfg); err != nil {
		x.t.Fatal(err)
	}
	if x.Journal, err = journal.Open(context.Background(), journal.Config{DB: x.db, Archive: kept, Limit: 200}); err != nil {
		x.t.Fatal(err)
	}
}

func (x *terminal) sale() {
	x.t.Helper()
	ctx := context.Background()
	id, err := x.Next(ctx)
	if err != nil {
		x.t.Fatal(err)
	}
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		x.t.Fatal(err)
	}
	rec := &payment.Record{
		ID: id, Kind: payment.Sale, State: payment.Requested, Amount: emv.Amount{Minor: 100, Currency: emv.CNY},
		Time: time.Unix(1e9, 0).UTC(), Operator: "01", Terminal: "12345678", Merchant: "123456789012345",
		PAN: pan, Masked: pan.Masked(), PANSequence: -1, EntryMode: "052",
	}
	if err := x.Begin(ctx, rec); err != nil {
		x.t.Fatal(err)
	}
	rec.Final = []byte{0x9F, 0x26, 0}
	for _, rec.State = range []payment.State{payment.Answered, payment.Completed} {
		if err := x.Update(ctx, rec); err != nil {
			x.t.Fatal(err)
		}
	}
}

// A host that counts otherwise, and to which nothing is owed.
func (x *terminal) NotifyScripts(context.Context) (int, error) { return 0, nil }
func (x *terminal) SettleDebts(context.Context) (int, error)   { return 0, nil }
func (x *terminal) Forward(context.Context) (int, error)       { return 0, nil }

func (x *terminal) Settle(context.Context, *batch.Settlement) (batch.Answer, error) {
	return batch.Answer{Answer: payment.Answer{Code: "00"}, Domestic: batch.Unbalanced, Foreign: batch.Balanced}, nil
}

func (x *terminal) UploadGroup(_ context.Context, _ uint32, group []*payment.Record) (string, error) {
	for _, rec := range group {
		if rec.PAN.IsZero() {
			x.t.Errorf("%v has no card number", rec.ID)
		}
		x.uploaded[rec.ID]++
	}
	return "00", nil
}

func (x *terminal) UploadOne(context.Context, uint32, batch.Upload) (string, error) { return "00", nil }

func (x *terminal) End(_ context.Context, _ uint32, balanced bool, uploaded int) (string, error) {
	if balanced || uploaded != len(x.uploaded) {
		x.t.Errorf("end: balanced %v, %d of %d payments", balanced, uploaded, len(x.uploaded))
	}
	x.ends++
	return "00", nil
}

func (x *terminal) SignOff(context.Context) error { return nil }

func (x *terminal) Print(context.Context, *batch.Settlement, []*payment.Record) error { return nil }

func (x *terminal) settler() *batch.Settler {
	s, err := batch.New(batch.Config{
		Book: x.Journal, Host: x, Payments: x, Slip: x, Now: func() time.Time { return time.Unix(1e9, 0).UTC() }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

// A commit of the real journal fails at each step of a settlement, before or after the disk
// has it, and the power goes: the next boot takes it up, and everything is there once.
func TestTheRealJournalFailsAtEachCommit(t *testing.T) {
	const payments = 20
	dry := newTerminal(t, payments)
	before := dry.db.Stats().Commits
	if _, err := dry.settler().Settle(context.Background(), "01"); err != nil {
		t.Fatal(err)
	}
	commits := int(dry.db.Stats().Commits - before)
	t.Logf("%d payments, all uploaded with their TC: %d commits", payments, commits)
	for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
		for n := 1; n <= commits; n++ {
			t.Run(fmt.Sprintf("%s/%d", point, n), func(t *testing.T) {
				x := newTerminal(t, payments)
				left := n
				x.fail = func(p store.Point) error {
					if p == point {
						left--
					}
					if left <= 0 {
						return errors.New("the power goes")
					}
					return nil
				}
				if _, err := x.settler().Settle(context.Background(), "01"); err == nil {
					t.Fatal("no error")
				}
				x.reboot()
				x.settled(payments)
			})
		}
	}
}

func (x *terminal) reboot() {
	x.t.Helper()
	x.fail = nil
	if err := x.db.Close(); err != nil {
		x.t.Fatal(err)
	}
	x.open()
}

// settled takes up what was interrupted, and checks the end.
func (x *terminal) settled(payments int) {
	x.t.Helper()
	ctx := context.Background()
	if now, err := x.Batch(ctx); err == nil && now == 1 {
		if _, err := x.settler().Settle(ctx, "01"); err != nil {
			x.t.Fatal(err)
		}
	}
	now, err := x.Batch(ctx)
	open, openErr := x.Open(ctx)
	last, lastErr := x.Last(ctx)
	if err := errors.Join(err, openErr, lastErr); err != nil || now != 2 || open != nil || last == nil || last.Phase != batch.Closed {
		x.t.Fatalf("batch %d, open %+v, last %+v, %v", now, open, last, err)
	}
	if n, _ := x.Count(); n != 0 || len(x.uploaded) != payments || x.ends < 1 {
		x.t.Errorf("%d payments left, %d of %d uploaded, %d ends", n, len(x.uploaded), payments, x.ends)
	}
	if want := (batch.Totals{Debit: batch.Count{Amount: int64(payments) * 100, Number: payments}}); last.Domestic != want {
		x.t.Errorf("totals %+v", last.Domestic)
	}
}

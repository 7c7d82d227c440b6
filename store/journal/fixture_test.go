package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/payment"
	"posd/store"
	"posd/store/archive"
	"posd/store/wal"
)

const canary = "6277000000000017"

// fixture is a journal in a folder of its own, which can be closed and opened again.
type fixture struct {
	t     testing.TB
	cfg   store.Config
	log   wal.Config
	arc   archive.Config
	limit int
	fail  func(store.Point) error
	step  func(wal.Step) error
	db    *store.DB
	wal   *wal.Log
	*Journal
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	dir := t.TempDir()
	random := rand.NewChaCha8(sha256.Sum256([]byte("journal")))
	key, err := store.FileDeviceKey(filepath.Join(dir, "device.key"), random)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, limit: 200}
	f.cfg = store.Config{
		Path: filepath.Join(dir, "journal.db"), Key: key, Rand: random, MaxSize: 1 << 20,
		Fail: func(p store.Point, _ uint64) error {
			if f.fail == nil {
				return nil
			}
			return f.fail(p)
		},
	}
	f.log = wal.Config{Path: filepath.Join(dir, "journal.log"), Key: key, Rand: random, Frames: 2048, Fail: func(s wal.Step) error {
		if f.step == nil {
			return nil
		}
		return f.step(s)
	}}
	f.arc = archive.Config{Dir: filepath.Join(dir, "archive"), Key: key, Rand: random, Reserve: 256 << 10}
	f.open()
	t.Cleanup(f.close)
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	var err error
	if f.Journal, err = Open(context.Background(), f.parts()); err != nil {
		f.t.Fatal(err)
	}
}

// parts opens what a journal is made of.
func (f *fixture) parts() Config {
	f.t.Helper()
	var err error
	if f.db, err = store.Open(f.cfg); err != nil {
		f.t.Fatal(err)
	}
	cfg := Config{DB: f.db, Limit: f.limit}
	if f.log.Path != "" {
		if f.wal, err = wal.Open(f.log); err != nil {
			f.t.Fatal(err)
		}
		cfg.Log = f.wal
		if cfg.Archive, err = archive.Open(f.arc); err != nil {
			f.t.Fatal(err)
		}
	}
	return cfg
}

func (f *fixture) close() {
	f.t.Helper()
	if f.wal != nil {
		f.wal.Close()
	}
	if err := f.db.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// restart is a power cut: what was not committed is gone.
func (f *fixture) restart() {
	f.t.Helper()
	f.close()
	f.open()
}

func (f *fixture) commits() uint64 { return f.db.Stats().Commits }

func mustPAN(s string) emv.PAN {
	pan, err := emv.ParsePAN(s)
	if err != nil {
		panic(err)
	}
	return pan
}

func request(id payment.ID) *payment.Record {
	pan := mustPAN(canary)
	return &payment.Record{
		ID: id, Kind: payment.Sale, State: payment.Requested,
		Amount: emv.Amount{Minor: 1200, Currency: emv.CNY},
		Time:   time.Date(2026, 11, 23, 18, 45, 0, 0, time.UTC), Operator: "01",
		Terminal: "12345678", Merchant: "123456789012345",
		PAN: pan, Masked: pan.Masked(), Expiry: "3012", PANSequence: 1, EntryMode: "051",
		Request: bytes.Repeat([]byte{0x9F, 0x26}, 70), OnlinePIN: true,
	}
}

func (f *fixture) begin() *payment.Record {
	f.t.Helper()
	id, err := f.Next(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	rec := request(id)
	if err := f.Begin(context.Background(), rec); err != nil {
		f.t.Fatal(err)
	}
	return rec
}

// move stores rec in a state, with what comes with it.
func (f *fixture) move(rec *payment.Record, to payment.State) {
	f.t.Helper()
	rec.State = to
	switch to {
	case payment.Answered:
		rec.Answer = &payment.Answer{Code: "00", AuthCode: "123456", RRN: "012345678901"}
	case payment.ReversalOwed:
		rec.Reversal = &payment.Debt{Reason: payment.NoAnswer, Since: rec.Time}
	case payment.Completed:
		rec.Completed = rec.Time.Add(time.Second)
	}
	if err := f.Update(context.Background(), rec); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) state(id payment.ID) payment.State {
	f.t.Helper()
	rec, err := f.Get(context.Background(), id)
	if errors.Is(err, payment.ErrNoRecord) {
		return 0
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return rec.State
}

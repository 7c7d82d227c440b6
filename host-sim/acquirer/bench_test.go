package acquirer

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
	"posd/host-sim/estate"
	"posd/host-sim/hosttest"
	"posd/host-sim/hsm"
	"posd/host-sim/issuer"
	"posd/host-sim/ledger"
	"posd/transport/iso8583"
)

const (
	testTID = "POSD0001"
	testMID = "104403154110001"
	testSN  = "SIM00000001"
)

// bench is a desk with one terminal, signed on, and some cards: everything of the host
// but the wire.
type bench struct {
	testing.TB
	desk *Desk
	db   *db.DB
	hsm  *hsm.Module
	term *hosttest.Terminal
	log  *bytes.Buffer
	peer Peer
	at   time.Time
	// before, where set, runs before each message.
	before func()
}

func newBench(t testing.TB) *bench { return newBenchOn(t, dbtest.Open(t)) }

// newBenchOn is newBench on a database of the caller's.
func newBenchOn(t testing.TB, d *db.DB) *bench {
	t.Helper()
	m, err := hsm.New(bytes.Repeat([]byte{1}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{TB: t, db: d, hsm: m, log: new(bytes.Buffer), peer: Peer{testTID, testSN}, at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	b.desk, err = NewDesk(DeskConfig{
		DB: d, Module: m, Issuer: issuer.Issuer{Module: m}, Now: func() time.Time { return b.at }, Rand: rand.Reader,
		Log:  slog.New(slog.NewTextHandler(&lockedWriter{w: b.log}, nil)),
		Node: 7, AcquirerID: "48020000", Names: Names{"01020000", "48020000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	tmk := append(bytes.Repeat([]byte{0x31}, 8), bytes.Repeat([]byte{0x52}, 8)...)
	b.register(tmk)
	b.term = &hosttest.Terminal{TID: testTID, MID: testMID, TMK: tmk}
	b.signOn(iso8583.SignOnDouble)
	return b
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (b *bench) register(tmk []byte) {
	b.Helper()
	b.update(func(ctx context.Context, tx db.Tx) error {
		if _, err := estate.AddMerchant(ctx, tx, estate.Merchant{MID: testMID, Name: "test"}, emv.CNY, b.at); err != nil {
			return err
		}
		sealed, err := b.hsm.Import(hsm.TMK, tmk)
		if err != nil {
			return err
		}
		if _, err := estate.AddTerminal(ctx, tx, estate.Terminal{TID: testTID, MID: testMID, SN: testSN, TMK: sealed}); err != nil {
			return err
		}
		imk, err := b.hsm.Import(hsm.IMK, hosttest.IMK)
		if err != nil {
			return err
		}
		return issuer.AddIssuerKey(ctx, tx, issuer.IssuerKey{BIN: "627700", Index: 1, IMK: imk, ARPCMethod: 1})
	})
}

func (b *bench) update(fn func(context.Context, db.Tx) error) {
	b.Helper()
	ctx := context.Background()
	if err := b.db.Update(ctx, func(tx db.Tx) error { return fn(ctx, tx) }); err != nil {
		b.Fatal(err)
	}
}

// card adds an account and returns its card.
func (b *bench) card(pan, pin string, opening int64, change ...func(*issuer.NewCard)) *hosttest.Card {
	b.Helper()
	c := hosttest.NewCard(pan, pin)
	n := issuer.NewCard{PAN: c.PAN, PSN: c.PSN, Expiry: c.Expiry, PIN: pin, Opening: opening, Currency: emv.CNY}
	for _, fn := range change {
		fn(&n)
	}
	b.update(func(ctx context.Context, tx db.Tx) error {
		_, err := issuer.AddCard(ctx, tx, b.hsm, n, b.at)
		return err
	})
	return c
}

// Exchange makes the bench a line.
func (b *bench) Exchange(frame []byte) ([]byte, error) {
	if b.before != nil {
		b.before()
	}
	reply, err := b.desk.Answer(context.Background(), b.peer, frame)
	return reply.Frame, err
}

func (b *bench) signOn(f iso8583.Function) {
	b.Helper()
	resp, err := b.term.Manage(b, f)
	if err != nil || resp.Code != "00" {
		b.Fatalf("sign-on: %+v, %v", resp, err)
	}
}

// code sends a message and returns field 39.
func (b *bench) code(m iso8583.Message) string {
	b.Helper()
	code, err := b.term.Code(b, m)
	if err != nil {
		b.Fatal(err)
	}
	return code
}

func (b *bench) want(m iso8583.Message, code string) {
	b.Helper()
	if got := b.code(m); got != code {
		b.Errorf("code = %s, want %s; log:\n%s", got, code, b.log)
	}
}

// balance returns the card's balance, and fails where the books are wrong.
func (b *bench) balance(c *hosttest.Card) (balance int64) {
	b.Helper()
	b.update(func(ctx context.Context, tx db.Tx) error {
		card, err := issuer.FindCard(ctx, tx, b.hsm.PANHash(c.PAN), c.PSN)
		if err != nil {
			return err
		}
		a, err := ledger.ByID(ctx, tx, card.Account)
		balance = a.Balance
		return err
	})
	return balance
}

func (b *bench) trial() (t ledger.Trial) {
	b.Helper()
	b.update(func(ctx context.Context, tx db.Tx) (err error) {
		t, err = ledger.TrialBalance(ctx, tx)
		return err
	})
	return t
}

func (b *bench) states() (out []string) {
	b.Helper()
	b.update(func(ctx context.Context, tx db.Tx) error {
		rows, err := Transactions(ctx, tx, testTID)
		for _, r := range rows {
			out = append(out, fmt.Sprintf("%d %s %s %s", r.STAN, r.State, r.Code, r.Reversal))
		}
		return err
	})
	return out
}

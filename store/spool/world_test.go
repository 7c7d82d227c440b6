package spool_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/payment"
	"posd/store"
	"posd/store/journal"
	"posd/store/spool"
)

var ctx = context.Background()

// errCut ends everything at once: the terminal has no power.
var errCut = errors.New("power cut")

// piece is one thing that a printer began to print.
type piece struct {
	what  string // "000001/000007 1": payment and copy; or a job's ID
	copy  bool   // it says that it is a copy
	whole bool
}

// slipLength is how many bytes a slip has. A printer that dies at 0 was off; at
// slipLength everything is on paper, but the answer is lost.
const slipLength = 6

// world is a terminal with its store, that can lose its power, and a printer that can.
type world struct {
	t     testing.TB
	cfg   store.Config
	db    *store.DB
	jnl   *journal.Journal
	spool *spool.Spool
	limit int

	paper  []piece
	dieAt  int                                 // bytes until the printer dies in each slip; slipLength+1: never
	cutAt  int                                 // as dieAt, but the terminal loses its power; -1: never
	refuse string                              // what can never be printed
	out    func(what string, again bool) error // a printer in place of this one
	before func()                              // called before each slip; nil for nothing
	lie    func(error) error                   // what becomes of a printer's error; nil for itself

	commits int // of this world
	failAt  int // the commit at which the power goes; 0: never
	point   store.Point
	power   bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	random := rand.NewChaCha8(sha256.Sum256([]byte("spool")))
	key, err := store.FileDeviceKey(filepath.Join(dir, "device.key"), random)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, limit: 20, dieAt: slipLength + 1, cutAt: -1}
	w.cfg = store.Config{
		Path: filepath.Join(dir, "posd.db"), Key: key, Rand: random, MaxSize: 1 << 20,
		Fail: w.fail,
	}
	w.boot()
	t.Cleanup(func() { w.db.Close() })
	return w
}

// fail is called at each point of each commit.
func (w *world) fail(p store.Point, _ uint64) error {
	if p == store.BeforeCommit {
		w.commits++
	}
	if !w.power || w.commits == w.failAt && p == w.point {
		w.power = false
		return errCut
	}
	return nil
}

// boot opens everything on what the disk holds.
func (w *world) boot() {
	w.t.Helper()
	w.power = true
	var err error
	if w.db, err = store.Open(w.cfg); err != nil {
		w.t.Fatal(err)
	}
	if w.jnl, err = journal.Open(ctx, journal.Config{DB: w.db, Limit: 100}); err != nil {
		w.t.Fatal(err)
	}
	w.spool, err = spool.Open(ctx, spool.Config{
		DB: w.db, Journal: w.jnl, Receipts: slips{w}, Documents: w.document, Limit: w.limit,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// restart is a power cut, and power again: what was not committed is gone.
func (w *world) restart() {
	w.t.Helper()
	if err := w.db.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.boot()
}

func (w *world) print(what string, again bool) error {
	if w.out != nil {
		return w.out(what, again)
	}
	err := w.printer(what, again)
	if err != nil && w.power && w.lie != nil {
		return w.lie(err)
	}
	return err
}

// printer puts a piece on paper, or dies on the way.
func (w *world) printer(what string, again bool) error {
	if w.before != nil && w.power {
		w.before()
	}
	switch {
	case !w.power:
		return fmt.Errorf("%w: %w", spool.ErrUntouched, errCut)
	case what == w.refuse:
		return spool.ErrUnprintable
	case w.dieAt == 0:
		return fmt.Errorf("%w: the printer is off", spool.ErrUntouched)
	}
	p := piece{what, again, min(w.dieAt, w.alive()) >= slipLength}
	if w.cutAt == 0 {
		w.power = false
		return errCut
	}
	w.paper = append(w.paper, p)
	if w.cutAt > 0 && w.cutAt <= w.dieAt {
		w.power = false
		return errCut
	}
	if w.dieAt <= slipLength {
		return errors.New("no answer")
	}
	return nil
}

// alive is how many bytes the terminal lives to send.
func (w *world) alive() int {
	if w.cutAt < 0 {
		return slipLength
	}
	return w.cutAt
}

func (w *world) document(_ context.Context, job spool.Job, again bool) error {
	return w.print(job.ID, again)
}

type slips struct{ w *world }

func (s slips) Print(_ context.Context, rec *payment.Record, c payment.Copy) error {
	if !rec.PAN.IsZero() {
		s.w.t.Error("a slip got the card number")
	}
	if c == payment.Reprint {
		return s.w.print(rec.ID.String(), true)
	}
	return s.w.print(fmt.Sprintf("%v %d", rec.ID, c), false)
}

// record is a payment as it begins.
func record(t testing.TB, id payment.ID) *payment.Record {
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		t.Fatal(err)
	}
	return &payment.Record{
		ID: id, Kind: payment.Sale, State: payment.Requested, Amount: emv.Amount{Minor: 1200, Currency: emv.CNY},
		Time: time.Date(2026, 11, 23, 18, 45, 0, 0, time.UTC), Operator: "01", Terminal: "12345678",
		Merchant: "123456789012345", PAN: pan, Masked: pan.Masked(), EntryMode: "051", PANSequence: -1,
	}
}

// take begins a payment and takes it through states; nil where the power went before the
// last of them was on disk.
func (w *world) take(states ...payment.State) *payment.Record {
	w.t.Helper()
	id, err := w.jnl.Next(ctx)
	if err != nil {
		return nil
	}
	rec := record(w.t, id)
	if err := w.jnl.Begin(ctx, rec); err != nil {
		return nil
	}
	for _, rec.State = range states {
		if err := w.jnl.Update(ctx, rec); err != nil {
			return nil
		}
	}
	return rec
}

// sell takes a payment and prints its receipts as a terminal does that tries both copies:
// it marks the receipt as printed when both are.
func (w *world) sell() *payment.Record {
	w.t.Helper()
	rec := w.take(payment.Answered, payment.Completed)
	if rec == nil {
		return nil
	}
	var failed error
	for _, c := range []payment.Copy{payment.MerchantCopy, payment.CardholderCopy} {
		failed = errors.Join(failed, w.spool.Print(ctx, rec, c))
	}
	if failed == nil {
		w.jnl.Printed(rec.ID)
	}
	return rec
}

// reverse prints the slip of a payment that was reversed.
func (w *world) reverse() *payment.Record {
	w.t.Helper()
	rec := w.take(payment.ReversalOwed, payment.Reversed)
	if rec != nil {
		_ = w.spool.Print(ctx, rec, payment.MerchantCopy)
	}
	return rec
}

// mend gives terminal and printer power, and works until nothing waits.
func (w *world) mend() error {
	w.failAt, w.cutAt, w.dieAt, w.before = 0, -1, slipLength+1, nil
	w.restart()
	for range 3 {
		left, err := w.spool.Work(ctx)
		if err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
	}
	return errors.New("it never ends")
}

// originals looks for one that was begun twice.
func (w *world) originals() error {
	seen := map[string]bool{}
	for _, p := range w.paper {
		if !p.copy && seen[p.what] {
			return fmt.Errorf("%s was begun twice without the word COPY: %q", p.what, w.printed())
		}
		seen[p.what] = seen[p.what] || !p.copy
	}
	return nil
}

// audit looks for originals that are there twice, and for what must be on paper and is
// not: what is wanted, and every completed payment that the disk knows.
func (w *world) audit(wanted []string) error {
	if err := w.originals(); err != nil {
		return err
	}
	recs, err := w.jnl.List(ctx, 100, payment.ID{})
	if err != nil {
		return err
	}
	for _, rec := range recs {
		if rec.State == payment.Completed {
			wanted = append(wanted, rec.ID.String())
		}
	}
	for _, what := range wanted {
		if !w.onPaper(what) {
			return fmt.Errorf("%s is not on paper: %q", what, w.printed())
		}
	}
	return nil
}

// onPaper tells whether something is whole on paper, as an original or as a copy. A
// receipt is there by any of its copies.
func (w *world) onPaper(what string) bool {
	for _, p := range w.paper {
		if p.whole && (p.what == what || len(p.what) > len(what) && p.what[:len(what)+1] == what+" ") {
			return true
		}
	}
	return false
}

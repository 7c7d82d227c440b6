package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/payment"
)

var ctx = context.Background()

// powerCut is what a test panics with where the power goes.
type powerCut struct{}

// world is a terminal's disk and a host. Every write, message and point of a settlement is
// an event, at which the power may go, the disk fail, or a message be lost.
type world struct {
	t      testing.TB
	events int
	cut    func(n int) bool // the power goes at event n
	lost   func(n int) fate // what becomes of message n

	book  book
	host  host
	terms Terms
	code  func(what string, n int) string // the host's code; "" for its own
	slips int
	jam   bool
	signs int
	calls int // messages
}

type fate uint8

const (
	delivered  fate = iota
	notSent         // no byte left
	unheard         // the host did not hear it
	unanswered      // the host heard it, the answer was lost
)

func newWorld(t testing.TB) *world {
	w := &world{t: t, cut: func(int) bool { return false }, lost: func(int) fate { return delivered }}
	w.code = func(string, int) string { return "" }
	w.book = book{w: w, batch: 41}
	w.host = host{w: w, ledger: map[payment.ID]posting{}, truth: map[payment.ID]posting{}, terminal: map[payment.ID]posting{}, proofs: map[payment.ID]string{}}
	return w
}

func (w *world) event() {
	w.events++
	if w.cut(w.events) {
		panic(powerCut{})
	}
}

// message is one exchange with the host, which does heard where it hears of it.
func (w *world) message(what string, heard func() string) (string, error) {
	w.event()
	w.calls++
	switch w.lost(w.calls) {
	case notSent:
		return "", fmt.Errorf("line: %w", payment.ErrNotSent)
	case unheard:
		return "", fmt.Errorf("line: %w", payment.ErrNoAnswer)
	case unanswered:
		heard()
		return "", fmt.Errorf("line: %w", payment.ErrNoAnswer)
	}
	if code := w.code(what, w.calls); code != "" {
		return code, nil
	}
	code := heard()
	w.event()
	return code, nil
}

// settler boots a terminal.
func (w *world) settler() *Settler {
	s, err := New(Config{
		Book: &w.book, Host: &w.host, Payments: owing{w}, Slip: w, Now: func() time.Time { return time.Unix(1e9, 0).UTC() },
		Log: slog.New(slog.DiscardHandler), Terms: func() Terms { return w.terms },
		SignOn: func(context.Context) error { w.signs++; return nil },
		At:     func(Point) { w.event() },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) Print(_ context.Context, s *Settlement, unsent []*payment.Record) error {
	w.slips++
	if w.jam {
		return errors.New("no paper")
	}
	for _, rec := range unsent {
		if rec.State != payment.Refused {
			w.t.Errorf("slip lists %v, which is %v", rec.ID, rec.State)
		}
	}
	return nil
}

// step calls fn on a fresh settler and tells whether the power went.
func (w *world) step(fn func(*Settler) (Result, error)) (res Result, err error, off bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(powerCut); !ok {
				panic(p)
			}
			off = true
		}
	}()
	res, err = fn(w.settler())
	return res, err, false
}

func settle(s *Settler) (Result, error) { return s.Settle(ctx, "01") }
func resume(s *Settler) (Result, error) { return s.Resume(ctx) }

// settleAll settles and resumes, with boots between, until the batch is closed.
func (w *world) settleAll() {
	w.t.Helper()
	for range 2000 {
		if w.book.batch != 41 {
			return
		}
		fn := settle
		if w.book.open != nil {
			fn = resume
		}
		_, err, off := w.step(fn)
		if err == nil && !off && w.book.batch == 41 {
			w.t.Fatal("no error, and the batch is open")
		}
		if err != nil && w.book.open == nil && w.book.batch == 41 && !expected(err) {
			w.t.Fatalf("unexpected: %v", err)
		}
	}
	w.t.Fatal("the batch does not close")
}

func expected(err error) bool {
	for _, want := range []error{ErrOwed, ErrHost, payment.ErrNoAnswer, payment.ErrNotSent, errDisk} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

var errDisk = errors.New("disk")

// book is a journal in memory, with the disk's habits.
type book struct {
	w        *world
	batch    uint32
	stan     uint32
	records  []*payment.Record
	open     *Settlement
	last     *Settlement
	archived []*payment.Record
	closed   int
	fail     func(write int) (before, after bool)
	writes   int
	saves    int
}

// write does a change on disk: the power may go before and after, and the disk may fail
// with or without having done it.
func (b *book) write(change func()) error {
	b.w.event()
	b.writes++
	before, after := false, false
	if b.fail != nil {
		before, after = b.fail(b.writes)
	}
	if before {
		return errDisk
	}
	change()
	b.w.event()
	if after {
		return errDisk
	}
	return nil
}

func (b *book) Open(context.Context) (*Settlement, error) { return clone(b.open), nil }
func (b *book) Last(context.Context) (*Settlement, error) { return clone(b.last), nil }
func (b *book) Batch(context.Context) (uint32, error)     { return b.batch, nil }

func clone(s *Settlement) *Settlement {
	if s == nil {
		return nil
	}
	out := *s
	out.Rejected = slices.Clone(s.Rejected)
	return &out
}

func (b *book) Number(context.Context) (uint32, error) {
	next := b.stan + 1
	return next, b.write(func() { b.stan = next })
}

func (b *book) Records(_ context.Context, batch uint32, fn func(*payment.Record) error) error {
	for _, rec := range b.records {
		out := *rec
		out.PAN = emv.PAN{}
		if rec.ID.Batch != batch {
			continue
		}
		if err := fn(&out); err != nil {
			return err
		}
	}
	return nil
}

func (b *book) Card(_ context.Context, id payment.ID) (*payment.Record, error) {
	for _, rec := range b.records {
		if rec.ID == id {
			out := *rec
			return &out, nil
		}
	}
	return nil, payment.ErrNoRecord
}

func (b *book) Save(_ context.Context, s *Settlement) error {
	b.saves++
	switch {
	case b.open == nil && s.Phase != Begun:
		b.w.t.Errorf("saved as %d, none is open", s.Phase)
	case b.open != nil && (s.Phase < b.open.Phase || s.Batch != b.open.Batch):
		b.w.t.Errorf("from phase %d to %d", b.open.Phase, s.Phase)
	}
	return b.write(func() { b.open = clone(s) })
}

// Close takes two steps on disk.
func (b *book) Close(_ context.Context, s *Settlement) error {
	if b.open == nil || s.Phase != Closed || s.Batch != b.batch {
		b.w.t.Errorf("closed in phase %d, batch %d of %d", s.Phase, s.Batch, b.batch)
	}
	for _, rec := range b.records {
		waits := rec.State == payment.Stored || rec.State == payment.Requested || rec.State == payment.ReversalOwed
		if waits || (rec.Script != nil && rec.Script.Answer == nil) {
			b.w.t.Errorf("closed with %v, which is %v", rec.ID, rec.State)
		}
	}
	if err := b.write(func() { b.open = clone(s) }); err != nil {
		return err
	}
	return b.write(func() {
		b.archived, b.records = append(b.archived, b.records...), nil
		b.last, b.open = clone(s), nil
		b.batch++
		b.closed++
	})
}

// owing is payment.Terminal as far as it is needed here.
type owing struct{ w *world }

func (o owing) NotifyScripts(context.Context) (int, error) {
	return o.each(func(rec *payment.Record) bool { return rec.Script != nil && rec.Script.Answer == nil },
		func(rec *payment.Record) { rec.Script = &payment.Notice{Answer: &payment.Answer{Code: "00"}} })
}

func (o owing) SettleDebts(context.Context) (int, error) {
	return o.each(func(rec *payment.Record) bool { return rec.State.Debt() },
		func(rec *payment.Record) {
			delete(o.w.host.ledger, rec.ID)
			delete(o.w.host.truth, rec.ID)
			rec.State = payment.Reversed
		})
}

func (o owing) Forward(context.Context) (int, error) {
	return o.each(func(rec *payment.Record) bool { return rec.State == payment.Stored },
		func(rec *payment.Record) {
			rec.State = payment.Completed
			o.w.host.post(rec)
		})
}

func (o owing) each(is func(*payment.Record) bool, done func(*payment.Record)) (left int, err error) {
	for _, rec := range o.w.book.records {
		if is(rec) {
			left++
		}
	}
	for _, rec := range o.w.book.records {
		if !is(rec) {
			continue
		}
		next := *rec
		code, err := o.w.message("owed", func() string { done(&next); return "00" })
		if err != nil || code != "00" {
			return left, nil
		}
		if err := o.w.book.write(func() { *rec = next }); err != nil {
			return left, err
		}
		left--
	}
	return left, nil
}

// posting is what a host knows of a payment.
type posting struct {
	domestic bool
	credit   bool
	minor    int64
	number   int
}

// host counts by its own ledger, in which an adjustment has changed its original.
type host struct {
	w        *world
	ledger   map[payment.ID]posting
	truth    map[payment.ID]posting // what the ledger would be if nothing had gone wrong
	terminal map[payment.ID]posting // as uploaded
	proofs   map[payment.ID]string
	stan     uint32
	verdicts [2]Verdict // domestic, foreign
	ended    int
	balanced bool
	counted  int
	signOffs int
}

// post books a payment that the host hears of for the first time, and again.
func (h *host) post(rec *payment.Record) {
	bookIn(h.ledger, rec)
	bookIn(h.truth, rec)
}

func bookIn(ledger map[payment.ID]posting, rec *payment.Record) {
	domestic, credit := strings.HasPrefix(rec.Masked, "62"), rec.Kind.Rules().Side == payment.Credit
	switch {
	case rec.Kind.Rules().Adjusts:
		if p, ok := ledger[rec.Original.ID]; ok {
			p.minor = rec.Amount.Minor
			ledger[rec.Original.ID] = p
		}
	case rec.Kind.Rules().Side != payment.Neither:
		ledger[rec.ID] = posting{domestic, credit, rec.Amount.Minor, 1}
	}
}

func totals(ledger map[payment.ID]posting, domestic bool) (out Totals) {
	for _, p := range ledger {
		side := &out.Debit
		if p.credit {
			side = &out.Credit
		}
		if p.domestic == domestic {
			side.Amount += p.minor
			side.Number += p.number
		}
	}
	return out
}

func (h *host) Settle(_ context.Context, s *Settlement) (out Answer, err error) {
	out.Code, err = h.w.message("settle", func() string {
		if h.stan != 0 && h.stan != s.STAN {
			h.w.t.Errorf("asked as STAN %d, and before as %d", s.STAN, h.stan)
		}
		h.stan = s.STAN
		for i, told := range []Totals{s.Domestic, s.Foreign} {
			h.verdicts[i] = Unbalanced
			if told == totals(h.ledger, i == 0) {
				h.verdicts[i] = Balanced
			}
		}
		return "00"
	})
	if out.Code == "00" {
		out.Domestic, out.Foreign = h.verdicts[0], h.verdicts[1]
	}
	return out, err
}

func (h *host) UploadGroup(_ context.Context, batch uint32, group []*payment.Record) (string, error) {
	if len(group) < 1 || len(group) > 8 || batch != 41 {
		h.w.t.Errorf("a group of %d for batch %d", len(group), batch)
	}
	return h.w.message("group", func() string {
		for _, rec := range group {
			h.detail(rec)
		}
		return "00"
	})
}

func (h *host) detail(rec *payment.Record) {
	if rec.PAN.IsZero() {
		h.w.t.Errorf("%v has no card number", rec.ID)
	}
	if rec.State != payment.Completed {
		h.w.t.Errorf("%v is %v, and was uploaded", rec.ID, rec.State)
	}
	h.terminal[rec.ID] = posting{strings.HasPrefix(rec.Masked, "62"), rec.Kind.Rules().Side == payment.Credit, rec.Amount.Minor, 1}
}

func (h *host) UploadOne(_ context.Context, _ uint32, u Upload) (string, error) {
	return h.w.message("one", func() string {
		switch u.Kind {
		case UploadTC, UploadBadARPC:
			h.proofs[u.Record.ID] = fmt.Sprint(u.Kind, u.Balanced)
		default:
			h.detail(u.Record)
		}
		return "00"
	})
}

func (h *host) End(_ context.Context, _ uint32, balanced bool, uploaded int) (string, error) {
	return h.w.message("end", func() string {
		h.ended++
		h.balanced, h.counted = balanced, uploaded
		return "00"
	})
}

func (h *host) SignOff(context.Context) error {
	_, err := h.w.message("sign off", func() string { h.signOffs++; return "00" })
	return err
}

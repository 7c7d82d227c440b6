package payment_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/keyblock"
	"posd/emv/payment"
)

// The model: a journal in memory that survives a "power cut", a host with one account,
// and a card session without cryptography. Each can be told to fail.

var errDisk = errors.New("disk error")

// memJournal is a journal whose writes can fail, before or after they take hold.
type memJournal struct {
	recs     map[payment.ID]payment.Record
	next     uint32
	writes   int
	failAt   int  // the write, counted from 1, that returns an error; 0 for none
	failKept bool // the failing write takes hold all the same
	failMore int  // how many writes after it fail as well
	printed  map[payment.ID]bool
}

func newJournal() *memJournal {
	return &memJournal{recs: map[payment.ID]payment.Record{}, next: 1, printed: map[payment.ID]bool{}}
}

func (j *memJournal) Next(context.Context) (payment.ID, error) {
	return payment.ID{Batch: 1, STAN: j.next}, nil
}

// write runs f unless this write is to fail for good.
func (j *memJournal) write(f func()) error {
	j.writes++
	failing := j.failAt > 0 && j.writes >= j.failAt && j.writes <= j.failAt+j.failMore
	if !failing || j.failKept {
		f()
	}
	if failing {
		return errDisk
	}
	return nil
}

func clone(rec *payment.Record) payment.Record {
	c := *rec
	if rec.Reversal != nil {
		debt := *rec.Reversal
		c.Reversal = &debt
	}
	return c
}

func (j *memJournal) Begin(_ context.Context, rec *payment.Record) error {
	if rec.ID.STAN != j.next || rec.State != payment.Requested {
		return fmt.Errorf("begin %v as %v: next is %d", rec.ID, rec.State, j.next)
	}
	return j.write(func() { j.recs[rec.ID] = clone(rec); j.next++ })
}

func (j *memJournal) Update(_ context.Context, rec *payment.Record) error {
	old, ok := j.recs[rec.ID]
	if !ok {
		return payment.ErrNoRecord
	}
	if !old.State.CanMove(rec.State) {
		return fmt.Errorf("%v to %v: %w", old.State, rec.State, payment.ErrIllegalMove)
	}
	return j.write(func() { j.recs[rec.ID] = clone(rec) })
}

func (j *memJournal) Get(_ context.Context, id payment.ID) (*payment.Record, error) {
	rec, ok := j.recs[id]
	if !ok {
		return nil, payment.ErrNoRecord
	}
	c := clone(&rec)
	return &c, nil
}

func (j *memJournal) Owed(context.Context) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool { return r.State.Debt() }), nil
}

func (j *memJournal) Unprinted(context.Context) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool {
		return r.State == payment.Completed && !j.printed[r.ID]
	}), nil
}

func (j *memJournal) Waiting(context.Context) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool { return r.State == payment.Stored }), nil
}

func (j *memJournal) Notices(context.Context) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool { return r.Script != nil && r.Script.Answer == nil }), nil
}

func (j *memJournal) Related(_ context.Context, id payment.ID) ([]*payment.Record, error) {
	return j.filter(func(r payment.Record) bool { return r.Original != nil && r.Original.ID == id }), nil
}

func (j *memJournal) Printed(id payment.ID) { j.printed[id] = true }

func (j *memJournal) filter(want func(payment.Record) bool) []*payment.Record {
	var out []*payment.Record
	for _, rec := range j.recs {
		if want(rec) {
			c := clone(&rec)
			out = append(out, &c)
		}
	}
	slices.SortFunc(out, func(a, b *payment.Record) int { return int(a.ID.STAN) - int(b.ID.STAN) })
	return out
}

// mode says what becomes of one exchange with the host.
type mode string

const (
	answers   mode = "answers"
	declines  mode = "declines"
	swallows  mode = "swallows the answer"
	unsent    mode = "is not reached"
	lost      mode = "never hears it"
	forged    mode = "answers with a wrong MAC"
	partially mode = "approves a part"
	refuses   mode = "refuses the reversal"
)

// bank is the host: idempotent by ID, with a tombstone for a reversal that comes first.
type bank struct {
	charged   map[payment.ID]int64
	closed    map[payment.ID]bool // reversed, or refused for ever
	sale      mode
	reversal  mode
	reversals int
	missing   []string // what the model saw that must never be
}

func newBank() *bank {
	return &bank{charged: map[payment.ID]int64{}, closed: map[payment.ID]bool{}, sale: answers, reversal: answers}
}

func (b *bank) Authorize(_ context.Context, req payment.AuthRequest) (payment.Answer, error) {
	id, amount := req.Record.ID, req.Record.Amount.Minor
	switch b.sale {
	case unsent:
		return payment.Answer{}, fmt.Errorf("link down: %w", payment.ErrNotSent)
	case lost:
		return payment.Answer{}, payment.ErrNoAnswer
	case declines:
		return payment.Answer{Code: "51"}, nil
	}
	if b.closed[id] {
		return payment.Answer{Code: "94"}, nil
	}
	answer := payment.Answer{Code: "00", AuthCode: "123456", Amount: amount}
	if b.sale == partially {
		answer.Code, answer.Amount = "10", amount/2
	}
	b.charged[id] = answer.Amount
	switch b.sale {
	case swallows:
		return payment.Answer{}, payment.ErrNoAnswer
	case forged:
		return payment.Answer{}, payment.ErrBadMAC
	}
	return answer, nil
}

func (b *bank) Reverse(_ context.Context, rec *payment.Record) (payment.Answer, error) {
	b.reversals++
	if rec.Reversal == nil || rec.State != payment.ReversalOwed {
		b.missing = append(b.missing, fmt.Sprintf("reversal of %v in state %v", rec.ID, rec.State))
	}
	switch b.reversal {
	case unsent:
		return payment.Answer{}, payment.ErrNotSent
	case lost:
		return payment.Answer{}, payment.ErrNoAnswer
	case refuses:
		return payment.Answer{Code: "96"}, nil
	}
	delete(b.charged, rec.ID)
	b.closed[rec.ID] = true
	if b.reversal == swallows {
		return payment.Answer{}, payment.ErrNoAnswer
	}
	return payment.Answer{Code: "00"}, nil
}

func (b *bank) Forward(_ context.Context, rec *payment.Record) (payment.Answer, error) {
	return b.Authorize(context.Background(), payment.AuthRequest{Record: rec})
}

func (b *bank) Notify(context.Context, *payment.Record) (payment.Answer, error) {
	return payment.Answer{Code: "00"}, nil
}

// cardMode says what the card does after the host's approval.
type cardMode string

const (
	agrees      cardMode = "agrees"
	saysNo      cardMode = "answers AAC"
	pulled      cardMode = "is pulled"
	offlineTC   cardMode = "approves off line"
	offlineAAC  cardMode = "declines off line"
	breaksRules cardMode = "breaks the rules"
	pulledEarly cardMode = "is pulled before the cryptogram"
)

// session plays the kernel: it asks the issuer and then the card.
type session struct{ card cardMode }

func (s session) Run(ctx context.Context, tx kernel.Transaction, card kernel.Card, holder kernel.Cardholder, issuer kernel.Issuer) (kernel.Result, error) {
	switch s.card {
	case offlineTC:
		return kernel.Result{Outcome: emv.Approved}, nil
	case offlineAAC:
		return kernel.Result{Outcome: emv.Declined, Why: "the card declined"}, nil
	case pulledEarly:
		return kernel.Result{}, errors.New("no card")
	case breaksRules:
		return kernel.Result{Outcome: emv.Terminated, Why: "two PANs"}, nil
	}
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		return kernel.Result{}, err
	}
	if _, err := holder.EnterPIN(ctx, kernel.PINRequest{Online: true, PAN: pan, Amount: tx.Amount}); err != nil {
		return kernel.Result{Outcome: emv.Cancelled}, nil
	}
	facts := kernel.Facts{AID: []byte{0xA0, 0, 0, 3, 0x33}, TVR: emv.OnlinePINEntered}
	icc := []byte{0x95, 5, 0x80, 0, 4, 0, 0, 0x9F, 0x36, 2, 0, 1, 0x9F, 0x26, 1, 9}
	answer, err := issuer.Authorize(ctx, kernel.OnlineRequest{PAN: pan, PANSequence: 1, ICC: icc, OnlinePIN: true, Facts: facts})
	if err != nil && !errors.Is(err, kernel.ErrUnableToGoOnline) {
		return kernel.Result{}, err
	}
	if _, err := card.Transmit(ctx, apdu.GenerateAC(emv.TC, false, nil)); err != nil {
		return kernel.Result{Facts: facts, Reverse: true}, err
	}
	res := kernel.Result{Outcome: emv.Declined, Facts: facts, ARC: answer.ARC, Online: err == nil}
	if s.card == agrees && err == nil && answer.ARC == [2]byte{'0', '0'} {
		res.Outcome = emv.Approved
	}
	return res, nil
}

func (s session) Identify(context.Context, kernel.Transaction, kernel.Card, kernel.Cardholder) (kernel.Identity, kernel.Result, error) {
	pan, err := emv.ParsePAN("6277000000000017")
	return kernel.Identity{PAN: pan, Expiry: [3]byte{0x30, 0x12, 0x31}, PANSequence: 1}, kernel.Result{Outcome: emv.Approved}, err
}

type slot struct{ card cardMode }

func (s slot) Insert(context.Context) (payment.Card, error) { return s, nil }
func (s slot) Eject(context.Context) error                  { return nil }
func (s slot) Transmit(context.Context, apdu.Command) (apdu.Response, error) {
	if s.card == pulled {
		return apdu.Response{}, errors.New("no card")
	}
	return apdu.Response{SW: apdu.OK}, nil
}

type pad struct{ err error }

func (p pad) EnterPIN(context.Context, payment.PINEntry) ([]byte, error) {
	return []byte{1, 2, 3, 4, 5, 6, 7, 8}, p.err
}

func (pad) PINKey() (keyblock.Cryptogram, error) {
	return keyblock.Cryptogram{Bytes: make([]byte, 16)}, nil
}

type screen struct{ shown []payment.Message }

func (s *screen) Show(_ context.Context, m payment.Message, _ ...string) {
	s.shown = append(s.shown, m)
}
func (*screen) Choose(context.Context, []kernel.Candidate) (int, error) { return 0, nil }

// paper keeps what was printed; broken is the error of every print.
type paper struct {
	slips  []string
	broken error
}

func (p *paper) Print(_ context.Context, rec *payment.Record, c payment.Copy) error {
	if p.broken != nil {
		return p.broken
	}
	p.slips = append(p.slips, fmt.Sprintf("%v %v %d", rec.ID, rec.State, c))
	return nil
}

// random never repeats four bytes.
type random struct{ n uint32 }

func (r *random) Read(p []byte) (int, error) {
	for i := range p {
		r.n++
		p[i] = byte(r.n ^ r.n>>8)
	}
	if len(p) == 4 {
		r.n++
		binary.BigEndian.PutUint32(p, r.n)
	}
	return len(p), nil
}

// world is one terminal with everything around it. The journal and the bank outlive
// a power cut.
type world struct {
	journal *memJournal
	bank    *bank
	paper   *paper
	screen  *screen
	card    cardMode
	pad     pad
	crashAt payment.Point
	log     bytes.Buffer
	rand    *random

	wrapJournal func(payment.Journal) payment.Journal
	wrapHost    func(payment.Authorizer) payment.Authorizer
}

func newWorld() *world {
	return &world{journal: newJournal(), bank: newBank(), paper: &paper{}, screen: &screen{}, card: agrees, rand: &random{}}
}

type powerCut struct{ at payment.Point }

func (w *world) boot(t testing.TB) *payment.Terminal {
	t.Helper()
	cfg := payment.Config{
		Terminal: "12345678", Merchant: "123456789012345",
		Journal: w.journal, Host: w.bank, Kernel: session{w.card}, Slot: slot{w.card},
		PINPad: w.pad, Keys: w.pad, Display: w.screen, Chooser: w.screen, Receipt: w.paper,
		Now:  func() time.Time { return time.Date(2026, 8, 1, 10, 11, 12, 0, time.UTC) },
		Rand: w.rand, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		At: func(p payment.Point) {
			if p == w.crashAt {
				w.crashAt = ""
				panic(powerCut{p})
			}
		},
	}
	if w.wrapJournal != nil {
		cfg.Journal = w.wrapJournal(cfg.Journal)
	}
	if w.wrapHost != nil {
		cfg.Host = w.wrapHost(cfg.Host)
	}
	term, err := payment.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return term
}

// sell pays once; crashed tells that the power went.
func (w *world) sell(t testing.TB, term *payment.Terminal) (res payment.Result, err error, crashed bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(powerCut); !ok {
				panic(r)
			}
			crashed = true
		}
	}()
	res, err = term.Pay(t.Context(), payment.Order{Kind: payment.Sale, Amount: emv.Amount{Minor: 1200, Currency: emv.CNY}, Operator: "01"})
	return res, err, false
}

// settle boots again and again, with everything in order, until nothing is owed.
func (w *world) settle(t testing.TB) error {
	t.Helper()
	w.bank.reversal, w.crashAt, w.journal.failAt = answers, "", 0
	term := w.boot(t)
	if _, err := term.Recover(t.Context()); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	left, err := term.SettleDebts(t.Context())
	if err != nil || left != 0 {
		return fmt.Errorf("debts: %d left, %v", left, err)
	}
	return nil
}

// audit compares journal and bank, payment by payment.
func (w *world) audit() error {
	var wrong []string
	for id, rec := range w.journal.recs {
		charged := w.bank.charged[id]
		switch {
		case rec.State == payment.Completed && charged != rec.Amount.Minor:
			wrong = append(wrong, fmt.Sprintf("%v is completed, the bank charged %d", id, charged))
		case rec.State != payment.Completed && charged != 0:
			wrong = append(wrong, fmt.Sprintf("%v is %v, the bank charged %d", id, rec.State, charged))
		case !rec.State.Final():
			wrong = append(wrong, fmt.Sprintf("%v is still %v", id, rec.State))
		}
	}
	for id := range w.bank.charged {
		if _, ok := w.journal.recs[id]; !ok {
			wrong = append(wrong, fmt.Sprintf("the bank charged %v, which the journal does not know", id))
		}
	}
	for id, rec := range w.journal.recs {
		if rec.State == payment.Completed && !w.journal.printed[id] && w.paper.broken == nil {
			wrong = append(wrong, fmt.Sprintf("%v has no receipt", id))
		}
	}
	wrong = append(wrong, w.bank.missing...)
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// randomIndex keeps math/rand to one seeded source a test.
func randomIndex(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

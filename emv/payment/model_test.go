package payment_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	noChip      cardMode = "has no application in common"
	deadChip    cardMode = "does not answer to reset"
)

// session plays the kernel: it asks the issuer and then the card.
type session struct {
	card    cardMode
	scripts bool
}

var (
	modelFacts = kernel.Facts{AID: []byte{0xA0, 0, 0, 3, 0x33}, TVR: emv.OnlinePINEntered}
	modelICC   = []byte{0x95, 5, 0x80, 0, 4, 0, 0, 0x9F, 0x36, 2, 0, 1, 0x9F, 0x26, 1, 9}
)

func (s session) Run(ctx context.Context, tx kernel.Transaction, card kernel.Card, holder kernel.Cardholder, issuer kernel.Issuer) (kernel.Result, error) {
	switch {
	case s.card == offlineTC && !tx.NoOffline:
		return offlineApproved("Y1"), nil
	case s.card == offlineAAC:
		return kernel.Result{Outcome: emv.Declined, Why: "the card declined"}, nil
	case s.card == pulledEarly:
		return kernel.Result{}, errors.New("no card")
	case s.card == breaksRules:
		return kernel.Result{Outcome: emv.Terminated, Why: "two PANs"}, nil
	case s.card == noChip:
		return kernel.Result{Outcome: emv.NotAccepted, Fallback: true, Why: "no application in common"}, nil
	}
	id := identity()
	if _, err := holder.EnterPIN(ctx, kernel.PINRequest{Online: true, PAN: id.PAN, Amount: tx.Amount}); err != nil {
		return kernel.Result{Outcome: emv.Cancelled}, nil
	}
	answer, err := issuer.Authorize(ctx, kernel.OnlineRequest{PAN: id.PAN, Expiry: id.Expiry, PANSequence: 1, ICC: modelICC, OnlinePIN: true, Facts: modelFacts})
	if err != nil && !errors.Is(err, kernel.ErrUnableToGoOnline) {
		return kernel.Result{}, err
	}
	if _, err := card.Transmit(ctx, apdu.GenerateAC(emv.TC, false, nil)); err != nil {
		return kernel.Result{Facts: modelFacts, Reverse: true}, err
	}
	if (s.card == agrees || s.card == offlineTC) && err != nil && !errors.Is(err, kernel.ErrNoOffline) && !tx.NoOffline {
		return offlineApproved("Y3"), nil
	}
	res := kernel.Result{Outcome: emv.Declined, Facts: modelFacts, ARC: answer.ARC, Online: err == nil}
	if s.scripts && err == nil {
		res.ScriptResults = []byte{0x20, 0, 0, 0, 1}
	}
	if (s.card == agrees || s.card == offlineTC) && err == nil && answer.ARC == [2]byte{'0', '0'} {
		res.Outcome = emv.Approved
	}
	return res, nil
}

func offlineApproved(arc string) kernel.Result {
	return kernel.Result{
		Outcome: emv.Approved, Facts: modelFacts, ARC: [2]byte([]byte(arc)), Why: "approved by the card",
		Offline: &kernel.Offline{Identity: identity(), ICC: []byte("TC of " + arc)},
	}
}

func identity() kernel.Identity {
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		panic(err)
	}
	return kernel.Identity{PAN: pan, Expiry: [3]byte{0x30, 0x12, 0x31}, PANSequence: 1}
}

func (s session) Identify(context.Context, kernel.Transaction, kernel.Card, kernel.Cardholder) (kernel.Identity, kernel.Result, error) {
	switch s.card {
	case pulledEarly:
		return kernel.Identity{}, kernel.Result{}, errors.New("no card")
	case noChip:
		return kernel.Identity{}, kernel.Result{Outcome: emv.NotAccepted, Fallback: true}, nil
	}
	return identity(), kernel.Result{Outcome: emv.Approved, Facts: kernel.Facts{AID: modelFacts.AID}}, nil
}

type slot struct{ card cardMode }

func (s slot) Insert(context.Context) (payment.Card, error) {
	if s.card == deadChip {
		return nil, payment.ErrChip
	}
	return s, nil
}
func (s slot) Eject(context.Context) error { return nil }
func (s slot) Transmit(context.Context, apdu.Command) (apdu.Response, error) {
	if s.card == pulled {
		return apdu.Response{}, errors.New("no card")
	}
	return apdu.Response{SW: apdu.OK}, nil
}

// stripeReader is a slot that reads stripes too.
type stripeReader struct {
	slot
	track string
}

func (s stripeReader) Swipe(ctx context.Context) (emv.Track2, error) {
	if s.track == "" {
		return emv.Track2{}, context.DeadlineExceeded
	}
	return emv.ParseTrack2(s.track)
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
	track   string // of the stripe; empty for none, and then there is no stripe reader
	policy  payment.Policy
	pad     pad
	crashAt payment.Point
	crashed bool
	log     bytes.Buffer
	rand    *random
	told    map[payment.ID]bool // approved at the till

	logLevel slog.Level // stories without number keep their log short

	wrapJournal func(payment.Journal) payment.Journal
	wrapHost    func(payment.Authorizer) payment.Authorizer
}

func newWorld() *world {
	j := newJournal()
	return &world{
		journal: j, bank: newBank(j), paper: &paper{}, screen: &screen{}, card: agrees, rand: &random{},
		told: map[payment.ID]bool{},
	}
}

type powerCut struct{ at payment.Point }

func (w *world) boot(t testing.TB) *payment.Terminal {
	t.Helper()
	cfg := payment.Config{
		Terminal: "12345678", Merchant: "123456789012345", Policy: w.policy,
		Journal: w.journal, Host: w.bank, Kernel: session{w.card, w.bank.scripts}, Slot: slot{w.card},
		PINPad: w.pad, Keys: w.pad, Display: w.screen, Chooser: w.screen, Receipt: w.paper,
		Now:  func() time.Time { return time.Date(2026, 8, 1, 10, 11, 12, 0, time.UTC) },
		Rand: w.rand, Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: w.logLevel})),
		At: func(p payment.Point) {
			if p == w.crashAt {
				w.crashAt, w.crashed = "", true
				panic(powerCut{p})
			}
		},
	}
	if w.track != "" {
		cfg.Slot = stripeReader{slot{w.card}, w.track}
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

// guard runs f, and tells whether the power went.
func guard(f func()) (crashed bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(powerCut); !ok {
				panic(r)
			}
			crashed = true
		}
	}()
	f()
	return false
}

// pay pays once; crashed tells that the power went.
func (w *world) pay(t testing.TB, term *payment.Terminal, order payment.Order) (res payment.Result, err error, crashed bool) {
	t.Helper()
	crashed = guard(func() { res, err = term.Pay(t.Context(), order) })
	if !crashed && res.Outcome == emv.Approved {
		w.told[res.Record.ID] = true
		if s := w.journal.recs[res.Record.ID].State; s != payment.Completed && s != payment.Stored {
			w.bank.never("%v was approved at the till, the disk says %v", res.Record.ID, s)
		}
	}
	return res, err, crashed
}

func saleOf(minor int64) payment.Order {
	return payment.Order{Kind: payment.Sale, Amount: emv.Amount{Minor: minor, Currency: emv.CNY}, Operator: "01"}
}

// sell pays a sale.
func (w *world) sell(t testing.TB, term *payment.Terminal) (res payment.Result, err error, crashed bool) {
	t.Helper()
	return w.pay(t, term, saleOf(1200))
}

// settle boots again, with everything in order, until nothing is owed.
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
	if left, err = term.NotifyScripts(t.Context()); err != nil || left != 0 {
		return fmt.Errorf("notices: %d left, %v", left, err)
	}
	if left, err = term.Forward(t.Context()); err != nil || left != 0 {
		return fmt.Errorf("stored payments: %d left, %v", left, err)
	}
	return nil
}

// randomIndex keeps math/rand to one seeded source a test.
func randomIndex(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

package payment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"posd/emv"
	"posd/emv/kernel"
)

// Kernel runs one card session; *kernel.Kernel is one.
type Kernel interface {
	Run(ctx context.Context, tx kernel.Transaction, card kernel.Card, holder kernel.Cardholder, issuer kernel.Issuer) (kernel.Result, error)
	// Identify reads who the card is, and nothing more.
	Identify(ctx context.Context, tx kernel.Transaction, card kernel.Card, holder kernel.Cardholder) (kernel.Identity, kernel.Result, error)
}

// Config is what a Terminal is made of. All fields are required but Archive, Policy,
// Listed, InsertTime and At.
type Config struct {
	Terminal string // field 41, 8 characters
	Merchant string // field 42, 15 characters

	Journal Journal
	Host    Authorizer
	Kernel  Kernel
	Slot    Slot
	PINPad  PINPad
	Keys    Keys
	Display Display
	Chooser Chooser
	Receipt Receipt
	Archive Archive // nil for none
	Policy  Policy
	// Listed tells whether a card is on a black list, for the card's risk management; nil
	// for no list. It may be replaced between payments, as Policy and Kernel may.
	Listed func(pan emv.PAN, sequence int) bool

	// Now is the business clock, read once a payment. Rand feeds the unpredictable
	// number; a failing source stops the payment.
	Now  func() time.Time
	Rand io.Reader
	Log  *slog.Logger

	// InsertTime bounds the wait for a card; 0 is 60 s.
	InsertTime time.Duration
	// At is called at each [Point]; nil for none.
	At func(Point)
}

func (c *Config) check() error {
	required := []struct {
		name    string
		missing bool
	}{
		{"Terminal (8 characters)", len(c.Terminal) != 8},
		{"Merchant (15 characters)", len(c.Merchant) != 15},
		{"Journal", c.Journal == nil},
		{"Host", c.Host == nil},
		{"Kernel", c.Kernel == nil},
		{"Slot", c.Slot == nil},
		{"PINPad", c.PINPad == nil},
		{"Keys", c.Keys == nil},
		{"Display", c.Display == nil},
		{"Chooser", c.Chooser == nil},
		{"Receipt", c.Receipt == nil},
		{"Now", c.Now == nil},
		{"Rand", c.Rand == nil},
		{"Log", c.Log == nil},
	}
	for _, field := range required {
		if field.missing {
			return fmt.Errorf("payment: config: %s is missing", field.name)
		}
	}
	return nil
}

// Terminal takes payments, one at a time. One goroutine owns it: only that one calls
// its methods.
type Terminal struct {
	Config
	lastUN  [4]byte
	tries   map[ID]int // of the debts and stored payments of this run
	notices map[ID]int // tries of the script notices of this run
}

// New checks the configuration; it touches neither disk nor device.
func New(cfg Config) (*Terminal, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.InsertTime == 0 {
		cfg.InsertTime = time.Minute
	}
	if cfg.At == nil {
		cfg.At = func(Point) {}
	}
	return &Terminal{Config: cfg, tries: make(map[ID]int), notices: make(map[ID]int)}, nil
}

// Result is how a payment ended. Record is nil where nothing is in the journal of it.
type Result struct {
	// Outcome is Approved where the record is Completed or Stored on disk, and in no other
	// case.
	Outcome emv.Outcome
	Record  *Record
	Code    string // field 39 of the host, or a code T1 to TS of the terminal
	Why     string
	// Balance is what a balance inquiry came to, minor units; nil for none. It is on no disk.
	Balance *int64
}

// Pay takes one payment of any kind from the order to the receipt. A decline is a Result,
// and so is an order that the terminal does not carry out. An error is the world failing;
// whatever money it may have moved is then owed a reversal on disk, and Result.Record
// says so.
func (t *Terminal) Pay(ctx context.Context, order Order) (Result, error) {
	if err := order.check(); err != nil {
		return Result{}, err
	}
	a, err := t.prepare(ctx, order)
	if err != nil {
		return t.refused(ctx, err)
	}
	res, err := a.run(ctx)
	if a.rec == nil && err != nil {
		declined, cause := refusedResult(err)
		if cause == nil {
			res, err = declined, nil
		}
	}
	if a.rec == nil && res.Outcome == 0 {
		a.eject(ctx)
		return res, err // nobody was asked for anything
	}
	t.finish(ctx, a, &res)
	return res, err
}

// prepare finds out whether the order can be carried out, before anything is asked of
// card or host.
func (t *Terminal) prepare(ctx context.Context, order Order) (*attempt, error) {
	a := &attempt{t: t, order: order, rules: order.Kind.Rules(), time: t.Now()}
	if err := t.permits(order, a.rules); err != nil {
		return nil, err
	}
	if err := a.clearWay(ctx); err != nil {
		return nil, err
	}
	var err error
	if a.of, err = t.original(ctx, &a.order, a.rules); err != nil {
		return nil, err
	}
	if _, err := t.Journal.Next(ctx); err != nil {
		return nil, fmt.Errorf("payment: next voucher number: %w", err)
	}
	return a, nil
}

// clearWay does what comes before a request, and finds out whether this payment may be
// taken without one. Where reversals are owed and the host cannot be reached, a payment
// that the card may approve is tried without the host; every other waits.
func (a *attempt) clearWay(ctx context.Context) error {
	limit, err := a.t.offlineLimit(ctx, a.order, a.rules)
	if err != nil {
		return err
	}
	a.offline = limit == nil && a.rules.Offline != 0
	if a.rules.Forward {
		return limit
	}
	if _, err := a.t.NotifyScripts(ctx); err != nil {
		return err
	}
	owed, err := a.t.SettleDebts(ctx)
	if err != nil {
		return err
	}
	a.hostless = owed > 0
	if a.hostless && !a.offline {
		return refuse(CodeOwed, "%d reversals are still owed to the host", owed)
	}
	return nil
}

// refused ends an order that is not carried out.
func (t *Terminal) refused(ctx context.Context, err error) (Result, error) {
	res, err := refusedResult(err)
	if err != nil {
		return Result{}, err
	}
	if res.Code == CodeOwed {
		t.Display.Show(ctx, OwedFirst)
		return res, nil
	}
	t.tell(ctx, &res)
	return res, nil
}

// refusedResult turns an error into a decline where it is one.
func refusedResult(err error) (Result, error) {
	var r refusal
	switch {
	case errors.As(err, &r):
		return Result{Outcome: emv.Declined, Code: r.code, Why: r.why}, nil
	case errors.Is(err, ErrFull):
		return Result{Outcome: emv.Declined, Code: CodeFull, Why: "the journal is full: settle the batch first"}, nil
	case errors.Is(err, ErrNoSpace):
		return Result{Outcome: emv.Declined, Code: CodeNoSpace, Why: "the disk is full: no new payments"}, nil
	}
	return Result{}, err
}

// transaction draws what the kernel takes as values: sequence and randomness.
func (a *attempt) transaction(ctx context.Context) (kernel.Transaction, error) {
	id, err := a.t.Journal.Next(ctx)
	if err != nil {
		return kernel.Transaction{}, fmt.Errorf("payment: next voucher number: %w", err)
	}
	tx := kernel.Transaction{
		Amount: a.order.Amount, Type: a.rules.Type, Time: a.time, Sequence: id.STAN, NoOffline: !a.offline,
		OnExceptionFile: a.t.Listed,
	}
	if err := a.t.drawUN(&tx); err != nil {
		return kernel.Transaction{}, err
	}
	tx.Draw, err = draw(a.t.Rand)
	return tx, err
}

// drawUN draws both unpredictable numbers. A source that repeats itself is as bad as
// one that fails: a card could be asked in advance (pre-play).
func (t *Terminal) drawUN(tx *kernel.Transaction) error {
	for i := range tx.UN {
		if _, err := io.ReadFull(t.Rand, tx.UN[i][:]); err != nil {
			return fmt.Errorf("payment: unpredictable number: %w", err)
		}
		if tx.UN[i] == t.lastUN {
			return errors.New("payment: unpredictable number: the random source repeats itself")
		}
		t.lastUN = tx.UN[i]
	}
	return nil
}

// draw returns 1 to 99, evenly: bytes above 197 are thrown away, at most 64 of them.
// EMV 4.4 Book 3, 10.6.2 wants the number for random selection in that range.
func draw(r io.Reader) (uint8, error) {
	var b [1]byte
	for range 64 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, fmt.Errorf("payment: random selection: %w", err)
		}
		if b[0] < 198 {
			return b[0]%99 + 1, nil
		}
	}
	return 0, errors.New("payment: random selection: the random source gives no usable byte")
}

// finish tells the people: display, card back, receipt; and tries a fresh debt once.
// Nothing here changes what became of the money.
func (t *Terminal) finish(ctx context.Context, a *attempt, res *Result) {
	ctx = context.WithoutCancel(ctx)
	t.tell(ctx, res)
	a.eject(ctx)
	switch {
	case a.rec == nil:
	case a.rec.State == ReversalOwed:
		t.Log.Warn("reversal owed", "payment", a.rec.ID, "reason", a.rec.Reversal.Reason)
		if _, err := t.SettleDebts(ctx); err != nil {
			t.Log.Error("reversal", "payment", a.rec.ID, "error", err)
		}
	case taken(a.rec) && res.Outcome != emv.Approved:
		// The disk may not have it: the slip is printed when it does, or never.
		t.Log.Error("no slip yet: the payment could not be stored", "payment", a.rec.ID)
	case a.rules.slip():
		t.print(ctx, a.rec, res)
	default:
		t.Journal.Printed(a.rec.ID)
	}
}

// slip tells whether a kind has a receipt: where no money moves, the screen is enough.
func (r Rules) slip() bool { return r.Unanswered != Forget }

func (t *Terminal) tell(ctx context.Context, res *Result) {
	switch res.Outcome {
	case emv.Approved:
		t.Display.Show(ctx, ShowApproved, res.Code)
	case emv.Cancelled:
		t.Display.Show(ctx, Cancelled)
	default:
		t.Display.Show(ctx, ShowDeclined, res.Code)
	}
}

// print prints the slips of a payment, or leaves them in the queue behind Receipt. A
// printer that fails changes the code that the till shows, not the payment: its receipt
// is printed later, or at boot.
func (t *Terminal) print(ctx context.Context, rec *Record, res *Result) {
	copies := []Copy{MerchantCopy, CardholderCopy}
	if !taken(rec) {
		copies = copies[1:]
	}
	t.At(BeforeReceipt)
	var failed error
	for _, c := range copies {
		failed = errors.Join(failed, t.Receipt.Print(ctx, rec, c))
	}
	t.At(AfterReceipt)
	switch {
	case failed != nil:
		t.Log.Warn("receipt was not printed", "payment", rec.ID, "error", failed)
		if taken(rec) {
			res.Code = CodeNotPrinted
			t.Display.Show(ctx, PrinterFailed)
		}
	case taken(rec):
		rec.Printed = true
		t.Journal.Printed(rec.ID)
	}
}

// taken tells whether the payment counts for the merchant: it happened, or it waits for
// its turn to be told to the host.
func taken(rec *Record) bool { return rec.State == Completed || rec.State == Stored }

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
}

// Config is what a Terminal is made of. All fields are required but At and SerialNumber.
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
	lastUN [4]byte
	tries  map[ID]int // of the debts of this run
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
	return &Terminal{Config: cfg, tries: make(map[ID]int)}, nil
}

// Order is what the merchant wants.
type Order struct {
	Kind     Kind
	Amount   emv.Amount
	Operator string // two digits
}

func (o Order) check() error {
	switch {
	case o.Kind != Sale:
		return fmt.Errorf("payment: order: %v is not a kind of payment", o.Kind)
	case o.Amount.Minor <= 0 || o.Amount.Minor > emv.MaxMinor:
		return fmt.Errorf("payment: order: amount %d minor units: 1 to %d wanted", o.Amount.Minor, emv.MaxMinor)
	}
	return nil
}

// Result is how a payment ended. Record is nil where the host was not asked: nothing
// is in the journal then.
type Result struct {
	Outcome emv.Outcome
	Record  *Record
	Code    string // field 39 of the host, or a code T1 to T9 of the terminal
	Why     string
}

// Pay takes one payment from the order to the receipt. A decline is a Result. An
// error is the world failing; whatever money it may have moved is then owed a
// reversal on disk, and Result.Record says so.
func (t *Terminal) Pay(ctx context.Context, order Order) (Result, error) {
	if err := order.check(); err != nil {
		return Result{}, err
	}
	if owed, err := t.SettleDebts(ctx); err != nil || owed > 0 {
		return t.refuseForDebt(ctx, owed, err)
	}
	tx, err := t.transaction(ctx, order)
	if err != nil {
		return Result{}, err
	}
	a := &attempt{t: t, order: order, time: tx.Time}
	res, err := t.session(ctx, a, tx)
	t.finish(ctx, a, &res)
	return res, err
}

func (t *Terminal) refuseForDebt(ctx context.Context, owed int, err error) (Result, error) {
	if err != nil {
		return Result{}, err
	}
	t.Display.Show(ctx, OwedFirst)
	why := fmt.Sprintf("%d reversals are still owed to the host", owed)
	return Result{Outcome: emv.Declined, Code: CodeOwed, Why: why}, nil
}

// transaction draws what the kernel takes as values: time, sequence, randomness.
func (t *Terminal) transaction(ctx context.Context, order Order) (kernel.Transaction, error) {
	id, err := t.Journal.Next(ctx)
	if err != nil {
		return kernel.Transaction{}, fmt.Errorf("payment: next voucher number: %w", err)
	}
	tx := kernel.Transaction{Amount: order.Amount, Time: t.Now(), Sequence: id.STAN}
	if err := t.drawUN(&tx); err != nil {
		return kernel.Transaction{}, err
	}
	tx.Draw, err = draw(t.Rand)
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

// session has the card inserted, runs the kernel, and settles what it means for the
// money. It leaves the journal in a state that is true whatever happens next.
func (t *Terminal) session(ctx context.Context, a *attempt, tx kernel.Transaction) (Result, error) {
	t.Display.Show(ctx, InsertCard, a.order.Amount.String())
	waiting, stop := context.WithTimeout(ctx, t.InsertTime)
	card, err := t.Slot.Insert(waiting)
	stop()
	if err != nil {
		return t.noCard(ctx, err)
	}
	t.Display.Show(ctx, Processing)
	kres, kerr := t.Kernel.Run(ctx, tx, &watchedCard{Card: card, a: a}, holder{t, a}, a)
	return a.conclude(context.WithoutCancel(ctx), kres, kerr)
}

func (t *Terminal) noCard(ctx context.Context, err error) (Result, error) {
	t.Display.Show(ctx, Cancelled)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return Result{Outcome: emv.Cancelled, Why: "no card was inserted in time"}, nil
	}
	return Result{Outcome: emv.Cancelled, Why: "no card"}, fmt.Errorf("payment: wait for a card: %w", err)
}

// finish tells the people: display, card back, receipt; and tries a fresh debt once.
// Nothing here changes what became of the money.
func (t *Terminal) finish(ctx context.Context, a *attempt, res *Result) {
	ctx = context.WithoutCancel(ctx)
	t.tell(ctx, res)
	if err := t.Slot.Eject(ctx); err != nil {
		t.Log.Warn("card was not taken", "error", err)
	}
	if a.rec == nil {
		return
	}
	if a.rec.State == ReversalOwed {
		t.Log.Warn("reversal owed", "payment", a.rec.ID, "reason", a.rec.Reversal.Reason)
		if _, err := t.SettleDebts(ctx); err != nil {
			t.Log.Error("reversal", "payment", a.rec.ID, "error", err)
		}
		return
	}
	t.print(ctx, a.rec, res)
}

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
	if rec.State != Completed {
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
		if rec.State == Completed {
			res.Code = CodeNotPrinted
			t.Display.Show(ctx, PrinterFailed)
		}
	case rec.State == Completed:
		rec.Printed = true
		t.Journal.Printed(rec.ID)
	}
}

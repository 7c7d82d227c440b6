package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"posd/emv/payment"
)

// Config is what a Settler is made of. Book, Host, Payments, Slip, Now and Log are
// required.
type Config struct {
	Book     Book
	Host     Host
	Payments Payments
	Slip     Slip
	Now      func() time.Time // business clock
	Log      *slog.Logger

	// Terms are read when a settlement begins and when it ends; nil for the zero Terms.
	Terms func() Terms
	// SignOn has the line get new working keys and waits until it has them: the host asked
	// for that (77, 99, A0). nil: the line does so by itself.
	SignOn func(ctx context.Context) error
	// Domestic says which cards are; the zero Cards stands for [UnionPay].
	Domestic Cards
	// At is called at each [Point]; nil for none.
	At func(Point)
}

// Terms are the parameters of a settlement.
type Terms struct {
	Everything bool // all payments go up, also where the host counts as the terminal does
	SignOff    bool // the line is signed off when the batch is closed
}

func (c *Config) check() error {
	for _, field := range []struct {
		name    string
		missing bool
	}{
		{"Book", c.Book == nil},
		{"Host", c.Host == nil},
		{"Payments", c.Payments == nil},
		{"Slip", c.Slip == nil},
		{"Now", c.Now == nil},
		{"Log", c.Log == nil},
	} {
		if field.missing {
			return fmt.Errorf("batch: config: %s is missing", field.name)
		}
	}
	return nil
}

// Settler settles batches. One goroutine owns it, the one that takes payments.
type Settler struct{ Config }

// New checks the configuration; it touches neither disk nor host.
func New(cfg Config) (*Settler, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.At == nil {
		cfg.At = func(Point) {}
	}
	if cfg.Terms == nil {
		cfg.Terms = func() Terms { return Terms{} }
	}
	if cfg.Domestic.RIDs == nil && cfg.Domestic.BINs == nil {
		cfg.Domestic = UnionPay()
	}
	return &Settler{cfg}, nil
}

// Result is where a settlement stands.
type Result struct {
	// Settlement is nil where none is open: nothing was begun, or nothing was to resume.
	Settlement *Settlement
	// Unsent are the payments of the batch that the host does not have: those that wait
	// (then nothing was settled) and those that it refused.
	Unsent []*payment.Record
	// Left counts what is still owed, where the error is [ErrOwed].
	Left int
}

// Settle settles the current batch for an operator, two digits, or goes on with the
// settlement that is under way. An error leaves the settlement where it is on disk:
// [Settler.Resume] goes on, as often as it takes.
//
// Errors, beside those of Book and Host: [ErrOwed] with what is left in the Result,
// [ErrEmpty], [ErrHost]. After an error of payment.ErrNoAnswer and its like, try later.
func (s *Settler) Settle(ctx context.Context, operator string) (Result, error) {
	if len(operator) != 2 {
		return Result{}, fmt.Errorf("batch: settle: operator %q: two digits wanted", operator)
	}
	open, err := s.Book.Open(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("batch: settle: %w", err)
	}
	r := &run{Settler: s, cur: open}
	if open == nil {
		if err := r.begin(ctx, operator); err != nil {
			return r.result(), err
		}
	}
	return r.finish(ctx)
}

// Resume goes on with the settlement that is under way; without one it does nothing. It is
// for the boot, and for the idle time after a settlement that the host did not answer.
func (s *Settler) Resume(ctx context.Context) (Result, error) {
	open, err := s.Book.Open(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("batch: resume: %w", err)
	}
	if open == nil {
		return Result{}, nil
	}
	return (&run{Settler: s, cur: open}).finish(ctx)
}

// run is one call.
type run struct {
	*Settler
	cur    *Settlement // as on disk
	count  *count
	resent bool // the host asked for all payments once in this call
	closed bool
}

func (r *run) result() Result {
	out := Result{Settlement: r.cur}
	if r.count != nil {
		out.Unsent, out.Left = r.count.unsent, r.count.owed
	}
	return out
}

// begin puts a new settlement on disk.
func (r *run) begin(ctx context.Context, operator string) error {
	batch, err := r.Book.Batch(ctx)
	if err != nil {
		return fmt.Errorf("batch: begin: %w", err)
	}
	if err := r.flush(ctx, batch); err != nil {
		return err
	}
	if r.count.records == 0 {
		return fmt.Errorf("batch: batch %06d: %w", batch, ErrEmpty)
	}
	r.At(Flushed)
	stan, err := r.Book.Number(ctx)
	if err != nil {
		return fmt.Errorf("batch: begin: %w", err)
	}
	return r.save(ctx, &Settlement{
		Batch: batch, STAN: stan, Began: r.Now(), Operator: operator, Phase: Begun,
		Domestic: r.count.domestic, Foreign: r.count.foreign, Everything: r.Terms().Everything,
	})
}

// flush has everything sent that is owed, in the order that the message set asks for, and
// counts the batch. What the journal says counts, and what the ports say is left, which may
// be of an earlier batch.
func (r *run) flush(ctx context.Context, batch uint32) error {
	left, failed := r.send(ctx)
	if err := r.tally(ctx, batch); err != nil {
		return err
	}
	r.count.owed = max(r.count.owed, left)
	switch {
	case failed != nil:
		return fmt.Errorf("batch: batch %06d: %d payments: %w: %w", batch, r.count.owed, ErrOwed, failed)
	case r.count.owed > 0:
		return fmt.Errorf("batch: batch %06d: %d payments: %w", batch, r.count.owed, ErrOwed)
	}
	return nil
}

// send stops at the first kind of debt of which something is left.
func (r *run) send(ctx context.Context) (left int, err error) {
	for _, send := range []func(context.Context) (int, error){
		r.Payments.NotifyScripts, r.Payments.SettleDebts, r.Payments.Forward,
	} {
		if left, err = send(ctx); err != nil || left > 0 {
			return left, err
		}
	}
	return 0, nil
}

func (r *run) tally(ctx context.Context, batch uint32) error {
	r.count = newCount(r.Domestic)
	err := r.Book.Records(ctx, batch, func(rec *payment.Record) error {
		r.count.add(rec)
		return nil
	})
	if err != nil {
		return fmt.Errorf("batch: totals of batch %06d: %w", batch, err)
	}
	return nil
}

// save stores next and makes it the settlement that the run goes on with. An error of the
// disk means unknown: what it holds is read back.
func (r *run) save(ctx context.Context, next *Settlement) error {
	ctx = context.WithoutCancel(ctx)
	err := r.Book.Save(ctx, next)
	if err != nil {
		stored, readErr := r.Book.Open(ctx)
		if readErr != nil || stored == nil || !stored.at(next) {
			return fmt.Errorf("batch: store the settlement of batch %06d: %w", next.Batch, err)
		}
	}
	r.cur = next
	return nil
}

// at tells that both are one settlement at one place.
func (s *Settlement) at(other *Settlement) bool {
	return s.Batch == other.Batch && s.STAN == other.STAN && s.Phase == other.Phase &&
		s.Next == other.Next && s.Uploaded == other.Uploaded &&
		s.DomesticVerdict == other.DomesticVerdict && s.ForeignVerdict == other.ForeignVerdict
}

// What the host's codes ask for, of the table of response codes.
var (
	signOnCodes = map[string]bool{"77": true, "88": true, "99": true, "A0": true}
	laterCodes  = map[string]bool{
		"09": true, "19": true, "28": true, "68": true, "90": true, "91": true, "92": true,
		"96": true, "98": true, "A7": true,
	}
	resendCodes = map[string]bool{"79": true, "95": true}
)

// errResend says that the host wants all details.
var errResend = errors.New("the host wants all payments")

// ask sends one message, a second time after a new sign-on where the host wants one. taken
// says that the host has it: 94 says that it had it before.
func (r *run) ask(ctx context.Context, what string, send func() (string, error)) (taken bool, err error) {
	code, err := r.signedOn(ctx, send)
	switch {
	case err != nil:
		return false, fmt.Errorf("batch: %s: %w", what, err)
	case payment.ApprovedCode(code) || code == "94":
		return true, nil
	case resendCodes[code]:
		return false, errResend
	case signOnCodes[code] || laterCodes[code]:
		return false, fmt.Errorf("batch: %s: host answered %s: %w", what, code, ErrHost)
	}
	r.Log.Warn("host refused", "what", what, "code", code)
	return false, nil
}

func (r *run) signedOn(ctx context.Context, send func() (string, error)) (string, error) {
	code, err := send()
	if err != nil || !signOnCodes[code] {
		return code, err
	}
	if r.SignOn != nil {
		if err := r.SignOn(ctx); err != nil {
			return "", fmt.Errorf("sign on after code %s: %w", code, err)
		}
	}
	return send()
}

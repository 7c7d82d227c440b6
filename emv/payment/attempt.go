package payment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/keyblock"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// attempt is one payment from the order to its end. It is the kernel's Issuer: the place
// where a cryptogram becomes a debt on disk and a message on the wire.
type attempt struct {
	t        *Terminal
	order    Order
	rules    Rules
	of       about // what it is about; zero for a kind that is about nothing
	time     time.Time
	offline  bool // card and terminal may approve it without the host
	hostless bool // the host is not to be asked: reversals are owed that it does not answer
	inserted bool // a card may be in the slot
	pinBlock []byte
	pinKey   keyblock.KCV // of the key that the block was made under
	rec      *Record      // nil until it is on disk
	then     State        // what conclude stores after the card's say; zero where it is stored already
	code     string       // what the till is told; empty until somebody decided
	balance  *int64
}

// Authorize implements kernel.Issuer: disk before wire. Whatever it returns, the
// record on disk tells the truth about the money.
func (a *attempt) Authorize(ctx context.Context, req kernel.OnlineRequest) (kernel.OnlineAnswer, error) {
	ctx = context.WithoutCancel(ctx) // a payment that began is ended by its own limits
	a.t.Display.Show(ctx, Connecting)
	if a.hostless {
		return kernel.OnlineAnswer{}, kernel.ErrUnableToGoOnline
	}
	id := kernel.Identity{PAN: req.PAN, Track2: req.Track2, Expiry: req.Expiry, PANSequence: req.PANSequence}
	card := chip(id, req.Facts)
	card.icc, card.pin = req.ICC, req.OnlinePIN
	answer, err := a.ask(ctx, card)
	if err != nil {
		return kernel.OnlineAnswer{}, err
	}
	return a.answered(ctx, answer)
}

// direct is a payment in which no chip has a say: by stripe, by a typed number, or about
// another payment.
func (a *attempt) direct(ctx context.Context, card shown) (Result, error) {
	if !a.of.sameCard(card.PAN) {
		return Result{}, refuse(CodeOtherCard, "this is not the card of payment %v", a.of.rec.ID)
	}
	if !a.rules.Forward && a.wantsPIN() {
		status, err := a.enterPIN(ctx, card.PAN, a.order.Amount)
		if err != nil {
			return Result{Outcome: emv.Cancelled, Why: "cancelled at the PIN pad"}, nil
		}
		card.pin = status == kernel.PINEntered
	}
	ctx = context.WithoutCancel(ctx) // a payment that began is ended by its own limits
	if a.rules.Forward {
		return a.keep(ctx, a.order.Kind, card, CodeStored, "accepted at the till")
	}
	if a.hostless {
		return Result{}, refuse(CodeOwed, "reversals are still owed to the host")
	}
	a.t.Display.Show(ctx, Connecting)
	answer, err := a.ask(ctx, card)
	if err == nil {
		_, err = a.answered(ctx, answer)
	}
	if errors.Is(err, kernel.ErrUnableToGoOnline) {
		err = nil // the record says what that means
	}
	if a.rec == nil {
		return Result{}, err
	}
	out := a.result()
	if err != nil {
		out.Outcome = emv.Declined // the disk did not take it
	}
	return out, err
}

// ask puts the request on disk and asks the host. After an error the record says what is
// known, and the error is the kernel's to understand.
func (a *attempt) ask(ctx context.Context, card shown) (Answer, error) {
	if err := a.begin(ctx, Requested, a.order.Kind, card); err != nil {
		return Answer{}, err
	}
	a.t.At(AfterJournal)
	answer, err := a.send(ctx, card)
	if err != nil {
		return Answer{}, a.unanswered(ctx, err)
	}
	a.t.At(AfterAnswer)
	return answer, nil
}

func (a *attempt) send(ctx context.Context, card shown) (Answer, error) {
	answer, err := a.t.Host.Authorize(ctx, AuthRequest{
		Record: a.rec, Track2: card.Track2, PINBlock: a.pinBlock, PINKey: a.pinKey,
	})
	clear(a.pinBlock)
	return answer, err
}

// begin puts a payment on disk: as Requested with it the reversal that it may need. An
// error of the journal means unknown: it is asked again before anything is sent.
func (a *attempt) begin(ctx context.Context, s State, k Kind, card shown) error {
	id, err := a.t.Journal.Next(ctx)
	if err != nil {
		return fmt.Errorf("payment: next voucher number: %w", err)
	}
	rec := a.record(id, k, s, card)
	a.t.At(BeforeJournal)
	if err := a.t.Journal.Begin(ctx, a.onDisk(rec)); err != nil {
		stored, getErr := a.t.Journal.Get(ctx, id)
		if getErr != nil || stored.State != s {
			return fmt.Errorf("payment: begin %v: nothing was sent: %w", id, err)
		}
	}
	a.rec = rec
	return nil
}

func (a *attempt) record(id ID, k Kind, s State, card shown) *Record {
	rec := &Record{
		ID: id, Kind: k, State: s, Amount: a.order.Amount,
		Time: a.time, Operator: a.order.Operator, Supervisor: a.order.Supervisor,
		Terminal: a.t.Terminal, Merchant: a.t.Merchant,
		PAN: card.PAN, Masked: card.PAN.Masked(), Expiry: card.expiry,
		PANSequence: card.PANSequence, EntryMode: card.how + "2", Fallback: card.fallback,
		Request: card.icc, OnlinePIN: card.pin, Facts: card.facts,
	}
	if card.pin {
		rec.EntryMode = card.how + "1"
	}
	if name := a.of.name; name != (Original{}) {
		rec.Original = &name
	}
	if a.rules.Adjusts {
		rec.Before = emv.Amount{Minor: a.of.amount, Currency: rec.Amount.Currency}
	}
	return rec
}

// onDisk is the record as it is stored: of a payment that nothing is owed for in any case,
// without the card number, and never with a balance.
func (a *attempt) onDisk(rec *Record) *Record {
	if a.rules.Unanswered != Forget {
		return rec
	}
	bare := *rec
	bare.PAN = emv.PAN{}
	if rec.Answer != nil {
		answer := *rec.Answer
		answer.Balance = nil
		bare.Answer = &answer
	}
	return &bare
}

// expiry turns tag 5F24 (YYMMDD) into field 14 (YYMM).
func expiry(b [3]byte) string { return fmt.Sprintf("%02X%02X", b[0], b[1]) }

// unanswered settles what a failed exchange means: nothing if no byte left, else what the
// kind's rules say. The kernel goes on as unable to go online; only a payment that did
// not leave the terminal may it still approve.
func (a *attempt) unanswered(ctx context.Context, cause error) error {
	a.t.Log.Warn("host did not answer", "payment", a.rec.ID, "error", cause)
	switch {
	case errors.Is(cause, ErrNotSent):
		a.code, a.rec.Why = CodeNotSent, "the request was not sent"
		if a.offline && len(a.rec.Request) > 0 {
			a.then = Declined
			return kernel.ErrUnableToGoOnline
		}
		cause = a.store(ctx, Declined)
	case errors.Is(cause, ErrBadMAC):
		cause = a.unknown(ctx, BadMAC, CodeBadMAC, "the host's answer could not be authenticated")
	default:
		cause = a.unknown(ctx, NoAnswer, CodeNoAnswer, "no answer from the host")
	}
	if cause != nil {
		return cause
	}
	return kernel.ErrNoOffline
}

// unknown stores what becomes of a payment of which the host may have heard, and which
// is not known to have happened.
func (a *attempt) unknown(ctx context.Context, reason Reason, code, why string) error {
	a.code = code
	if a.rules.Unanswered == Forget {
		a.rec.Why = why
		return a.store(ctx, Declined)
	}
	err := a.t.unknown(ctx, a.rec, reason, why)
	if err == nil && a.rec.State == Stored {
		a.code = CodeStored
	}
	return err
}

// answered stores the host's decision before the card hears of it. Where nothing can come
// of it but its own end, or where scripts for the card come with a refusal, one commit
// after the card had its say is enough.
func (a *attempt) answered(ctx context.Context, answer Answer) (kernel.OnlineAnswer, error) {
	a.rec.Answer, a.code = &answer, answer.Code
	if !fits(answer, a.rec) {
		if err := a.unknown(ctx, CardFailed, CodeMismatch, "the host's answer does not fit the request"); err != nil {
			return kernel.OnlineAnswer{}, err
		}
		return kernel.OnlineAnswer{}, kernel.ErrNoOffline
	}
	out := kernel.OnlineAnswer{ARC: responseCode(answer.Code), ICC: answer.ICC}
	approved, isChip := ApprovedCode(answer.Code), len(a.rec.Request) > 0
	a.rec.Why = "the host declined"
	if approved {
		a.rec.Why, a.balance = "the host approved", answer.Balance
	}
	switch {
	case !approved && hasScripts(answer.ICC):
		a.then = Declined
		return out, nil
	case !approved:
		return out, a.decided(ctx, Declined)
	case isChip && a.rules.Unanswered == Forget:
		a.then = Completed
		return out, nil
	case isChip:
		return out, a.decided(ctx, Answered)
	}
	return out, a.complete(ctx, nil)
}

func (a *attempt) decided(ctx context.Context, s State) error {
	if err := a.store(ctx, s); err != nil {
		return err
	}
	a.t.At(AfterAnswerSaved)
	return nil
}

// fits tells whether the answer is one to this request: a code of two characters, and
// the whole amount or none.
func fits(answer Answer, rec *Record) bool {
	return len(answer.Code) == 2 && !partial[answer.Code] &&
		(answer.Amount == 0 || answer.Amount == rec.Amount.Minor)
}

// hasScripts tells whether the answer has a script for the card.
func hasScripts(icc []byte) bool {
	for obj, err := range tlv.All(icc) {
		if err != nil || obj.Tag == tag.IssuerScriptTemplate1 || obj.Tag == tag.IssuerScriptTemplate2 {
			return true
		}
	}
	return false
}

// responseCode gives tag 8A for a host's code. The kernel knows the ISO approvals; the
// other approvals of the message set reach the card as 00.
func responseCode(code string) [2]byte {
	if ApprovedCode(code) {
		return [2]byte{'0', '0'}
	}
	return [2]byte{code[0], code[1]}
}

// complete stores that the payment happened. Where the disk does not take that, the
// host's money goes back, or the notice is sent again.
func (a *attempt) complete(ctx context.Context, final []byte) error {
	if len(final) > 0 {
		a.rec.Final = final
	}
	before := a.rec.State
	a.rec.Completed = a.t.Now()
	saved := a.store(ctx, Completed)
	if saved == nil {
		return nil
	}
	a.rec.State, a.rec.Completed = before, time.Time{}
	err := a.unknown(ctx, CardFailed, CodeCardSaidNo, "the completed payment could not be stored")
	if err == nil && a.rec.State == Stored {
		return nil
	}
	return errors.Join(saved, err)
}

// store moves the record and writes it. After an error it reads back, for an error of the
// journal means unknown; it returns nil if the disk has the state after all.
func (a *attempt) store(ctx context.Context, s State) error {
	a.rec.State = s
	return a.t.save(ctx, a.onDisk(a.rec))
}

// result says how the record stands.
func (a *attempt) result() Result {
	out := Result{Outcome: emv.Declined, Record: a.rec, Code: a.code, Why: strings.TrimSpace(a.rec.Why)}
	if a.rec.State == Completed || a.rec.State == Stored {
		out.Outcome, out.Balance = emv.Approved, a.balance
	}
	return out
}

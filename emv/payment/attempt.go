package payment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/keyblock"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// attempt is one payment while its card is in the slot. It is the kernel's Issuer: the
// place where a cryptogram becomes a debt on disk and a message on the wire.
type attempt struct {
	t        *Terminal
	order    Order
	time     time.Time
	pinBlock []byte
	pinKey   keyblock.KCV // of the key that the block was made under
	rec      *Record      // nil until it is on disk
	code     string       // what the till is told; empty until somebody decided
}

// Authorize implements kernel.Issuer: disk before wire. Whatever it returns, the
// record on disk tells the truth about the money.
func (a *attempt) Authorize(ctx context.Context, req kernel.OnlineRequest) (kernel.OnlineAnswer, error) {
	ctx = context.WithoutCancel(ctx) // a payment that began is ended by its own limits
	a.t.Display.Show(ctx, Connecting)
	if err := a.begin(ctx, req); err != nil {
		return kernel.OnlineAnswer{}, err
	}
	a.t.At(AfterJournal)
	answer, err := a.t.Host.Authorize(ctx, AuthRequest{Record: a.rec, Track2: req.Track2, PINBlock: a.pinBlock, PINKey: a.pinKey})
	clear(a.pinBlock)
	if err != nil {
		return kernel.OnlineAnswer{}, a.unanswered(ctx, err)
	}
	a.t.At(AfterAnswer)
	return a.answered(ctx, answer)
}

// begin puts the request, and with it the reversal that it may need, on disk. An error
// of the journal means unknown: it is asked again before anything is sent.
func (a *attempt) begin(ctx context.Context, req kernel.OnlineRequest) error {
	id, err := a.t.Journal.Next(ctx)
	if err != nil {
		return fmt.Errorf("payment: next voucher number: %w", err)
	}
	rec := a.record(id, req)
	a.t.At(BeforeJournal)
	if err := a.t.Journal.Begin(ctx, rec); err != nil {
		stored, getErr := a.t.Journal.Get(ctx, id)
		if getErr != nil || stored.State != Requested {
			return fmt.Errorf("payment: begin %v: nothing was sent: %w", id, err)
		}
	}
	a.rec = rec
	return nil
}

func (a *attempt) record(id ID, req kernel.OnlineRequest) *Record {
	entry := "052"
	if req.OnlinePIN {
		entry = "051"
	}
	return &Record{
		ID: id, Kind: a.order.Kind, State: Requested, Amount: a.order.Amount,
		Time: a.time, Operator: a.order.Operator,
		Terminal: a.t.Terminal, Merchant: a.t.Merchant,
		PAN: req.PAN, Masked: req.PAN.Masked(), Expiry: expiry(req.Expiry),
		PANSequence: req.PANSequence, EntryMode: entry,
		Request: req.ICC, OnlinePIN: req.OnlinePIN, Facts: req.Facts,
	}
}

// expiry turns tag 5F24 (YYMMDD) into field 14 (YYMM).
func expiry(b [3]byte) string { return fmt.Sprintf("%02X%02X", b[0], b[1]) }

// unanswered settles what a failed exchange means: nothing if no byte left, else a
// reversal owed. The kernel goes on as unable to go online.
func (a *attempt) unanswered(ctx context.Context, cause error) error {
	a.t.Log.Warn("host did not answer", "payment", a.rec.ID, "error", cause)
	switch {
	case errors.Is(cause, ErrNotSent):
		a.code = CodeNotSent
		a.rec.State, a.rec.Why = Declined, "the request was not sent"
		if err := a.save(ctx); err != nil {
			return err
		}
	case errors.Is(cause, ErrBadMAC):
		if err := a.owe(ctx, BadMAC, CodeBadMAC, "the host's answer could not be authenticated"); err != nil {
			return err
		}
	default:
		if err := a.owe(ctx, NoAnswer, CodeNoAnswer, "no answer from the host"); err != nil {
			return err
		}
	}
	return kernel.ErrUnableToGoOnline
}

// answered stores the host's decision before the card hears of it.
func (a *attempt) answered(ctx context.Context, answer Answer) (kernel.OnlineAnswer, error) {
	a.rec.Answer, a.code = &answer, answer.Code
	switch {
	case !a.fits(answer):
		err := a.owe(ctx, CardFailed, CodeMismatch, "the host's answer does not fit the request")
		return kernel.OnlineAnswer{}, errors.Join(err, kernel.ErrUnableToGoOnline)
	case !ApprovedCode(answer.Code):
		a.rec.State, a.rec.Why = Declined, "the host declined"
	default:
		a.rec.State, a.rec.Why = Answered, "the host approved"
	}
	if err := a.save(ctx); err != nil {
		return kernel.OnlineAnswer{}, err
	}
	a.t.At(AfterAnswerSaved)
	return kernel.OnlineAnswer{ARC: responseCode(answer.Code), ICC: answer.ICC}, nil
}

// fits tells whether the answer is one to this request: a code of two characters, and
// the whole amount or none.
func (a *attempt) fits(answer Answer) bool {
	return len(answer.Code) == 2 && !partial[answer.Code] &&
		(answer.Amount == 0 || answer.Amount == a.order.Amount.Minor)
}

// responseCode gives tag 8A for a host's code. The kernel knows the ISO approvals; the
// other approvals of the message set reach the card as 00.
func responseCode(code string) [2]byte {
	if ApprovedCode(code) {
		return [2]byte{'0', '0'}
	}
	return [2]byte{code[0], code[1]}
}

// save writes the record. After an error it reads back, for an error of the journal
// means unknown; it returns nil if the disk has the state after all.
func (a *attempt) save(ctx context.Context) error { return a.t.save(ctx, a.rec) }

func (t *Terminal) save(ctx context.Context, rec *Record) error {
	err := t.Journal.Update(ctx, rec)
	if err == nil {
		return nil
	}
	if stored, getErr := t.Journal.Get(ctx, rec.ID); getErr == nil && stored.State == rec.State {
		return nil
	}
	return fmt.Errorf("payment: store %v as %v: %w", rec.ID, rec.State, err)
}

// owe turns the payment into a debt. If even that cannot be written, the record stands
// on disk as requested or answered, which means the same after a restart.
func (a *attempt) owe(ctx context.Context, reason Reason, code, why string) error {
	a.code = code
	return a.t.owe(ctx, a.rec, reason, why)
}

func (t *Terminal) owe(ctx context.Context, rec *Record, reason Reason, why string) error {
	rec.State, rec.Why = ReversalOwed, why
	rec.Reversal = &Debt{Reason: reason, ICC: reversalICC(rec), Since: t.Now()}
	if err := t.save(ctx, rec); err != nil {
		return err
	}
	t.At(AfterOwed)
	return nil
}

// reversalTags is field 55 of a reversal in the cup dialect; DF31 (script results) is
// not in the request and joins where there were scripts.
var reversalTags = []tlv.Tag{tag.TVR, tag.IFDSerialNumber, tag.IssuerApplicationData, tag.ATC}

// reversalICC takes the reversal's field 55 out of the request's, so that it can be
// made after a power cut as well; what the card said later replaces it.
func reversalICC(rec *Record) []byte {
	var out []byte
	for _, want := range reversalTags {
		value, ok := tlv.Find(rec.Request, want)
		if want == tag.TVR && rec.Facts.TVR != 0 {
			tvr := rec.Facts.TVR.Bytes()
			value, ok = tvr[:], true
		}
		if ok {
			out = tlv.Append(out, want, value)
		}
	}
	return out
}

// conclude settles the payment after the card had its say: completed, or owed a
// reversal. "Approved" is told only once the disk says completed.
func (a *attempt) conclude(ctx context.Context, res kernel.Result, cause error) (Result, error) {
	if a.rec == nil {
		return a.withoutHost(res, cause), cause
	}
	if res.Facts.AID != nil {
		a.rec.Facts = res.Facts
	}
	if a.rec.State == Answered {
		if err := a.settle(ctx, res, cause); err != nil {
			return a.result(emv.Declined, "the payment could not be stored"), err
		}
	}
	outcome := emv.Declined
	if a.rec.State == Completed {
		outcome = emv.Approved
	}
	why := a.rec.Why
	if cause != nil && a.rec.State != Completed {
		why += fmt.Sprintf(" (card session: %v)", cause)
	}
	return a.result(outcome, why), cause
}

func (a *attempt) settle(ctx context.Context, res kernel.Result, cause error) error {
	if cause == nil && res.Outcome == emv.Approved {
		a.t.At(AfterSecondGAC)
		a.rec.State, a.rec.Completed = Completed, a.t.Now()
		if len(res.ICC) > 0 {
			a.rec.Final = res.ICC
		}
		saved := a.save(ctx)
		if saved == nil {
			return nil
		}
		// The disk did not take the completion: the host's money goes back.
		return errors.Join(saved, a.owe(ctx, CardFailed, CodeCardSaidNo, "the completed payment could not be stored"))
	}
	why := "the card did not complete"
	if res.Why != "" {
		why += ": " + res.Why
	}
	return a.owe(ctx, CardFailed, CodeCardSaidNo, why)
}

// withoutHost is the end of a session in which the host was never asked. A card that went
// away before that cancelled the sale: no money moved. A card that approves off line is
// not taken at its word: there is no store-and-forward yet, so no goods leave on it.
func (a *attempt) withoutHost(res kernel.Result, cause error) Result {
	out := Result{Outcome: res.Outcome, Code: CodeOfflineDeclined, Why: res.Why}
	switch {
	case cause != nil:
		out.Outcome, out.Code, out.Why = emv.Cancelled, "", fmt.Sprintf("the card session ended early: %v", cause)
	case res.Outcome == emv.Approved:
		out.Outcome, out.Why = emv.Declined, "the card approved off line, which this terminal does not take"
	case res.Outcome == emv.Cancelled:
		out.Code = ""
	}
	return out
}

func (a *attempt) result(outcome emv.Outcome, why string) Result {
	return Result{Outcome: outcome, Record: a.rec, Code: a.code, Why: strings.TrimSpace(why)}
}

// watchedCard sees the second GENERATE AC pass, which is a point where the power may go.
type watchedCard struct {
	Card
	a *attempt
}

// Transmit passes the command on.
func (c *watchedCard) Transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	if cmd.INS == apdu.InsGenerateAC && c.a.rec != nil && c.a.rec.State == Answered {
		c.a.t.At(BeforeSecondGAC)
	}
	return c.Card.Transmit(ctx, cmd)
}

// holder is the kernel's Cardholder: PIN pad and display.
type holder struct {
	t *Terminal
	a *attempt
}

// Select asks the cardholder to choose.
func (h holder) Select(ctx context.Context, candidates []kernel.Candidate) (int, error) {
	return h.t.Chooser.Choose(ctx, candidates)
}

// EnterPIN has an online PIN entered and keeps its block for the request. An offline
// PIN is not this terminal's: its capabilities (9F33) do not offer one.
func (h holder) EnterPIN(ctx context.Context, req kernel.PINRequest) (kernel.PINResult, error) {
	if !req.Online {
		return kernel.PINResult{Status: kernel.PINPadFailed}, nil
	}
	key, err := h.t.Keys.PINKey()
	if err != nil {
		h.t.Log.Error("no PIN key", "error", err)
		return kernel.PINResult{Status: kernel.PINPadFailed}, nil
	}
	h.t.Display.Show(ctx, EnterPIN, req.Amount.String())
	block, err := h.t.PINPad.EnterPIN(ctx, PINEntry{PAN: req.PAN, Amount: req.Amount, Key: key})
	switch {
	case err == nil:
		h.a.pinBlock, h.a.pinKey = block, key.KCV
		h.t.Display.Show(ctx, Processing)
		return kernel.PINResult{Status: kernel.PINEntered}, nil
	case errors.Is(err, ErrPINBypassed):
		return kernel.PINResult{Status: kernel.PINBypassed}, nil
	case errors.Is(err, kernel.ErrCancelled), ctx.Err() != nil:
		return kernel.PINResult{}, errors.Join(kernel.ErrCancelled, err)
	}
	h.t.Log.Error("PIN pad failed", "error", err)
	return kernel.PINResult{Status: kernel.PINPadFailed}, nil
}

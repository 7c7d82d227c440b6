package payment

import (
	"context"
	"errors"
	"fmt"

	"posd/emv"
	"posd/emv/kernel"
)

// conclude settles the payment after the card had its say. "Approved" is told only once
// the disk says completed, or stored.
func (a *attempt) conclude(ctx context.Context, res kernel.Result, cause error) (Result, error) {
	if a.rec == nil {
		return a.alone(ctx, res, cause)
	}
	if res.Facts.AID != nil {
		a.rec.Facts = res.Facts
	}
	noteScripts(a.rec, res.ScriptResults, a.t.Now)
	if err := a.end(ctx, res, cause); err != nil {
		return Result{Outcome: emv.Declined, Record: a.rec, Code: a.code, Why: "the payment could not be stored"}, err
	}
	out := a.result()
	if cause != nil && out.Outcome != emv.Approved {
		out.Why += fmt.Sprintf(" (card session: %v)", cause)
	}
	return out, cause
}

// end stores how the payment ended, if that is not on disk yet.
func (a *attempt) end(ctx context.Context, res kernel.Result, cause error) error {
	agreed := cause == nil && res.Outcome == emv.Approved
	switch {
	case a.rec.State == Answered && agreed:
		a.t.At(AfterSecondGAC)
		return a.complete(ctx, res.ICC)
	case a.rec.State == Answered:
		why := "the card did not complete"
		if res.Why != "" {
			why += ": " + res.Why
		}
		return a.unknown(ctx, CardFailed, CodeCardSaidNo, why)
	case a.then == Completed:
		return a.complete(ctx, res.ICC)
	case a.then == Declined && agreed && res.Offline != nil:
		return a.becomeOffline(ctx, res)
	case a.then == Declined:
		return a.store(ctx, Declined)
	case a.rec.Script != nil:
		return a.store(ctx, a.rec.State)
	}
	return nil
}

// becomeOffline stores a payment that did not leave the terminal and that the card
// approved: it goes up later, as another kind, under the number that it has. The disk
// says requested until then, which is harmless after a power cut.
func (a *attempt) becomeOffline(ctx context.Context, res kernel.Result) error {
	a.t.At(AfterSecondGAC)
	a.rec.Kind, a.code = a.rules.Offline, CodeOfflineApproved
	a.rec.Request, a.rec.Final, a.rec.Why = res.Offline.ICC, res.ICC, res.Why
	a.rec.OnlinePIN, a.rec.EntryMode = false, entryChip+"2"
	if err := a.store(ctx, Stored); err != nil {
		a.code = CodeNotSent
		a.rec.Kind, a.rec.Why = a.order.Kind, "the approved payment could not be stored"
		return errors.Join(err, a.store(ctx, Declined))
	}
	a.t.At(AfterStored)
	return nil
}

// alone is the end of a session in which the host was never asked. A card that went away
// cancelled the sale: no money moved. One that approved within the terminal's limits paid.
func (a *attempt) alone(ctx context.Context, res kernel.Result, cause error) (Result, error) {
	if cause == nil && res.Outcome == emv.Approved && res.Offline != nil && a.offline {
		card := chip(res.Offline.Identity, res.Facts)
		card.icc = res.Offline.ICC
		return a.keep(ctx, a.rules.Offline, card, CodeOfflineApproved, res.Why)
	}
	return a.withoutHost(res, cause), cause
}

// keep stores a payment that the host hears of later. Only when the disk has it, it
// happened.
func (a *attempt) keep(ctx context.Context, k Kind, card shown, code, why string) (Result, error) {
	if err := a.begin(ctx, Stored, k, card); err != nil {
		return Result{Outcome: emv.Declined, Why: "the payment could not be stored"}, err
	}
	a.t.At(AfterStored)
	a.code, a.rec.Why = code, why
	return a.result(), nil
}

// withoutHost is how a session ended in which neither host nor journal had a part.
func (a *attempt) withoutHost(res kernel.Result, cause error) Result {
	out := Result{Outcome: res.Outcome, Code: CodeOfflineDeclined, Why: res.Why}
	switch {
	case cause != nil:
		out.Outcome, out.Code, out.Why = emv.Cancelled, "", fmt.Sprintf("the card session ended early: %v", cause)
	case res.Outcome == emv.Approved:
		out.Outcome, out.Why = emv.Declined, "the card approved off line, which this terminal does not take"
	case res.Outcome == emv.Cancelled:
		out.Code = ""
	case a.hostless:
		out.Code = CodeOwed
	}
	return out
}

// offlineLimit tells why a payment may not be taken without the host; nil where it may, or
// where its kind has nothing to do with that.
func (t *Terminal) offlineLimit(ctx context.Context, o Order, rules Rules) (limit, err error) {
	p := t.Policy.Offline
	switch {
	case rules.Offline == 0 && !rules.Forward:
		return nil, nil
	case rules.Offline != 0 && (!p.Allowed || o.Amount.Minor > p.Most):
		return refuse(CodeOfflineLimit, "this terminal does not take %v without the host", o.Amount), nil
	case p.MaxCount == 0 && p.MaxTotal == 0:
		return nil, nil
	}
	waiting, err := t.Journal.Waiting(ctx)
	if err != nil {
		return nil, fmt.Errorf("payment: what waits for the host: %w", err)
	}
	total := o.Amount.Minor
	for _, rec := range waiting {
		if rec.Kind.Rules().Side == Debit {
			total += rec.Amount.Minor - rec.Before.Minor
		}
	}
	switch {
	case p.MaxCount > 0 && len(waiting) >= p.MaxCount:
		return refuse(CodeOfflineLimit, "%d payments wait for the host already", len(waiting)), nil
	case rules.Offline != 0 && p.MaxTotal > 0 && total > p.MaxTotal:
		return refuse(CodeOfflineLimit, "payments of %d minor units would wait for the host, %d may", total, p.MaxTotal), nil
	}
	return nil, nil
}

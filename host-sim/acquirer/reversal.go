package acquirer

import (
	"context"
	"errors"
	"fmt"

	"posd/host-sim/db"
	"posd/host-sim/ledger"
	"posd/transport/iso8583"
)

// reversal answers 0400. Any batch will do: a reversal may be owed for longer than a
// batch lasts.
func (d *Desk) reversal(ctx context.Context, v *visit, m *iso8583.ReversalRequest) ([]byte, error) {
	r, err := d.admit(ctx, v, sender{tid: m.Terminal, mid: m.Merchant, device: m.Device, pan: m.PAN})
	var out []byte
	switch {
	case err != nil:
		d.cfg.Log.Error("admission failed", "tid", m.Terminal, "stan", m.STAN, "err", err)
		r = refusal{codeMalfunction, "host failed"}
	case r.refused():
	case rules[m.Type].undo == nil:
		r = refusal{codeUnsupported, fmt.Sprintf("reversal of %v is not served", m.Type)}
	case m.PAN.IsZero():
		r = refusal{codeCard, "no card number"}
	default:
		out, r, err = d.post(ctx, func(tx db.Tx) ([]byte, refusal, error) { return d.postReversal(ctx, tx, v, m) })
		if err != nil {
			return nil, err
		}
	}
	if !r.refused() {
		return out, nil
	}
	d.cfg.Log.Warn("reversal refused", "tid", m.Terminal, "stan", m.STAN, "code", r.code, "why", r.why)
	resp := d.reversalResponse(v, m)
	resp.Code = r.code
	return d.seal(v, resp)
}

// postReversal does everything about a reversal that goes to disk, in one transaction.
// A reversal that is refused posts nothing: a right one may still come.
func (d *Desk) postReversal(ctx context.Context, tx db.Tx, v *visit, m *iso8583.ReversalRequest) ([]byte, refusal, error) {
	k := d.rekey(key{m.Merchant, m.Terminal, m.Private.Batch, m.STAN, classReversal})
	hash := d.cfg.Module.PANHash(m.PAN)
	p := payment{
		key: k, Fingerprint: fingerprint(hash, m.Amount, m.Type, m.Currency), PANHash: hash, Masked: m.PAN.Masked(),
		Kind: "reversal", Amount: m.Amount, Total: m.Amount, Currency: m.Currency, State: accepted, Code: codeApproved, Reason: m.Code,
		KeySet: v.terminal.KeySet, At: v.now, PSN: m.PANSequence, EntryMode: m.EntryMode, ATC: -1,
	}
	old, err := find(ctx, tx, k)
	if err == nil {
		return d.again(ctx, tx, v, old, p.Fingerprint)
	}
	if !errors.Is(err, errNoPayment) {
		return nil, refusal{}, err
	}
	if r, err := d.undo(ctx, tx, &undoing{v: v, m: m, p: &p}); err != nil || r.refused() {
		return nil, r, err
	}
	resp := d.reversalResponse(v, m)
	resp.Code, resp.RRN = codeApproved, p.RRN
	out, err := d.store(ctx, tx, v, p, resp)
	return out, refusal{}, err
}

// undoing is one reversal on its way to disk.
type undoing struct {
	v   *visit
	m   *iso8583.ReversalRequest
	p   *payment // the reversal's own row
	old payment  // what it takes back
}

// undo takes back what the original moved, and completes the reversal.
func (d *Desk) undo(ctx context.Context, tx db.Tx, u *undoing) (r refusal, err error) {
	original, p := u.p.key, u.p
	original.Class = classFinancial
	u.old, err = find(ctx, tx, original)
	switch {
	case errors.Is(err, errNoPayment):
		return refusal{}, d.bury(ctx, tx, u, original)
	case err != nil:
		return refusal{}, err
	case string(u.old.PANHash) != string(p.PANHash) || u.old.Currency != p.Currency:
		return refusal{codeNoOriginal, "the original was of another card or currency"}, nil
	case u.old.Kind != u.m.Type.String():
		return refusal{codeInvalid, "the original was a " + u.old.Kind}, nil
	case u.old.Amount != p.Amount:
		return refusal{codeOtherAmount, "the original was of another amount"}, nil
	}
	p.Network, p.Rule = u.old.Network, u.old.Rule
	p.RRN, p.AuthCode, p.Why = u.old.RRN, u.old.AuthCode, "the original was "+string(u.old.State)
	switch u.old.State {
	case Approved, Completed:
		r, err = rules[u.m.Type].undo(d, ctx, tx, u)
	case Voided:
		r, err = d.undoVoided(ctx, tx, u)
	}
	if err != nil || r.refused() {
		return r, err
	}
	if u.old.Settled && u.old.State != Declined {
		err = d.noteDifference(ctx, tx, Difference{
			TID: p.TID, Batch: p.Batch, STAN: p.STAN, Kind: DiffReversedLate, Host: describe(u.old), At: u.v.now,
		})
	}
	if err == nil && (u.old.State == Approved || u.old.State == Voided) {
		err = move(ctx, tx, original, u.old.State, Reversed)
	}
	return refusal{}, err
}

// giveBack writes the contra posting of what the original moved, where it moved anything.
func (d *Desk) giveBack(ctx context.Context, tx db.Tx, u *undoing) (err error) {
	if u.old.Posting == 0 {
		return nil
	}
	what := fmt.Sprintf("reversal %s %06d/%06d reason %s", u.p.TID, u.p.Batch, u.p.STAN, u.p.Reason)
	u.p.Posting, err = ledger.Contra(ctx, tx, u.old.Posting, what, u.v.now)
	return errors.Join(err, d.withdraw(ctx, tx, u.old, u.v.now))
}

// builtOn refuses the reversal of a payment that others rest on. No terminal that completed
// a payment reverses it; a person has to look.
func (d *Desk) builtOn(ctx context.Context, tx db.Tx, u *undoing, why string) (refusal, error) {
	d.cfg.Log.Error("reversal of a payment that others rest on", "tid", u.p.TID, "stan", u.p.STAN, "why", why)
	return refusal{codeInvalid, why}, d.noteDifference(ctx, tx, Difference{
		TID: u.p.TID, Batch: u.p.Batch, STAN: u.p.STAN, Kind: DiffReversalRefused,
		Terminal: "reversal, reason " + u.p.Reason, Host: describe(u.old) + ": " + why, At: u.v.now,
	})
}

func (d *Desk) undoCharge(ctx context.Context, tx db.Tx, u *undoing) (refusal, error) {
	switch {
	case u.old.Refunded != 0:
		return d.builtOn(ctx, tx, u, "part of the original was refunded")
	case u.old.Total != u.old.Amount:
		return d.builtOn(ctx, tx, u, "the original was adjusted")
	}
	return refusal{}, d.giveBack(ctx, tx, u)
}

// undoVoid: the sale stands again. A sale that was itself reversed meanwhile does not.
func (d *Desk) undoVoid(ctx context.Context, tx db.Tx, u *undoing) (refusal, error) {
	sale, err := byReference(ctx, tx, u.old.Original)
	if err != nil || sale.State != Voided {
		return refusal{}, err
	}
	if err := move(ctx, tx, sale.key, Voided, Approved); err != nil {
		return refusal{}, err
	}
	return refusal{}, d.giveBack(ctx, tx, u)
}

// undoVoided: the original was voided, so that its money is back already. Neither of the
// two counts any more, and both have their contra posting.
func (d *Desk) undoVoided(ctx context.Context, tx db.Tx, u *undoing) (refusal, error) {
	if u.old.Total != u.old.Amount {
		return d.builtOn(ctx, tx, u, "the original was adjusted, and voided")
	}
	void, err := voidOf(ctx, tx, u.old.RRN)
	if err != nil {
		return refusal{}, err
	}
	if err := move(ctx, tx, void.key, Approved, Reversed); err != nil {
		return refusal{}, err
	}
	if void.Posting != 0 {
		what := fmt.Sprintf("reversal of what %s voided", describe(void))
		if _, err := ledger.Contra(ctx, tx, void.Posting, what, u.v.now); err != nil {
			return refusal{}, err
		}
	}
	return refusal{}, d.giveBack(ctx, tx, u)
}

func (d *Desk) undoHold(ctx context.Context, tx db.Tx, u *undoing) (refusal, error) {
	if u.old.State == Completed {
		return d.builtOn(ctx, tx, u, "the original was completed")
	}
	h, err := ledger.FindHold(ctx, tx, u.old.Hold)
	if err != nil || h.State != ledger.HoldOpen {
		return refusal{}, err
	}
	return refusal{}, ledger.MoveHold(ctx, tx, u.old.Hold, ledger.HoldOpen, ledger.Released)
}

// undoRelease: the pre-authorisation holds again.
func (d *Desk) undoRelease(ctx context.Context, tx db.Tx, u *undoing) (refusal, error) {
	preauth, err := byReference(ctx, tx, u.old.Original)
	if err != nil || preauth.State != Voided {
		return refusal{}, err
	}
	if err := move(ctx, tx, preauth.key, Voided, Approved); err != nil {
		return refusal{}, err
	}
	return refusal{}, ledger.MoveHold(ctx, tx, preauth.Hold, ledger.Released, ledger.HoldOpen)
}

// undoCompletion: the pre-authorisation holds again.
func (d *Desk) undoCompletion(ctx context.Context, tx db.Tx, u *undoing) (refusal, error) {
	if u.old.Refunded != 0 {
		return d.builtOn(ctx, tx, u, "part of the original was refunded")
	}
	if err := d.holdAgain(ctx, tx, u.old); err != nil {
		return refusal{}, err
	}
	return refusal{}, d.giveBack(ctx, tx, u)
}

// undoCompletionVoid: the completion stands again, and the hold is used up by it, where it
// is not gone for another reason.
func (d *Desk) undoCompletionVoid(ctx context.Context, tx db.Tx, u *undoing) (refusal, error) {
	completion, err := byReference(ctx, tx, u.old.Original)
	if err != nil || completion.State != Voided {
		return refusal{}, err
	}
	if err := move(ctx, tx, completion.key, Voided, Approved); err != nil {
		return refusal{}, err
	}
	preauth, err := byReference(ctx, tx, completion.Original)
	if err != nil {
		return refusal{}, err
	}
	h, err := ledger.FindHold(ctx, tx, preauth.Hold)
	if err == nil && h.State == ledger.HoldOpen {
		err = errors.Join(ledger.MoveHold(ctx, tx, h.ID, ledger.HoldOpen, ledger.Used), move(ctx, tx, preauth.key, Approved, Completed))
	}
	if err != nil {
		return refusal{}, err
	}
	return refusal{}, d.giveBack(ctx, tx, u)
}

// bury leaves a tombstone in the place of an original that has not come.
func (d *Desk) bury(ctx context.Context, tx db.Tx, u *undoing, original key) (err error) {
	if u.p.RRN, err = nextRRN(ctx, tx, d.cfg.Node, u.v.now); err != nil {
		return err
	}
	u.p.Why = "the original has not come"
	t := *u.p
	t.key, t.Kind, t.State, t.Code, t.Reason = original, u.m.Type.String(), Tombstone, "", ""
	t.Why = "reversed before it came"
	return insertPayment(ctx, tx, t)
}

func (d *Desk) reversalResponse(v *visit, m *iso8583.ReversalRequest) *iso8583.ReversalResponse {
	return &iso8583.ReversalResponse{
		Type: m.Type, PAN: m.PAN, Amount: m.Amount, STAN: m.STAN,
		Time: v.now.Format("150405"), Date: v.now.Format("0102"), SettleDate: v.now.Format("0102"), AcquirerID: d.cfg.AcquirerID,
		Terminal: m.Terminal, Merchant: m.Merchant, Currency: m.Currency, Private: m.Private,
	}
}

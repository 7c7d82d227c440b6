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
	r, err := d.admit(ctx, v, m.Terminal, m.Merchant, 0)
	var out []byte
	switch {
	case err != nil:
		d.cfg.Log.Error("admission failed", "tid", m.Terminal, "stan", m.STAN, "err", err)
		r = refusal{codeMalfunction, "host failed"}
	case r.refused():
	case m.Type != iso8583.Sale:
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
// A reversal that is refused leaves nothing behind: a right one may still come.
func (d *Desk) postReversal(ctx context.Context, tx db.Tx, v *visit, m *iso8583.ReversalRequest) ([]byte, refusal, error) {
	k := d.rekey(key{m.Merchant, m.Terminal, m.Private.Batch, m.STAN, classReversal})
	hash := d.cfg.Module.PANHash(m.PAN)
	p := payment{
		key: k, Fingerprint: fingerprint(hash, m.Amount, m.Type, m.Currency), PANHash: hash, Masked: m.PAN.Masked(),
		Kind: "reversal", Amount: m.Amount, Currency: m.Currency, State: accepted, Code: codeApproved, Reason: m.Code,
		KeySet: v.terminal.KeySet, At: v.now,
	}
	old, err := find(ctx, tx, k)
	if err == nil {
		return d.again(v, old, p.Fingerprint)
	}
	if !errors.Is(err, errNoPayment) {
		return nil, refusal{}, err
	}
	if r, err := d.undo(ctx, tx, v, m, &p); err != nil || r.refused() {
		return nil, r, err
	}
	resp := d.reversalResponse(v, m)
	resp.Code, resp.RRN = codeApproved, p.RRN
	out, err := d.store(ctx, tx, v, p, resp)
	return out, refusal{}, err
}

// undo takes back what the original moved, and completes p.
func (d *Desk) undo(ctx context.Context, tx db.Tx, v *visit, m *iso8583.ReversalRequest, p *payment) (refusal, error) {
	original := p.key
	original.Class = classFinancial
	old, err := find(ctx, tx, original)
	switch {
	case errors.Is(err, errNoPayment):
		return refusal{}, d.bury(ctx, tx, v, m, original, p)
	case err != nil:
		return refusal{}, err
	case string(old.PANHash) != string(p.PANHash) || old.Currency != p.Currency:
		return refusal{codeNoOriginal, "the original was of another card or currency"}, nil
	case old.Amount != p.Amount:
		return refusal{codeOtherAmount, "the original was of another amount"}, nil
	}
	p.RRN, p.AuthCode, p.Why = old.RRN, old.AuthCode, "the original was "+string(old.State)
	if old.State != Approved {
		return refusal{}, nil
	}
	what := fmt.Sprintf("reversal %s %06d/%06d reason %s", p.TID, p.Batch, p.STAN, p.Reason)
	if p.Posting, err = ledger.Contra(ctx, tx, old.Posting, what, v.now); err != nil {
		return refusal{}, err
	}
	return refusal{}, markReversed(ctx, tx, original)
}

// bury leaves a tombstone in the place of an original that has not come.
func (d *Desk) bury(ctx context.Context, tx db.Tx, v *visit, m *iso8583.ReversalRequest, original key, p *payment) (err error) {
	if p.RRN, err = nextRRN(ctx, tx, d.cfg.Node, v.now); err != nil {
		return err
	}
	p.Why = "the original has not come"
	t := *p
	t.key, t.Kind, t.State, t.Code, t.Reason = original, m.Type.String(), Tombstone, "", ""
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

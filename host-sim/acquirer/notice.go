package acquirer

import (
	"context"
	"errors"

	"posd/emv/tag"
	"posd/emv/tlv"
	"posd/host-sim/db"
	"posd/host-sim/issuer"
	"posd/transport/iso8583"
)

// script answers 0620: what issuer scripts did to a card. The result is kept with the
// payment, once, and told to the issuer.
func (d *Desk) script(ctx context.Context, v *visit, m *iso8583.ScriptRequest) ([]byte, error) {
	resp := &iso8583.ScriptResponse{
		Type: m.Type, PAN: m.PAN, Amount: m.Amount, STAN: m.STAN,
		Time: v.now.Format("150405"), Date: v.now.Format("0102"), SettleDate: v.now.Format("0102"), AcquirerID: d.cfg.AcquirerID,
		RRN: m.RRN, Code: codeApproved, Terminal: m.Terminal, Merchant: m.Merchant, Currency: m.Currency, Private: m.Private,
	}
	r, err := d.admit(ctx, v, sender{tid: m.Terminal, mid: m.Merchant, device: m.Device, pan: m.PAN})
	if err == nil && !r.refused() {
		r, err = d.postUnsealed(ctx, func(tx db.Tx) (refusal, error) { return d.postScript(ctx, tx, v, m) })
	}
	if err != nil {
		d.cfg.Log.Error("script result failed", "tid", m.Terminal, "stan", m.STAN, "err", err)
		r = refusal{codeMalfunction, "host failed"}
	}
	if r.refused() {
		d.cfg.Log.Warn("script result refused", "tid", m.Terminal, "stan", m.STAN, "code", r.code, "why", r.why)
		resp.Code = r.code
	}
	return d.seal(v, resp)
}

func (d *Desk) postScript(ctx context.Context, tx db.Tx, v *visit, m *iso8583.ScriptRequest) (refusal, error) {
	k := key{m.Merchant, m.Terminal, m.Original.Batch, m.Original.STAN, classFinancial}
	p, err := find(ctx, tx, k)
	if errors.Is(err, errNoPayment) || err == nil && string(p.PANHash) != string(d.cfg.Module.PANHash(m.PAN)) {
		return refusal{codeNoOriginal, "no such payment of this card"}, nil
	}
	if err != nil {
		return refusal{}, err
	}
	u := uploaded{TID: k.TID, Batch: k.Batch, STAN: k.STAN, Source: fromScript, Kind: p.Kind, PANHash: p.PANHash, Masked: p.Masked, Amount: m.Amount}
	if _, found, err := findUpload(ctx, tx, u); err != nil || found {
		return refusal{}, errors.Join(err, count(ctx, tx, repeated))
	}
	if u.ICC, err = d.cfg.Module.Seal(uploadLabel(u), m.ICC); err != nil {
		return refusal{}, err
	}
	if err := saveUpload(ctx, tx, u, v.now); err != nil {
		return refusal{}, err
	}
	result, _ := tlv.Find(m.ICC, tag.IssuerScriptResults)
	had, err := issuer.ScriptResult(ctx, tx, p.RRN, result)
	d.cfg.Log.Info("script result", "tid", k.TID, "batch", k.Batch, "stan", k.STAN, "had scripts", had, "result", len(result))
	return refusal{}, err
}

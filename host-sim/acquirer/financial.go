package acquirer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/ledger"
	"posd/transport/iso8583"
)

// financial answers a request for money, for a hold or for a balance, and a notice of
// money that moved.
func (d *Desk) financial(ctx context.Context, v *visit, m *iso8583.FinancialRequest) ([]byte, error) {
	r, err := d.admit(ctx, v, sender{tid: m.Terminal, mid: m.Merchant, device: m.Device, pan: m.PAN})
	var out []byte
	rule, served := rules[m.Type]
	switch {
	case err != nil:
		d.cfg.Log.Error("admission failed", "tid", m.Terminal, "stan", m.STAN, "err", err)
		r = refusal{codeMalfunction, "host failed"}
	case r.refused():
	case !served:
		r = refusal{codeUnsupported, fmt.Sprintf("%v is not served", m.Type)}
	default:
		out, r, err = d.post(ctx, func(tx db.Tx) ([]byte, refusal, error) { return d.postPayment(ctx, tx, v, m, rule) })
		if err != nil {
			return nil, err
		}
	}
	if !r.refused() {
		return out, nil
	}
	d.cfg.Log.Warn("refused", "tid", m.Terminal, "stan", m.STAN, "kind", m.Type.String(), "code", r.code, "why", r.why)
	resp := d.response(v, m)
	resp.Code = r.code
	return d.seal(v, resp)
}

// job is one payment on its way to disk.
type job struct {
	v        *visit
	m        *iso8583.FinancialRequest
	pan      emv.PAN
	p        *payment
	original payment // that it is about; zero where its kind has none
	icc      []byte  // field 55 of the answer
	balance  *int64  // field 54 of the answer
	standIn  bool    // its network is not up: the host may approve it in the issuer's place
}

// postPayment does everything about a payment that goes to disk: it is called in one
// transaction, and again where the commit failed.
func (d *Desk) postPayment(ctx context.Context, tx db.Tx, v *visit, m *iso8583.FinancialRequest, rule rule) ([]byte, refusal, error) {
	k := d.rekey(key{m.Merchant, m.Terminal, m.Private.Batch, m.STAN, classFinancial})
	pan, r := d.card(v, m)
	if r.refused() {
		return nil, r, nil
	}
	hash := d.cfg.Module.PANHash(pan)
	print := fingerprint(hash, m.Amount, m.Type, m.Currency)
	old, err := find(ctx, tx, k)
	if err == nil {
		return d.again(ctx, tx, v, old, print)
	}
	if !errors.Is(err, errNoPayment) {
		return nil, refusal{}, err
	}
	late := k.Batch != v.terminal.Batch
	if late && !rule.late {
		return nil, refusal{codeSignOn, fmt.Sprintf("batch %06d, the host has %06d", k.Batch, v.terminal.Batch)}, nil
	}
	p := payment{
		key: k, Fingerprint: print, PANHash: hash, Masked: pan.Masked(), Kind: m.Type.String(), Amount: m.Amount, Total: m.Amount,
		Currency: m.Currency, KeySet: v.terminal.KeySet, At: v.now, PSN: m.PANSequence, EntryMode: m.EntryMode, Late: late, ATC: -1,
	}
	j := &job{v: v, m: m, pan: pan, p: &p}
	if err := d.decide(ctx, tx, j, rule); err != nil {
		return nil, refusal{}, err
	}
	out, err := d.store(ctx, tx, v, p, d.answerOf(j))
	return out, refusal{}, err
}

// answerOf is the answer to a payment that was decided.
func (d *Desk) answerOf(j *job) *iso8583.FinancialResponse {
	resp := d.response(j.v, j.m)
	resp.PAN, resp.Code, resp.RRN, resp.AuthCode, resp.ICC = j.pan, j.p.Code, j.p.RRN, j.p.AuthCode, j.icc
	if j.balance != nil {
		resp.Balance = balanceOf(*j.balance, j.m.Currency)
	}
	return resp
}

// decide finds what the payment is about, lets its rule decide and post, and completes it.
func (d *Desk) decide(ctx context.Context, tx db.Tx, j *job, rule rule) (err error) {
	if j.p.RRN, err = nextRRN(ctx, tx, d.cfg.Node, j.v.now); err != nil {
		return err
	}
	r, err := d.consider(ctx, tx, j, rule)
	if err != nil {
		return err
	}
	if r.refused() {
		j.p.State, j.p.Code, j.p.Why = Declined, r.code, r.why
		return nil
	}
	j.p.State, j.p.Code = Approved, codeApproved
	if j.p.Why == "" {
		j.p.Why = "approved"
	}
	if rule.authorised {
		j.p.AuthCode, err = authCode(d.cfg.Rand)
	}
	return err
}

// consider makes the checks that every kind has in common, and then those of its kind.
func (d *Desk) consider(ctx context.Context, tx db.Tx, j *job, rule rule) (refusal, error) {
	switch amount := j.m.Amount; {
	case rule.free && amount != 0:
		return refusal{codeAmount, "an amount where none belongs"}, nil
	case !rule.free && (amount <= 0 || amount > emv.MaxMinor):
		return refusal{codeAmount, "amount is zero or too large"}, nil
	}
	account, err := ledger.ByID(ctx, tx, j.v.merchant.Account)
	if err != nil {
		return refusal{}, err
	}
	if account.Currency != j.m.Currency {
		return refusal{codeCurrency, "merchant takes another currency"}, nil
	}
	if j.p.Foreign, err = foreign(ctx, tx, j.pan, j.m.ICC); err != nil {
		return refusal{}, err
	}
	if rule.of != nil {
		r, err := d.findOriginal(ctx, tx, j, rule)
		if err != nil || r.refused() {
			return r, err
		}
		j.p.Original, j.p.Foreign, j.p.Account = j.original.RRN, j.original.Foreign, j.original.Account
	}
	if r, err := d.route(ctx, tx, j, rule); err != nil || r.refused() {
		return r, err
	}
	r, err := rule.decide(d, ctx, tx, j)
	if err == nil && !r.refused() && j.p.Late {
		err = d.noteDifference(ctx, tx, Difference{
			TID: j.p.TID, Batch: j.p.Batch, STAN: j.p.STAN, Kind: DiffLate, Host: describe(*j.p), At: j.v.now,
		})
	}
	return r, err
}

// store makes the answer's bytes and stores them with the payment.
func (d *Desk) store(ctx context.Context, tx db.Tx, v *visit, p payment, resp iso8583.Message) (frame []byte, err error) {
	if frame, err = d.seal(v, resp); err != nil {
		return nil, err
	}
	if p.Reply, err = d.cfg.Module.Seal(replyLabel(p.key), frame); err != nil {
		return nil, err
	}
	if err := insertPayment(ctx, tx, p); err != nil {
		return nil, err
	}
	d.cfg.Log.Info("posted", "tid", p.TID, "batch", p.Batch, "stan", p.STAN, "kind", p.Kind, "card", p.Masked,
		"amount", p.Amount, "state", string(p.State), "code", p.Code, "why", p.Why, "rrn", p.RRN)
	return frame, nil
}

// response is the answer to m without what the decision adds.
func (d *Desk) response(v *visit, m *iso8583.FinancialRequest) *iso8583.FinancialResponse {
	return &iso8583.FinancialResponse{
		Type: m.Type, PAN: m.PAN, Amount: m.Amount, STAN: m.STAN,
		Time: v.now.Format("150405"), Date: v.now.Format("0102"), SettleDate: v.now.Format("0102"),
		Expiry: m.Expiry, PANSequence: m.PANSequence, AcquirerID: d.cfg.AcquirerID,
		Terminal: m.Terminal, Merchant: m.Merchant, Issuer: d.cfg.Names.Issuer, Acquirer: d.cfg.Names.Acquirer,
		Currency: m.Currency, Private: m.Private,
	}
}

// balanceOf is field 54: what may still be spent, of the account that the card names.
func balanceOf(minor int64, c emv.Currency) iso8583.AccountBalance {
	const available = 2
	return iso8583.AccountBalance{Kind: available, Currency: c, Debit: minor < 0, Minor: max(minor, -minor)}
}

// authCode draws six digits without bias.
func authCode(random io.Reader) (string, error) {
	out := make([]byte, 0, 6)
	var b [16]byte
	for range 16 {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("acquirer: draw authorisation code: %w", err)
		}
		for _, x := range b {
			if x < 250 && len(out) < 6 {
				out = append(out, '0'+x%10)
			}
		}
		if len(out) == 6 {
			return string(out), nil
		}
	}
	return "", errors.New("acquirer: draw authorisation code: the source of randomness is stuck")
}

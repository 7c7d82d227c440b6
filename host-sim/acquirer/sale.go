package acquirer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/issuer"
	"posd/host-sim/ledger"
	"posd/transport/iso8583"
)

// financial answers a request for money.
func (d *Desk) financial(ctx context.Context, v *visit, m *iso8583.FinancialRequest) ([]byte, error) {
	r, err := d.admit(ctx, v, m.Terminal, m.Merchant, m.Private.Batch)
	var out []byte
	switch {
	case err != nil:
		d.cfg.Log.Error("admission failed", "tid", m.Terminal, "stan", m.STAN, "err", err)
		r = refusal{codeMalfunction, "host failed"}
	case r.refused():
	case m.Type != iso8583.Sale:
		r = refusal{codeUnsupported, fmt.Sprintf("%v is not served", m.Type)}
	default:
		out, r, err = d.post(ctx, func(tx db.Tx) ([]byte, refusal, error) { return d.postSale(ctx, tx, v, m) })
		if err != nil {
			return nil, err
		}
	}
	if !r.refused() {
		return out, nil
	}
	d.cfg.Log.Warn("refused", "tid", m.Terminal, "stan", m.STAN, "code", r.code, "why", r.why)
	resp := d.response(v, m)
	resp.Code = r.code
	return d.seal(v, resp)
}

// postSale does everything about a sale that goes to disk: it is called in one
// transaction, and again where the commit failed.
func (d *Desk) postSale(ctx context.Context, tx db.Tx, v *visit, m *iso8583.FinancialRequest) ([]byte, refusal, error) {
	k := d.rekey(key{m.Merchant, m.Terminal, m.Private.Batch, m.STAN, classFinancial})
	pan, r := d.card(v, m)
	if r.refused() {
		return nil, r, nil
	}
	hash := d.cfg.Module.PANHash(pan)
	print := fingerprint(hash, m.Amount, m.Type, m.Currency)
	old, err := find(ctx, tx, k)
	if err == nil {
		return d.again(v, old, print)
	}
	if !errors.Is(err, errNoPayment) {
		return nil, refusal{}, err
	}
	p := payment{
		key: k, Fingerprint: print, PANHash: hash, Masked: pan.Masked(), Kind: m.Type.String(), Amount: m.Amount,
		Currency: m.Currency, KeySet: v.terminal.KeySet, At: v.now,
	}
	icc, err := d.decide(ctx, tx, v, m, pan, &p)
	if err != nil {
		return nil, refusal{}, err
	}
	resp := d.response(v, m)
	resp.PAN, resp.Code, resp.RRN, resp.AuthCode, resp.ICC = pan, p.Code, p.RRN, p.AuthCode, icc
	out, err := d.store(ctx, tx, v, p, resp)
	return out, refusal{}, err
}

// card takes the card number from field 2 or from track 2, which it opens where it is
// enciphered. Two that differ are none.
func (d *Desk) card(v *visit, m *iso8583.FinancialRequest) (emv.PAN, refusal) {
	if !m.Sealed.IsZero() {
		if err := d.openTrack(v, m); err != nil {
			return emv.PAN{}, refusal{codeSecurity, err.Error()}
		}
	}
	if m.Track2.IsZero() {
		if m.PAN.IsZero() {
			return emv.PAN{}, refusal{codeCard, "no card number"}
		}
		return m.PAN, refusal{}
	}
	fromTrack, expiry, ok := splitTrack2(m.Track2)
	switch {
	case !ok:
		return emv.PAN{}, refusal{codeCard, "track 2 holds no card number"}
	case !m.PAN.IsZero() && m.PAN != fromTrack:
		return emv.PAN{}, refusal{codeCard, "field 2 and track 2 differ"}
	case m.Expiry == "":
		m.Expiry = expiry
	}
	return fromTrack, refusal{}
}

func (d *Desk) openTrack(v *visit, m *iso8583.FinancialRequest) error {
	if len(v.terminal.TDK) == 0 {
		return errors.New("track is enciphered, but the terminal has no track key")
	}
	block, err := d.cfg.Module.TrackCipher(v.terminal.TDK)
	if err != nil {
		return err
	}
	m.Track2, err = m.Sealed.Open(block)
	return err
}

// splitTrack2 returns card number and expiry (YYMM) of track 2.
func splitTrack2(t emv.Track2) (pan emv.PAN, expiry string, ok bool) {
	chars := t.Reveal()
	for i := range len(chars) {
		if chars[i] != 'D' {
			continue
		}
		pan, err := emv.ParsePAN(chars[:i])
		if err != nil || len(chars) < i+5 {
			return emv.PAN{}, "", false
		}
		return pan, chars[i+1 : i+5], true
	}
	return emv.PAN{}, "", false
}

// decide asks the issuer, posts an approval, and completes p. It returns field 55 of
// the answer.
func (d *Desk) decide(ctx context.Context, tx db.Tx, v *visit, m *iso8583.FinancialRequest, pan emv.PAN, p *payment) (icc []byte, err error) {
	if p.RRN, err = nextRRN(ctx, tx, d.cfg.Node, v.now); err != nil {
		return nil, err
	}
	if m.Amount <= 0 || m.Amount > emv.MaxMinor {
		p.State, p.Code, p.Why = Declined, codeAmount, "amount is zero or too large"
		return nil, nil
	}
	if account, err := ledger.ByID(ctx, tx, v.merchant.Account); err != nil || account.Currency != m.Currency {
		p.State, p.Code, p.Why = Declined, codeCurrency, "merchant takes another currency"
		return nil, err
	}
	decision, err := d.cfg.Issuer.Authorise(ctx, tx, issuer.Request{
		PAN: pan, PSN: m.PANSequence, Expiry: m.Expiry, Amount: m.Amount, Currency: m.Currency,
		PINBlock: m.PINBlock, TPK: v.terminal.TPK, ICC: m.ICC, At: v.now,
	})
	if err != nil {
		return nil, err
	}
	p.State, p.Code, p.Why = Declined, decision.Code, decision.Why
	if !decision.Approved() {
		return decision.ICC, nil
	}
	p.State = Approved
	if p.AuthCode, err = authCode(d.cfg.Rand); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("sale %s %06d/%06d", p.TID, p.Batch, p.STAN)
	p.Posting, err = ledger.Post(ctx, tx, what, v.now, ledger.Transfer(decision.Account, v.merchant.Account, m.Amount))
	return decision.ICC, err
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

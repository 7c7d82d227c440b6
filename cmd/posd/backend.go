package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"posd/emv"
	"posd/emv/payment"
	"posd/transport/control"
	"posd/ui/receipt"
	"posd/ui/text"
)

// backend answers the control socket. What changes anything goes through the till.
type backend struct{ a *agent }

// Snapshot says how the agent is; it waits for no device and no host.
func (b backend) Snapshot(ctx context.Context) control.Snapshot {
	a := b.a
	now := a.world.now()
	s := control.Snapshot{
		Version: version(), Started: a.started, Now: now,
		Terminal: a.cfg.Terminal.ID.Text, Merchant: a.cfg.Terminal.Merchant.Text,
		Name: a.cfg.Terminal.Name.Text, Serial: a.cfg.Terminal.Serial.Text,
		Lang: a.lang.String(), Link: a.linkSnapshot(), Keys: a.keySnapshot(),
		Devices: a.deviceSnapshots(),
		Doing:   a.face.now(),
		Process: processSnapshot(),
		Housing: a.housingSnapshot(), Enrolment: a.enrolmentSnapshot(),
	}
	a.storeSnapshot(ctx, &s)
	s.Findings = a.findings(&s)
	s.Ready = ready(&s)
	return s
}

// ready tells that a sale can begin: a line, keys, reader and PIN pad.
func ready(s *control.Snapshot) bool {
	for _, d := range s.Devices {
		if d.State != "loaded" && (d.Name == "reader" || d.Name == "pinpad") {
			return false
		}
	}
	return s.Link.State == "up" && !s.Housing.Locked
}

// Journal lists payments, newest first.
func (b backend) Journal(ctx context.Context, limit int) ([]control.Entry, error) {
	recs, err := b.a.disk.Journal.List(ctx, limit, payment.ID{})
	if err != nil {
		return nil, err
	}
	out := make([]control.Entry, 0, len(recs))
	for _, rec := range recs {
		out = append(out, entry(rec))
	}
	return out, nil
}

// Receipt renders the slip of a payment as it would be printed again.
func (b backend) Receipt(ctx context.Context, id string) (string, error) {
	key, err := parseID(id)
	if err != nil {
		return "", err
	}
	rec, err := b.a.record(ctx, key)
	if err != nil {
		return "", err
	}
	return receipt.Render(rec, b.a.merchant(), payment.Reprint, b.a.lang).Text(), nil
}

var twoDigits = regexp.MustCompile(`^[0-9]{2}$`)

func (b backend) pay(ctx context.Context, order payment.Order, lang text.Lang) (control.PayResult, error) {
	var res payment.Result
	var payErr error
	err := b.a.till.do(ctx, func(ctx context.Context) { res, payErr = b.a.till.term.Pay(ctx, order) })
	if err != nil {
		return control.PayResult{}, err
	}
	if payErr != nil {
		b.a.world.log.Error("payment", "error", payErr)
		if res.Record == nil {
			return control.PayResult{}, payErr
		}
	}
	return b.result(res, order, lang), nil
}

// result puts a payment's end into words.
func (b backend) result(res payment.Result, order payment.Order, lang text.Lang) control.PayResult {
	out := control.PayResult{Outcome: res.Outcome.String(), Message: text.ForCode(lang, res.Code).Display}
	if res.Record == nil {
		out.Entry = control.Entry{
			Kind: order.Kind.String(), State: res.Outcome.String(), Amount: order.Amount.String(),
			Minor: order.Amount.Minor, Currency: order.Amount.Currency.String(), Code: res.Code, Why: res.Why,
		}
		return out
	}
	out.Entry = entry(res.Record)
	out.Entry.Code = res.Code
	if res.Balance != nil {
		out.Balance = emv.Amount{Minor: *res.Balance, Currency: order.Amount.Currency}.String()
	}
	out.Receipt = receipt.Render(res.Record, b.a.merchant(), payment.CardholderCopy, lang).Text()
	return out
}

// LoadKey loads the terminal master key into the agent's key store and the PIN pad.
func (b backend) LoadKey(ctx context.Context, block string) (string, error) {
	if err := b.a.locked(); err != nil {
		return "", err
	}
	var kcv string
	var loadErr error
	err := b.a.till.do(ctx, func(ctx context.Context) { kcv, loadErr = b.a.loadKey(ctx, block) })
	if err != nil {
		return "", err
	}
	return kcv, loadErr
}

// Resolve ends a debt by an operator's word.
func (b backend) Resolve(ctx context.Context, id, operator, reason string) error {
	key, err := parseID(id)
	if err != nil {
		return err
	}
	var resolveErr error
	err = b.a.till.do(ctx, func(ctx context.Context) { resolveErr = b.a.disk.Journal.Resolve(ctx, key, operator, reason) })
	if err != nil {
		return err
	}
	return resolveErr
}

// parseID reads batch/STAN.
func parseID(s string) (payment.ID, error) {
	m := idPattern.FindStringSubmatch(s)
	if m == nil {
		return payment.ID{}, fmt.Errorf("%w: payment %.20q: batch/voucher wanted, for example 000001/000042", control.ErrInvalid, s)
	}
	batch, _ := strconv.ParseUint(m[1], 10, 32) // six digits at most
	stan, _ := strconv.ParseUint(m[2], 10, 32)
	return payment.ID{Batch: uint32(batch), STAN: uint32(stan)}, nil
}

var idPattern = regexp.MustCompile(`^([0-9]{1,6})/([0-9]{1,6})$`)

// entry puts a record into words; the card number is masked.
func entry(rec *payment.Record) control.Entry {
	e := control.Entry{
		ID: rec.ID.String(), Kind: rec.Kind.String(), State: rec.State.String(),
		Amount: rec.Amount.String(), Minor: rec.Amount.Minor, Currency: rec.Amount.Currency.String(),
		Time: rec.Time, Card: rec.Masked, Why: rec.Why, Moved: moved(rec),
	}
	if a := rec.Answer; a != nil {
		e.Code, e.AuthCode, e.RRN = a.Code, a.AuthCode, a.RRN
	}
	if o := rec.Original; o != nil && o.ID.STAN != 0 {
		e.Original = o.ID.String()
	}
	if d := rec.Reversal; d != nil {
		e.Reason, e.Tries = string(d.Reason), d.Tries
	}
	return e
}

func roundTrip(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.Round(10 * time.Microsecond).String()
}

// moved is what a payment brought the merchant: nothing before it is completed, and of an
// adjustment the difference.
func moved(rec *payment.Record) int64 {
	rules := rec.Kind.Rules()
	switch {
	case rec.State != payment.Completed:
		return 0
	case rules.Adjusts:
		return rec.Amount.Minor - rec.Before.Minor
	}
	return int64(rules.Side) * rec.Amount.Minor
}

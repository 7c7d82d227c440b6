package acquirer

import (
	"context"
	"fmt"

	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/transport/iso8583"
)

var _ batch.Host = (*Link)(nil)

// Settle implements batch.Host. It waits as Authorize does.
func (l *Link) Settle(ctx context.Context, s *batch.Settlement) (batch.Answer, error) {
	m, err := l.money(ctx, func() (iso8583.Message, error) {
		return &iso8583.SettlementRequest{
			STAN: s.STAN, Terminal: l.cfg.Terminal, Merchant: l.cfg.Merchant, Currency: l.cfg.Currency,
			Batch: s.Batch, Operator: s.Operator, Domestic: totals(s.Domestic), Foreign: totals(s.Foreign),
		}, nil
	}, true)
	if err != nil {
		return batch.Answer{}, fmt.Errorf("acquirer: settle batch %06d: %w", s.Batch, err)
	}
	out := batch.Answer{Answer: answerOf(m)}
	if m, ok := m.(*iso8583.SettlementResponse); ok {
		out.Domestic, out.Foreign = batch.Verdict(m.Domestic.Verdict), batch.Verdict(m.Foreign.Verdict)
	}
	return out, nil
}

func totals(t batch.Totals) iso8583.Totals {
	return iso8583.Totals{
		DebitAmount: t.Debit.Amount, DebitCount: t.Debit.Number,
		CreditAmount: t.Credit.Amount, CreditCount: t.Credit.Number,
	}
}

// UploadGroup implements batch.Host. It waits as Authorize does.
func (l *Link) UploadGroup(ctx context.Context, number uint32, group []*payment.Record) (code string, err error) {
	m := &iso8583.UploadRequest{Function: iso8583.UploadGroup}
	for _, rec := range group {
		d := iso8583.Detail{STAN: rec.ID.STAN, PAN: rec.PAN, Amount: rec.Amount.Minor}
		if rec.Kind.Rules().Side == payment.Credit {
			d.Side = iso8583.CreditSide
		}
		m.Group = append(m.Group, d)
	}
	return l.uploaded(ctx, number, m)
}

// End implements batch.Host. It waits as Authorize does.
func (l *Link) End(ctx context.Context, number uint32, balanced bool, uploaded int) (code string, err error) {
	m := &iso8583.UploadRequest{Function: iso8583.EndUnbalanced, Count: uploaded}
	if balanced {
		m.Function = iso8583.EndBalanced
	}
	return l.uploaded(ctx, number, m)
}

// uploaded sends an upload that is about no single payment, with a number of its own.
func (l *Link) uploaded(ctx context.Context, number uint32, m *iso8583.UploadRequest) (string, error) {
	const afterFunction = 11 // field 60 ends after 60.3
	m.STAN, m.PANSequence = l.nextSTAN(), -1
	m.Terminal, m.Merchant = l.cfg.Terminal, l.cfg.Merchant
	m.Private = iso8583.Private{Batch: number, Digits: afterFunction}
	return l.upload(ctx, number, func() (iso8583.Message, error) { return m, nil })
}

// UploadOne implements batch.Host. It waits as Authorize does.
func (l *Link) UploadOne(ctx context.Context, number uint32, u batch.Upload) (code string, err error) {
	return l.upload(ctx, number, func() (iso8583.Message, error) { return l.single(u) })
}

func (l *Link) upload(ctx context.Context, number uint32, build builder) (string, error) {
	m, err := l.money(ctx, build, true)
	if err != nil {
		return "", fmt.Errorf("acquirer: upload of batch %06d: %w", number, err)
	}
	return answerOf(m).Code, nil
}

// single maps the upload of one payment.
func (l *Link) single(u batch.Upload) (*iso8583.UploadRequest, error) {
	p, err := l.plain(u.Record)
	if err != nil {
		return nil, err
	}
	m := &iso8583.UploadRequest{
		PAN: p.PAN, Amount: p.Amount, STAN: p.STAN, Expiry: p.Expiry, EntryMode: p.EntryMode, PANSequence: p.PANSequence,
		Terminal: p.Terminal, Merchant: p.Merchant, Currency: p.Currency, ICC: p.ICC, Device: p.Device, Private: p.Private,
	}
	switch u.Kind {
	case batch.UploadNotice, batch.UploadOffline:
		m.Type, m.RRN, m.AuthCode, m.Original, m.Scheme = p.Type, p.RRN, p.AuthCode, p.Original, p.Scheme
		return m, nil
	case batch.UploadTC:
		m.Function = function(u.Balanced, iso8583.TCBalanced, iso8583.TCUnbalanced)
	case batch.UploadBadARPC:
		m.Function = function(u.Balanced, iso8583.FailedBalanced, iso8583.FailedUnbalanced)
	default:
		return nil, fmt.Errorf("upload of kind %d has no message", u.Kind)
	}
	m.ICC, m.Facts = u.Record.Final, facts(u.Record.Answer)
	return m, nil
}

func function(balanced bool, yes, no iso8583.Function) iso8583.Function {
	if balanced {
		return yes
	}
	return no
}

// facts is field 62 of a TC upload: what the host said when it approved.
//
//	61            2 characters
//	code          2, field 39
//	authorisation 6, field 38, blanks for none
//	reference    12, field 37, blanks for none
//
// That the field begins with 61 stands in public sources; what follows is ours.
func facts(a *payment.Answer) []byte {
	if a == nil {
		a = &payment.Answer{}
	}
	return fmt.Appendf(nil, "61%-2s%-6s%-12s", a.Code, a.AuthCode, a.RRN)
}

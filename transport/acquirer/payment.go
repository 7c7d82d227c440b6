package acquirer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"

	"posd/emv/payment"
	"posd/transport/iso8583"
)

var _ payment.Authorizer = (*Link)(nil)

// transactionType gives the message set's name of a kind of payment.
func transactionType(k payment.Kind) (iso8583.TransactionType, error) {
	if k == payment.Sale {
		return iso8583.Sale, nil
	}
	return 0, fmt.Errorf("%v has no message", k)
}

// signOnCodes are the codes of field 39 that ask for new working keys: MAC wrong, PIN
// block wrong, batch differs.
var signOnCodes = map[string]bool{"A0": true, "99": true, "77": true}

// Authorize implements payment.Authorizer. It waits for the link to come up for the
// connection time-out at most.
func (l *Link) Authorize(ctx context.Context, req payment.AuthRequest) (payment.Answer, error) {
	m, err := l.request(req)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("acquirer: authorize %v: %w: %w", req.Record.ID, payment.ErrNotSent, err)
	}
	fits := func(got iso8583.Message) bool {
		resp, ok := got.(*iso8583.FinancialResponse)
		return ok && resp.Type == m.Type && sameBatch(resp.Private, m.Private)
	}
	out, err := l.money(ctx, m, fits)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("acquirer: authorize %v: %w", req.Record.ID, err)
	}
	return out, nil
}

// Reverse implements payment.Authorizer.
func (l *Link) Reverse(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	m, err := reversal(rec)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("acquirer: reverse %v: %w: %w", rec.ID, payment.ErrNotSent, err)
	}
	fits := func(got iso8583.Message) bool {
		resp, ok := got.(*iso8583.ReversalResponse)
		return ok && resp.Type == m.Type && sameBatch(resp.Private, m.Private)
	}
	out, err := l.money(ctx, m, fits)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("acquirer: reverse %v: %w", rec.ID, err)
	}
	return out, nil
}

// sameBatch tells that an answer is not one of another batch with the same STAN. Some
// hosts leave the batch out of a refusal.
func sameBatch(answer, request iso8583.Private) bool {
	return answer.Batch == 0 || answer.Batch == request.Batch
}

// money exchanges a message about money: sealed, and its answer verified.
func (l *Link) money(ctx context.Context, m iso8583.Message, fits func(iso8583.Message) bool) (payment.Answer, error) {
	n, err := l.ready(ctx)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	frame, err := l.seal(m)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	a, err := l.exchange(ctx, n, m.Key(), frame, fits)
	switch {
	case errors.Is(err, payment.ErrNoAnswer):
		nudge(l.echo) // is anybody there?
		return payment.Answer{}, err
	case err != nil:
		return payment.Answer{}, err
	case a.err != nil:
		l.SignOn()
		return payment.Answer{}, a.err
	}
	l.cfg.OnOrder(a.header.Order)
	out := answerOf(a.message)
	if signOnCodes[out.Code] {
		l.cfg.Log.Warn("acquirer: host wants a new sign-on", "code", out.Code)
		l.SignOn()
	}
	return out, nil
}

func (l *Link) seal(m iso8583.Message) ([]byte, error) {
	key, err := l.cfg.Keys.MACKey()
	if err != nil {
		return nil, fmt.Errorf("MAC key: %w", err)
	}
	return l.cfg.Dialect.Seal(frameBuffer(), l.header(), m, key)
}

// Field 60 of a payment with a contact chip, and field 26 of one with a PIN.
const (
	contactChip = 5
	pinCapture  = 12
)

// request maps a payment to its message.
func (l *Link) request(req payment.AuthRequest) (*iso8583.FinancialRequest, error) {
	rec := req.Record
	kind, err := transactionType(rec.Kind)
	if err != nil {
		return nil, err
	}
	m := &iso8583.FinancialRequest{
		Type: kind, PAN: rec.PAN, Amount: rec.Amount.Minor, Currency: rec.Amount.Currency,
		STAN: rec.ID.STAN, Expiry: rec.Expiry, EntryMode: rec.EntryMode, PANSequence: rec.PANSequence,
		Terminal: rec.Terminal, Merchant: rec.Merchant, ICC: rec.Request,
		Private: iso8583.Private{Batch: rec.ID.Batch, Capability: contactChip},
	}
	if len(req.PINBlock) > 0 {
		m.PINBlock, m.PINCapture = req.PINBlock, pinCapture
	}
	sealed, err := l.addTrack(m, req)
	if err != nil {
		return nil, err
	}
	double := l.cfg.SignOn != iso8583.SignOnSingle
	m.Security = iso8583.SecurityControl(len(req.PINBlock) > 0, double, sealed)
	return m, nil
}

// addTrack puts track 2 into m: under the track key where the sign-on brings one, and
// then never in clear.
func (l *Link) addTrack(m *iso8583.FinancialRequest, req payment.AuthRequest) (sealed bool, err error) {
	if req.Track2.IsZero() {
		return false, nil
	}
	if l.cfg.SignOn != iso8583.SignOnTrackKey {
		m.Track2 = req.Track2
		return false, nil
	}
	key, err := l.cfg.Keys.TrackKey()
	if err != nil {
		return false, fmt.Errorf("track key: %w", err)
	}
	m.Sealed, err = iso8583.SealTrack(key, req.Track2)
	return true, err
}

// reversal maps a debt to its message: no track, no PIN, no reference number.
func reversal(rec *payment.Record) (*iso8583.ReversalRequest, error) {
	kind, err := transactionType(rec.Kind)
	if err != nil {
		return nil, err
	}
	if rec.Reversal == nil {
		return nil, errors.New("no reversal is owed")
	}
	m := &iso8583.ReversalRequest{
		Type: kind, PAN: rec.PAN, Amount: rec.Amount.Minor, Currency: rec.Amount.Currency,
		STAN: rec.ID.STAN, Expiry: rec.Expiry, EntryMode: rec.EntryMode, PANSequence: rec.PANSequence,
		Code: string(rec.Reversal.Reason), Terminal: rec.Terminal, Merchant: rec.Merchant,
		ICC:     rec.Reversal.ICC,
		Private: iso8583.Private{Batch: rec.ID.Batch, Capability: contactChip},
	}
	if rec.Answer != nil {
		m.AuthCode = rec.Answer.AuthCode
	}
	return m, nil
}

// answerOf maps an answer back. Another class gives an answer without a code, which no
// payment takes for anything.
func answerOf(m iso8583.Message) payment.Answer {
	switch m := m.(type) {
	case *iso8583.FinancialResponse:
		return payment.Answer{
			Code: m.Code, AuthCode: m.AuthCode, RRN: m.RRN, Time: m.Date + m.Time,
			SettleDate: m.SettleDate, Acquirer: m.Acquirer, Issuer: m.Issuer,
			Text: words(m.Text), ICC: m.ICC, Amount: m.Amount,
		}
	case *iso8583.ReversalResponse:
		return payment.Answer{
			Code: m.Code, RRN: m.RRN, Time: m.Date + m.Time, SettleDate: m.SettleDate,
			ICC: m.ICC, Amount: m.Amount,
		}
	}
	return payment.Answer{}
}

// words turns field 63 (GBK, scheme and three texts filled up with blanks) into UTF-8
// without the blanks that nobody would see. Bytes that are no GBK become U+FFFD.
func words(text string) string {
	out, err := simplifiedchinese.GBK.NewDecoder().String(text)
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(out), " ")
}

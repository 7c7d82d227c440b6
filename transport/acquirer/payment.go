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
	build := func() (iso8583.Message, error) { return l.request(req) }
	// A new line has a new sign-on, and with it a new PIN key: a PIN block made under the
	// old one would be a wrong PIN there.
	answer, err := l.money(ctx, build, len(req.PINBlock) == 0)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("acquirer: authorize %v: %w", req.Record.ID, err)
	}
	return answer, nil
}

// Reverse implements payment.Authorizer. It waits as Authorize does.
func (l *Link) Reverse(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	build := func() (iso8583.Message, error) { return reversal(rec) }
	answer, err := l.money(ctx, build, true)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("acquirer: reverse %v: %w", rec.ID, err)
	}
	return answer, nil
}

// Forward implements payment.Authorizer. It waits as Authorize does.
func (l *Link) Forward(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	build := func() (iso8583.Message, error) { return l.request(payment.AuthRequest{Record: rec}) }
	answer, err := l.money(ctx, build, true)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("acquirer: forward %v: %w", rec.ID, err)
	}
	return answer, nil
}

// Notify implements payment.Authorizer.
func (l *Link) Notify(_ context.Context, rec *payment.Record) (payment.Answer, error) {
	return payment.Answer{}, fmt.Errorf("acquirer: notify %v: the message set has no script notice yet: %w", rec.ID, payment.ErrNotSent)
}

// answers tells that got belongs to the request, which shares its key: same type, and
// same batch. Some hosts leave the batch out of a refusal.
func answers(request, got iso8583.Message) bool {
	switch request := request.(type) {
	case *iso8583.FinancialRequest:
		got, ok := got.(*iso8583.FinancialResponse)
		return ok && got.Type == request.Type && sameBatch(got.Private, request.Private)
	case *iso8583.ReversalRequest:
		got, ok := got.(*iso8583.ReversalResponse)
		return ok && got.Type == request.Type && sameBatch(got.Private, request.Private)
	case *iso8583.NetworkRequest:
		got, ok := got.(*iso8583.NetworkResponse)
		return ok && got.Function == request.Function
	}
	return false
}

func sameBatch(answer, request iso8583.Private) bool {
	return answer.Batch == 0 || answer.Batch == request.Batch
}

// money exchanges a message about money: sealed, and its answer verified. Where the line
// turns out to be dead before a byte was written, and again is set, the next one is tried.
func (l *Link) money(ctx context.Context, build func() (iso8583.Message, error), again bool) (payment.Answer, error) {
	a, stale, err := l.attempt(ctx, build)
	if stale && again {
		a, _, err = l.attempt(ctx, build)
	}
	if errors.Is(err, payment.ErrNoAnswer) {
		nudge(l.echo) // is anybody there?
	}
	if err == nil && a.err != nil {
		err = a.err
		l.SignOn()
	}
	if err != nil {
		return payment.Answer{}, err
	}
	return l.accept(a), nil
}

// attempt is one exchange; stale says that its line was dead and the message never left.
// The message is built once the link is up: a sign-on may just have brought other keys.
func (l *Link) attempt(ctx context.Context, build func() (iso8583.Message, error)) (a answer, stale bool, err error) {
	n, err := l.ready(ctx)
	if err != nil {
		return answer{}, false, fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	m, frame, err := l.seal(build)
	if err != nil {
		return answer{}, false, fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	a, err = l.exchange(ctx, n, m, frame)
	return a, errors.Is(err, payment.ErrNotSent) && n.cause() != nil, err
}

// accept maps an answer that is the host's, and does what it asks for.
func (l *Link) accept(a answer) payment.Answer {
	l.cfg.OnOrder(a.header.Order)
	out := answerOf(a.message)
	if signOnCodes[out.Code] {
		l.cfg.Log.Warn("acquirer: host wants a new sign-on", "code", out.Code)
		l.SignOn()
	}
	return out
}

// seal builds a message and its frame.
func (l *Link) seal(build func() (iso8583.Message, error)) (iso8583.Message, []byte, error) {
	m, err := build()
	if err != nil {
		return nil, nil, err
	}
	key, err := l.cfg.Keys.MACKey()
	if err != nil {
		return nil, nil, fmt.Errorf("MAC key: %w", err)
	}
	frame, err := l.cfg.Dialect.Seal(frameBuffer(), l.header(), m, key)
	return m, frame, err
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
		if err := l.sameKey(req); err != nil {
			return nil, err
		}
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

// errOldPIN says that the PIN was entered under a key that a sign-on has replaced.
var errOldPIN = errors.New("the PIN was entered before the last sign-on")

// sameKey tells that the PIN block was made under the key that the host has now.
func (l *Link) sameKey(req payment.AuthRequest) error {
	key, err := l.cfg.Keys.PINKey()
	if err != nil {
		return fmt.Errorf("PIN key: %w", err)
	}
	if key.KCV != req.PINKey {
		return errOldPIN
	}
	return nil
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

// words turns field 63 (GBK: 3 bytes of scheme, then three texts filled up with blanks)
// into what is to be said, in UTF-8 and without the filling. Bytes that are no GBK
// become U+FFFD.
func words(text string) string {
	text = text[min(len(text), 3):]
	out, err := simplifiedchinese.GBK.NewDecoder().String(text)
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(out), " ")
}

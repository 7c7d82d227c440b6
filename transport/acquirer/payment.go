package acquirer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"

	"posd/emv/binding"
	"posd/emv/payment"
	"posd/transport/iso8583"
)

var _ payment.Authorizer = (*Link)(nil)

// transactionTypes gives the message set's name of each kind of payment.
var transactionTypes = map[payment.Kind]iso8583.TransactionType{
	payment.Sale:             iso8583.Sale,
	payment.Void:             iso8583.Void,
	payment.Refund:           iso8583.Refund,
	payment.Preauth:          iso8583.Preauth,
	payment.PreauthVoid:      iso8583.PreauthVoid,
	payment.Completion:       iso8583.PreauthCompletion,
	payment.CompletionAdvice: iso8583.PreauthAdvice,
	payment.CompletionVoid:   iso8583.PreauthCompletionVoid,
	payment.Balance:          iso8583.Balance,
	payment.OfflineSale:      iso8583.OfflineSale,
	payment.OfflineAdjust:    iso8583.OfflineAdjust,
	payment.TipAdjust:        iso8583.TipAdjust,
	payment.OfflineChip:      iso8583.OfflineChip,
}

func transactionType(k payment.Kind) (iso8583.TransactionType, error) {
	if t, ok := transactionTypes[k]; ok {
		return t, nil
	}
	return 0, fmt.Errorf("%v has no message", k)
}

// Authorize implements payment.Authorizer, for each kind of payment. It waits for the link
// to come up for the connection time-out at most.
func (l *Link) Authorize(ctx context.Context, req payment.AuthRequest) (payment.Answer, error) {
	build := func() (iso8583.Message, error) { return l.request(req) }
	// A new line has a new sign-on, and with it a new PIN key: a PIN block made under the
	// old one would be a wrong PIN there.
	return l.answer(ctx, "authorize", req.Record, build, len(req.PINBlock) == 0)
}

// Reverse implements payment.Authorizer. It waits as Authorize does.
func (l *Link) Reverse(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	return l.answer(ctx, "reverse", rec, func() (iso8583.Message, error) { return l.reversal(rec) }, true)
}

// Forward implements payment.Authorizer. It waits as Authorize does. The message is made of
// the record alone, so it is the same each time.
func (l *Link) Forward(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	build := func() (iso8583.Message, error) { return l.request(payment.AuthRequest{Record: rec}) }
	return l.answer(ctx, "forward", rec, build, true)
}

// Notify implements payment.Authorizer. It waits as Authorize does.
func (l *Link) Notify(ctx context.Context, rec *payment.Record) (payment.Answer, error) {
	return l.answer(ctx, "notify", rec, func() (iso8583.Message, error) { return l.script(rec) }, true)
}

// answer exchanges a message about a payment; build makes it once the link is up.
func (l *Link) answer(ctx context.Context, verb string, rec *payment.Record, build builder, again bool) (payment.Answer, error) {
	m, err := l.money(ctx, build, again)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("acquirer: %s %v: %w", verb, rec.ID, err)
	}
	return answerOf(m), nil
}

// Field 60 of a payment, and field 26 of one with a PIN.
const (
	contactChip    = 5 // 60.4: what the terminal can read
	stripeFallback = 2 // 60.5: the chip failed, the stripe was read
	pinCapture     = 12
)

func private(rec *payment.Record) iso8583.Private {
	p := iso8583.Private{Batch: rec.ID.Batch, Capability: contactChip}
	if rec.Fallback {
		p.Condition = stripeFallback
	}
	return p
}

// original maps what a payment knows of the one that it is about: fields 37, 38 and 61.
// What is not known of batch and voucher number is zeros before the date.
func original(rec *payment.Record) (rrn, authCode string, named iso8583.Original) {
	o := rec.Original
	if o == nil {
		return "", "", iso8583.Original{}
	}
	return o.RRN, o.AuthCode, iso8583.Original{Batch: o.ID.Batch, STAN: o.ID.STAN, Date: o.Date}
}

// device returns field 59 for the card, empty where the configuration has no binding.
func (l *Link) device(rec *payment.Record) ([]byte, error) {
	if l.cfg.Binding == nil {
		return nil, nil
	}
	terminal, err := l.cfg.Binding(rec.PAN)
	if err != nil {
		return nil, fmt.Errorf("field 59: %w", err)
	}
	return binding.Append(nil, terminal)
}

// request maps a payment to its message.
func (l *Link) request(req payment.AuthRequest) (*iso8583.FinancialRequest, error) {
	rec := req.Record
	m, err := l.plain(rec)
	if err != nil {
		return nil, err
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
	m.Security = l.cfg.SignOn.Security(len(req.PINBlock) > 0, sealed)
	return m, nil
}

// plain is what a record alone says of a payment's message.
func (l *Link) plain(rec *payment.Record) (*iso8583.FinancialRequest, error) {
	kind, err := transactionType(rec.Kind)
	if err != nil {
		return nil, err
	}
	m := &iso8583.FinancialRequest{
		Type: kind, PAN: rec.PAN, Amount: rec.Amount.Minor, Currency: rec.Amount.Currency,
		STAN: rec.ID.STAN, Expiry: rec.Expiry, EntryMode: rec.EntryMode, PANSequence: rec.PANSequence,
		Terminal: rec.Terminal, Merchant: rec.Merchant, ICC: rec.Request, Private: private(rec),
	}
	m.RRN, m.AuthCode, m.Original = original(rec)
	switch rec.Kind {
	case payment.TipAdjust:
		m.Tip = rec.Amount.Minor - rec.Before.Minor
	case payment.Refund:
		m.Scheme = scheme(rec)
	}
	m.Device, err = l.device(rec)
	return m, err
}

// unionPay is the registered identifier of UnionPay's applications, and the beginning of
// its card numbers.
const (
	unionPay    = "\xA0\x00\x00\x03\x33"
	unionPayBIN = "62"
)

// scheme is field 63 of a refund: CUP for a card of UnionPay, 000 for others.
func scheme(rec *payment.Record) string {
	if strings.HasPrefix(string(rec.Facts.AID), unionPay) || strings.HasPrefix(rec.Masked, unionPayBIN) {
		return "CUP"
	}
	return "000"
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
// then never in clear. A payment that is repeated until it is answered goes without from
// the first time on: the record, of which it is repeated, has no track.
func (l *Link) addTrack(m *iso8583.FinancialRequest, req payment.AuthRequest) (sealed bool, err error) {
	if req.Track2.IsZero() || req.Record.Kind.Rules().Unanswered == payment.Repeat {
		return false, nil
	}
	if !l.cfg.sealsTracks() {
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

// reversal maps a debt to its message: no track, no PIN, no reference number. Field 38 is
// the host's where it answered, else that of the original; field 61 is as in the request.
func (l *Link) reversal(rec *payment.Record) (*iso8583.ReversalRequest, error) {
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
		ICC: rec.Reversal.ICC, Private: private(rec),
	}
	_, m.AuthCode, m.Original = original(rec)
	if rec.Answer != nil && rec.Answer.AuthCode != "" {
		m.AuthCode = rec.Answer.AuthCode
	}
	m.Device, err = l.device(rec)
	return m, err
}

// script maps the result of issuer scripts to its message. It has the payment's own
// number in field 11 as well as in field 61, so that the host knows a repeat.
func (l *Link) script(rec *payment.Record) (*iso8583.ScriptRequest, error) {
	kind, err := transactionType(rec.Kind)
	if err != nil {
		return nil, err
	}
	if rec.Script == nil {
		return nil, errors.New("no script result is owed")
	}
	m := &iso8583.ScriptRequest{
		Type: kind, PAN: rec.PAN, Amount: rec.Amount.Minor, Currency: rec.Amount.Currency,
		STAN: rec.ID.STAN, Expiry: rec.Expiry, EntryMode: rec.EntryMode, PANSequence: rec.PANSequence,
		Terminal: rec.Terminal, Merchant: rec.Merchant, ICC: rec.Script.ICC, Private: private(rec),
		Original: iso8583.Original{Batch: rec.ID.Batch, STAN: rec.ID.STAN, Date: rec.Time.Format("0102")},
	}
	if a := rec.Answer; a != nil {
		m.RRN, m.AuthCode = a.RRN, a.AuthCode
		if len(a.Time) >= 4 {
			m.Original.Date = a.Time[:4]
		}
	}
	m.Device, err = l.device(rec)
	return m, err
}

// answerOf maps an answer back. Another class gives an answer without a code, which no
// payment takes for anything.
func answerOf(m iso8583.Message) payment.Answer {
	switch m := m.(type) {
	case *iso8583.FinancialResponse:
		return payment.Answer{
			Code: m.Code, AuthCode: m.AuthCode, RRN: m.RRN, Time: m.Date + m.Time,
			SettleDate: m.SettleDate, Acquirer: m.Acquirer, Issuer: m.Issuer,
			Text: words(m.Text), ICC: m.ICC, Amount: m.Amount, Balance: balance(m.Balance),
		}
	case *iso8583.ReversalResponse:
		return payment.Answer{
			Code: m.Code, RRN: m.RRN, Time: m.Date + m.Time, SettleDate: m.SettleDate,
			ICC: m.ICC, Amount: m.Amount,
		}
	case *iso8583.ScriptResponse:
		return payment.Answer{Code: m.Code, RRN: m.RRN, Time: m.Date + m.Time, SettleDate: m.SettleDate, Amount: m.Amount}
	case *iso8583.SettlementResponse:
		return payment.Answer{Code: m.Code, RRN: m.RRN, Time: m.Date + m.Time, SettleDate: m.SettleDate}
	case *iso8583.UploadResponse:
		return payment.Answer{
			Code: m.Code, AuthCode: m.AuthCode, RRN: m.RRN, Time: m.Date + m.Time, SettleDate: m.SettleDate, Amount: m.Amount,
		}
	}
	return payment.Answer{}
}

func balance(b iso8583.AccountBalance) *int64 {
	if b == (iso8583.AccountBalance{}) {
		return nil
	}
	signed := b.Signed()
	return &signed
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

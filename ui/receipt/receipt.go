package receipt

import (
	"fmt"
	"strings"

	"posd/emv"
	"posd/emv/payment"
	"posd/ui/text"
)

// Merchant is what a slip needs beside the record.
type Merchant struct {
	Name    string // at most 40 characters
	Hotline string // service hotline; empty for none
	Testing bool   // the terminal works with test keys: the slip is no voucher
	// ShowExpiry prints the card's expiry date. Off unless the scheme asks for it.
	ShowExpiry bool
}

// Render makes the slip of rec for one copy. rec is not changed.
func Render(rec *payment.Record, m Merchant, c payment.Copy, l text.Lang) Slip {
	p := printer{rec: rec, merchant: m, copy: c, lang: l}
	p.head()
	p.who()
	p.card()
	p.numbers()
	p.amount()
	p.remarks()
	p.chip()
	p.verification()
	p.foot()
	return p.slip
}

// printer renders one slip; each method adds one part of it, top to bottom.
type printer struct {
	slip     Slip
	rec      *payment.Record
	merchant Merchant
	copy     payment.Copy
	lang     text.Lang
}

func (p *printer) head() {
	p.slip.add(Line{Size: Large, Bold: true, Align: Centre}, p.word("receipt.title"))
	switch p.copy {
	case payment.MerchantCopy:
		p.centred(p.both("receipt.copy.merchant"))
	case payment.CardholderCopy:
		p.centred(p.both("receipt.copy.cardholder"))
	case payment.Reprint:
		p.slip.add(Line{Bold: true, Align: Centre}, p.word("receipt.reprint"))
	}
	if p.merchant.Testing {
		p.slip.add(Line{Bold: true, Align: Centre}, p.word("receipt.test"))
	}
	if p.rec.State.Debt() || p.rec.State == payment.Resolved {
		p.slip.add(Line{Bold: true, Align: Centre}, p.word("receipt.fault"))
	}
	p.slip.rule()
}

func (p *printer) who() {
	p.field("receipt.merchant_name", p.merchant.Name)
	p.field("receipt.merchant_no", p.rec.Merchant)
	p.field("receipt.terminal_no", p.rec.Terminal)
	p.field("receipt.operator_no", p.rec.Operator)
	p.field("receipt.supervisor", p.rec.Supervisor)
}

func (p *printer) card() {
	a := p.answer()
	p.field("receipt.issuer", a.Issuer)
	p.field("receipt.acquirer", a.Acquirer)
	if p.rec.Masked != "" {
		p.label("receipt.card_no")
		p.slip.add(Line{Size: Tall, Bold: true}, p.rec.Masked+" "+entry(p.rec.EntryMode))
	}
	if e := p.rec.Expiry; p.merchant.ShowExpiry && len(e) == 4 {
		p.field("receipt.exp_date", "20"+e[:2]+"/"+e[2:])
	}
	p.label("receipt.txn_type")
	p.slip.add(Line{Size: Large, Bold: true}, p.bothNames("txn."+p.rec.Kind.String()))
	if p.rec.Reversal != nil {
		p.slip.add(Line{Size: Tall, Bold: true}, p.bothNames("txn.auto_reversal"))
	}
	p.slip.rule()
}

func (p *printer) numbers() {
	a := p.answer()
	p.field("receipt.batch_no", fmt.Sprintf("%06d", p.rec.ID.Batch))
	p.field("receipt.voucher_no", fmt.Sprintf("%06d", p.rec.ID.STAN))
	p.field("receipt.auth_no", a.AuthCode)
	p.field("receipt.ref_no", a.RRN)
	p.field("receipt.datetime", p.rec.Time.Format("2006/01/02 15:04:05"))
	p.slip.rule()
}

func (p *printer) amount() {
	if b := p.rec.Before; b.Minor != 0 {
		p.field("receipt.before", money(b))
		tip := emv.Amount{Minor: p.rec.Amount.Minor - b.Minor, Currency: b.Currency}
		if p.rec.Kind == payment.TipAdjust {
			p.field("receipt.tips", money(tip))
		}
		p.large("receipt.total", p.rec.Amount)
	} else if p.rec.Kind == payment.Balance {
		p.balance()
	} else {
		p.large("receipt.amount", p.rec.Amount)
	}
	result, note := outcome(p.rec.State)
	p.slip.add(Line{Size: Large, Bold: true}, p.bothNames(result))
	if note != "" {
		p.plain(p.word(note))
	}
	p.slip.rule()
}

// large prints an amount so that nobody overlooks it. It is never broken.
func (p *printer) large(key text.Key, amount emv.Amount) {
	p.label(key)
	words := money(amount)
	style := Line{Size: Large, Bold: true, Align: Right}
	if text.Columns(words) > Large.width() {
		style.Size = Tall
	}
	p.slip.add(style, words)
}

// balance prints what the account holds, where the host said so.
func (p *printer) balance() {
	if b := p.answer().Balance; b != nil {
		p.large("receipt.balance", emv.Amount{Minor: *b, Currency: p.rec.Amount.Currency})
	}
}

func money(a emv.Amount) string { return symbol(a.Currency) + " " + a.String() }

// outcome says what became of the money: the key of the large letters, and of a line
// below them where there is more to say.
func outcome(s payment.State) (result string, note text.Key) {
	switch s {
	case payment.Completed:
		return "receipt.approved", ""
	case payment.Declined:
		return "receipt.declined", ""
	case payment.ReversalOwed:
		return "receipt.owed", "receipt.owed_note"
	case payment.Reversed:
		return "receipt.reversed", "receipt.reversed_note"
	case payment.Resolved:
		return "receipt.resolved", ""
	case payment.Stored:
		return "receipt.stored", "receipt.stored_note"
	case payment.Refused:
		return "receipt.refused", "receipt.refused_note"
	}
	return "receipt.in_doubt", "receipt.owed_note"
}

// remarks are what a person asks next: the response in words, what the host wants
// said, and why money was given back.
func (p *printer) remarks() {
	before := len(p.slip.Lines)
	a := p.answer()
	switch {
	case a.Code != "" && a.Code != "00":
		p.field("receipt.answer_code", a.Code+" "+text.ForCode(p.lang, a.Code).Display)
	case p.rec.State == payment.Declined:
		p.field("receipt.reason", p.rec.Why)
	}
	if a.Text != "" {
		p.field("receipt.reference", a.Text)
	}
	if d := p.rec.Reversal; d != nil {
		p.debt(d)
	}
	p.original()
	if p.rec.Fallback {
		p.centred(p.both("receipt.fallback"))
	}
	if p.rec.Kind == payment.OfflineChip {
		p.centred(p.both("receipt.offline"))
	}
	if !taken(p.rec.State) {
		p.centred(p.word("receipt.not_charged"))
	}
	if len(p.slip.Lines) > before {
		p.slip.rule()
	}
}

// taken tells that the till took the payment: goods may leave.
func taken(s payment.State) bool { return s == payment.Completed || s == payment.Stored }

// original names the payment that this one is about.
func (p *printer) original() {
	o := p.rec.Original
	if o == nil {
		return
	}
	if o.ID.STAN != 0 {
		p.field("receipt.orig_voucher", o.ID.String())
	}
	p.field("receipt.orig_ref", o.RRN)
	p.field("receipt.orig_auth", o.AuthCode)
	if len(o.Date) == 4 {
		p.field("receipt.orig_date", o.Date[:2]+"/"+o.Date[2:])
	}
}

func (p *printer) debt(d *payment.Debt) {
	why := string(d.Reason) + " " + text.Name(p.lang, "reason", string(d.Reason))
	p.field("receipt.reason", why)
	if d.Answer != nil {
		p.field("receipt.reversal_code", d.Answer.Code) // its words are those of a payment: "approved" would mislead
	}
	if d.Resolution != "" {
		p.field("receipt.resolved", d.Operator+" "+d.Resolution)
	}
}

// chip prints what a dispute about a chip payment is decided by.
func (p *printer) chip() {
	f := p.rec.Facts
	if len(f.Cryptogram) == 0 {
		return
	}
	p.plain(fmt.Sprintf("%v: %X", f.Kind, f.Cryptogram))
	p.plain(fmt.Sprintf("TVR: %v TSI: %v", f.TVR, f.TSI))
	if len(f.AID) > 0 {
		p.plain(fmt.Sprintf("AID: %X", f.AID))
	}
	p.plain(fmt.Sprintf("ATC: %04X UNPR NUM: %X", f.ATC, f.UN))
	if p.rec.PANSequence >= 0 {
		p.plain(fmt.Sprintf("CSN: %02d", p.rec.PANSequence))
	}
	if f.Label != "" {
		p.plain(p.word("receipt.applab") + ": " + printable(f.Label))
	}
	if f.PreferredName != "" {
		p.plain(p.word("receipt.apppref") + ": " + printable(f.PreferredName))
	}
	p.slip.rule()
}

// verification prints how the cardholder was verified, and the line to sign on. Only
// a payment that was taken has it, and only the merchant's copy is signed.
func (p *printer) verification() {
	if !taken(p.rec.State) || p.rec.Kind == payment.Balance {
		return
	}
	if p.rec.OnlinePIN || p.rec.Facts.PINEntered {
		p.centred(p.both("receipt.pin_verified"))
	}
	switch {
	case !p.rec.Facts.Signature:
		if !p.rec.OnlinePIN && !p.rec.Facts.PINEntered {
			p.centred(p.both("receipt.no_cvm"))
		}
	case p.copy != payment.CardholderCopy:
		p.label("receipt.sign")
		p.slip.blank(2)
		p.slip.rule()
		p.slip.add(Line{}, p.word("receipt.agree"))
		if p.lang == text.Chinese {
			p.slip.add(Line{}, text.Word(text.English, "receipt.agree"))
		}
	}
}

func (p *printer) foot() {
	p.centred(p.both("receipt.keep"))
	p.field("receipt.service", p.merchant.Hotline)
	if p.copy == payment.Reprint {
		p.slip.add(Line{Bold: true, Align: Centre}, p.word("receipt.reprint"))
	}
	if p.merchant.Testing {
		p.slip.add(Line{Bold: true, Align: Centre}, p.word("receipt.test"))
	}
}

// answer returns the host's answer, or an empty one.
func (p *printer) answer() payment.Answer {
	if p.rec.Answer == nil {
		return payment.Answer{}
	}
	return *p.rec.Answer
}

// field prints a label with its value, on one line if they fit, else the value below.
// A field without a value is not printed.
func (p *printer) field(key text.Key, value string) {
	value = printable(value)
	if value == "" {
		return
	}
	for _, label := range []string{p.both(key), p.word(key)} {
		if one := label + ": " + value; text.Columns(one) <= Columns {
			p.plain(one)
			return
		}
	}
	p.label(key)
	p.slip.add(Line{Align: Right}, value)
}

func (p *printer) label(key text.Key)   { p.plain(p.both(key) + ":") }
func (p *printer) plain(words string)   { p.slip.add(Line{}, words) }
func (p *printer) centred(words string) { p.slip.add(Line{Align: Centre}, words) }

func (p *printer) word(key text.Key) string { return text.Word(p.lang, key) }

// both returns the Chinese label with its English name, or the English one alone.
func (p *printer) both(key text.Key) string {
	zh, en := text.Word(text.Chinese, key), text.Word(text.English, key)
	if p.lang == text.English || zh == en {
		return en
	}
	return zh + "(" + en + ")"
}

// bothNames is both without brackets, for large letters.
func (p *printer) bothNames(key string) string {
	zh, en := text.Word(text.Chinese, text.Key(key)), strings.ToUpper(text.Word(text.English, text.Key(key)))
	if p.lang == text.English {
		return en
	}
	return zh + " " + en
}

// entry returns the letter that says how the card was read, from field 22: 01 typed,
// 02, 80 and 90 the stripe, 05 and 95 the chip, 07, 91 and 98 contactless.
func entry(mode string) string {
	if len(mode) < 2 {
		return ""
	}
	switch mode[:2] {
	case "01":
		return "/M"
	case "02", "80", "90":
		return "/S"
	case "05", "95":
		return "/I"
	case "07", "91", "98":
		return "/C"
	}
	return ""
}

// symbol is how slips write the currency: RMB for CNY.
func symbol(c emv.Currency) string {
	if c == emv.CNY {
		return "RMB"
	}
	return c.String()
}

// printable drops control characters: what a host or a card sends never steers the
// printer.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7F && r < 0xA0 || r == '\uFFFD' {
			return -1
		}
		return r
	}, s))
}

package receipt

import (
	"fmt"

	"posd/emv"
	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/ui/text"
)

// Batch is what a settlement's slips need beside its record.
type Batch struct {
	Merchant Merchant
	Terminal string // field 41
	Number   string // merchant number, field 42
	Currency emv.Currency
}

// RenderSettlement makes the totals slip of a settlement (结算总计单), and below it the
// list of the stored payments that the host does not have. s and unsent are not changed.
func RenderSettlement(s *batch.Settlement, unsent []*payment.Record, b Batch, again bool, l text.Lang) Slip {
	p := printer{rec: &payment.Record{}, merchant: b.Merchant, lang: l}
	p.title("receipt.settle", again)
	p.field("receipt.merchant_name", b.Merchant.Name)
	p.field("receipt.merchant_no", b.Number)
	p.field("receipt.terminal_no", b.Terminal)
	p.field("receipt.operator_no", s.Operator)
	p.field("receipt.batch_no", fmt.Sprintf("%06d", s.Batch))
	p.field("receipt.datetime", s.Began.Format("2006/01/02 15:04:05"))
	if s.Phase < batch.Ended {
		p.slip.add(Line{Bold: true, Align: Centre}, p.both("receipt.not_settled"))
	}
	p.slip.rule()
	p.plain(p.word("receipt.col.type"))
	p.totals("receipt.settle.domestic", s.Domestic, s.DomesticVerdict, b.Currency)
	p.totals("receipt.settle.foreign", s.Foreign, s.ForeignVerdict, b.Currency)
	if s.Uploaded > 0 {
		p.field("receipt.uploaded", fmt.Sprint(s.Uploaded))
	}
	for i, id := range s.Rejected {
		if i == 0 {
			p.slip.add(Line{Bold: true}, p.word("receipt.rejected"))
		}
		p.plain("  " + id.String())
	}
	p.slip.rule()
	p.unsent(unsent)
	p.close(again)
	return p.slip
}

// RenderUnsent makes the slip of stored payments that the host does not have
// (未成功上送明细): those that wait, and those that it refused.
func RenderUnsent(recs []*payment.Record, b Batch, l text.Lang) Slip {
	p := printer{rec: &payment.Record{}, merchant: b.Merchant, lang: l}
	p.title("receipt.unsent", false)
	p.field("receipt.merchant_no", b.Number)
	p.field("receipt.terminal_no", b.Terminal)
	p.slip.rule()
	if len(recs) == 0 {
		p.centred(p.both("receipt.none"))
	}
	p.unsent(recs)
	p.close(false)
	return p.slip
}

func (p *printer) title(key text.Key, again bool) {
	p.slip.add(Line{Size: Tall, Bold: true, Align: Centre}, p.word(key))
	if again {
		p.slip.add(Line{Bold: true, Align: Centre}, p.word("receipt.reprint"))
	}
	p.testing()
	p.slip.rule()
}

func (p *printer) close(again bool) {
	p.field("receipt.service", p.merchant.Hotline)
	if again {
		p.slip.add(Line{Bold: true, Align: Centre}, p.word("receipt.reprint"))
	}
	p.testing()
}

func (p *printer) testing() {
	if p.merchant.Testing {
		p.slip.add(Line{Bold: true, Align: Centre}, p.word("receipt.test"))
	}
}

// totals prints both sides of one class of cards, and what the host said of them.
func (p *printer) totals(key text.Key, t batch.Totals, v batch.Verdict, c emv.Currency) {
	p.slip.add(Line{Bold: true}, p.word(key)+verdict(p.lang, v))
	p.count("receipt.debit", t.Debit, c)
	p.count("receipt.credit", t.Credit, c)
}

func verdict(l text.Lang, v batch.Verdict) string {
	key := map[batch.Verdict]text.Key{
		batch.Balanced: "receipt.settle.equal", batch.Unbalanced: "receipt.settle.unequal", batch.Failed: "receipt.settle.error",
	}[v]
	if key == "" {
		return ""
	}
	return "  " + text.Word(l, key)
}

// count prints one side: its name, the number of payments and their amount at the edge.
func (p *printer) count(key text.Key, c batch.Count, currency emv.Currency) {
	left := fmt.Sprintf("%s %d", p.word(key), c.Number)
	right := money(emv.Amount{Minor: c.Amount, Currency: currency})
	if text.Columns(left)+1+text.Columns(right) <= Columns {
		p.plain(text.Fit(left, Columns-text.Columns(right)) + right)
		return
	}
	p.plain(left)
	p.slip.add(Line{Align: Right}, right)
}

// unsent lists payments, the waiting ones first.
func (p *printer) unsent(recs []*payment.Record) {
	for _, part := range []struct {
		state payment.State
		title text.Key
	}{{payment.Stored, "receipt.unsent"}, {payment.Refused, "receipt.denied"}} {
		titled := false
		for _, rec := range recs {
			if rec.State != part.state {
				continue
			}
			if !titled {
				p.slip.add(Line{Bold: true}, p.word(part.title))
				titled = true
			}
			p.unsentOne(rec)
		}
		if titled {
			p.slip.rule()
		}
	}
}

func (p *printer) unsentOne(rec *payment.Record) {
	p.plain(fmt.Sprintf("%06d %s", rec.ID.STAN, p.word(text.Key("txn."+rec.Kind.String()))))
	p.plain(rec.Masked)
	right := money(rec.Amount)
	left := rec.Time.Format("01/02 15:04")
	if a := rec.Answer; a != nil && a.Code != "" {
		left += " " + a.Code
	}
	p.plain(text.Fit(left, Columns-text.Columns(right)) + right)
}

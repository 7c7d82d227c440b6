package simulate

import (
	"slices"

	"posd/emv/payment"
)

// policy lets the terminal take everything, within limits.
func policy() payment.Policy {
	return payment.Policy{
		Manual: true, Stripe: true, Fallback: true, TipPercent: 20,
		Offline: payment.OfflinePolicy{Allowed: true, Most: floorLimit, MaxCount: 8, MaxTotal: 4 * floorLimit},
	}
}

// floorLimit is what card and terminal may approve between them, in fen.
const floorLimit = 5000

// choose makes up the next order: half are sales, the rest is of any kind that has
// something to be about. The card of the order is put into the slot.
func (l *life) choose() payment.Order {
	w, d := l.w, l.w.orders
	kinds := payment.Kinds()
	kind := kinds[d.n(len(kinds))]
	if kind == payment.OfflineChip || d.hits(0.4) {
		kind = payment.Sale // which becomes the former where card and terminal agree
	}
	rules := kind.Rules()
	o := payment.Order{Kind: kind, Amount: yuan(int64(1 + d.n(30_000))), Operator: "01", Supervisor: "00"}
	w.current = d.n(len(w.cards))
	if rules.Original != payment.NoOriginal {
		of := l.pick(rules)
		if of == nil {
			return l.sale(o)
		}
		l.about(&o, rules, of)
	}
	if kind == payment.OfflineSale {
		o.Original.AuthCode = "T12345"
	}
	if rules.Bound == payment.NoAmount {
		o.Amount.Minor = 0
	}
	return l.present(o, rules)
}

func (l *life) sale(o payment.Order) payment.Order {
	o.Kind = payment.Sale
	return l.present(o, o.Kind.Rules())
}

// present says how the card is read: mostly by its chip.
func (l *life) present(o payment.Order, rules payment.Rules) payment.Order {
	w, d := l.w, l.w.orders
	if rules.Card == payment.NoCard {
		return o
	}
	profile := w.cards[w.current].Profile()
	switch typed, swiped := d.hits(0.08), d.hits(0.05); {
	case typed:
		o.Card = payment.TypedCard{PAN: profile.PAN, Expiry: expiryOf(profile)}
	case swiped:
		o.Swipe = true
	}
	return o
}

// pick returns a payment that one of these rules can be about, or nil; now and then one
// that was declined or undone, which the terminal is to refuse.
func (l *life) pick(rules payment.Rules) *payment.Record {
	all, err := l.journal.List(l.ctx, 500, payment.ID{})
	l.alive()
	if err != nil {
		return nil
	}
	if rules.Original == payment.Typed {
		all = append(all, l.w.settled...)
	}
	all = slices.DeleteFunc(all, func(rec *payment.Record) bool { return !slices.Contains(rules.Of, rec.Kind) })
	if !l.w.orders.hits(0.1) {
		all = slices.DeleteFunc(all, func(rec *payment.Record) bool { return rec.State != payment.Completed && rec.State != payment.Stored })
	}
	if len(all) == 0 {
		return nil
	}
	return all[l.w.orders.n(len(all))]
}

// about fills in what an order says of its original, by its number or by its receipt.
func (l *life) about(o *payment.Order, rules payment.Rules, of *payment.Record) {
	w, d := l.w, l.w.orders
	for i, c := range w.cards {
		if c.Profile().PAN.Masked() == of.Masked {
			w.current = i
		}
	}
	o.Original.ID = of.ID
	if rules.Original == payment.Typed && of.Answer != nil && d.hits(0.5) {
		o.Original = payment.Original{RRN: of.Answer.RRN, AuthCode: of.Answer.AuthCode, Date: of.Answer.Time[:min(4, len(of.Answer.Time))]}
	}
	switch rules.Bound {
	case payment.WholeAmount:
		o.Amount = of.Amount
	case payment.UpToOriginal:
		o.Amount.Minor = 1 + int64(d.n(int(of.Amount.Minor)))
	case payment.UpToHold:
		o.Amount.Minor = 1 + int64(d.n(int(of.Amount.Minor*115/100)))
	case payment.WithTip:
		o.Amount.Minor, o.Tip = 0, int64(d.n(int(of.Amount.Minor/5)+1))
	}
}

package batch

import (
	"maps"
	"math/rand/v2"
	"slices"

	"posd/emv"
	"posd/emv/payment"
)

// random fills the batch with payments of every kind and state, as a day would.
func (w *world) random(r *rand.Rand, n int) {
	for range n {
		w.add(r, payment.Kinds()[r.IntN(len(payment.Kinds()))])
	}
}

var pans = []string{"6277000000000017", "4761739001010010"}

// add puts a payment into the journal, and into the host's ledger where the host has it.
func (w *world) add(r *rand.Rand, kind payment.Kind) *payment.Record {
	w.book.stan++
	pan, err := emv.ParsePAN(pans[r.IntN(len(pans))])
	if err != nil {
		w.t.Fatal(err)
	}
	rules := kind.Rules()
	rec := &payment.Record{
		ID: payment.ID{Batch: 41, STAN: w.book.stan}, Kind: kind, PAN: pan, Masked: pan.Masked(),
		Amount: emv.Amount{Minor: 1 + r.Int64N(100000), Currency: emv.CNY}, State: payment.Completed,
	}
	if rules.Original == payment.InBatch && !w.refer(r, rec) {
		return nil
	}
	if rules.Card == payment.FullEMV && r.IntN(3) > 0 {
		rec.Final = []byte{0x9F, 0x26, 0}
		if r.IntN(4) == 0 {
			rec.Facts.TVR |= emv.IssuerAuthFailed
		}
	}
	w.state(r, rec)
	w.book.records = append(w.book.records, rec)
	return rec
}

// refer gives rec an original of this batch, where there is one.
func (w *world) refer(r *rand.Rand, rec *payment.Record) bool {
	for range 20 {
		if len(w.book.records) == 0 {
			return false
		}
		o := w.book.records[r.IntN(len(w.book.records))]
		waits := o.State == payment.Stored && rec.Kind.Rules().Adjusts
		if (o.State == payment.Completed || waits) && slices.Contains(rec.Kind.Rules().Of, o.Kind) {
			rec.Original = &payment.Original{ID: o.ID}
			rec.PAN, rec.Masked = o.PAN, o.Masked
			rec.Before = o.Amount
			return true
		}
	}
	return false
}

func (w *world) state(r *rand.Rand, rec *payment.Record) {
	if rec.Kind.Rules().Adjusts && slices.ContainsFunc(w.book.records, func(o *payment.Record) bool { return o.State == payment.Stored }) {
		rec.State = payment.Stored // they go up in order
		return
	}
	switch r.IntN(10) {
	case 0:
		rec.State = payment.Declined
		return
	case 1:
		if rec.Kind.Rules().Unanswered == payment.Reverse {
			rec.State = payment.Reversed
			return
		}
		rec.State = payment.Refused
		return
	case 2:
		if rec.Kind.Rules().Unanswered == payment.Reverse {
			rec.State = payment.ReversalOwed
			w.host.post(rec)
			return
		}
		rec.State = payment.Stored
		return
	case 3:
		rec.Script = &payment.Notice{}
	}
	w.host.post(rec)
}

// diverge makes the host's ledger another one: a payment is missing, different or strange.
func (w *world) diverge(r *rand.Rand) {
	ids := slices.SortedFunc(maps.Keys(w.host.ledger), func(a, b payment.ID) int { return int(a.STAN) - int(b.STAN) })
	if len(ids) == 0 {
		return
	}
	id := ids[r.IntN(len(ids))]
	switch r.IntN(3) {
	case 0:
		delete(w.host.ledger, id)
	case 1:
		p := w.host.ledger[id]
		p.minor++
		w.host.ledger[id] = p
	default:
		w.host.ledger[payment.ID{Batch: 41, STAN: 900000}] = posting{r.IntN(2) == 0, false, 5, 1}
	}
}

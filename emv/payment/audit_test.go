package payment_test

import (
	"errors"
	"strings"

	"posd/emv/payment"
)

// audit compares journal and bank, payment by payment.
func (w *world) audit() error {
	for id, rec := range w.journal.recs {
		w.auditRecord(id, &rec)
	}
	for id := range w.bank.charged {
		if _, ok := w.journal.recs[id]; !ok {
			w.bank.never("the bank charged %v, which the journal does not know", id)
		}
	}
	for id := range w.told {
		if s := w.journal.recs[id].State; s != payment.Completed && s != payment.Refused {
			w.bank.never("%v was approved at the till, and is %v", id, s)
		}
	}
	w.auditOriginals()
	if len(w.bank.missing) > 0 {
		return errors.New(strings.Join(w.bank.missing, "; "))
	}
	return nil
}

func (w *world) auditRecord(id payment.ID, rec *payment.Record) {
	charged, posted := w.bank.charged[id]
	money, moves := worth(rec)
	done := rec.State == payment.Completed
	switch {
	case done && moves && (!posted || charged != money):
		w.bank.never("%v is completed, the bank charged %d", id, charged)
	case (!done || !moves) && posted:
		w.bank.never("%v is %v, the bank charged %d", id, rec.State, charged)
	case !rec.State.Final() && rec.State != payment.Refused:
		w.bank.never("%v is still %v", id, rec.State)
	case rec.State == payment.Reversed && rec.Reversal.Answer == nil:
		w.bank.never("%v is reversed, and the host did not say so", id)
	}
	if done && moves && !w.journal.printed[id] && w.paper.broken == nil {
		w.bank.never("%v has no receipt", id)
	}
	if rec.Script != nil && (!w.bank.notified[id] || rec.Script.Answer == nil) {
		w.bank.never("the host does not know of the scripts of %v", id)
	}
	if !moves && (!rec.PAN.IsZero() || rec.Answer != nil && rec.Answer.Balance != nil) {
		w.bank.never("%v, a balance inquiry, left its card or its balance on disk", id)
	}
}

// auditOriginals looks at payments about others: one void, or one adjustment, or refunds
// that together are no more than the original.
func (w *world) auditOriginals() {
	taken, back := map[payment.ID]int{}, map[payment.ID]int64{}
	for _, rec := range w.journal.recs {
		if rec.Original == nil || rec.Original.ID == (payment.ID{}) || rec.State != payment.Completed {
			continue
		}
		of := rec.Original.ID
		if rec.Kind == payment.Refund {
			back[of] += rec.Amount.Minor
		} else {
			taken[of]++
		}
		if orig, ok := w.journal.recs[of]; !ok || orig.State != payment.Completed && orig.State != payment.Refused {
			w.bank.never("%v, a %v, of %v, which is %v", rec.ID, rec.Kind, of, orig.State)
		}
	}
	for of, n := range taken {
		if n > 1 || back[of] > 0 {
			w.bank.never("%v has %d payments about it, and refunds of %d", of, n, back[of])
		}
	}
	for of, sum := range back {
		if sum > w.journal.recs[of].Amount.Minor {
			w.bank.never("%d refunded of %v", sum, of)
		}
	}
}

package simulate

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"

	"posd/emv/payment"
	hostsim "posd/host-sim"
)

// books are the journal's payments, read while the store is open.
type books struct {
	read    bool
	records []*payment.Record // oldest first
}

// read takes the journal's side of the comparison.
func (l *life) read() {
	var before payment.ID
	l.w.books.records = nil
	for {
		page, err := l.journal.List(l.ctx, 500, before)
		if err != nil {
			l.w.fail("journal: list: %v", err)
			return
		}
		if len(page) == 0 {
			break
		}
		l.w.books.records = append(l.w.books.records, page...)
		before = page[len(page)-1].ID
	}
	slices.Reverse(l.w.books.records)
	l.w.books.read = true
}

// audit compares journal, host, issuer and ledger, and looks for card numbers on the disk.
func (w *world) audit() {
	if !w.books.read {
		w.fail("the terminal did not come to rest")
		return
	}
	posted, err := w.host.Transactions(w.ctx, tid)
	if err != nil {
		w.fail("host: %v", err)
		return
	}
	byID := map[payment.ID]hostsim.Transaction{}
	for _, t := range posted {
		byID[payment.ID{Batch: t.Batch, STAN: t.STAN}] = t
	}
	known := map[payment.ID]bool{}
	spent := map[string]int64{}
	for _, rec := range w.books.records {
		known[rec.ID] = true
		t := byID[rec.ID]
		w.compare(rec, t)
		spent[rec.Masked] += took(rec)
		if rec.State == payment.Reversed {
			w.stats.Reversed++
		}
	}
	for _, t := range posted {
		id := payment.ID{Batch: t.Batch, STAN: t.STAN}
		if !known[id] && t.State == "approved" {
			w.fail("the host took %d for %v, which the journal does not know", t.Amount, id)
		}
	}
	w.balances(spent)
	w.scan()
}

// took is what the journal says that a payment moved.
func took(rec *payment.Record) int64 {
	if rec.State != payment.Completed {
		return 0
	}
	return rec.Amount.Minor
}

// compare holds one payment of the journal against the host's.
func (w *world) compare(rec *payment.Record, t hostsim.Transaction) {
	moved := int64(0)
	if t.State == "approved" {
		moved = t.Amount
	}
	switch {
	case took(rec) != moved:
		w.fail("%v is %v at %d, the host says %q at %d", rec.ID, rec.State, rec.Amount.Minor, t.State, t.Amount)
	case !rec.State.Final():
		w.fail("%v is still %v", rec.ID, rec.State)
	case rec.State == payment.Reversed && (rec.Reversal == nil || rec.Reversal.Answer == nil):
		w.fail("%v is reversed without an answer of the host", rec.ID)
	case rec.State == payment.Completed && !slices.Contains(w.slips[rec.ID], payment.Completed):
		w.fail("%v is completed and has no receipt", rec.ID)
	}
	if rec.State != payment.Completed && slices.Contains(w.slips[rec.ID], payment.Completed) {
		w.fail("%v is %v and has an approved receipt", rec.ID, rec.State)
	}
}

// balances compares the accounts of the cards and of the merchant, and adds the ledger up.
func (w *world) balances(spent map[string]int64) {
	balances, err := w.host.Balances(w.ctx)
	if err != nil {
		w.fail("host: balances: %v", err)
	}
	total := int64(0)
	for _, b := range balances {
		if got := b.Opening - b.Ledger; got != spent[b.Masked] {
			w.fail("card %s: the issuer says %d spent, the journal %d", b.Masked, got, spent[b.Masked])
		}
		total += spent[b.Masked]
	}
	merchants, err := w.host.Merchants(w.ctx)
	if err != nil {
		w.fail("host: merchants: %v", err)
	}
	for _, m := range merchants {
		if m.Balance != total {
			w.fail("merchant: the host owes %d, the journal says %d", m.Balance, total)
		}
	}
	trial, err := w.host.TrialBalance(w.ctx)
	if err != nil || !trial.OK() {
		w.fail("ledger: %+v %v", trial, err)
	}
}

// checkSlip: no approved receipt without money, at the moment at which it is printed.
func (w *world) checkSlip(rec *payment.Record) {
	t, err := w.posted(rec.ID)
	if err != nil || t.State != "approved" || t.Amount != rec.Amount.Minor {
		w.fail("%v: receipt over %d, the host says %q at %d %v", rec.ID, rec.Amount.Minor, t.State, t.Amount, err)
	}
}

// checkTold: the merchant is told "approved" only of a payment that is stored as such.
func (w *world) checkTold(res payment.Result) {
	if res.Record == nil || res.Record.State != payment.Completed {
		w.fail("told approved, and the record says otherwise: %+v", res.Record)
	}
}

func (w *world) posted(id payment.ID) (hostsim.Transaction, error) {
	w.network.mu.Lock()
	defer w.network.mu.Unlock()
	all, err := w.host.Transactions(context.WithoutCancel(w.ctx), tid)
	for _, t := range all {
		if t.Batch == id.Batch && t.STAN == id.STAN {
			return t, err
		}
	}
	return hostsim.Transaction{}, err
}

// scan looks for the card numbers of the run in every file of it.
func (w *world) scan() {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.fail("scan: %v", err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(w.dir, e.Name()))
		if err != nil {
			w.fail("scan: %v", err)
		}
		for _, c := range w.cards {
			digits := c.Profile().PAN.Reveal()
			for _, form := range forms(digits) {
				if bytes.Contains(content, form) {
					w.fail("%s holds the number of card %s", e.Name(), c.Profile().PAN.Masked())
				}
			}
		}
	}
}

// forms are the digits in ASCII, and packed two a byte at both alignments without the ends.
func forms(digits string) [][]byte {
	return [][]byte{[]byte(digits), packed(digits), packed(digits[1:])}
}

func packed(digits string) []byte {
	out := make([]byte, 0, len(digits)/2)
	for i := 0; i+1 < len(digits); i += 2 {
		out = append(out, (digits[i]-'0')<<4|(digits[i+1]-'0'))
	}
	return out
}

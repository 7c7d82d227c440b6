package simulate

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"posd/emv/payment"
	hostsim "posd/host-sim"
	"posd/host-sim/acquirer"
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
	closed, err := l.archived()
	if err != nil {
		l.w.fail("archive: %v", err)
	}
	l.w.books.records = append(closed, l.w.books.records...)
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
		if !known[id] && agreed(t.State) {
			w.fail("the host took %d for %v, which the journal does not know", t.Amount, id)
		}
	}
	w.balances(spent)
	w.scan()
}

// took is what the journal says that the merchant got by a payment, negative where he gave.
func took(rec *payment.Record) int64 {
	if rec.State != payment.Completed {
		return 0
	}
	rules := rec.Kind.Rules()
	minor := rec.Amount.Minor
	if rules.Adjusts {
		minor -= rec.Before.Minor
	}
	return minor * int64(rules.Side)
}

// agreed tells whether the host did what it was asked.
func agreed(s acquirer.State) bool {
	return s == acquirer.Approved || s == acquirer.Voided || s == acquirer.Completed
}

// compare holds one payment of the journal against the host's.
func (w *world) compare(rec *payment.Record, t hostsim.Transaction) {
	done := rec.State == payment.Completed
	if done {
		w.stats.Kinds[rec.Kind]++
	}
	if rec.Kind.Rules().Unanswered == payment.Forget {
		return // no money moves by it, and no slip is due
	}
	switch {
	case done != agreed(t.State) || done && rec.Amount.Minor != t.Amount:
		w.fail("%v %v is %v at %d, the host says %q at %d", rec.ID, rec.Kind, rec.State, rec.Amount.Minor, t.State, t.Amount)
	case !rec.State.Final():
		w.fail("%v %v is still %v", rec.ID, rec.Kind, rec.State)
	case rec.State == payment.Reversed && (rec.Reversal == nil || rec.Reversal.Answer == nil):
		w.fail("%v is reversed without an answer of the host", rec.ID)
	case done && !w.hasSlip(rec.ID):
		w.fail("%v %v is completed and has no receipt", rec.ID, rec.Kind)
	}
	if !done && slices.Contains(w.slips[rec.ID], payment.Completed) {
		w.fail("%v is %v and has an approved receipt", rec.ID, rec.State)
	}
}

// hasSlip tells whether the approved payment has a receipt: that of the till, or that of
// the moment at which it was taken without the host.
func (w *world) hasSlip(id payment.ID) bool {
	return slices.Contains(w.slips[id], payment.Completed) || slices.Contains(w.slips[id], payment.Stored)
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
	if err != nil || !agreed(t.State) || t.Amount != rec.Amount.Minor {
		w.fail("%v: receipt over %d, the host says %q at %d %v", rec.ID, rec.Amount.Minor, t.State, t.Amount, err)
	}
}

// checkTold: the merchant is told "approved" only of a payment that is stored as such.
func (w *world) checkTold(res payment.Result) {
	if res.Record == nil || res.Record.State != payment.Completed && res.Record.State != payment.Stored {
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
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		w.scanFile(e.Name(), content)
		return nil
	})
	if err != nil {
		w.fail("scan: %v", err)
	}
}

func (w *world) scanFile(name string, content []byte) {
	for _, c := range w.cards {
		for _, form := range forms(c.Profile().PAN.Reveal()) {
			if bytes.Contains(content, form) {
				w.fail("%s holds the number of card %s", name, c.Profile().PAN.Masked())
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

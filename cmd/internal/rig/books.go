package rig

import (
	"context"
	"fmt"
	"strings"

	hostsim "posd/host-sim"
	"posd/transport/control"
)

// Books are what each side says of the money, payment by payment and card by card.
type Books struct {
	Payments []PaymentLine
	Cards    []CardLine
	Merchant [2]int64 // by the journal, by the host: what the merchant is owed, in fen
	Trial    hostsim.Trial
}

// PaymentLine is one payment in the journal and at the host. An empty side does not
// know it.
type PaymentLine struct {
	ID, Card, Amount string
	Journal          string // state in the terminal's journal
	Host             string // state at the host
	Minor            int64  // what the journal says moved, in fen
	Posted           int64  // what the host says moved, in fen
}

// Equal tells whether both sides say the same of the money.
func (l PaymentLine) Equal() bool { return l.Minor == l.Posted && l.Journal != "" && !open(l.Journal) }

// open are states of the journal that are no end.
func open(state string) bool {
	return strings.HasPrefix(state, "re") && state != "reversed" && state != "resolved" || state == "answered"
}

// CardLine is one account. All in fen.
type CardLine struct {
	Card                 string
	Opening              int64
	Journal, Host, Spent int64 // by the journal, by the host's payments, by the issuer's balance
}

// Equal tells whether all three say the same.
func (l CardLine) Equal() bool { return l.Journal == l.Host && l.Host == l.Spent }

// Audit asks the agent, the host and the issuer.
func (r *Rig) Audit(ctx context.Context) (Books, error) {
	entries, err := r.Client().Journal(ctx, control.MaxJournal)
	if err != nil {
		return Books{}, err
	}
	posted, err := r.Host.Transactions(ctx, TID)
	if err != nil {
		return Books{}, err
	}
	var b Books
	b.payments(entries, posted)
	if err := b.accounts(ctx, r.Host); err != nil {
		return Books{}, err
	}
	b.Trial, err = r.Host.TrialBalance(ctx)
	return b, err
}

func (b *Books) payments(entries []control.Entry, posted []hostsim.Transaction) {
	at := map[string]int{}
	for i := len(entries) - 1; i >= 0; i-- { // oldest first
		e := entries[i]
		at[e.ID] = len(b.Payments)
		b.Payments = append(b.Payments, PaymentLine{
			ID: e.ID, Card: e.Card, Amount: e.Amount, Journal: e.State, Minor: e.Moved,
		})
	}
	for _, t := range posted {
		id := fmt.Sprintf("%06d/%06d", t.Batch, t.STAN)
		i, ok := at[id]
		if !ok {
			i = len(b.Payments)
			b.Payments = append(b.Payments, PaymentLine{ID: id, Card: t.Masked, Amount: fmt.Sprintf("%d.%02d", t.Amount/100, t.Amount%100)})
		}
		b.Payments[i].Host, b.Payments[i].Posted = string(t.State), t.Moved
	}
	for _, p := range b.Payments {
		b.Merchant[0] += p.Minor
	}
}

func (b *Books) accounts(ctx context.Context, host *hostsim.Host) error {
	balances, err := host.Balances(ctx)
	if err != nil {
		return err
	}
	for _, account := range balances {
		line := CardLine{Card: account.Masked, Opening: account.Opening, Spent: account.Opening - account.Ledger}
		for _, p := range b.Payments {
			if p.Card == account.Masked {
				line.Journal += p.Minor
				line.Host += p.Posted
			}
		}
		b.Cards = append(b.Cards, line)
	}
	merchants, err := host.Merchants(ctx)
	for _, m := range merchants {
		if m.MID == MID {
			b.Merchant[1] = m.Balance
		}
	}
	return err
}

// Differences lists everything on which the sides do not agree; none if the books are
// right.
func (b Books) Differences() []string {
	var out []string
	for _, p := range b.Payments {
		if !p.Equal() {
			out = append(out, fmt.Sprintf("payment %s: journal %q took %d, host %q posted %d", p.ID, p.Journal, p.Minor, p.Host, p.Posted))
		}
	}
	for _, c := range b.Cards {
		if !c.Equal() {
			out = append(out, fmt.Sprintf("card %s: journal %d, host %d, issuer's balance %d", c.Card, c.Journal, c.Host, c.Spent))
		}
	}
	if b.Merchant[0] != b.Merchant[1] {
		out = append(out, fmt.Sprintf("merchant: journal %d, host %d", b.Merchant[0], b.Merchant[1]))
	}
	if !b.Trial.OK() {
		out = append(out, fmt.Sprintf("ledger: entries add up to %d; %s", b.Trial.Sum, strings.Join(b.Trial.Wrong, "; ")))
	}
	return out
}

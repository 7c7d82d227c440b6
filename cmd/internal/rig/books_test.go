package rig

import (
	"testing"

	hostsim "posd/host-sim"
)

// agreeing are books without a difference: one payment completed, one reversed.
func agreeing() Books {
	return Books{
		Payments: []PaymentLine{
			{ID: "000001/000001", Card: "c", Amount: "12.00", Journal: "completed", Host: "approved", Minor: 1200, Posted: 1200},
			{ID: "000001/000002", Card: "c", Amount: "9.00", Journal: "reversed", Host: "reversed"},
		},
		Cards:    []CardLine{{Card: "c", Opening: 5000, Journal: 1200, Host: 1200, Spent: 1200}},
		Merchant: [2]int64{1200, 1200},
	}
}

// The demo and the crash tests stand on this comparison: it must find each difference.
func TestDifferences(t *testing.T) {
	if diff := agreeing().Differences(); len(diff) != 0 {
		t.Fatalf("books that agree: %q", diff)
	}
	tests := map[string]func(*Books){
		"completed, but the host reversed":   func(b *Books) { b.Payments[0].Posted = 0 },
		"reversed, but the host posted":      func(b *Books) { b.Payments[1].Posted = 900 },
		"another amount at the host":         func(b *Books) { b.Payments[0].Posted = 1201 },
		"the journal does not know it":       func(b *Books) { b.Payments[0].Journal = "" },
		"a reversal is still owed":           func(b *Books) { b.Payments[1].Journal = "reversal owed" },
		"a request was left open":            func(b *Books) { b.Payments[1].Journal = "requested" },
		"an answer was left open":            func(b *Books) { b.Payments[1].Journal = "answered" },
		"the issuer took more than the host": func(b *Books) { b.Cards[0].Spent = 2400 },
		"the host took more than the till":   func(b *Books) { b.Cards[0].Host = 2400 },
		"the merchant is owed less":          func(b *Books) { b.Merchant[1] = 0 },
		"the ledger does not add up":         func(b *Books) { b.Trial = hostsim.Trial{Sum: 1} },
		"a ledger account is wrong":          func(b *Books) { b.Trial = hostsim.Trial{Wrong: []string{"account 1"}} },
	}
	for name, spoil := range tests {
		b := agreeing()
		spoil(&b)
		if len(b.Differences()) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

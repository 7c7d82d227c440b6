package hostsim

import (
	"context"

	"posd/emv"
	"posd/host-sim/acquirer"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/issuer"
	"posd/host-sim/ledger"
)

// Transaction is a payment at the host, for people and for comparison with a
// terminal's journal.
type Transaction = acquirer.Transaction

// Trial is the trial balance of the books.
type Trial = ledger.Trial

// Balance is a card's account. Amounts are minor units.
type Balance struct {
	Masked    string // card number, first six and last four
	PSN       int
	Status    issuer.Status
	Opening   int64
	Ledger    int64 // balance of the books
	Held      int64 // by pre-authorisations
	Available int64 // balance and credit line, less what is held
	Currency  emv.Currency
	PINTries  int // wrong PINs left
}

// MerchantBalance is what the host owes a merchant, in minor units.
type MerchantBalance struct {
	MID, Name string
	Balance   int64
	Currency  emv.Currency
}

// TerminalInfo is a terminal without its keys.
type TerminalInfo struct {
	TID, MID, SN string
	Status       estate.Status
	Batch        uint32
	SignedOn     bool
}

// Transactions returns the payments of a terminal by batch and STAN; of all terminals
// where tid is empty. A reversal shows in State and Reversal of its payment.
func (h *Host) Transactions(ctx context.Context, tid string) (out []Transaction, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = acquirer.Transactions(ctx, tx, tid)
		return err
	})
	return out, err
}

// Balances returns the cards' accounts by masked number.
func (h *Host) Balances(ctx context.Context) (out []Balance, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		cards, err := issuer.Cards(ctx, tx)
		if err != nil {
			return err
		}
		for _, c := range cards {
			a, err := ledger.ByID(ctx, tx, c.Account)
			if err != nil {
				return err
			}
			out = append(out, Balance{c.Masked, c.PSN, c.Status, a.Opening, a.Balance, a.Held, a.Available(), a.Currency, c.Tries})
		}
		return nil
	})
	return out, err
}

// Merchants returns the merchants' balances by number.
func (h *Host) Merchants(ctx context.Context) (out []MerchantBalance, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		merchants, err := estate.Merchants(ctx, tx)
		if err != nil {
			return err
		}
		for _, m := range merchants {
			a, err := ledger.ByID(ctx, tx, m.Account)
			if err != nil {
				return err
			}
			out = append(out, MerchantBalance{m.MID, m.Name, a.Balance, a.Currency})
		}
		return nil
	})
	return out, err
}

// Terminals returns the terminals by number.
func (h *Host) Terminals(ctx context.Context) (out []TerminalInfo, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		terminals, err := estate.Terminals(ctx, tx)
		for _, t := range terminals {
			out = append(out, TerminalInfo{t.TID, t.MID, t.SN, t.Status, t.Batch, t.SignedOn})
		}
		return err
	})
	return out, err
}

// TrialBalance adds up the books anew.
func (h *Host) TrialBalance(ctx context.Context) (out Trial, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = ledger.TrialBalance(ctx, tx)
		return err
	})
	return out, err
}

package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"posd/emv"
	"posd/host-sim/db"
)

// Limits of one posting.
const (
	minLines = 2
	maxLines = 16
)

// What can be wrong with a posting.
var (
	// ErrUnbalanced says that the lines of a posting do not add up to zero.
	ErrUnbalanced = errors.New("posting does not balance")
	// ErrAlreadyContra says that the posting has its contra posting already.
	ErrAlreadyContra = errors.New("posting was taken back before")
	// ErrNoPosting says that there is no such posting.
	ErrNoPosting = errors.New("no such posting")
	// ErrNoAccount says that there is no such account.
	ErrNoAccount = errors.New("no such account")
)

// Funding is the name of the account that opening balances come from, one for each
// currency: the outside world.
const Funding = "funding"

// Account is one account of the books. Amounts are minor units of Currency.
type Account struct {
	ID         int64
	Name       string // unique
	Currency   emv.Currency
	CreditLine int64 // how far below zero the balance may go
	Opening    int64 // balance that it was opened with
	Balance    int64 // sum of its entries
	Held       int64 // sum of its open holds
}

// Available is what may still be spent: balance and credit line, less what is held.
func (a Account) Available() int64 { return a.Balance + a.CreditLine - a.Held }

// Line is one entry of a posting: Amount is added to the account's balance.
type Line struct {
	Account int64
	Amount  int64
}

// Transfer returns the lines that move amount from one account to another.
func Transfer(from, to, amount int64) []Line {
	return []Line{{from, -amount}, {to, amount}}
}

// Open makes an account and, where opening is not zero, the posting that funds it.
// ID and Balance of a are set by the call.
func Open(ctx context.Context, tx db.Tx, a Account, at time.Time) (Account, error) {
	if a.Name == "" || a.CreditLine < 0 || a.CreditLine > emv.MaxMinor {
		return Account{}, fmt.Errorf("ledger: open account %q: a name and a credit line of 0 to %d are needed", a.Name, emv.MaxMinor)
	}
	id, err := next(ctx, tx, "account")
	if err != nil {
		return Account{}, err
	}
	a.ID, a.Balance, a.Held = id, 0, 0
	if err := insertAccount(ctx, tx, a); err != nil {
		return Account{}, fmt.Errorf("ledger: open account %q: %w", a.Name, err)
	}
	if a.Opening == 0 {
		return a, nil
	}
	source, err := funding(ctx, tx, a.Currency, at)
	if err != nil {
		return Account{}, err
	}
	if _, err := Post(ctx, tx, "opening of "+a.Name, at, Transfer(source, id, a.Opening)); err != nil {
		return Account{}, err
	}
	a.Balance = a.Opening
	return a, nil
}

func funding(ctx context.Context, tx db.Tx, c emv.Currency, at time.Time) (int64, error) {
	name := fmt.Sprintf("%s %v", Funding, c)
	a, err := ByName(ctx, tx, name)
	if errors.Is(err, ErrNoAccount) {
		a, err = Open(ctx, tx, Account{Name: name, Currency: c}, at)
	}
	return a.ID, err
}

// Post writes one posting and the balances that it moves, and returns its number.
func Post(ctx context.Context, tx db.Tx, what string, at time.Time, lines []Line) (int64, error) {
	if err := check(lines); err != nil {
		return 0, fmt.Errorf("ledger: post %q: %w", what, err)
	}
	return write(ctx, tx, what, 0, at, lines)
}

func check(lines []Line) error {
	if len(lines) < minLines || len(lines) > maxLines {
		return fmt.Errorf("%d lines, %d to %d wanted: %w", len(lines), minLines, maxLines, ErrUnbalanced)
	}
	var sum int64 // 16 lines of 12 digits do not overflow
	for _, l := range lines {
		if l.Amount == 0 || l.Amount > emv.MaxMinor || l.Amount < -emv.MaxMinor {
			return fmt.Errorf("line of %d: %w", l.Amount, ErrUnbalanced)
		}
		sum += l.Amount
	}
	if sum != 0 {
		return fmt.Errorf("lines add up to %d: %w", sum, ErrUnbalanced)
	}
	return nil
}

// write stores the posting, its entries and the new balances; contraOf is 0 for none.
func write(ctx context.Context, tx db.Tx, what string, contraOf int64, at time.Time, lines []Line) (int64, error) {
	id, err := next(ctx, tx, "posting")
	if err != nil {
		return 0, err
	}
	if err := insertPosting(ctx, tx, id, what, contraOf, at); err != nil {
		return 0, fmt.Errorf("ledger: post %q: %w", what, err)
	}
	for i, l := range lines {
		if err := addLine(ctx, tx, l); err != nil {
			return 0, fmt.Errorf("ledger: post %q, line %d: %w", what, i+1, err)
		}
	}
	for i, m := range moves(lines) {
		if err := insertTransfer(ctx, tx, id, i, m); err != nil {
			return 0, fmt.Errorf("ledger: post %q, transfer %d: %w", what, i+1, err)
		}
	}
	return id, nil
}

// move is one transfer: what a posting is stored as. It cannot be out of balance.
type move struct{ from, to, amount int64 }

// moves matches the takings of a posting with its givings, in the order of its lines.
func moves(lines []Line) []move {
	left := slices.Clone(lines)
	out := make([]move, 0, len(lines))
	for t, g := 0, 0; ; {
		for t < len(left) && left[t].Amount >= 0 {
			t++
		}
		for g < len(left) && left[g].Amount <= 0 {
			g++
		}
		if t == len(left) || g == len(left) {
			return out
		}
		n := min(-left[t].Amount, left[g].Amount)
		out = append(out, move{left[t].Account, left[g].Account, n})
		left[t].Amount += n
		left[g].Amount -= n
	}
}

// addLine moves the balance of one line's account, which must stay inside int64.
func addLine(ctx context.Context, tx db.Tx, l Line) error {
	a, err := ByID(ctx, tx, l.Account)
	if err != nil {
		return err
	}
	if (l.Amount > 0 && a.Balance > math.MaxInt64-l.Amount) || (l.Amount < 0 && a.Balance < math.MinInt64-l.Amount) {
		return fmt.Errorf("balance of account %q would overflow", a.Name)
	}
	return addBalance(ctx, tx, l)
}

// Contra takes a posting back: the same entries with the signs turned, in a posting
// that points to it. A second call for the same posting fails with [ErrAlreadyContra].
func Contra(ctx context.Context, tx db.Tx, posting int64, what string, at time.Time) (int64, error) {
	lines, err := entries(ctx, tx, posting)
	if err != nil {
		return 0, err
	}
	if len(lines) == 0 {
		return 0, fmt.Errorf("ledger: take back posting %d: %w", posting, ErrNoPosting)
	}
	done, err := hasContra(ctx, tx, posting)
	if err != nil {
		return 0, err
	}
	if done {
		return 0, fmt.Errorf("ledger: take back posting %d: %w", posting, ErrAlreadyContra)
	}
	for i := range lines {
		lines[i].Amount = -lines[i].Amount
	}
	return write(ctx, tx, what, posting, at, lines)
}

// Trial is the trial balance.
type Trial struct {
	Postings int
	Accounts int
	Sum      int64    // of all entries: zero, or the books are wrong
	Wrong    []string // what does not add up, in words; empty when the books are right
}

// OK tells that everything adds up.
func (t Trial) OK() bool { return t.Sum == 0 && len(t.Wrong) == 0 }

// TrialBalance adds up everything anew: all entries, each posting, each account's entries
// against its balance, and its open holds against what it holds.
func TrialBalance(ctx context.Context, tx db.Tx) (Trial, error) {
	t, err := totals(ctx, tx)
	if err != nil {
		return Trial{}, fmt.Errorf("ledger: trial balance: %w", err)
	}
	for _, q := range []string{unbalancedPostings, wrongBalances, wrongHolds} {
		wrong, err := texts(ctx, tx, q)
		if err != nil {
			return Trial{}, fmt.Errorf("ledger: trial balance: %w", err)
		}
		t.Wrong = append(t.Wrong, wrong...)
	}
	return t, nil
}

// Named returns the account of that name, which is opened with nothing where missing.
func Named(ctx context.Context, tx db.Tx, name string, c emv.Currency, at time.Time) (Account, error) {
	a, err := ByName(ctx, tx, name)
	if errors.Is(err, ErrNoAccount) {
		return Open(ctx, tx, Account{Name: name, Currency: c}, at)
	}
	return a, err
}

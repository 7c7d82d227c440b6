package ledger

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func books(t *testing.T) *db.DB {
	t.Helper()
	return dbtest.Open(t)
}

// in runs fn in one transaction and fails the test on its error.
func in(t interface {
	Helper()
	Fatal(args ...any)
}, d *db.DB, fn func(context.Context, db.Tx) error,
) {
	t.Helper()
	ctx := context.Background()
	if err := d.Update(ctx, func(tx db.Tx) error { return fn(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
}

// open makes two accounts: a card with 100.00 and a merchant with nothing.
func open(t *testing.T, d *db.DB) (card, merchant int64) {
	t.Helper()
	in(t, d, func(ctx context.Context, tx db.Tx) error {
		c, err := Open(ctx, tx, Account{Name: "card", Currency: emv.CNY, Opening: 10000, CreditLine: 500}, noon)
		if err != nil {
			return err
		}
		m, err := Open(ctx, tx, Account{Name: "merchant", Currency: emv.CNY}, noon)
		card, merchant = c.ID, m.ID
		return err
	})
	return card, merchant
}

func balance(t *testing.T, d *db.DB, id int64) (a Account) {
	t.Helper()
	in(t, d, func(ctx context.Context, tx db.Tx) (err error) {
		a, err = ByID(ctx, tx, id)
		return err
	})
	return a
}

func trial(t *testing.T, d *db.DB) (out Trial) {
	t.Helper()
	in(t, d, func(ctx context.Context, tx db.Tx) (err error) {
		out, err = TrialBalance(ctx, tx)
		return err
	})
	return out
}

func TestPostAndContra(t *testing.T) {
	d := books(t)
	card, merchant := open(t, d)
	var id int64
	in(t, d, func(ctx context.Context, tx db.Tx) (err error) {
		id, err = Post(ctx, tx, "sale", noon, Transfer(card, merchant, 1200))
		return err
	})
	if got := balance(t, d, card); got.Balance != 8800 || got.Available() != 9300 {
		t.Fatalf("card after the sale = %+v", got)
	}
	in(t, d, func(ctx context.Context, tx db.Tx) error {
		_, err := Contra(ctx, tx, id, "reversal", noon)
		return err
	})
	if got := balance(t, d, card).Balance; got != 10000 {
		t.Errorf("card after the reversal = %d, want 10000", got)
	}
	if got := balance(t, d, merchant).Balance; got != 0 {
		t.Errorf("merchant after the reversal = %d, want 0", got)
	}
	err := d.Update(t.Context(), func(tx db.Tx) error {
		_, err := Contra(t.Context(), tx, id, "again", noon)
		return err
	})
	if !errors.Is(err, ErrAlreadyContra) {
		t.Errorf("second contra: %v, want ErrAlreadyContra", err)
	}
	if got := trial(t, d); !got.OK() || got.Postings != 3 {
		t.Errorf("trial balance = %+v", got)
	}
}

func TestPostingIsRefused(t *testing.T) {
	d := books(t)
	card, merchant := open(t, d)
	rows := []struct {
		name  string
		lines []Line
		want  error
	}{
		{"one line", []Line{{card, 5}}, ErrUnbalanced},
		{"not zero", []Line{{card, 5}, {merchant, -4}}, ErrUnbalanced},
		{"a zero line", []Line{{card, 0}, {merchant, 0}}, ErrUnbalanced},
		{"13 digits", Transfer(card, merchant, emv.MaxMinor+1), ErrUnbalanced},
		{"unknown account", Transfer(card, 999, 5), ErrNoAccount},
		{"too many lines", make([]Line, maxLines+1), ErrUnbalanced},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			err := d.Update(t.Context(), func(tx db.Tx) error {
				_, err := Post(t.Context(), tx, row.name, noon, row.lines)
				return err
			})
			if !errors.Is(err, row.want) {
				t.Errorf("err = %v, want %v", err, row.want)
			}
		})
	}
	if got := trial(t, d); !got.OK() || got.Postings != 1 {
		t.Errorf("trial balance after refusals = %+v", got)
	}
}

// TestTrialBalanceSeesTampering plants what the trial balance is there to find.
func TestTrialBalanceSeesTampering(t *testing.T) {
	rows := []struct{ name, statement string }{
		{"a balance changed by hand", `UPDATE account SET balance = balance + 1 WHERE name = 'card'`},
		{"an entry changed by hand", `UPDATE transfer SET amount = amount + 1 WHERE posting_id = 1`},
		{"an entry deleted", `DELETE FROM transfer WHERE posting_id = 1`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			d := books(t)
			open(t, d)
			in(t, d, func(ctx context.Context, tx db.Tx) error {
				_, err := tx.ExecContext(ctx, row.statement)
				return err
			})
			if trial(t, d).OK() {
				t.Error("the trial balance saw nothing")
			}
		})
	}
}

// TestRandomPostings holds the books against a model of plain sums.
func TestRandomPostings(t *testing.T) {
	d := books(t)
	card, merchant := open(t, d)
	model := map[int64]int64{card: 10000, merchant: 0}
	var posted []int64
	rapid.Check(t, func(r *rapid.T) {
		amount := rapid.Int64Range(1, 5000).Draw(r, "amount")
		in(r, d, func(ctx context.Context, tx db.Tx) error {
			if len(posted) > 0 && rapid.Bool().Draw(r, "take back") {
				id := posted[len(posted)-1]
				lines, err := entries(ctx, tx, id)
				if err != nil {
					return err
				}
				posted = posted[:len(posted)-1]
				for _, l := range lines {
					model[l.Account] -= l.Amount
				}
				_, err = Contra(ctx, tx, id, "contra", noon)
				return err
			}
			id, err := Post(ctx, tx, "sale", noon, Transfer(card, merchant, amount))
			posted = append(posted, id)
			model[card] -= amount
			model[merchant] += amount
			return err
		})
	})
	for id, want := range model {
		if got := balance(t, d, id).Balance; got != want {
			t.Errorf("account %d = %d, the model says %d", id, got, want)
		}
	}
	if got := trial(t, d); !got.OK() {
		t.Errorf("trial balance = %+v", got)
	}
}

package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"posd/host-sim/db"
)

// maxWrong bounds the list of a trial balance that went wrong.
const maxWrong = 100

// Queries of the trial balance that name what is wrong, one string a row.
const (
	unbalancedPostings = `SELECT 'posting ' || posting_id || ' adds up to ' || SUM(amount)
		FROM entry GROUP BY posting_id HAVING SUM(amount) <> 0 ORDER BY posting_id LIMIT 100`
	wrongBalances = `SELECT 'account ' || a.name || ' has ' || a.balance || ', its entries ' || COALESCE(SUM(e.amount), 0)
		FROM account a LEFT JOIN entry e ON e.account_id = a.id
		GROUP BY a.id, a.name, a.balance HAVING a.balance <> COALESCE(SUM(e.amount), 0) ORDER BY a.name LIMIT 100`
	wrongHolds = `SELECT 'account ' || a.name || ' holds ' || a.held || ', its open holds ' || COALESCE(SUM(h.amount), 0)
		FROM account a LEFT JOIN hold h ON h.account_id = a.id AND h.state = 'open'
		GROUP BY a.id, a.name, a.held HAVING a.held <> COALESCE(SUM(h.amount), 0) ORDER BY a.name LIMIT 100`
)

// next draws the next number of a sequence. An update of a row, for that locks the
// row alike in SQLite and PostgreSQL.
func next(ctx context.Context, tx db.Tx, name string) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO sequence (name, last) VALUES ($1, 1)
		ON CONFLICT (name) DO UPDATE SET last = sequence.last + 1 RETURNING last`, name).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("ledger: draw number of %s: %w", name, err)
	}
	return n, nil
}

func insertAccount(ctx context.Context, tx db.Tx, a Account) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO account (id, name, currency, credit_line, opening, balance)
		VALUES ($1, $2, $3, $4, $5, 0)`, a.ID, a.Name, a.Currency, a.CreditLine, a.Opening)
	return err
}

const selectAccount = `SELECT id, name, currency, credit_line, opening, balance, held FROM account WHERE `

// ByID returns the account, or [ErrNoAccount].
func ByID(ctx context.Context, tx db.Tx, id int64) (Account, error) {
	a, err := scanAccount(tx.QueryRowContext(ctx, selectAccount+`id = $1`, id))
	if err != nil {
		return Account{}, fmt.Errorf("ledger: account %d: %w", id, err)
	}
	return a, nil
}

// ByName returns the account, or [ErrNoAccount].
func ByName(ctx context.Context, tx db.Tx, name string) (Account, error) {
	a, err := scanAccount(tx.QueryRowContext(ctx, selectAccount+`name = $1`, name))
	if err != nil {
		return Account{}, fmt.Errorf("ledger: account %q: %w", name, err)
	}
	return a, nil
}

func scanAccount(row *sql.Row) (a Account, err error) {
	err = row.Scan(&a.ID, &a.Name, &a.Currency, &a.CreditLine, &a.Opening, &a.Balance, &a.Held)
	if errors.Is(err, sql.ErrNoRows) {
		return Account{}, ErrNoAccount
	}
	return a, err
}

func insertPosting(ctx context.Context, tx db.Tx, id int64, what string, contraOf int64, at time.Time) error {
	back := sql.NullInt64{Int64: contraOf, Valid: contraOf != 0}
	_, err := tx.ExecContext(ctx, `INSERT INTO posting (id, what, contra_of, at_ms) VALUES ($1, $2, $3, $4)`,
		id, what, back, at.UnixMilli())
	return err
}

func insertTransfer(ctx context.Context, tx db.Tx, posting int64, line int, m move) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO transfer (posting_id, line, from_account, to_account, amount) VALUES ($1, $2, $3, $4, $5)`,
		posting, line, m.from, m.to, m.amount)
	return err
}

func addBalance(ctx context.Context, tx db.Tx, l Line) error {
	_, err := tx.ExecContext(ctx, `UPDATE account SET balance = balance + $1 WHERE id = $2`, l.Amount, l.Account)
	return err
}

func entries(ctx context.Context, tx db.Tx, posting int64) ([]Line, error) {
	rows, err := tx.QueryContext(ctx, `SELECT account_id, amount FROM entry WHERE posting_id = $1 ORDER BY line`, posting)
	if err != nil {
		return nil, fmt.Errorf("ledger: entries of posting %d: %w", posting, err)
	}
	defer rows.Close()
	var lines []Line
	for rows.Next() && len(lines) < 2*maxLines {
		var l Line
		if err := rows.Scan(&l.Account, &l.Amount); err != nil {
			return nil, fmt.Errorf("ledger: entries of posting %d: %w", posting, err)
		}
		lines = append(lines, l)
	}
	return lines, rows.Err()
}

func hasContra(ctx context.Context, tx db.Tx, posting int64) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM posting WHERE contra_of = $1`, posting).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("ledger: contra of posting %d: %w", posting, err)
	}
	return n > 0, nil
}

func totals(ctx context.Context, tx db.Tx) (t Trial, err error) {
	err = tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM posting), (SELECT COUNT(*) FROM account),
		(SELECT COALESCE(SUM(amount), 0) FROM entry)`).Scan(&t.Postings, &t.Accounts, &t.Sum)
	return t, err
}

func texts(ctx context.Context, tx db.Tx, query string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() && len(out) < maxWrong {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// maxExpired bounds how many holds expire in one transaction.
const maxExpired = 1000

func insertHold(ctx context.Context, tx db.Tx, h Hold, at time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO hold (id, account_id, amount, state, at_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6)`,
		h.ID, h.Account, h.Amount, h.State, at.UnixMilli(), h.Expires.UnixMilli())
	if err != nil {
		return fmt.Errorf("ledger: keep on account %d: %w", h.Account, err)
	}
	return addHeld(ctx, tx, h.Account, h.Amount)
}

// FindHold returns the hold, or [ErrNoHold].
func FindHold(ctx context.Context, tx db.Tx, id int64) (Hold, error) {
	h := Hold{ID: id}
	var expires int64
	err := tx.QueryRowContext(ctx, `SELECT account_id, amount, state, expires_ms FROM hold WHERE id = $1`, id).
		Scan(&h.Account, &h.Amount, &h.State, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoHold
	}
	if err != nil {
		return Hold{}, fmt.Errorf("ledger: hold %d: %w", id, err)
	}
	h.Expires = time.UnixMilli(expires)
	return h, nil
}

func updateHold(ctx context.Context, tx db.Tx, h Hold, to HoldState, delta int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE hold SET state = $1 WHERE id = $2`, to, h.ID)
	if err != nil {
		return fmt.Errorf("ledger: move hold %d: %w", h.ID, err)
	}
	return addHeld(ctx, tx, h.Account, delta)
}

func addHeld(ctx context.Context, tx db.Tx, account, delta int64) error {
	if _, err := tx.ExecContext(ctx, `UPDATE account SET held = held + $1 WHERE id = $2`, delta, account); err != nil {
		return fmt.Errorf("ledger: hold on account %d: %w", account, err)
	}
	return nil
}

func overdue(ctx context.Context, tx db.Tx, account int64, at time.Time) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id FROM hold WHERE state = 'open' AND expires_ms <= $1 AND (CAST($2 AS BIGINT) = 0 OR account_id = $2)
		ORDER BY id`, at.UnixMilli(), account)
	if err != nil {
		return nil, fmt.Errorf("ledger: overdue holds: %w", err)
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() && len(ids) < maxExpired {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("ledger: overdue holds: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

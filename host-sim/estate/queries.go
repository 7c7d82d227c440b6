package estate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"posd/host-sim/db"
)

// maxTerminals bounds a listing.
const maxTerminals = 100_000

func insertMerchant(ctx context.Context, tx db.Tx, m Merchant) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO merchant (mid, name, status, account_id) VALUES ($1, $2, $3, $4)`,
		m.MID, m.Name, m.Status, m.Account)
	if err != nil {
		return fmt.Errorf("estate: add merchant %s: %w", m.MID, err)
	}
	return nil
}

// FindMerchant returns the merchant, or [ErrNoMerchant].
func FindMerchant(ctx context.Context, tx db.Tx, mid string) (m Merchant, err error) {
	err = tx.QueryRowContext(ctx, `SELECT mid, name, status, account_id FROM merchant WHERE mid = $1`, mid).
		Scan(&m.MID, &m.Name, &m.Status, &m.Account)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoMerchant
	}
	if err != nil {
		return Merchant{}, fmt.Errorf("estate: find merchant %q: %w", mid, err)
	}
	return m, nil
}

func insertTerminal(ctx context.Context, tx db.Tx, t Terminal) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO terminal (tid, mid, sn, status, batch, signed_on, key_set, tmk)
		VALUES ($1, $2, $3, $4, $5, 0, 0, $6)`, t.TID, t.MID, t.SN, t.Status, t.Batch, []byte(t.TMK))
	if err != nil {
		return fmt.Errorf("estate: add terminal %s: %w", t.TID, err)
	}
	return nil
}

const selectTerminal = `SELECT tid, mid, sn, status, batch, signed_on, key_set, tmk, tpk, tak, tdk FROM terminal `

// FindTerminal returns the terminal, or [ErrNoTerminal].
func FindTerminal(ctx context.Context, tx db.Tx, tid string) (Terminal, error) {
	t, err := scanTerminal(tx.QueryRowContext(ctx, selectTerminal+`WHERE tid = $1`, tid))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoTerminal
	}
	if err != nil {
		return Terminal{}, fmt.Errorf("estate: find terminal %q: %w", tid, err)
	}
	return t, nil
}

// Terminals returns all terminals by number.
func Terminals(ctx context.Context, tx db.Tx) ([]Terminal, error) {
	rows, err := tx.QueryContext(ctx, selectTerminal+`ORDER BY tid`)
	if err != nil {
		return nil, fmt.Errorf("estate: list terminals: %w", err)
	}
	defer rows.Close()
	var out []Terminal
	for rows.Next() && len(out) < maxTerminals {
		t, err := scanTerminal(rows)
		if err != nil {
			return nil, fmt.Errorf("estate: list terminals: %w", err)
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

func scanTerminal(row interface{ Scan(...any) error }) (t Terminal, err error) {
	var signedOn int64
	err = row.Scan(&t.TID, &t.MID, &t.SN, &t.Status, &t.Batch, &signedOn, &t.KeySet,
		(*[]byte)(&t.TMK), (*[]byte)(&t.TPK), (*[]byte)(&t.TAK), (*[]byte)(&t.TDK))
	t.SignedOn = signedOn != 0
	return t, err
}

// SaveSignOn stores the working keys of t under a new key set number and signs it on.
func SaveSignOn(ctx context.Context, tx db.Tx, t Terminal) error {
	_, err := tx.ExecContext(ctx, `UPDATE terminal SET signed_on = 1, key_set = key_set + 1, tpk = $1, tak = $2, tdk = $3
		WHERE tid = $4`, []byte(t.TPK), []byte(t.TAK), []byte(t.TDK), t.TID)
	if err != nil {
		return fmt.Errorf("estate: sign on %s: %w", t.TID, err)
	}
	return nil
}

// SaveSignOff signs the terminal off. Its keys stay, for answers to what it repeats.
func SaveSignOff(ctx context.Context, tx db.Tx, tid string) error {
	return update(ctx, tx, "sign off", tid, `UPDATE terminal SET signed_on = 0 WHERE tid = $1`, tid)
}

// SetStatus makes a terminal active or suspends it.
func SetStatus(ctx context.Context, tx db.Tx, tid string, s Status) error {
	return update(ctx, tx, "set status of", tid, `UPDATE terminal SET status = $1 WHERE tid = $2`, s, tid)
}

// SetBatch gives the terminal a new batch.
func SetBatch(ctx context.Context, tx db.Tx, tid string, batch uint32) error {
	return update(ctx, tx, "set batch of", tid, `UPDATE terminal SET batch = $1 WHERE tid = $2`, batch, tid)
}

func update(ctx context.Context, tx db.Tx, what, tid, query string, args ...any) error {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("estate: %s %s: %w", what, tid, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("estate: %s %s: %w", what, tid, errOr(err, ErrNoTerminal))
	}
	return nil
}

// Merchants returns all merchants by number.
func Merchants(ctx context.Context, tx db.Tx) ([]Merchant, error) {
	rows, err := tx.QueryContext(ctx, `SELECT mid, name, status, account_id FROM merchant ORDER BY mid`)
	if err != nil {
		return nil, fmt.Errorf("estate: list merchants: %w", err)
	}
	defer rows.Close()
	var out []Merchant
	for rows.Next() && len(out) < maxTerminals {
		var m Merchant
		if err := rows.Scan(&m.MID, &m.Name, &m.Status, &m.Account); err != nil {
			return nil, fmt.Errorf("estate: list merchants: %w", err)
		}
		out = append(out, m)
	}
	return out, rows.Err()
}

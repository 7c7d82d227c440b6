package acquirer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"posd/host-sim/db"
)

// maxPayments bounds a report.
const maxPayments = 100_000

// maxRRN is the largest counter that six characters to the base 32 hold.
const maxRRN = 1<<30 - 1

var errNoPayment = errors.New("no such payment")

const selectPayment = `SELECT mid, tid, batch, stan, class, fingerprint, pan_hash, masked, kind, amount, currency, state,
	code, why, rrn, auth_code, reason, COALESCE(posting_id, 0), reply, key_set, at_ms FROM payment `

// find returns the payment with the key, or errNoPayment.
func find(ctx context.Context, tx db.Tx, k key) (payment, error) {
	p, err := scanPayment(tx.QueryRowContext(ctx, selectPayment+
		`WHERE mid = $1 AND tid = $2 AND batch = $3 AND stan = $4 AND class = $5`, k.MID, k.TID, k.Batch, k.STAN, k.Class))
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoPayment
	}
	if err != nil {
		return payment{}, fmt.Errorf("acquirer: find payment %06d/%06d of %s: %w", k.Batch, k.STAN, k.TID, err)
	}
	return p, nil
}

func scanPayment(row interface{ Scan(...any) error }) (p payment, err error) {
	var atMS int64
	err = row.Scan(&p.MID, &p.TID, &p.Batch, &p.STAN, &p.Class, &p.Fingerprint, &p.PANHash, &p.Masked, &p.Kind, &p.Amount,
		&p.Currency, &p.State, &p.Code, &p.Why, &p.RRN, &p.AuthCode, &p.Reason, &p.Posting, &p.Reply, &p.KeySet, &atMS)
	p.At = time.UnixMilli(atMS)
	return p, err
}

func insertPayment(ctx context.Context, tx db.Tx, p payment) error {
	posting := sql.NullInt64{Int64: p.Posting, Valid: p.Posting != 0}
	_, err := tx.ExecContext(ctx, `INSERT INTO payment (mid, tid, batch, stan, class, fingerprint, pan_hash, masked, kind,
			amount, currency, state, code, why, rrn, auth_code, reason, posting_id, reply, key_set, at_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
		p.MID, p.TID, p.Batch, p.STAN, p.Class, p.Fingerprint, p.PANHash, p.Masked, p.Kind, p.Amount, p.Currency, p.State,
		p.Code, p.Why, p.RRN, p.AuthCode, p.Reason, posting, append([]byte{}, p.Reply...), p.KeySet, p.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("acquirer: store payment %06d/%06d of %s: %w", p.Batch, p.STAN, p.TID, err)
	}
	return nil
}

// markReversed moves a payment from approved to reversed, and fails if it is not
// approved.
func markReversed(ctx context.Context, tx db.Tx, k key) error {
	res, err := tx.ExecContext(ctx, `UPDATE payment SET state = $1
		WHERE mid = $2 AND tid = $3 AND batch = $4 AND stan = $5 AND class = $6 AND state = $7`,
		Reversed, k.MID, k.TID, k.Batch, k.STAN, k.Class, Approved)
	if err != nil {
		return fmt.Errorf("acquirer: reverse payment %06d/%06d of %s: %w", k.Batch, k.STAN, k.TID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("acquirer: reverse payment %06d/%06d of %s: %d rows moved from approved, 1 wanted: %w", k.Batch, k.STAN, k.TID, n, errors.Join(err, errNoPayment))
	}
	return nil
}

// countRRN draws the next number of a host's day.
func countRRN(ctx context.Context, tx db.Tx, node int, day string) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO rrn_counter (node, day, last) VALUES ($1, $2, 1)
		ON CONFLICT (node, day) DO UPDATE SET last = rrn_counter.last + 1 RETURNING last`, node, day).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("acquirer: draw reference number: %w", err)
	}
	if n > maxRRN {
		return 0, fmt.Errorf("acquirer: draw reference number: host %d used all %d of %s", node, maxRRN, day)
	}
	return n, nil
}

// Transaction is a payment for people and for comparison with a terminal's journal.
type Transaction struct {
	TID, MID string
	Batch    uint32
	STAN     uint32
	Kind     string // "sale"
	Masked   string // card number, first six and last four
	Amount   int64  // minor units
	Currency int    // ISO 4217 number
	State    State
	Code     string // field 39 of its answer; empty for a tombstone
	Why      string // the check that decided, in words
	RRN      string
	AuthCode string
	Reversal string // field 39 of the reversal that was accepted; empty for none
	At       time.Time
}

// Transactions returns the payments of a terminal in the order of batch and STAN; of
// all terminals where tid is empty. Reversals are not rows of their own here: they
// show in State and Reversal.
func Transactions(ctx context.Context, tx db.Tx, tid string) ([]Transaction, error) {
	rows, err := tx.QueryContext(ctx, `SELECT p.tid, p.mid, p.batch, p.stan, p.kind, p.masked, p.amount, p.currency, p.state, p.code,
			p.why, p.rrn, p.auth_code, COALESCE(r.reason, ''), p.at_ms
		FROM payment p LEFT JOIN payment r ON r.mid = p.mid AND r.tid = p.tid AND r.batch = p.batch AND r.stan = p.stan AND r.class = $1
		WHERE p.class <> $1 AND ($2 = '' OR p.tid = $2) ORDER BY p.tid, p.batch, p.stan, p.class`, classReversal, tid)
	if err != nil {
		return nil, fmt.Errorf("acquirer: list payments: %w", err)
	}
	defer rows.Close()
	var out []Transaction
	for rows.Next() && len(out) < maxPayments {
		var t Transaction
		var atMS int64
		if err := rows.Scan(&t.TID, &t.MID, &t.Batch, &t.STAN, &t.Kind, &t.Masked, &t.Amount, &t.Currency, &t.State, &t.Code,
			&t.Why, &t.RRN, &t.AuthCode, &t.Reversal, &atMS); err != nil {
			return nil, fmt.Errorf("acquirer: list payments: %w", err)
		}
		t.At = time.UnixMilli(atMS)
		out = append(out, t)
	}
	return out, rows.Err()
}

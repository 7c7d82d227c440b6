package route

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"posd/host-sim/db"
)

// SetPolicy stores a stand-in policy in place of the one before.
func SetPolicy(ctx context.Context, tx db.Tx, p Policy) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("route: set stand-in: %w", err)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO stand_in (bin, max_amount, day_amount, day_count, pin) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (bin) DO UPDATE SET max_amount = $2, day_amount = $3, day_count = $4, pin = $5`, p.BIN, p.Max, p.DayAmount, p.DayCount, p.PIN)
	if err != nil {
		return fmt.Errorf("route: set stand-in of %s: %w", p.BIN, err)
	}
	return nil
}

// RemovePolicy switches stand-in off for a BIN.
func RemovePolicy(ctx context.Context, tx db.Tx, bin string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM stand_in WHERE bin = $1`, bin); err != nil {
		return fmt.Errorf("route: remove stand-in of %s: %w", bin, err)
	}
	return nil
}

// PolicyOf returns the stand-in policy of a BIN of six digits; ok is false for none.
func PolicyOf(ctx context.Context, tx db.Tx, bin string) (p Policy, ok bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT bin, max_amount, day_amount, day_count, pin FROM stand_in WHERE bin = $1`, bin).
		Scan(&p.BIN, &p.Max, &p.DayAmount, &p.DayCount, &p.PIN)
	if errors.Is(err, sql.ErrNoRows) {
		return Policy{}, false, nil
	}
	if err != nil {
		return Policy{}, false, fmt.Errorf("route: stand-in of %s: %w", bin, err)
	}
	return p, true, nil
}

// UsedToday returns how many stand-in payments a card had on a day, and their sum.
func UsedToday(ctx context.Context, tx db.Tx, panHash []byte, day string) (count int, sum int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*), CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM stand_in_advice
		WHERE pan_hash = $1 AND day = $2 AND state <> 'withdrawn'`, panHash, day).Scan(&count, &sum)
	if err != nil {
		return 0, 0, fmt.Errorf("route: stand-in of a card's day: %w", err)
	}
	return count, sum, nil
}

// Queue stores an advice that waits.
func Queue(ctx context.Context, tx db.Tx, a Advice) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO stand_in_advice (rrn, network, pan_hash, psn, account_id, amount, day, state, posting_id, why, at_ms, done_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', 0, '', $8, 0)`, a.RRN, a.Network, a.PANHash, a.PSN, a.Account, a.Amount, a.Day, a.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("route: queue advice %s: %w", a.RRN, err)
	}
	return nil
}

const selectAdvice = `SELECT a.rrn, a.network, a.pan_hash, a.psn, a.account_id, a.amount, a.day, a.state, a.posting_id, a.why, a.at_ms, a.done_ms
	FROM stand_in_advice a `

func scanAdvice(r interface{ Scan(...any) error }, a *Advice) error {
	var at, done int64
	err := r.Scan(&a.RRN, &a.Network, &a.PANHash, &a.PSN, &a.Account, &a.Amount, &a.Day, &a.State, &a.Posting, &a.Why, &at, &done)
	a.At, a.Done = time.UnixMilli(at), time.UnixMilli(done)
	return err
}

// Advices returns all advices, oldest first.
func Advices(ctx context.Context, tx db.Tx) ([]Advice, error) {
	return list(ctx, tx, "list advices", func(r *sql.Rows, a *Advice) error { return scanAdvice(r, a) },
		selectAdvice+`ORDER BY a.at_ms, a.rrn`)
}

// Due returns advices that wait for a network that is not down, oldest first, at most 500. A
// payment that was voided waits on: its void may be reversed.
func Due(ctx context.Context, tx db.Tx) ([]Advice, error) {
	return list(ctx, tx, "advices that are due", func(r *sql.Rows, a *Advice) error { return scanAdvice(r, a) },
		selectAdvice+`JOIN network n ON n.id = a.network JOIN payment p ON p.rrn = a.rrn AND p.class = 512
		WHERE a.state = 'queued' AND n.state <> 'down' AND p.state = 'approved' ORDER BY a.at_ms, a.rrn LIMIT $1`, maxForward)
}

// AdviceOf returns the advice of a payment; ok is false for none.
func AdviceOf(ctx context.Context, tx db.Tx, rrn string) (a Advice, ok bool, err error) {
	err = scanAdvice(tx.QueryRowContext(ctx, selectAdvice+`WHERE a.rrn = $1`, rrn), &a)
	if errors.Is(err, sql.ErrNoRows) {
		return Advice{}, false, nil
	}
	if err != nil {
		return Advice{}, false, fmt.Errorf("route: advice of %s: %w", rrn, err)
	}
	return a, true, nil
}

// ErrAdvice says that an advice is not in the state from which it was to be moved.
var ErrAdvice = errors.New("no such advice in that state")

// MoveAdvice takes an advice from the state that a says to another, with what a says else;
// it fails with [ErrAdvice] where somebody else moved it before.
func MoveAdvice(ctx context.Context, tx db.Tx, a Advice, to string, at time.Time) error {
	res, err := tx.ExecContext(ctx, `UPDATE stand_in_advice SET state = $1, posting_id = $2, why = $3, done_ms = $4 WHERE rrn = $5 AND state = $6`,
		to, a.Posting, a.Why, at.UnixMilli(), a.RRN, a.State)
	return one(res, err, ErrAdvice, "move advice "+a.RRN+" to "+to)
}

package acquirer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"posd/host-sim/db"
	"posd/transport/iso8583"
)

// maxPayments bounds a report.
const maxPayments = 100_000

// maxRRN is the largest counter that six characters to the base 32 hold.
const maxRRN = 1<<30 - 1

var errNoPayment = errors.New("no such payment")

const selectPayment = `SELECT mid, tid, batch, stan, class, fingerprint, pan_hash, masked, kind, amount, currency, state,
	code, why, rrn, auth_code, reason, COALESCE(posting_id, 0), reply, key_set, at_ms, total, refunded, original, psn, entry_mode,
	is_foreign, is_late, is_settled, hold_id, account_id, atc, network, route_rule, stand_in FROM payment `

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
		&p.Currency, &p.State, &p.Code, &p.Why, &p.RRN, &p.AuthCode, &p.Reason, &p.Posting, &p.Reply, &p.KeySet, &atMS, &p.Total, &p.Refunded, &p.Original, &p.PSN, &p.EntryMode,
		&p.Foreign, &p.Late, &p.Settled, &p.Hold, &p.Account, &p.ATC, &p.Network, &p.Rule, &p.StandIn)
	p.At = time.UnixMilli(atMS)
	return p, err
}

func insertPayment(ctx context.Context, tx db.Tx, p payment) error {
	posting := sql.NullInt64{Int64: p.Posting, Valid: p.Posting != 0}
	_, err := tx.ExecContext(ctx, `INSERT INTO payment (mid, tid, batch, stan, class, fingerprint, pan_hash, masked, kind,
			amount, currency, state, code, why, rrn, auth_code, reason, posting_id, reply, key_set, at_ms, total, refunded, original,
			psn, entry_mode, is_foreign, is_late, is_settled, hold_id, account_id, atc, network, route_rule, stand_in)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
			$26, $27, $28, $29, $30, $31, $32, $33, $34, $35)`,
		p.MID, p.TID, p.Batch, p.STAN, p.Class, p.Fingerprint, p.PANHash, p.Masked, p.Kind, p.Amount, p.Currency, p.State,
		p.Code, p.Why, p.RRN, p.AuthCode, p.Reason, posting, append([]byte{}, p.Reply...), p.KeySet, p.At.UnixMilli(), p.Total, p.Refunded,
		p.Original, p.PSN, p.EntryMode, p.Foreign, p.Late, p.Settled, p.Hold, p.Account, p.ATC, p.Network, p.Rule, p.StandIn)
	if err != nil {
		return fmt.Errorf("acquirer: store payment %06d/%06d of %s: %w", p.Batch, p.STAN, p.TID, err)
	}
	return nil
}

// move takes a payment from one state to another, and fails if it is not in the first.
func move(ctx context.Context, tx db.Tx, k key, from, to State) error {
	res, err := tx.ExecContext(ctx, `UPDATE payment SET state = $1
		WHERE mid = $2 AND tid = $3 AND batch = $4 AND stan = $5 AND class = $6 AND state = $7`,
		to, k.MID, k.TID, k.Batch, k.STAN, k.Class, from)
	return moved(res, err, k, fmt.Sprintf("from %s to %s", from, to))
}

// moved makes an error of an update that did not meet the one payment that it was for.
func moved(res sql.Result, err error, k key, what string) error {
	if err != nil {
		return fmt.Errorf("acquirer: move payment %06d/%06d of %s %s: %w", k.Batch, k.STAN, k.TID, what, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("acquirer: move payment %06d/%06d of %s %s: %d rows, 1 wanted: %w", k.Batch, k.STAN, k.TID, what, n, errors.Join(err, errNoPayment))
	}
	return nil
}

// setAmounts stores what became of a payment's amount by adjustments and refunds.
func setAmounts(ctx context.Context, tx db.Tx, k key, total, refunded int64) error {
	res, err := tx.ExecContext(ctx, `UPDATE payment SET total = $1, refunded = $2
		WHERE mid = $3 AND tid = $4 AND batch = $5 AND stan = $6 AND class = $7 AND state = $8`,
		total, refunded, k.MID, k.TID, k.Batch, k.STAN, k.Class, Approved)
	return moved(res, err, k, "to other amounts")
}

// byReference returns the payment with a reference number, or errNoPayment.
func byReference(ctx context.Context, tx db.Tx, rrn string) (payment, error) {
	p, err := scanPayment(tx.QueryRowContext(ctx, selectPayment+`WHERE rrn = $1 AND class = $2`, rrn, classFinancial))
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoPayment
	}
	if err != nil {
		return payment{}, fmt.Errorf("acquirer: find payment %q: %w", rrn, err)
	}
	return p, nil
}

// voidOf returns the void that took a payment back.
func voidOf(ctx context.Context, tx db.Tx, rrn string) (payment, error) {
	p, err := scanPayment(tx.QueryRowContext(ctx, selectPayment+`WHERE original = $1 AND state = $2 AND kind IN ($3, $4, $5)`,
		rrn, Approved, iso8583.Void.String(), iso8583.PreauthVoid.String(), iso8583.PreauthCompletionVoid.String()))
	if err != nil {
		return payment{}, fmt.Errorf("acquirer: find void of %q: %w", rrn, err)
	}
	return p, nil
}

// maxOfCard bounds how many payments of a card at a merchant are looked through.
const maxOfCard = 10_000

// ofCard returns the payments of a card at a merchant, newest first.
func ofCard(ctx context.Context, tx db.Tx, mid string, panHash []byte) ([]payment, error) {
	rows, err := tx.QueryContext(ctx, selectPayment+`WHERE mid = $1 AND pan_hash = $2 AND class = $3
		ORDER BY at_ms DESC, batch DESC, stan DESC LIMIT $4`, mid, panHash, classFinancial, maxOfCard)
	if err != nil {
		return nil, fmt.Errorf("acquirer: payments of a card: %w", err)
	}
	defer rows.Close()
	var out []payment
	for rows.Next() {
		p, err := scanPayment(rows)
		if err != nil {
			return nil, fmt.Errorf("acquirer: payments of a card: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// count adds one to a counter.
func count(ctx context.Context, tx db.Tx, name string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO counter (name, n) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET n = counter.n + 1`, name)
	if err != nil {
		return fmt.Errorf("acquirer: count %s: %w", name, err)
	}
	return nil
}

// Counter returns how often something happened: "repeated" counts requests that came again
// and got their stored answer again.
func Counter(ctx context.Context, tx db.Tx, name string) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(n), 0) FROM counter WHERE name = $1`, name).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("acquirer: counter %s: %w", name, err)
	}
	return n, nil
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

// usedOnline tells whether a card's counter is that of a payment made online that counts.
func usedOnline(ctx context.Context, tx db.Tx, panHash []byte, atc int) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM payment WHERE pan_hash = $1 AND atc = $2 AND state IN ($3, $4)`,
		panHash, atc, Approved, Voided).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("acquirer: counter of a card: %w", err)
	}
	return n > 0 && atc >= 0, nil
}

// mustBind tells whether a terminal has to send field 59.
func mustBind(ctx context.Context, tx db.Tx, tid string) (must bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT binding FROM terminal WHERE tid = $1`, tid).Scan(&must)
	if err != nil {
		return false, fmt.Errorf("acquirer: binding of %s: %w", tid, err)
	}
	return must, nil
}

// SetBinding says whether a terminal has to send field 59: then a message without it is
// refused, as a copy of the terminal would leave it out.
func SetBinding(ctx context.Context, tx db.Tx, tid string, must bool) error {
	res, err := tx.ExecContext(ctx, `UPDATE terminal SET binding = $1 WHERE tid = $2`, must, tid)
	if err != nil {
		return fmt.Errorf("acquirer: binding of %s: %w", tid, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("acquirer: binding of %s: no such terminal", tid), err)
	}
	return nil
}

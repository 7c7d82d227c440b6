package settle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"posd/emv"
	"posd/host-sim/db"
)

// Limits of what is read at once.
const (
	maxLines = 1_000_000
	maxWrong = 100
)

type terms struct {
	mcc, frozen string
	account     int64
	currency    emv.Currency
}

func termsOf(ctx context.Context, tx db.Tx, mid string) (t terms, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COALESCE(t.mcc, ''), COALESCE(t.frozen, ''), m.account_id, a.currency
		FROM merchant m JOIN account a ON a.id = m.account_id LEFT JOIN merchant_terms t ON t.mid = m.mid WHERE m.mid = $1`, mid).
		Scan(&t.mcc, &t.frozen, &t.account, &t.currency)
	if err != nil {
		return terms{}, fmt.Errorf("settle: terms of merchant %s: %w", mid, err)
	}
	return t, nil
}

// SetTerms stores a merchant's category code, and why it is not paid: empty where it is.
func SetTerms(ctx context.Context, tx db.Tx, mid, mcc, frozen string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO merchant_terms (mid, mcc, frozen) VALUES ($1, $2, $3)
		ON CONFLICT (mid) DO UPDATE SET mcc = $2, frozen = $3`, mid, mcc, frozen)
	if err != nil {
		return fmt.Errorf("settle: set terms of merchant %s: %w", mid, err)
	}
	return nil
}

// SetRule stores a row of the fee schedule.
func SetRule(ctx context.Context, tx db.Tx, r Rule) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO fee_rule (mcc, funding, region, rate_bp, min_fee, max_fee, returns) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (mcc, funding, region) DO UPDATE SET rate_bp = $4, min_fee = $5, max_fee = $6, returns = $7`,
		r.MCC, r.Funding, r.Region, r.Rate, r.Min, r.Max, r.Returns)
	if err != nil {
		return fmt.Errorf("settle: set fee rule: %w", err)
	}
	return nil
}

// ruleOf finds the row for a card's account: one with a credit line is a credit card's.
func ruleOf(ctx context.Context, tx db.Tx, mcc string, account int64, foreign bool) (r Rule, err error) {
	region := "domestic"
	if foreign {
		region = "foreign"
	}
	err = tx.QueryRowContext(ctx, `SELECT mcc, funding, region, rate_bp, min_fee, max_fee, returns FROM fee_rule
		WHERE (mcc = $1 OR mcc = '') AND region = $2
			AND funding = CASE WHEN (SELECT credit_line FROM account WHERE id = $3) > 0 THEN 'credit' ELSE 'debit' END
		ORDER BY mcc DESC LIMIT 1`, mcc, region, account).Scan(&r.MCC, &r.Funding, &r.Region, &r.Rate, &r.Min, &r.Max, &r.Returns)
	if err != nil {
		return Rule{}, fmt.Errorf("settle: fee rule for MCC %q, %s: %w", mcc, region, err)
	}
	return r, nil
}

// isClosed also refuses a day before one that was closed.
func isClosed(ctx context.Context, tx db.Tx, day, mid string, cutoff time.Time) (bool, error) {
	var n int
	var last int64
	err := tx.QueryRowContext(ctx, `SELECT COALESCE(SUM(CASE WHEN day = $1 THEN 1 ELSE 0 END), 0), COALESCE(MAX(cutoff_ms), 0) FROM statement WHERE mid = $2`, day, mid).Scan(&n, &last)
	if err != nil {
		return false, fmt.Errorf("settle: close %s of %s: %w", day, mid, err)
	}
	if n == 0 && last >= cutoff.UnixMilli() {
		return false, fmt.Errorf("settle: close %s of %s: a later day is closed", day, mid)
	}
	return n > 0, nil
}

func carried(ctx context.Context, tx db.Tx, mid string) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT carried FROM statement WHERE mid = $1 ORDER BY cutoff_ms DESC LIMIT 1`, mid).Scan(&n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("settle: carried of %s: %w", mid, err)
	}
	return n, nil
}

// open returns the postings on a merchant's account before the cut-off that are on no
// statement, in the order of their numbers.
func open(ctx context.Context, tx db.Tx, mid string, account int64, cutoff time.Time) (out []Line, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT o.id, COALESCE(o.contra_of, 0), o.at_ms,
			(SELECT COALESCE(CAST(SUM(e.amount) AS BIGINT), 0) FROM entry e WHERE e.posting_id = o.id AND e.account_id = $1),
			COALESCE(p.tid, ''), COALESCE(p.batch, 0), COALESCE(p.stan, 0), COALESCE(p.kind, o.what), COALESCE(p.masked, ''), COALESCE(p.rrn, ''),
			COALESCE(p.network, ''), COALESCE(p.is_foreign, 0), COALESCE(p.account_id, 0),
			(SELECT COUNT(*) FROM difference d WHERE d.tid = p.tid AND d.batch = p.batch AND (d.stan = p.stan OR d.stan = 0) AND d.state = 'open')
		FROM posting o LEFT JOIN payment p ON p.class = $2 AND p.mid = $3 AND p.posting_id = COALESCE(o.contra_of, o.id)
		WHERE o.at_ms < $4 AND o.id IN (SELECT posting_id FROM entry WHERE account_id = $1)
			AND NOT EXISTS (SELECT 1 FROM statement_line s WHERE s.posting_id = o.id)
		ORDER BY o.id LIMIT $5`, account, 0x0200, mid, cutoff.UnixMilli(), maxLines)
	if err != nil {
		return nil, fmt.Errorf("settle: open postings of %s: %w", mid, err)
	}
	defer rows.Close()
	for rows.Next() {
		var l Line
		var at, disputed int64
		if err := rows.Scan(&l.Posting, &l.contra, &at, &l.Gross, &l.TID, &l.Batch, &l.STAN, &l.Kind, &l.Masked, &l.RRN, &l.Network, &l.foreign, &l.account, &disputed); err != nil {
			return nil, fmt.Errorf("settle: open postings of %s: %w", mid, err)
		}
		l.At, l.disputed = time.UnixMilli(at), disputed > 0
		if l.Network == "" {
			l.Network = "unionpay"
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// release takes the lines out of suspense whose differences were worked off, and returns
// their net.
func release(ctx context.Context, tx db.Tx, mid string) (net int64, err error) {
	const ready = ` mid = $1 AND state = $2 AND NOT EXISTS (SELECT 1 FROM difference d WHERE d.tid = statement_line.tid
		AND d.batch = statement_line.batch AND (d.stan = statement_line.stan OR d.stan = 0) AND d.state = 'open')`
	err = tx.QueryRowContext(ctx, `SELECT COALESCE(CAST(SUM(gross - fee) AS BIGINT), 0) FROM statement_line WHERE`+ready, mid, Suspended).Scan(&net)
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE statement_line SET state = $3 WHERE`+ready, mid, Suspended, Released)
	}
	if err != nil {
		return 0, fmt.Errorf("settle: release suspense of %s: %w", mid, err)
	}
	return net, nil
}

func insertStatement(ctx context.Context, tx db.Tx, s Statement) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO statement (day, mid, cutoff_ms, gross, fee, net, brought, suspended, released, paid, carried, why)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, s.Day, s.MID, s.Cutoff.UnixMilli(), s.Gross, s.Fee, s.Net, s.Brought,
		s.Suspended, s.Released, s.Paid, s.Carried, s.Why)
	if err != nil {
		return fmt.Errorf("settle: store statement %s of %s: %w", s.Day, s.MID, err)
	}
	return nil
}

func insertLine(ctx context.Context, tx db.Tx, day, mid, part string, l Line) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO statement_line (posting_id, day, mid, part, tid, batch, stan, kind, masked, rrn, network, mcc,
			rate_bp, gross, fee, state, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		l.Posting, day, mid, part, l.TID, l.Batch, l.STAN, l.Kind, l.Masked, l.RRN, l.Network, l.MCC, l.Rate, l.Gross, l.Fee, l.State, l.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("settle: store line of %s, %s: %w", day, mid, err)
	}
	return nil
}

const selectLine = `SELECT posting_id, tid, batch, stan, kind, masked, rrn, network, mcc, rate_bp, gross, fee, state, at_ms FROM statement_line `

func scanLine(row interface{ Scan(...any) error }) (l Line, err error) {
	var at int64
	err = row.Scan(&l.Posting, &l.TID, &l.Batch, &l.STAN, &l.Kind, &l.Masked, &l.RRN, &l.Network, &l.MCC, &l.Rate, &l.Gross, &l.Fee, &l.State, &at)
	l.At = time.UnixMilli(at)
	return l, err
}

func lineOf(ctx context.Context, tx db.Tx, posting int64) (Line, error) {
	l, err := scanLine(tx.QueryRowContext(ctx, selectLine+`WHERE posting_id = $1`, posting))
	if err != nil {
		return Line{}, fmt.Errorf("settle: line of posting %d: %w", posting, err)
	}
	return l, nil
}

// Find returns a merchant's statement of a day, or [ErrNoStatement].
func Find(ctx context.Context, tx db.Tx, day, mid string) (s Statement, err error) {
	var cutoff int64
	s.Day, s.MID = day, mid
	err = tx.QueryRowContext(ctx, `SELECT s.cutoff_ms, s.gross, s.fee, s.net, s.brought, s.suspended, s.released, s.paid, s.carried, s.why, a.currency
		FROM statement s JOIN merchant m ON m.mid = s.mid JOIN account a ON a.id = m.account_id WHERE s.day = $1 AND s.mid = $2`, day, mid).
		Scan(&cutoff, &s.Gross, &s.Fee, &s.Net, &s.Brought, &s.Suspended, &s.Released, &s.Paid, &s.Carried, &s.Why, &s.Currency)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoStatement
	}
	if err != nil {
		return Statement{}, fmt.Errorf("settle: statement %s of %s: %w", day, mid, err)
	}
	s.Cutoff = time.UnixMilli(cutoff)
	s.Lines, err = lines(ctx, tx, selectLine+`WHERE day = $1 AND mid = $2 AND part = 'payment' ORDER BY posting_id`, day, mid)
	return s, err
}

// OfNetwork returns the lines of a day that a network clears, of all merchants.
func OfNetwork(ctx context.Context, tx db.Tx, day, network string) ([]Line, error) {
	return lines(ctx, tx, selectLine+`WHERE day = $1 AND network = $2 AND part = 'payment' ORDER BY posting_id`, day, network)
}

func lines(ctx context.Context, tx db.Tx, query string, args ...any) (out []Line, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("settle: list lines: %w", err)
	}
	defer rows.Close()
	for rows.Next() && len(out) < maxLines {
		l, err := scanLine(rows)
		if err != nil {
			return nil, fmt.Errorf("settle: list lines: %w", err)
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// Check names what is wrong between statements and books: a statement's sums against its
// lines and its postings, suspense against its lines, and a merchant's balance against what
// is carried and what is on no statement.
func Check(ctx context.Context, tx db.Tx) (wrong []string, err error) {
	for _, q := range []string{
		`SELECT 'statement ' || s.day || ' of ' || s.mid || ': its lines do not add up to its gross and fee' FROM statement s
			WHERE s.gross <> (SELECT COALESCE(SUM(gross), 0) FROM statement_line l WHERE l.day = s.day AND l.mid = s.mid AND l.part = 'payment')
			OR s.fee <> (SELECT COALESCE(SUM(fee), 0) FROM statement_line l WHERE l.day = s.day AND l.mid = s.mid AND l.part = 'payment') LIMIT 100`,
		`SELECT 'statement ' || s.day || ' of ' || s.mid || ': its postings are not its payments, fee, suspense and payout' FROM statement s JOIN merchant m ON m.mid = s.mid
			WHERE s.gross - s.fee - s.suspended + s.released - s.paid <> (SELECT COALESCE(SUM(e.amount), 0) FROM statement_line l
				JOIN entry e ON e.posting_id = l.posting_id AND e.account_id = m.account_id WHERE l.day = s.day AND l.mid = s.mid) LIMIT 100`,
		`SELECT 'merchant ' || m.mid || ': its balance is not what is carried and what is open' FROM merchant m JOIN account a ON a.id = m.account_id
			WHERE a.balance <> COALESCE((SELECT s.carried FROM statement s WHERE s.mid = m.mid ORDER BY s.cutoff_ms DESC LIMIT 1), 0)
				+ (SELECT COALESCE(SUM(e.amount), 0) FROM entry e WHERE e.account_id = m.account_id
					AND NOT EXISTS (SELECT 1 FROM statement_line l WHERE l.posting_id = e.posting_id)) LIMIT 100`,
		`SELECT 'suspense: its accounts have not the net of the suspended lines' WHERE
			(SELECT COALESCE(SUM(balance), 0) FROM account WHERE name LIKE 'suspense %') <> (SELECT COALESCE(SUM(gross - fee), 0) FROM statement_line WHERE state = 'suspended')`,
		`SELECT 'fees: ' || a.name || ' has not the fees of the statements' FROM account a WHERE a.name LIKE 'fees %' AND a.balance <> (SELECT COALESCE(SUM(s.fee), 0)
			FROM statement s JOIN merchant m ON m.mid = s.mid JOIN account b ON b.id = m.account_id WHERE b.currency = a.currency)`,
	} {
		more, err := texts(ctx, tx, q)
		if err != nil {
			return nil, fmt.Errorf("settle: check: %w", err)
		}
		wrong = append(wrong, more...)
	}
	return wrong, nil
}

func texts(ctx context.Context, tx db.Tx, query string) (out []string, err error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() && len(out) < maxWrong {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

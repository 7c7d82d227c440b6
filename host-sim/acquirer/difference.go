package acquirer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/host-sim/db"
)

// Kinds of difference.
const (
	DiffMissingHost     = "missing at host"      // the terminal uploaded what the host has not
	DiffMissingTerminal = "missing at terminal"  // the host has what the terminal did not upload
	DiffAmount          = "amount"               // both have it, for other amounts
	DiffCard            = "card"                 // both have it, for other cards
	DiffSide            = "side"                 // one has it as debit, the other as credit
	DiffCount           = "count"                // the end says another number than was uploaded
	DiffUpload          = "upload changed"       // uploaded again after the end, with other contents
	DiffLate            = "late"                 // a notice that came after its batch was closed
	DiffReversedLate    = "reversed late"        // a reversal that came after the batch was closed
	DiffReversalRefused = "reversal refused"     // a reversal of a payment that others rest on
	DiffCertificate     = "certificate is wrong" // the TC that was uploaded is not the card's
	DiffARPC            = "issuer not verified"  // the card approved although the issuer's answer was wrong
)

// Difference is something on which terminal and host do not agree, for a person to work
// off. STAN is 0 where it is about the whole batch.
type Difference struct {
	ID       int64
	TID      string
	Batch    uint32
	STAN     uint32
	Kind     string // one of the list above
	Terminal string // what the terminal says
	Host     string // what the host says
	State    string // "open" or "done"
	Remark   string // of the person
	By       string // the person
	At       time.Time
}

// noteDifference stores a difference once: the same again changes nothing.
func (d *Desk) noteDifference(ctx context.Context, tx db.Tx, x Difference) error {
	d.cfg.Log.Warn("difference", "tid", x.TID, "batch", x.Batch, "stan", x.STAN, "kind", x.Kind, "terminal", x.Terminal, "host", x.Host)
	_, err := tx.ExecContext(ctx, `INSERT INTO difference (id, tid, batch, stan, kind, terminal, host, state, remark, worked_by, at_ms)
		SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, $5, $6, 'open', '', '', $7 FROM difference WHERE true
		ON CONFLICT (tid, batch, stan, kind) DO NOTHING`, x.TID, x.Batch, x.STAN, x.Kind, x.Terminal, x.Host, x.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("acquirer: note difference %s %06d/%06d of %s: %w", x.Kind, x.Batch, x.STAN, x.TID, err)
	}
	return nil
}

// describe is a payment in a few words.
func describe(p payment) string {
	return fmt.Sprintf("%s %s %06d/%06d", p.Kind, p.TID, p.Batch, p.STAN)
}

// Differences returns the differences, oldest first; all, or only the open ones.
func Differences(ctx context.Context, tx db.Tx, all bool) ([]Difference, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, tid, batch, stan, kind, terminal, host, state, remark, worked_by, at_ms
		FROM difference WHERE CAST($1 AS BIGINT) = 1 OR state = 'open' ORDER BY id`, all)
	if err != nil {
		return nil, fmt.Errorf("acquirer: list differences: %w", err)
	}
	defer rows.Close()
	var out []Difference
	for rows.Next() && len(out) < maxPayments {
		var x Difference
		var atMS int64
		if err := rows.Scan(&x.ID, &x.TID, &x.Batch, &x.STAN, &x.Kind, &x.Terminal, &x.Host, &x.State, &x.Remark, &x.By, &atMS); err != nil {
			return nil, fmt.Errorf("acquirer: list differences: %w", err)
		}
		x.At = time.UnixMilli(atMS)
		out = append(out, x)
	}
	return out, rows.Err()
}

// WorkOff closes a difference with a person's name and remark.
func WorkOff(ctx context.Context, tx db.Tx, id int64, by, remark string) error {
	if by == "" || remark == "" {
		return errors.New("acquirer: work off difference: a name and a remark are needed")
	}
	res, err := tx.ExecContext(ctx, `UPDATE difference SET state = 'done', worked_by = $1, remark = $2 WHERE id = $3 AND state = 'open'`, by, remark, id)
	if err != nil {
		return fmt.Errorf("acquirer: work off difference %d: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("acquirer: work off difference %d: no such open difference", id), err)
	}
	return nil
}

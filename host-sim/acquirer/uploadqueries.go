package acquirer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"posd/host-sim/db"
)

const selectUpload = `SELECT tid, batch, stan, source, kind, pan_hash, masked, amount, icc, genuine FROM upload `

func scanUpload(row interface{ Scan(...any) error }) (u uploaded, err error) {
	err = row.Scan(&u.TID, &u.Batch, &u.STAN, &u.Source, &u.Kind, &u.PANHash, &u.Masked, &u.Amount, &u.ICC, &u.Genuine)
	return u, err
}

// findUpload returns what was uploaded before under the same terminal, batch, STAN and
// source.
func findUpload(ctx context.Context, tx db.Tx, u uploaded) (old uploaded, found bool, err error) {
	old, err = scanUpload(tx.QueryRowContext(ctx, selectUpload+`WHERE tid = $1 AND batch = $2 AND stan = $3 AND source = $4`, u.TID, u.Batch, u.STAN, u.Source))
	if errors.Is(err, sql.ErrNoRows) {
		return uploaded{}, false, nil
	}
	if err != nil {
		return uploaded{}, false, fmt.Errorf("acquirer: find upload: %w", err)
	}
	return old, true, nil
}

func saveUpload(ctx context.Context, tx db.Tx, u uploaded, at time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO upload (tid, batch, stan, source, kind, pan_hash, masked, amount, icc, genuine, at_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (tid, batch, stan, source) DO UPDATE SET kind = $5, pan_hash = $6, masked = $7, amount = $8, icc = $9, genuine = $10, at_ms = $11`,
		u.TID, u.Batch, u.STAN, u.Source, u.Kind, u.PANHash, u.Masked, u.Amount, append([]byte{}, u.ICC...), u.Genuine, at.UnixMilli())
	if err != nil {
		return fmt.Errorf("acquirer: store upload %06d/%06d of %s: %w", u.Batch, u.STAN, u.TID, err)
	}
	return nil
}

func uploadsOf(ctx context.Context, tx db.Tx, tid string, batch uint32) ([]uploaded, error) {
	rows, err := tx.QueryContext(ctx, selectUpload+`WHERE tid = $1 AND batch = $2 ORDER BY stan, source`, tid, batch)
	if err != nil {
		return nil, fmt.Errorf("acquirer: uploads of batch %06d of %s: %w", batch, tid, err)
	}
	defer rows.Close()
	var out []uploaded
	for rows.Next() && len(out) < maxPayments {
		u, err := scanUpload(rows)
		if err != nil {
			return nil, fmt.Errorf("acquirer: uploads of batch %06d of %s: %w", batch, tid, err)
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

// Proof is a card's data that came after its payment: a certificate, or the result of
// issuer scripts. ICC is field 55.
type Proof struct {
	STAN    uint32
	Source  string // "tc", "arpc", "script", or "one" of an offline chip payment
	Genuine string // of a certificate: "yes" or "no"
	ICC     []byte
}

// Proofs returns the cards' data that came for a terminal's batch.
func (d *Desk) Proofs(ctx context.Context, tx db.Tx, tid string, batch uint32) ([]Proof, error) {
	ups, err := uploadsOf(ctx, tx, tid, batch)
	if err != nil {
		return nil, err
	}
	var out []Proof
	for _, u := range ups {
		if len(u.ICC) == 0 {
			continue
		}
		icc, err := d.cfg.Module.Open(uploadLabel(u), u.ICC)
		if err != nil {
			return nil, err
		}
		out = append(out, Proof{u.STAN, u.Source, u.Genuine, icc})
	}
	return out, nil
}

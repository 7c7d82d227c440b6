package issuer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"posd/host-sim/db"
)

// maxCards bounds a listing.
const maxCards = 100_000

func insertCard(ctx context.Context, tx db.Tx, c Card, sealedPAN []byte) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO card (pan_hash, psn, pan_sealed, masked, bin, expiry, status,
			pin_value, pin_tries, atc, sale_limit, account_id, chip)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		c.PANHash, c.PSN, sealedPAN, c.Masked, c.BIN, c.Expiry, c.Status, notNil(c.PIN), c.Tries, c.ATC, c.Limit, c.Account, c.Chip)
	if err != nil {
		return fmt.Errorf("issuer: add card %s: %w", c.Masked, err)
	}
	return nil
}

// notNil keeps an empty value from becoming NULL.
func notNil(b []byte) []byte { return append([]byte{}, b...) }

const selectCard = `SELECT pan_hash, psn, masked, bin, expiry, status, pin_value, pin_tries, atc, sale_limit, account_id, chip FROM card `

// FindCard returns the card, or [ErrNoCard]. A psn of -1 stands for the card of the lowest
// sequence number: stripes and typed numbers have none.
func FindCard(ctx context.Context, tx db.Tx, panHash []byte, psn int) (Card, error) {
	c, err := scanCard(tx.QueryRowContext(ctx, selectCard+`WHERE pan_hash = $1 AND (psn = $2 OR $2 < 0) ORDER BY psn LIMIT 1`, panHash, psn))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoCard
	}
	if err != nil {
		return Card{}, fmt.Errorf("issuer: find card: %w", err)
	}
	return c, nil
}

// Cards returns all cards by masked number.
func Cards(ctx context.Context, tx db.Tx) ([]Card, error) {
	rows, err := tx.QueryContext(ctx, selectCard+`ORDER BY masked, psn, pan_hash`)
	if err != nil {
		return nil, fmt.Errorf("issuer: list cards: %w", err)
	}
	defer rows.Close()
	var out []Card
	for rows.Next() && len(out) < maxCards {
		c, err := scanCard(rows)
		if err != nil {
			return nil, fmt.Errorf("issuer: list cards: %w", err)
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

func scanCard(row interface{ Scan(...any) error }) (c Card, err error) {
	err = row.Scan(&c.PANHash, &c.PSN, &c.Masked, &c.BIN, &c.Expiry, &c.Status, &c.PIN, &c.Tries, &c.ATC, &c.Limit, &c.Account, &c.Chip)
	return c, err
}

// saveCounters stores PIN tries and ATC.
func saveCounters(ctx context.Context, tx db.Tx, c Card) error {
	_, err := tx.ExecContext(ctx, `UPDATE card SET pin_tries = $1, atc = $2 WHERE pan_hash = $3 AND psn = $4`,
		c.Tries, c.ATC, c.PANHash, c.PSN)
	if err != nil {
		return fmt.Errorf("issuer: save counters of card %s: %w", c.Masked, err)
	}
	return nil
}

// useATC notes a counter of a payment without the issuer, and tells whether it was new.
// Such payments come late and in any order, so that the highest counter does not tell.
func useATC(ctx context.Context, tx db.Tx, c Card, atc int) (fresh bool, err error) {
	res, err := tx.ExecContext(ctx, `INSERT INTO chip_use (pan_hash, psn, atc) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		c.PANHash, c.PSN, atc)
	if err != nil {
		return false, fmt.Errorf("issuer: note counter of card %s: %w", c.Masked, err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

func insertIssuerKey(ctx context.Context, tx db.Tx, k IssuerKey) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO issuer_key (bin, key_index, imk, arpc_method, smi) VALUES ($1, $2, $3, $4, $5)`,
		k.BIN, k.Index, []byte(k.IMK), k.ARPCMethod, []byte(k.SMI))
	if err != nil {
		return fmt.Errorf("issuer: add key %s/%d: %w", k.BIN, k.Index, err)
	}
	return nil
}

func findIssuerKey(ctx context.Context, tx db.Tx, bin string, index int) (k IssuerKey, err error) {
	err = tx.QueryRowContext(ctx, `SELECT bin, key_index, imk, arpc_method, smi FROM issuer_key WHERE bin = $1 AND key_index = $2`, bin, index).
		Scan(&k.BIN, &k.Index, (*[]byte)(&k.IMK), &k.ARPCMethod, (*[]byte)(&k.SMI))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoIssuerKey
	}
	if err != nil {
		return IssuerKey{}, fmt.Errorf("issuer: find key %s/%d: %w", bin, index, err)
	}
	return k, nil
}

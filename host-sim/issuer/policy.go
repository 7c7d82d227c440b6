package issuer

import (
	"context"
	"fmt"
	"strings"

	"posd/host-sim/db"
)

// Rules for how a card was read.
const (
	Refuse   = "refuse"   // never
	Fallback = "fallback" // the stripe of a chip card only where the chip failed
	Allow    = "allow"    // always
)

// Policy is what the issuer of a BIN allows. The policy of the empty BIN holds for every
// BIN that has none of its own.
type Policy struct {
	BIN               string // six digits; empty for the default
	Typed             string // Refuse or Allow: entry modes 011 and 012
	Stripe            string // Refuse, Fallback or Allow: entry modes 021 and 022 of a card with a chip
	HoldDays          int    // how long a pre-authorisation holds money, 1 to 400
	CompletionPercent int    // of the hold, 100 to 200
	TipPercent        int    // of the sale, 0 to 100
	OfflineLimit      int64  // largest payment that a card may approve off line, minor units; 0 for none
}

func (p Policy) check() error {
	switch {
	case p.BIN != "" && (len(p.BIN) != 6 || strings.Trim(p.BIN, "0123456789") != ""):
		return fmt.Errorf("BIN %q, six digits wanted", p.BIN)
	case p.Typed != Refuse && p.Typed != Allow:
		return fmt.Errorf("typed %q, %s or %s wanted", p.Typed, Refuse, Allow)
	case p.Stripe != Refuse && p.Stripe != Fallback && p.Stripe != Allow:
		return fmt.Errorf("stripe %q, %s, %s or %s wanted", p.Stripe, Refuse, Fallback, Allow)
	case p.HoldDays < 1 || p.HoldDays > 400:
		return fmt.Errorf("hold of %d days, 1 to 400 wanted", p.HoldDays)
	case p.CompletionPercent < 100 || p.CompletionPercent > 200 || p.TipPercent < 0 || p.TipPercent > 100:
		return fmt.Errorf("completion %d %%, tip %d %%: 100 to 200 and 0 to 100 wanted", p.CompletionPercent, p.TipPercent)
	case p.OfflineLimit < 0:
		return fmt.Errorf("offline limit %d", p.OfflineLimit)
	}
	return nil
}

// SetPolicy stores the policy of a BIN in place of the one before.
func SetPolicy(ctx context.Context, tx db.Tx, p Policy) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("issuer: set policy: %w", err)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO policy (bin, typed, stripe, hold_days, completion_percent, tip_percent, offline_limit)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (bin) DO UPDATE SET typed = $2, stripe = $3, hold_days = $4,
		completion_percent = $5, tip_percent = $6, offline_limit = $7`,
		p.BIN, p.Typed, p.Stripe, p.HoldDays, p.CompletionPercent, p.TipPercent, p.OfflineLimit)
	if err != nil {
		return fmt.Errorf("issuer: set policy of %q: %w", p.BIN, err)
	}
	return nil
}

// PolicyOf returns what holds for a BIN.
func PolicyOf(ctx context.Context, tx db.Tx, bin string) (p Policy, err error) {
	err = tx.QueryRowContext(ctx, `SELECT bin, typed, stripe, hold_days, completion_percent, tip_percent, offline_limit
		FROM policy WHERE bin = $1 OR bin = '' ORDER BY bin DESC LIMIT 1`, bin).
		Scan(&p.BIN, &p.Typed, &p.Stripe, &p.HoldDays, &p.CompletionPercent, &p.TipPercent, &p.OfflineLimit)
	if err != nil {
		return Policy{}, fmt.Errorf("issuer: policy of %q: %w", bin, err)
	}
	return p, nil
}

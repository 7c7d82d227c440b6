package hostsim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/ledger"
	"posd/host-sim/settle"
)

// Statement is what a merchant gets for a business day.
type Statement = settle.Statement

// Cutoff is the end of a business day, written 2026-11-24: 23:00 in zone.
func Cutoff(day string, zone *time.Location) (time.Time, error) {
	t, err := time.ParseInLocation("2006-01-02", day, zone)
	if err != nil {
		return t, fmt.Errorf("hostsim: business day %q: a date as 2026-11-24 wanted", day)
	}
	return t.Add(23 * time.Hour), nil
}

// CloseDay makes the statements of all merchants for the day that ended at cutoff, each in a
// transaction of its own, and returns how many were new. Run again it does what is missing.
func (h *Host) CloseDay(ctx context.Context, day string, cutoff time.Time) (n int, err error) {
	if cutoff.After(h.cfg.Now()) {
		return 0, fmt.Errorf("hostsim: close %s: it ends at %s", day, cutoff.Format(time.RFC3339))
	}
	var all []estate.Merchant
	err = h.db.View(ctx, func(tx db.Tx) (err error) {
		all, err = estate.Merchants(ctx, tx)
		return err
	})
	for _, m := range all {
		fresh := false
		one := h.db.Update(ctx, func(tx db.Tx) (err error) {
			fresh, err = settle.Close(ctx, tx, day, m.MID, cutoff)
			return err
		})
		if one == nil && fresh {
			n++
		}
		err = errors.Join(err, one)
	}
	return n, err
}

// Statement returns a merchant's statement of a day.
func (h *Host) Statement(ctx context.Context, day, mid string) (s Statement, err error) {
	err = h.db.View(ctx, func(tx db.Tx) (err error) {
		s, err = settle.Find(ctx, tx, day, mid)
		return err
	})
	return s, err
}

// SetTerms stores a merchant's category code, and why it is not paid: empty where it is.
func (h *Host) SetTerms(ctx context.Context, mid, mcc, frozen string) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return settle.SetTerms(ctx, tx, mid, mcc, frozen) })
}

// Clearing returns a network's clearing file of a day.
func (h *Host) Clearing(ctx context.Context, day, network string) (c settle.Clearing, err error) {
	c.Day, c.Network = day, network
	err = h.db.View(ctx, func(tx db.Tx) error {
		lines, err := settle.OfNetwork(ctx, tx, day, network)
		for _, l := range lines {
			c.Records = append(c.Records, settle.Record{RRN: l.RRN, TID: l.TID, Batch: l.Batch, STAN: l.STAN, Masked: l.Masked, Gross: l.Gross, AtMS: l.At.UnixMilli()})
		}
		return err
	})
	return c, err
}

// CheckLedger names everything that is wrong in the books and the statements.
func (h *Host) CheckLedger(ctx context.Context) (wrong []string, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		t, err := ledger.TrialBalance(ctx, tx)
		if err != nil {
			return err
		}
		more, err := settle.Check(ctx, tx)
		wrong = append(t.Wrong, more...)
		if t.Sum != 0 {
			wrong = append(wrong, fmt.Sprintf("all entries add up to %d", t.Sum))
		}
		return err
	})
	return wrong, err
}

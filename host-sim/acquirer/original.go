package acquirer

import (
	"context"
	"fmt"
	"slices"

	"posd/host-sim/db"
	"posd/transport/iso8583"
)

// clues are what a message says of the payment that it is about.
type clues struct {
	rrn, authCode string
	batch, stan   uint32
	date          string // MMDD
}

func cluesOf(m *iso8583.FinancialRequest) clues {
	return clues{m.RRN, m.AuthCode, m.Original.Batch, m.Original.STAN, m.Original.Date}
}

// none tells that the clues point nowhere: a date alone is shared by too many.
func (c clues) none() bool { return c.rrn == "" && c.authCode == "" && c.stan == 0 }

// fit tells whether a payment is the one: whatever a clue says must be so.
func (c clues) fit(p payment) bool {
	switch {
	case c.rrn != "" && c.rrn != p.RRN,
		c.authCode != "" && c.authCode != p.AuthCode,
		c.stan != 0 && (c.stan != p.STAN || c.batch != p.Batch),
		c.date != "" && c.date != p.At.Format("0102"):
		return false
	}
	return true
}

// findOriginal finds the payment that j is about among those of the same card at the same
// merchant, and refuses where there is none, or none that can be its original.
func (d *Desk) findOriginal(ctx context.Context, tx db.Tx, j *job, rule rule) (refusal, error) {
	c := cluesOf(j.m)
	if c.none() {
		return refusal{codeNoOriginal, "the message names no original"}, nil
	}
	candidates, err := ofCard(ctx, tx, j.p.MID, j.p.PANHash)
	if err != nil {
		return refusal{}, err
	}
	best := refusal{codeNoOriginal, "no such original of this card at this merchant"}
	for _, p := range candidates {
		p.At = p.At.In(j.v.now.Location())
		if !c.fit(p) || (rule.here && p.TID != j.p.TID) {
			continue
		}
		r := unfit(p, rule)
		if !r.refused() {
			j.original = p
			return refusal{}, nil
		}
		if best.code == codeNoOriginal {
			best = r
		}
	}
	return best, nil
}

// unfit says why a payment cannot be the original of a type.
func unfit(p payment, rule rule) refusal {
	ofKind := func(t iso8583.TransactionType) bool { return t.String() == p.Kind }
	switch {
	case p.State == Declined || p.State == Tombstone || p.State == Reversed:
		return refusal{codeNoOriginal, "the original is " + string(p.State)}
	case !slices.ContainsFunc(rule.of, ofKind):
		return refusal{codeInvalid, fmt.Sprintf("a %s cannot be the original", p.Kind)}
	case p.State != Approved:
		return refusal{codeInvalid, "the original is " + string(p.State) + " already"}
	case rule.here && p.Settled:
		return refusal{codeTooLate, "the original's batch is closed"}
	}
	return refusal{}
}

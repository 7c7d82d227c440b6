package settle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/ledger"
)

// ErrNoStatement says that there is no such statement.
var ErrNoStatement = errors.New("no such statement")

// States of a line.
const (
	Settled   = "settled"
	Suspended = "suspended" // its net is in suspense
	Released  = "released"  // its net came out of suspense
)

// Names of the host's accounts, followed by a currency.
const (
	Fees     = "fees"          // the host's income
	Bank     = "bank clearing" // what went out to merchants' banks
	Suspense = "suspense"
)

// Line is one posting on a statement. Amounts are minor units, below zero where the
// merchant gives.
type Line struct {
	Posting           int64
	TID               string
	Batch, STAN       uint32
	Kind              string // of the payment; "reversal of …" for one taken back
	Masked, RRN       string
	Network, MCC      string
	Rate              int64 // basis points
	Gross, Fee        int64
	State             string // settled, suspended, released
	At                time.Time
	contra            int64
	account           int64
	foreign, disputed bool
}

// Net is what the merchant gets of a line.
func (l Line) Net() int64 { return l.Gross - l.Fee }

// Statement is what a merchant gets for a day.
type Statement struct {
	Day, MID        string // day as 2026-11-24
	Cutoff          time.Time
	Gross, Fee, Net int64
	Brought         int64 // carried by the statement before
	Suspended       int64 // of this day's net, kept in suspense
	Released        int64 // out of suspense
	Paid, Carried   int64
	Why             string // why something is carried, empty where nothing is
	Lines           []Line
	Currency        emv.Currency
	account         int64
}

// Close makes the statement of a merchant's day that ended at cutoff, and posts fee,
// suspense and payout. It is done once: false says that the day was closed before.
func Close(ctx context.Context, tx db.Tx, day, mid string, cutoff time.Time) (bool, error) {
	if done, err := isClosed(ctx, tx, day, mid, cutoff); err != nil || done {
		return false, err
	}
	s := Statement{Day: day, MID: mid, Cutoff: cutoff}
	terms, err := termsOf(ctx, tx, mid)
	if err != nil {
		return false, err
	}
	s.account, s.Currency = terms.account, terms.currency
	if s.Brought, err = carried(ctx, tx, mid); err != nil {
		return false, err
	}
	if s.Lines, err = open(ctx, tx, mid, terms.account, cutoff); err != nil {
		return false, err
	}
	for i := range s.Lines {
		if err := s.price(ctx, tx, terms, i); err != nil {
			return false, err
		}
	}
	if s.Released, err = release(ctx, tx, mid); err != nil {
		return false, err
	}
	s.Net = s.Gross - s.Fee
	due := s.Brought + s.Net - s.Suspended + s.Released
	switch {
	case terms.frozen != "":
		s.Why = "frozen: " + terms.frozen
	case due < 0:
		s.Why = "less than nothing is due"
	default:
		s.Paid = due
	}
	s.Carried = due - s.Paid
	if err := insertStatement(ctx, tx, s); err != nil {
		return false, err
	}
	return true, s.post(ctx, tx)
}

// price sets what a line costs and adds it to the statement. A posting that takes another
// back has the other's fee, turned.
func (s *Statement) price(ctx context.Context, tx db.Tx, terms terms, i int) error {
	l := &s.Lines[i]
	l.MCC, l.State = terms.mcc, Settled
	if l.contra != 0 {
		l.Kind = "reversal of " + l.Kind
		old, err := lineOf(ctx, tx, l.contra)
		if err != nil {
			return err
		}
		l.Rate, l.Fee = old.Rate, -old.Fee
	} else if l.TID != "" { // what is no payment costs nothing
		r, err := ruleOf(ctx, tx, terms.mcc, l.account, l.foreign)
		if err != nil {
			return err
		}
		r.Returns = r.Returns || strings.Contains(l.Kind, "void") // a void is as if nothing had been
		l.Rate, l.Fee = r.Rate, r.Fee(l.Gross)
	}
	s.Gross += l.Gross
	s.Fee += l.Fee
	if l.disputed {
		l.State = Suspended
		s.Suspended += l.Net()
	}
	return insertLine(ctx, tx, s.Day, s.MID, "payment", *l)
}

// post moves the money of a statement.
func (s *Statement) post(ctx context.Context, tx db.Tx) error {
	for _, p := range []struct {
		part, account string
		amount        int64
	}{{"fee", Fees, s.Fee}, {"suspense", Suspense, s.Suspended}, {"release", Suspense, -s.Released}, {"payout", Bank, s.Paid}} {
		if p.amount == 0 {
			continue
		}
		to, err := ledger.Named(ctx, tx, fmt.Sprintf("%s %v", p.account, s.Currency), s.Currency, s.Cutoff)
		if err != nil {
			return err
		}
		lines := ledger.Transfer(s.account, to.ID, p.amount)
		id, err := ledger.Post(ctx, tx, p.part+" of "+s.MID+" for "+s.Day, s.Cutoff, lines)
		if err != nil {
			return err
		}
		if err := insertLine(ctx, tx, s.Day, s.MID, p.part, Line{Posting: id, Gross: -p.amount, State: Settled, At: s.Cutoff}); err != nil {
			return err
		}
	}
	return nil
}

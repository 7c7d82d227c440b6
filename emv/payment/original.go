package payment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"posd/emv"
)

// about is what a payment knows of its original.
type about struct {
	name   Original
	rec    *Record // nil where neither journal nor archive has it
	amount int64   // what it stands at now, minor units: adjustments counted
	back   int64   // what was given back of it already
}

// original finds what the order is about, and whether it may be about that.
func (t *Terminal) original(ctx context.Context, o *Order, rules Rules) (about, error) {
	of := about{name: o.Original}
	if rules.Original != NoOriginal {
		if err := t.find(ctx, &of, rules); err != nil {
			return about{}, err
		}
	}
	if of.rec == nil {
		if o.Amount.Minor == 0 && rules.Bound != NoAmount {
			return about{}, refuse(CodeAmount, "the amount is missing: the original is not known here")
		}
		return of, of.complete(rules)
	}
	if err := of.fits(*o, rules); err != nil {
		return about{}, err
	}
	of.take()
	if err := of.complete(rules); err != nil {
		return about{}, err
	}
	if err := t.uses(ctx, &of, rules); err != nil {
		return about{}, err
	}
	return of, of.settleAmount(o, rules, t.Policy)
}

// find looks for the original in the journal and, where it may be of any day, in the
// archive. One that was made elsewhere is not known here: its receipt speaks for it.
func (t *Terminal) find(ctx context.Context, of *about, rules Rules) error {
	next, err := t.Journal.Next(ctx)
	if err != nil {
		return fmt.Errorf("payment: next voucher number: %w", err)
	}
	if of.name.ID.Batch == 0 && of.name.ID.STAN != 0 {
		of.name.ID.Batch = next.Batch
	}
	if of.name.ID.STAN != 0 {
		of.rec, err = t.lookUp(ctx, of.name.ID, rules)
	}
	switch {
	case err != nil:
		return err
	case rules.Original == InBatch && (of.rec == nil || of.name.ID.Batch != next.Batch):
		return refuse(CodeNoOriginal, "payment %v is not in this batch", of.name.ID)
	}
	return nil
}

func (t *Terminal) lookUp(ctx context.Context, id ID, rules Rules) (*Record, error) {
	rec, err := t.Journal.Get(ctx, id)
	if errors.Is(err, ErrNoRecord) && rules.Original == Typed && t.Archive != nil {
		rec, err = t.Archive.Get(ctx, id)
	}
	switch {
	case errors.Is(err, ErrNoRecord):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("payment: original %v: %w", id, err)
	}
	return rec, nil
}

// fits tells whether the record is one that this kind of payment may be about. An
// adjustment may follow an original that waits itself: they go up in their order.
func (of *about) fits(o Order, rules Rules) error {
	rec := of.rec
	done := rec.State == Completed || rules.Adjusts && rec.State == Stored
	switch {
	case !slices.Contains(rules.Of, rec.Kind):
		return refuse(CodeOriginal, "payment %v is a %v: no %v of that", rec.ID, rec.Kind, o.Kind)
	case !done:
		return refuse(CodeOriginal, "payment %v is %v: no %v of that", rec.ID, rec.State, o.Kind)
	case o.Amount.Minor != 0 && o.Amount.Currency != rec.Amount.Currency:
		return refuse(CodeAmount, "payment %v was in %v", rec.ID, rec.Amount.Currency)
	case rules.Card == NoCard && rec.PAN.IsZero():
		return refuse(CodeNoOriginal, "the card number of payment %v is not kept any longer", rec.ID)
	}
	return of.agrees()
}

// agrees compares what was typed from a receipt with what is known.
func (of *about) agrees() error {
	known := nameOf(of.rec)
	for _, part := range []struct{ what, typed, known string }{
		{"reference number", of.name.RRN, known.RRN},
		{"authorisation code", of.name.AuthCode, known.AuthCode},
		{"date", of.name.Date, known.Date},
	} {
		if part.typed != "" && part.known != "" && part.typed != part.known {
			return refuse(CodeOriginal, "payment %v has another %s", of.rec.ID, part.what)
		}
	}
	return nil
}

// take adds what the record knows to what was typed.
func (of *about) take() {
	typed, known := of.name, nameOf(of.rec)
	of.name = known
	for _, part := range []struct {
		dst   *string
		typed string
	}{{&of.name.RRN, typed.RRN}, {&of.name.AuthCode, typed.AuthCode}, {&of.name.Date, typed.Date}} {
		if *part.dst == "" {
			*part.dst = part.typed
		}
	}
	of.amount = of.rec.Amount.Minor
}

// nameOf is how a receipt, or a message, names a payment: by the host's numbers and date
// where it gave some.
func nameOf(rec *Record) Original {
	o := Original{ID: rec.ID, Date: rec.Time.Format("0102")}
	if rec.Original != nil && rec.Kind.Rules().Original == NoOriginal {
		o.AuthCode = rec.Original.AuthCode // of an offline sale: from the telephone
	}
	if a := rec.Answer; a != nil {
		o.RRN = a.RRN
		if a.AuthCode != "" {
			o.AuthCode = a.AuthCode
		}
		if len(a.Time) >= 4 {
			o.Date = a.Time[:4]
		}
	}
	return o
}

// complete tells whether all that the kind wants to know is known, in its form.
func (of *about) complete(rules Rules) error {
	for _, part := range []struct {
		mark Mark
		what string
		ok   bool
	}{
		{MarkRRN, "reference number (12 characters)", len(of.name.RRN) == 12},
		{MarkAuthCode, "authorisation code (6 characters)", len(of.name.AuthCode) == 6},
		{MarkDate, "date (MMDD)", validDay(of.name.Date)},
	} {
		if rules.Wants&part.mark != 0 && !part.ok {
			return refuse(CodeReference, "%s is missing", part.what)
		}
	}
	return nil
}

func validDay(mmdd string) bool {
	return allDigits(mmdd, 4) && mmdd[:2] >= "01" && mmdd[:2] <= "12" && mmdd[2:] >= "01" && mmdd[2:] <= "31"
}

// uses looks at what was done with the original already. Refunds of parts add up and see
// an adjusted amount; to every other payment an original is good once.
func (t *Terminal) uses(ctx context.Context, of *about, rules Rules) error {
	related, err := t.Journal.Related(ctx, of.rec.ID)
	if err != nil {
		return fmt.Errorf("payment: what was done with %v: %w", of.rec.ID, err)
	}
	for _, rec := range related {
		counts, err := t.counts(ctx, rec)
		theirs := rec.Kind.Rules()
		switch {
		case err != nil:
			return err
		case !counts:
		case rules.Bound == UpToOriginal && theirs.Adjusts:
			of.amount = rec.Amount.Minor
		case rules.Bound == UpToOriginal && theirs.Bound == UpToOriginal:
			of.back += rec.Amount.Minor
		default:
			return refuse(CodeUsed, "payment %v has a %v already: %v, %v", of.rec.ID, rec.Kind, rec.ID, rec.State)
		}
	}
	return nil
}

// counts tells whether a payment still stands, or may: it was neither declined nor
// reversed, and nothing undid it.
func (t *Terminal) counts(ctx context.Context, rec *Record) (bool, error) {
	if rec.State == Declined || rec.State == Reversed || rec.State == Resolved {
		return false, nil
	}
	related, err := t.Journal.Related(ctx, rec.ID)
	if err != nil {
		return false, fmt.Errorf("payment: what was done with %v: %w", rec.ID, err)
	}
	undone := func(r *Record) bool { return r.State == Completed && r.Kind.Rules().Undoes }
	return !slices.ContainsFunc(related, undone), nil
}

// settleAmount fills in the amount where the original says it, and bounds it by the
// original's.
func (of *about) settleAmount(o *Order, rules Rules, p Policy) error {
	if o.Amount.Minor == 0 {
		o.Amount = emv.Amount{Minor: of.amount + o.Tip, Currency: of.rec.Amount.Currency}
	}
	least, most := int64(1), int64(emv.MaxMinor)
	switch rules.Bound {
	case WholeAmount:
		least, most = of.amount, of.amount
	case UpToOriginal:
		most = of.amount - of.back
	case UpToHold:
		most = percent(of.amount, p.completionPercent())
	case WithTip:
		least, most = of.amount+1, of.amount+percent(of.amount, int64(p.TipPercent))
	}
	if most = min(most, emv.MaxMinor); o.Amount.Minor < least || o.Amount.Minor > most {
		return refuse(CodeAmount, "%v of %v: %d to %d minor units are allowed, not %d", o.Kind, of.rec.ID, least, most, o.Amount.Minor)
	}
	return nil
}

// percent is part per cent of an amount, rounded down; both are too small to overflow.
func percent(minor, part int64) int64 { return minor/100*part + minor%100*part/100 }

// sameCard tells whether the card that was shown is the original's. Where only the
// receipt's first six and last four digits are known, those are compared.
func (of *about) sameCard(pan emv.PAN) bool {
	switch {
	case of.rec == nil:
		return true
	case !of.rec.PAN.IsZero():
		return of.rec.PAN == pan
	}
	return of.rec.Masked == "" || of.rec.Masked == pan.Masked()
}

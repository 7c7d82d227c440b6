package acquirer

import (
	"context"

	"posd/host-sim/db"
	"posd/host-sim/issuer"
	"posd/host-sim/ledger"
	"posd/transport/iso8583"
)

// rule is what holds at the host for a type of transaction: a row of the table below.
type rule struct {
	// decide makes the checks of the type and posts; what it refuses was not posted.
	decide func(d *Desk, ctx context.Context, tx db.Tx, j *job) (refusal, error)
	// of are the types of payment that it can be about; nil for a type that is about none.
	of []iso8583.TransactionType
	// here: its original is of the same terminal and of a batch that is not closed.
	here bool
	// undo takes an approved payment back for a reversal; nil for a type that has none.
	undo func(d *Desk, ctx context.Context, tx db.Tx, u *undoing) (refusal, error)
	// late: it tells of what happened, and is taken after its batch was closed.
	late bool
	// free: it has no amount.
	free bool
	// authorised: its approval has an authorisation code, field 38.
	authorised bool
	// side of the totals: 1 debit, -1 credit, 0 neither. An adjustment has none of its
	// own: it changes the amount of its original.
	side int
}

// rules of the types that the host serves.
var rules = map[iso8583.TransactionType]rule{
	iso8583.Sale:                  {decide: (*Desk).charge, undo: (*Desk).undoCharge, authorised: true, side: 1},
	iso8583.Void:                  {decide: (*Desk).void, undo: (*Desk).undoVoid, of: list(iso8583.Sale), here: true, authorised: true, side: -1},
	iso8583.Refund:                {decide: (*Desk).refund, of: list(iso8583.Sale, iso8583.PreauthCompletion, iso8583.PreauthAdvice), late: true, side: -1},
	iso8583.Preauth:               {decide: (*Desk).hold, undo: (*Desk).undoHold, authorised: true},
	iso8583.PreauthVoid:           {decide: (*Desk).release, undo: (*Desk).undoRelease, of: list(iso8583.Preauth), authorised: true},
	iso8583.PreauthCompletion:     {decide: (*Desk).complete, undo: (*Desk).undoCompletion, of: list(iso8583.Preauth), authorised: true, side: 1},
	iso8583.PreauthAdvice:         {decide: (*Desk).complete, of: list(iso8583.Preauth), late: true, side: 1},
	iso8583.PreauthCompletionVoid: {decide: (*Desk).voidCompletion, undo: (*Desk).undoCompletionVoid, of: list(iso8583.PreauthCompletion), here: true, authorised: true, side: -1},
	iso8583.Balance:               {decide: (*Desk).inquire, free: true},
	iso8583.OfflineSale:           {decide: (*Desk).voice, late: true, side: 1},
	iso8583.OfflineAdjust:         {decide: (*Desk).adjust, of: list(iso8583.OfflineSale), here: true, late: true},
	iso8583.TipAdjust:             {decide: (*Desk).adjust, of: list(iso8583.Sale, iso8583.OfflineSale), here: true, late: true},
	iso8583.OfflineChip:           {decide: (*Desk).offlineChip, late: true, side: 1},
}

func list(types ...iso8583.TransactionType) []iso8583.TransactionType { return types }

// ask puts the question to the issuer.
func (d *Desk) ask(ctx context.Context, tx db.Tx, j *job, q issuer.Question) (issuer.Decision, refusal, error) {
	const fallback = 2
	decision, err := d.cfg.Issuer.Authorise(ctx, tx, issuer.Request{
		Question: q, PAN: j.pan, PSN: j.m.PANSequence, Expiry: j.m.Expiry, EntryMode: j.m.EntryMode,
		Fallback: j.m.Private.Condition == fallback, Amount: j.m.Amount, Currency: j.m.Currency,
		PINBlock: j.m.PINBlock, TPK: j.v.terminal.TPK, ICC: j.m.ICC, RRN: j.p.RRN, At: j.v.now,
	})
	if err != nil {
		return decision, refusal{}, err
	}
	j.icc, j.p.ATC = decision.ICC, decision.ATC
	if j.p.Account == 0 {
		j.p.Account = decision.Account
	}
	if !decision.Approved() {
		return decision, refusal{decision.Code, decision.Why}, nil
	}
	return decision, refusal{}, nil
}

// take posts the payment's amount from the card's account to the merchant's; a negative
// amount goes the other way, and zero nowhere.
func (d *Desk) take(ctx context.Context, tx db.Tx, j *job, amount int64) (err error) {
	from, to := j.p.Account, j.v.merchant.Account
	if amount < 0 {
		from, to, amount = to, from, -amount
	}
	if amount == 0 {
		return nil
	}
	j.p.Posting, err = ledger.Post(ctx, tx, describe(*j.p), j.v.now, ledger.Transfer(from, to, amount))
	return err
}

// charge is a sale.
func (d *Desk) charge(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	if j.standIn {
		return d.standFor(ctx, tx, j)
	}
	if _, r, err := d.ask(ctx, tx, j, issuer.Charge); err != nil || r.refused() {
		return r, err
	}
	return refusal{}, d.take(ctx, tx, j, j.m.Amount)
}

// inquire asks for the balance.
func (d *Desk) inquire(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	decision, r, err := d.ask(ctx, tx, j, issuer.Inquiry)
	if err != nil || r.refused() {
		return r, err
	}
	j.balance = &decision.Available
	return refusal{}, nil
}

// voice is a sale that the issuer allowed by telephone.
func (d *Desk) voice(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	if _, r, err := d.ask(ctx, tx, j, issuer.Voice); err != nil || r.refused() {
		return r, err
	}
	j.p.AuthCode = j.m.AuthCode
	return refusal{}, d.take(ctx, tx, j, j.m.Amount)
}

// offlineChip is a payment that the card approved. The issuer pays whatever the balance:
// the certificate is the card's promise. A counter that an online payment used already is
// that payment's certificate, sent to be paid twice.
func (d *Desk) offlineChip(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	decision, r, err := d.ask(ctx, tx, j, issuer.Offline)
	if err != nil || r.refused() {
		return r, err
	}
	used, err := usedOnline(ctx, tx, j.p.PANHash, decision.ATC)
	if err != nil {
		return refusal{}, err
	}
	if used {
		return refusal{codeDoNotHonour, "the certificate is that of a payment made online"}, nil
	}
	return refusal{}, d.take(ctx, tx, j, j.m.Amount)
}

// void takes a sale back.
func (d *Desk) void(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	switch o := j.original; {
	case o.Refunded != 0:
		return refusal{codeInvalid, "part of the original was refunded"}, nil
	case o.Total != j.m.Amount:
		return refusal{codeOtherAmount, "the original was of another amount"}, nil
	}
	if _, r, err := d.ask(ctx, tx, j, issuer.Related); err != nil || r.refused() {
		return r, err
	}
	if err := move(ctx, tx, j.original.key, Approved, Voided); err != nil {
		return refusal{}, err
	}
	return refusal{}, d.take(ctx, tx, j, -j.m.Amount)
}

// refund gives back a sale or a completion of any day, whole or in parts.
func (d *Desk) refund(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	o := j.original
	if j.m.Amount > o.Total-o.Refunded {
		return refusal{codeOtherAmount, "refunds would be more than the original"}, nil
	}
	if err := setAmounts(ctx, tx, o.key, o.Total, o.Refunded+j.m.Amount); err != nil {
		return refusal{}, err
	}
	return refusal{}, d.take(ctx, tx, j, -j.m.Amount)
}

// hold is a pre-authorisation.
func (d *Desk) hold(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	decision, r, err := d.ask(ctx, tx, j, issuer.Charge)
	if err != nil || r.refused() {
		return r, err
	}
	j.p.Hold, err = ledger.Keep(ctx, tx, decision.Account, j.m.Amount, j.v.now, j.v.now.AddDate(0, 0, decision.Policy.HoldDays))
	return refusal{}, err
}

// release is the void of a pre-authorisation.
func (d *Desk) release(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	if j.original.Amount != j.m.Amount {
		return refusal{codeOtherAmount, "the original was of another amount"}, nil
	}
	if r, err := d.heldStill(ctx, tx, j); err != nil || r.refused() {
		return r, err
	}
	if _, r, err := d.ask(ctx, tx, j, issuer.Related); err != nil || r.refused() {
		return r, err
	}
	if err := ledger.MoveHold(ctx, tx, j.original.Hold, ledger.HoldOpen, ledger.Released); err != nil {
		return refusal{}, err
	}
	return refusal{}, move(ctx, tx, j.original.key, Approved, Voided)
}

// heldStill refuses what comes after the hold's time.
func (d *Desk) heldStill(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	if _, err := ledger.ExpireHolds(ctx, tx, j.original.Account, j.v.now); err != nil {
		return refusal{}, err
	}
	h, err := ledger.FindHold(ctx, tx, j.original.Hold)
	if err != nil {
		return refusal{}, err
	}
	if h.State != ledger.HoldOpen {
		return refusal{codeTooLate, "the hold is " + string(h.State)}, nil
	}
	return refusal{}, nil
}

// complete takes the money that a pre-authorisation held: less, as much, or a little more.
// The notice of a completion is taken whatever the balance; the request asks for what is
// above the hold.
func (d *Desk) complete(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	if r, err := d.heldStill(ctx, tx, j); err != nil || r.refused() {
		return r, err
	}
	decision, r, err := d.ask(ctx, tx, j, issuer.Related)
	if err != nil || r.refused() {
		return r, err
	}
	held, amount := j.original.Amount, j.m.Amount
	switch {
	case amount > held*int64(decision.Policy.CompletionPercent)/100:
		return refusal{codeOtherAmount, "more than the issuer allows above the hold"}, nil
	case j.m.Type == iso8583.PreauthCompletion && amount-held > decision.Available:
		return refusal{codeFunds, "insufficient funds above the hold"}, nil
	}
	if err := ledger.MoveHold(ctx, tx, j.original.Hold, ledger.HoldOpen, ledger.Used); err != nil {
		return refusal{}, err
	}
	if err := move(ctx, tx, j.original.key, Approved, Completed); err != nil {
		return refusal{}, err
	}
	return refusal{}, d.take(ctx, tx, j, amount)
}

// voidCompletion takes a completion back; the money is held again.
func (d *Desk) voidCompletion(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	if r, err := d.void(ctx, tx, j); err != nil || r.refused() {
		return r, err
	}
	return refusal{}, d.holdAgain(ctx, tx, j.original)
}

// holdAgain opens the hold of a completion's pre-authorisation again.
func (d *Desk) holdAgain(ctx context.Context, tx db.Tx, completion payment) error {
	preauth, err := byReference(ctx, tx, completion.Original)
	if err != nil {
		return err
	}
	if err := ledger.MoveHold(ctx, tx, preauth.Hold, ledger.Used, ledger.HoldOpen); err != nil {
		return err
	}
	return move(ctx, tx, preauth.key, Completed, Approved)
}

// adjust replaces the amount of its original: what differs moves.
func (d *Desk) adjust(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	decision, r, err := d.ask(ctx, tx, j, issuer.Voice)
	if err != nil || r.refused() {
		return r, err
	}
	o, amount := j.original, j.m.Amount
	switch tip := amount - o.Amount; {
	case o.Refunded != 0:
		return refusal{codeInvalid, "part of the original was refunded"}, nil
	case j.m.Type == iso8583.TipAdjust && tip < 0:
		return refusal{codeOtherAmount, "less than the original without tip"}, nil
	case j.m.Type == iso8583.TipAdjust && tip > o.Amount*int64(decision.Policy.TipPercent)/100:
		return refusal{codeLimit, "tip above the issuer's limit"}, nil
	}
	if err := setAmounts(ctx, tx, o.key, amount, 0); err != nil {
		return refusal{}, err
	}
	return refusal{}, d.take(ctx, tx, j, amount-o.Total)
}

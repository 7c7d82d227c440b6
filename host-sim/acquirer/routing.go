package acquirer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/issuer"
	"posd/host-sim/ledger"
	"posd/host-sim/route"
	"posd/transport/iso8583"
)

// Response codes of routing.
const (
	codeNotMerchant = "57" // type of transaction switched off for the merchant
	codeNotTerminal = "58" // type of transaction switched off for the terminal
	codeLinkDown    = "91" // the network is down, and nobody stands in
	codeNoRoute     = "92" // no rule, or no network of the rule serves the card
)

// DiffStandIn is a payment that the issuer, asked later, would have declined.
const DiffStandIn = "stand-in"

// route finds the network of a payment and keeps it, with the rule, in its row. What follows
// an earlier payment goes where that went. A notice tells of what happened, and is posted
// whatever the state of its network.
func (d *Desk) route(ctx context.Context, tx db.Tx, j *job, rule rule) (refusal, error) {
	switch scope, err := route.SwitchedOff(ctx, tx, j.p.MID, j.p.TID, j.p.Kind); {
	case err != nil:
		return refusal{}, err
	case scope == route.OfTerminal:
		return refusal{codeNotTerminal, j.p.Kind + " is switched off for the terminal"}, nil
	case scope == route.OfMerchant:
		return refusal{codeNotMerchant, j.p.Kind + " is switched off for the merchant"}, nil
	}
	if j.original.Network != "" {
		return d.follow(ctx, tx, j, rule)
	}
	w, ok, err := d.Way(ctx, tx, j.p.MID, j.pan.Reveal(), j.p.Kind, j.m.Amount, j.v.now)
	if err != nil {
		return refusal{}, err
	}
	if !ok {
		return refusal{codeNoRoute, "no route for this card"}, nil
	}
	j.p.Network, j.p.Rule = w.Network, w.Rule
	if w.Open || rule.late {
		return refusal{}, nil
	}
	if j.standIn = j.m.Type == iso8583.Sale; !j.standIn {
		return refusal{codeLinkDown, "network " + w.Network + " is not up"}, nil
	}
	return refusal{}, nil
}

func (d *Desk) follow(ctx context.Context, tx db.Tx, j *job, rule rule) (refusal, error) {
	j.p.Network, j.p.Rule = j.original.Network, j.original.Rule
	state, err := route.StateOf(ctx, tx, j.p.Network)
	if err == nil && state == route.Down && !rule.late {
		return refusal{codeLinkDown, "network " + j.p.Network + " is down"}, nil
	}
	return refusal{}, err
}

// Way is where a payment would go: prefix is a card number, or its beginning.
func (d *Desk) Way(ctx context.Context, tx db.Tx, mid, prefix, kind string, amount int64, at time.Time) (route.Way, bool, error) {
	group, err := route.GroupOf(ctx, tx, mid)
	if err != nil {
		return route.Way{}, false, err
	}
	q := route.Query{Merchant: mid, Group: group, BIN: route.BIN(prefix), Kind: kind, Amount: amount, Minute: at.Hour()*60 + at.Minute()}
	candidates, err := route.Candidates(ctx, tx, q.BIN)
	if err != nil {
		return route.Way{}, false, err
	}
	w, ok := route.Find(candidates, q)
	return w, ok, nil
}

// standFor approves a sale in place of its issuer, as far as the policy of the BIN goes. The
// merchant's money comes from a suspense account, until the issuer's account has it.
func (d *Desk) standFor(ctx context.Context, tx db.Tx, j *job) (refusal, error) {
	policy, ok, err := route.PolicyOf(ctx, tx, route.BIN(j.pan.Reveal())[:6])
	switch {
	case err != nil:
		return refusal{}, err
	case !ok:
		return refusal{codeLinkDown, "network " + j.p.Network + " is not up"}, nil
	case len(j.m.ICC) == 0:
		return refusal{codeLinkDown, "stand-in takes chips only"}, nil
	}
	day := j.v.now.Format("20060102")
	count, sum, err := route.UsedToday(ctx, tx, j.p.PANHash, day)
	if err != nil {
		return refusal{}, err
	}
	if why := policy.Doubt(j.m.Amount, count, sum, len(j.m.PINBlock) > 0); why != "" {
		return refusal{codeLinkDown, why}, nil
	}
	decision, r, err := d.ask(ctx, tx, j, issuer.StandIn)
	if err != nil || r.refused() {
		return r, err
	}
	if j.p.Account, err = standing(ctx, tx, "stand-in "+j.p.Network, j.m.Currency, j.v.now); err != nil {
		return refusal{}, err
	}
	j.p.StandIn, j.p.Why = true, "approved in the issuer's place"
	err = route.Queue(ctx, tx, route.Advice{
		RRN: j.p.RRN, Network: j.p.Network, PANHash: j.p.PANHash, PSN: max(j.p.PSN, 0), Account: decision.Account,
		Amount: j.m.Amount, Day: day, At: j.v.now,
	})
	if err != nil {
		return refusal{}, err
	}
	return refusal{}, d.take(ctx, tx, j, j.m.Amount)
}

// standing returns an account of the host's own, which it opens where it is missing.
func standing(ctx context.Context, tx db.Tx, name string, c emv.Currency, at time.Time) (int64, error) {
	name = fmt.Sprintf("%s %v", name, c)
	a, err := ledger.ByName(ctx, tx, name)
	if errors.Is(err, ledger.ErrNoAccount) {
		a, err = ledger.Open(ctx, tx, ledger.Account{Name: name, Currency: c}, at)
	}
	return a.ID, err
}

// Forward brings what was approved in the issuers' place to those whose network is not down,
// and returns how many advices it brought. Each goes in a transaction of its own, and once.
func (d *Desk) Forward(ctx context.Context) (n int, err error) {
	var due []route.Advice
	err = d.cfg.DB.View(ctx, func(tx db.Tx) error {
		due, err = route.Due(ctx, tx)
		return err
	})
	if err != nil {
		return 0, err
	}
	var failed error
	for _, a := range due {
		var done bool
		err := d.cfg.DB.Update(ctx, func(tx db.Tx) (err error) {
			done, err = d.forward(ctx, tx, a.RRN)
			return err
		})
		if err != nil {
			d.cfg.Log.Error("stand-in advice was not forwarded", "rrn", a.RRN, "err", err)
			failed = errors.Join(failed, err)
		} else if done {
			n++
		}
	}
	return n, failed
}

// forward brings one advice to its issuer, where it still waits. What the issuer would have
// declined is the acquirer's loss, and a difference.
func (d *Desk) forward(ctx context.Context, tx db.Tx, rrn string) (bool, error) {
	a, ok, err := route.AdviceOf(ctx, tx, rrn)
	if err != nil || !ok || a.State != route.Queued {
		return false, err
	}
	state, err := route.StateOf(ctx, tx, a.Network)
	if err != nil || state == route.Down {
		return false, err
	}
	p, err := byReference(ctx, tx, rrn)
	if err != nil || p.State != Approved {
		return false, err
	}
	amount, at, to := p.Total-p.Refunded, d.cfg.Now(), route.Posted
	decision, err := d.cfg.Issuer.Forward(ctx, tx, a.PANHash, a.PSN, issuer.Request{Amount: amount, Currency: p.Currency, RRN: rrn, At: at})
	if errors.Is(err, issuer.ErrNoCard) {
		decision, err = issuer.Decision{Code: "14", Why: "card not known"}, nil
	}
	if err != nil {
		return false, err
	}
	from := decision.Account
	if amount > 0 && !decision.Approved() {
		to, a.Why = route.Differs, decision.Code+" "+decision.Why
		if from, err = standing(ctx, tx, "stand-in loss", p.Currency, at); err != nil {
			return false, err
		}
		if err = d.noteDifference(ctx, tx, Difference{TID: p.TID, Batch: p.Batch, STAN: p.STAN, Kind: DiffStandIn, Host: describe(p) + ": " + a.Why, At: at}); err != nil {
			return false, err
		}
	}
	if amount > 0 {
		if a.Posting, err = ledger.Post(ctx, tx, "stand-in advice "+rrn, at, ledger.Transfer(from, p.Account, amount)); err != nil {
			return false, err
		}
	}
	return true, errors.Join(setAccount(ctx, tx, p.key, from), route.MoveAdvice(ctx, tx, a, to, at))
}

// withdraw takes back what was brought to the issuer of a payment that is reversed, and
// leaves nothing to bring.
func (d *Desk) withdraw(ctx context.Context, tx db.Tx, p payment, at time.Time) error {
	if !p.StandIn {
		return nil
	}
	a, ok, err := route.AdviceOf(ctx, tx, p.RRN)
	if err != nil || !ok || a.State == route.Withdrawn {
		return err
	}
	if a.Posting != 0 {
		if _, err := ledger.Contra(ctx, tx, a.Posting, "reversal of stand-in advice "+a.RRN, at); err != nil {
			return err
		}
	}
	return route.MoveAdvice(ctx, tx, a, route.Withdrawn, at)
}

// setAccount stores whose money an approved payment took, after its advice moved it there.
func setAccount(ctx context.Context, tx db.Tx, k key, account int64) error {
	res, err := tx.ExecContext(ctx, `UPDATE payment SET account_id = $1 WHERE mid = $2 AND tid = $3 AND batch = $4 AND stan = $5 AND class = $6`,
		account, k.MID, k.TID, k.Batch, k.STAN, k.Class)
	return moved(res, err, k, "to another account")
}

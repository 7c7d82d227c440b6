package hostsim

import (
	"context"
	"errors"

	"posd/emv"
	"posd/host-sim/acquirer"
	"posd/host-sim/db"
	"posd/host-sim/issuer"
)

// Difference is something on which a terminal and the host do not agree.
type Difference = acquirer.Difference

// Settlement is one settlement of a terminal's batch.
type Settlement = acquirer.Settlement

// Audit is everything that the host says of the money, at one moment.
type Audit struct {
	Payments    []Transaction // by terminal, batch and STAN: one for each key
	Cards       []Balance     // by masked number
	Merchants   []MerchantBalance
	Settlements []Settlement
	Differences []Difference // the open ones
	Trial       Trial
	Repeated    int64 // requests that came again and got their stored answer
}

// Audit asks every book in turn. Run it while nothing is posted.
func (h *Host) Audit(ctx context.Context) (a Audit, err error) {
	var errs [7]error
	a.Payments, errs[0] = h.Transactions(ctx, "")
	a.Cards, errs[1] = h.Balances(ctx)
	a.Merchants, errs[2] = h.Merchants(ctx)
	a.Settlements, errs[3] = h.Settlements(ctx, "")
	a.Differences, errs[4] = h.Differences(ctx, false)
	a.Trial, errs[5] = h.TrialBalance(ctx)
	a.Repeated, errs[6] = h.Counter(ctx, "repeated")
	return a, errors.Join(errs[:]...)
}

// Settlements returns the settlements of a terminal by batch; of all where tid is empty.
func (h *Host) Settlements(ctx context.Context, tid string) (out []Settlement, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = acquirer.Settlements(ctx, tx, tid)
		return err
	})
	return out, err
}

// Differences returns what terminals and host do not agree on, oldest first: all, or what
// nobody has worked off.
func (h *Host) Differences(ctx context.Context, all bool) (out []Difference, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = acquirer.Differences(ctx, tx, all)
		return err
	})
	return out, err
}

// WorkOff closes a difference with a person's name and remark.
func (h *Host) WorkOff(ctx context.Context, id int64, by, remark string) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return acquirer.WorkOff(ctx, tx, id, by, remark) })
}

// Counter returns how often something happened: "repeated".
func (h *Host) Counter(ctx context.Context, name string) (n int64, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		n, err = acquirer.Counter(ctx, tx, name)
		return err
	})
	return n, err
}

// ExpireHolds ends the holds whose time is over, on all accounts, and returns how many.
// Each request of a card does it for that card.
func (h *Host) ExpireHolds(ctx context.Context) (n int, err error) {
	err = h.db.Update(ctx, func(tx db.Tx) error {
		n, err = acquirer.ExpireHolds(ctx, tx, h.cfg.Now())
		return err
	})
	return n, err
}

// SetPolicy stores what the issuer of a BIN allows; an empty BIN is all that have no policy
// of their own.
func (h *Host) SetPolicy(ctx context.Context, p issuer.Policy) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return issuer.SetPolicy(ctx, tx, p) })
}

// QueueScript has the next online answer to a card carry a script: template 0x71 or 0x72,
// command card-block, application-block, application-unblock or pin-unblock.
func (h *Host) QueueScript(ctx context.Context, pan emv.PAN, psn int, template byte, command string) (id int64, err error) {
	err = h.db.Update(ctx, func(tx db.Tx) error {
		card, err := issuer.FindCard(ctx, tx, h.hsm.PANHash(pan), psn)
		if err != nil {
			return err
		}
		id, err = issuer.QueueScript(ctx, tx, card, template, command)
		return err
	})
	return id, err
}

// Scripts returns the scripts that wait for cards or went to them, oldest first.
func (h *Host) Scripts(ctx context.Context) (out []issuer.Script, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = issuer.Scripts(ctx, tx)
		return err
	})
	return out, err
}

// Proofs returns the cards' data that came after the payments of a batch: certificates,
// and results of scripts.
func (h *Host) Proofs(ctx context.Context, tid string, batch uint32) (out []acquirer.Proof, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = h.desk.Proofs(ctx, tx, tid, batch)
		return err
	})
	return out, err
}

// SetBinding says whether a terminal has to send field 59 with each message.
func (h *Host) SetBinding(ctx context.Context, tid string, must bool) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return acquirer.SetBinding(ctx, tx, tid, must) })
}

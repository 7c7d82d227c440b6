package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/emv"
	"posd/host-sim/db"
)

// HoldState is where a hold stands. It is stored as it reads here.
type HoldState string

const (
	// HoldOpen: the amount is kept back from what is available.
	HoldOpen HoldState = "open"
	// Released: given up by a void or a reversal.
	Released HoldState = "released"
	// Used: a completion took the place of the hold.
	Used HoldState = "used"
	// Expired: its time ran out.
	Expired HoldState = "expired"
)

// ErrNoHold says that there is no such hold, or that it is not in the state from which it
// was to be moved.
var ErrNoHold = errors.New("no such hold in that state")

// Hold is money kept back for a completion to come. It is a memo beside the balance: no
// entry is written until the money moves, and the trial balance holds each account's sum
// against its open holds.
type Hold struct {
	ID      int64
	Account int64
	Amount  int64 // minor units
	State   HoldState
	Expires time.Time
}

// Keep opens a hold on an account and returns its number. It does not ask whether the
// money is there.
func Keep(ctx context.Context, tx db.Tx, account, amount int64, at, expires time.Time) (int64, error) {
	if amount <= 0 || amount > emv.MaxMinor {
		return 0, fmt.Errorf("ledger: keep %d on account %d: 1 to %d wanted", amount, account, emv.MaxMinor)
	}
	id, err := next(ctx, tx, "hold")
	if err != nil {
		return 0, err
	}
	return id, insertHold(ctx, tx, Hold{id, account, amount, HoldOpen, expires}, at)
}

// MoveHold moves a hold from one state to another, and what the account holds with it.
// It fails with [ErrNoHold] where the hold is not in state from.
func MoveHold(ctx context.Context, tx db.Tx, id int64, from, to HoldState) error {
	h, err := FindHold(ctx, tx, id)
	if err != nil {
		return err
	}
	if h.State != from || from == to || (from != HoldOpen && to != HoldOpen) {
		return fmt.Errorf("ledger: move hold %d from %s to %s: it is %s: %w", id, from, to, h.State, ErrNoHold)
	}
	delta := h.Amount
	if from == HoldOpen {
		delta = -delta
	}
	return updateHold(ctx, tx, h, to, delta)
}

// ExpireHolds ends the open holds of an account whose time is over at the moment at, and
// returns their numbers. account 0 stands for all accounts.
func ExpireHolds(ctx context.Context, tx db.Tx, account int64, at time.Time) ([]int64, error) {
	ids, err := overdue(ctx, tx, account, at)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := MoveHold(ctx, tx, id, HoldOpen, Expired); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

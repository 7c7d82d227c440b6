package estate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/hsm"
	"posd/host-sim/ledger"
)

// Status of a merchant or a terminal.
type Status string

const (
	Active    Status = "active"
	Suspended Status = "suspended"
)

// Errors that a caller acts on.
var (
	ErrNoTerminal = errors.New("no such terminal")
	ErrNoMerchant = errors.New("no such merchant")
	ErrExists     = errors.New("exists already")
)

// Merchant takes payments at terminals. The host owes him the balance of Account.
type Merchant struct {
	MID     string // 15 characters, field 42
	Name    string
	Status  Status
	Account int64 // of the ledger; set by AddMerchant
}

// Terminal is one terminal, its binding and its keys.
type Terminal struct {
	TID      string // 8 characters, field 41; common name of its certificate
	MID      string
	SN       string // serial number of the device; in its certificate too
	Status   Status
	Batch    uint32 // current batch, 1 to 999999
	SignedOn bool
	KeySet   int64 // number of the working keys, 0 before the first sign-on
	TMK      hsm.Key
	TPK      hsm.Key
	TAK      hsm.Key
	TDK      hsm.Key // empty where the sign-on asked for none
}

// AddMerchant stores a merchant and opens his account.
func AddMerchant(ctx context.Context, tx db.Tx, m Merchant, c emv.Currency, at time.Time) (Merchant, error) {
	if err := checkMID(m.MID); err != nil || m.Name == "" {
		return Merchant{}, fmt.Errorf("estate: add merchant %q, name %q: %w", m.MID, m.Name, errors.Join(err, errIf(m.Name == "", "a name is needed")))
	}
	if _, err := FindMerchant(ctx, tx, m.MID); !errors.Is(err, ErrNoMerchant) {
		return Merchant{}, fmt.Errorf("estate: add merchant %s: %w", m.MID, errOr(err, ErrExists))
	}
	a, err := ledger.Open(ctx, tx, ledger.Account{Name: "merchant " + m.MID, Currency: c}, at)
	if err != nil {
		return Merchant{}, err
	}
	m.Account, m.Status = a.ID, Active
	return m, insertMerchant(ctx, tx, m)
}

// AddTerminal stores a terminal with its master key. It starts active, in batch 1,
// and not signed on.
func AddTerminal(ctx context.Context, tx db.Tx, t Terminal) (Terminal, error) {
	if err := errors.Join(checkTID(t.TID), checkMID(t.MID), checkSN(t.SN)); err != nil {
		return Terminal{}, fmt.Errorf("estate: add terminal: %w", err)
	}
	if _, err := FindTerminal(ctx, tx, t.TID); !errors.Is(err, ErrNoTerminal) {
		return Terminal{}, fmt.Errorf("estate: add terminal %s: %w", t.TID, errOr(err, ErrExists))
	}
	if _, err := FindMerchant(ctx, tx, t.MID); err != nil {
		return Terminal{}, fmt.Errorf("estate: add terminal %s: %w", t.TID, err)
	}
	t.Status, t.Batch, t.SignedOn, t.KeySet = Active, 1, false, 0
	return t, insertTerminal(ctx, tx, t)
}

func errIf(bad bool, text string) error {
	if bad {
		return errors.New(text)
	}
	return nil
}

// errOr returns err, or other where there is none.
func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func checkTID(s string) error { return checkAlnum("terminal number", s, 8, 8) }
func checkMID(s string) error { return checkAlnum("merchant number", s, 15, 15) }
func checkSN(s string) error  { return checkAlnum("serial number", s, 1, 32) }

// checkAlnum refuses what a field of letters, digits and hyphens cannot carry.
func checkAlnum(what, s string, shortest, longest int) error {
	if len(s) < shortest || len(s) > longest {
		return fmt.Errorf("%s %q: %d to %d characters wanted", what, s, shortest, longest)
	}
	const allowed = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"
	if strings.Trim(s, allowed) != "" {
		return fmt.Errorf("%s %q: letters, digits and hyphens wanted", what, s)
	}
	return nil
}

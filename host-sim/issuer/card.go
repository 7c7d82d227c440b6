package issuer

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

// PINTries is how often a wrong PIN is tolerated in a row.
const PINTries = 3

// Status of a card.
type Status string

const (
	Active     Status = "active"
	Lost       Status = "lost"       // answered 41
	Stolen     Status = "stolen"     // answered 43
	Restricted Status = "restricted" // answered 62
)

// Errors that a caller acts on.
var (
	ErrNoCard      = errors.New("no such card")
	ErrNoIssuerKey = errors.New("no such issuer key")
	ErrExists      = errors.New("exists already")
)

// Module is what the issuer needs of the security module: [hsm.Module].
type Module interface {
	PANHash(emv.PAN) []byte
	Seal(label string, clear []byte) ([]byte, error)
	PINValue(pan emv.PAN, pin string) ([]byte, error)
	VerifyPIN(tpk hsm.Key, pan emv.PAN, block, value []byte) (bool, error)
	VerifyARQC(imk hsm.Key, c hsm.Cryptogram) (bool, error)
	ARPC(imk hsm.Key, c hsm.Cryptogram, method int, code string) ([]byte, error)
	ScriptMAC(smi hsm.Key, c hsm.Cryptogram, header [5]byte) ([8]byte, error)
}

// Card is one card. Its number is stored as a keyed hash and sealed.
type Card struct {
	PANHash []byte
	PSN     int // 0 to 99
	Masked  string
	BIN     string // first six digits
	Expiry  string // YYMM
	Status  Status
	PIN     []byte // PIN value; empty for a card without PIN
	Tries   int    // wrong PINs left
	ATC     int    // highest application transaction counter seen, -1 for none
	Limit   int64  // largest sale in minor units, 0 for none
	Chip    bool   // it has a chip, which must be used where it works
	Account int64  // of the ledger
}

// NewCard is a card to add, with its account.
type NewCard struct {
	PAN        emv.PAN
	PSN        int    // 0 to 99; cards without one are found under 0
	Expiry     string // YYMM
	PIN        string // 4 to 12 digits, empty for none; it is not kept
	Status     Status // empty is Active
	Limit      int64  // largest sale in minor units, 0 for none
	Currency   emv.Currency
	Opening    int64 // balance to start with
	CreditLine int64
	StripeOnly bool // it has no chip
}

// AddCard opens the account, with its opening posting, and stores the card.
func AddCard(ctx context.Context, tx db.Tx, m Module, n NewCard, at time.Time) (Card, error) {
	if err := n.check(); err != nil {
		return Card{}, fmt.Errorf("issuer: add card %v: %w", n.PAN, err)
	}
	c := Card{
		PANHash: m.PANHash(n.PAN), PSN: n.PSN, Masked: n.PAN.Masked(), BIN: n.PAN.Reveal()[:6],
		Expiry: n.Expiry, Status: n.Status, Tries: PINTries, ATC: -1, Limit: n.Limit, Chip: !n.StripeOnly,
	}
	if _, err := FindCard(ctx, tx, c.PANHash, c.PSN); !errors.Is(err, ErrNoCard) {
		return Card{}, fmt.Errorf("issuer: add card %v: %w", n.PAN, errors.Join(err, ErrExists))
	}
	sealed, err := m.Seal(panLabel, n.PAN.Append(nil))
	if err != nil {
		return Card{}, err
	}
	if n.PIN != "" {
		if c.PIN, err = m.PINValue(n.PAN, n.PIN); err != nil {
			return Card{}, err
		}
	}
	a, err := ledger.Open(ctx, tx, ledger.Account{
		Name:     fmt.Sprintf("card %s/%02d %x", c.Masked, c.PSN, c.PANHash[:4]),
		Currency: n.Currency, CreditLine: n.CreditLine, Opening: n.Opening,
	}, at)
	if err != nil {
		return Card{}, err
	}
	c.Account = a.ID
	return c, insertCard(ctx, tx, c, sealed)
}

// panLabel binds a sealed card number to what it is.
const panLabel = "card number"

// check refuses what no card can be, and settles the default status.
func (n *NewCard) check() error {
	if n.Status == "" {
		n.Status = Active
	}
	switch {
	case n.PAN.Len() < 12:
		return errors.New("a card number of 12 to 19 digits is needed")
	case n.PSN < 0 || n.PSN > 99:
		return fmt.Errorf("sequence number %d, 0 to 99 wanted", n.PSN)
	case !validExpiry(n.Expiry):
		return fmt.Errorf("expiry %q, YYMM wanted", n.Expiry)
	case n.Limit < 0 || n.Limit > emv.MaxMinor || n.Opening < 0 || n.Opening > emv.MaxMinor:
		return fmt.Errorf("limit %d, opening %d: 0 to %d wanted", n.Limit, n.Opening, emv.MaxMinor)
	case n.Currency == 0:
		return errors.New("a currency is needed")
	}
	switch n.Status {
	case Active, Lost, Stolen, Restricted:
		return nil
	}
	return fmt.Errorf("status %q is none of active, lost, stolen, restricted", n.Status)
}

func validExpiry(s string) bool {
	return len(s) == 4 && strings.Trim(s, "0123456789") == "" && s[2:] >= "01" && s[2:] <= "12"
}

// IssuerKey is a master key for application cryptograms.
type IssuerKey struct {
	BIN        string // six digits
	Index      int    // derivation key index in the card's IAD, 0 to 255
	IMK        hsm.Key
	ARPCMethod int     // 1 or 2
	SMI        hsm.Key // for the MAC of scripts; empty for an issuer that sends none
}

// AddIssuerKey stores a master key.
func AddIssuerKey(ctx context.Context, tx db.Tx, k IssuerKey) error {
	if len(k.BIN) != 6 || strings.Trim(k.BIN, "0123456789") != "" || k.Index < 0 || k.Index > 255 || (k.ARPCMethod != 1 && k.ARPCMethod != 2) {
		return fmt.Errorf("issuer: add key %q/%d, ARPC method %d: six digits, an index of 0 to 255 and method 1 or 2 wanted", k.BIN, k.Index, k.ARPCMethod)
	}
	if _, err := findIssuerKey(ctx, tx, k.BIN, k.Index); !errors.Is(err, ErrNoIssuerKey) {
		return fmt.Errorf("issuer: add key %s/%d: %w", k.BIN, k.Index, errors.Join(err, ErrExists))
	}
	return insertIssuerKey(ctx, tx, k)
}

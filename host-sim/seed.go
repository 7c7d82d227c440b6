package hostsim

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/hsm"
	"posd/host-sim/issuer"
)

// DefaultSeed is what a fresh host begins with, as a file: a test merchant, a test
// terminal, and the cards of device/sim/cards.
//
//go:embed seed.yaml
var DefaultSeed []byte

// Limits of a seed file.
const (
	maxSeedBytes = 1 << 20
	maxSeedRows  = 10_000
)

// Seed is a file of what a host begins with.
type Seed struct {
	Merchants  []SeedMerchant  `yaml:"merchants"`
	Terminals  []SeedTerminal  `yaml:"terminals"`
	IssuerKeys []SeedIssuerKey `yaml:"issuer_keys"`
	Cards      []SeedCard      `yaml:"cards"`
	Policies   []SeedPolicy    `yaml:"policies"`
	Lists      SeedLists       `yaml:"lists"`
}

// SeedPolicy is what the issuer of a BIN allows; see issuer.Policy.
type SeedPolicy struct {
	BIN               string `yaml:"bin"`
	Typed             string `yaml:"typed"`
	Stripe            string `yaml:"stripe"`
	HoldDays          int    `yaml:"hold_days"`
	CompletionPercent int    `yaml:"completion_percent"`
	TipPercent        int    `yaml:"tip_percent"`
	OfflineLimit      string `yaml:"offline_limit"` // major units
}

// SeedMerchant is a merchant: number of 15 characters, and name.
type SeedMerchant struct {
	MID  string `yaml:"mid"`
	Name string `yaml:"name"`
}

// SeedTerminal is a terminal: numbers of 8 and 15 characters, and serial number.
type SeedTerminal struct {
	TID string `yaml:"tid"`
	MID string `yaml:"mid"`
	SN  string `yaml:"sn"`
}

// SeedIssuerKey is a master key for application cryptograms: 32 hexadecimal digits.
type SeedIssuerKey struct {
	BIN   string `yaml:"bin"`
	Index int    `yaml:"index"`
	IMK   string `yaml:"imk"`
	ARPC  int    `yaml:"arpc"` // method, 1 or 2; default 1
	SMI   string `yaml:"smi"`  // key for the MAC of scripts; empty for an issuer that sends none
}

// SeedCard is a card with its account. Amounts are in major units: "12.00".
type SeedCard struct {
	PAN        string        `yaml:"pan"`
	PSN        int           `yaml:"psn"`
	Expiry     string        `yaml:"expiry"` // YYMM
	PIN        string        `yaml:"pin"`    // empty for none
	Status     issuer.Status `yaml:"status"` // default active
	Opening    string        `yaml:"opening"`
	CreditLine string        `yaml:"credit_line"`
	Limit      string        `yaml:"limit"` // largest sale, empty for none
	StripeOnly bool          `yaml:"stripe_only"`
}

// ParseSeed reads a seed file strictly: an unknown key is an error, with file and line.
// name is for errors.
func ParseSeed(name string, text []byte) (Seed, error) {
	if len(text) > maxSeedBytes {
		return Seed{}, fmt.Errorf("hostsim: %s: %d bytes, at most %d", name, len(text), maxSeedBytes)
	}
	var s Seed
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return Seed{}, fmt.Errorf("hostsim: %s: %w", name, err)
	}
	if n := len(s.Merchants) + len(s.Terminals) + len(s.IssuerKeys) + len(s.Cards) + len(s.Policies); n > maxSeedRows {
		return Seed{}, fmt.Errorf("hostsim: %s: %d rows, at most %d", name, n, maxSeedRows)
	}
	return s, nil
}

// Apply adds what the host does not have yet, and returns the enrolments of the
// terminals that are new. What exists stays as it is.
func (h *Host) Apply(ctx context.Context, s Seed) ([]Enrolment, error) {
	if err := h.applyBooks(ctx, s); err != nil {
		return nil, err
	}
	var fresh []Enrolment
	for i, t := range s.Terminals {
		e, err := h.AddTerminal(ctx, t.TID, t.MID, t.SN, nil)
		if errors.Is(err, estate.ErrExists) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("hostsim: seed: terminal %d: %w", i+1, err)
		}
		fresh = append(fresh, e)
	}
	return fresh, nil
}

// applyBooks adds everything of a seed but its terminals.
func (h *Host) applyBooks(ctx context.Context, s Seed) error {
	for i, m := range s.Merchants {
		if err := h.AddMerchant(ctx, m.MID, m.Name); err != nil && !errors.Is(err, estate.ErrExists) {
			return fmt.Errorf("hostsim: seed: merchant %d: %w", i+1, err)
		}
	}
	for i, k := range s.IssuerKeys {
		if err := h.applyIssuerKey(ctx, k); err != nil && !errors.Is(err, issuer.ErrExists) {
			return fmt.Errorf("hostsim: seed: issuer key %d: %w", i+1, err)
		}
	}
	for i, c := range s.Cards {
		if err := h.applyCard(ctx, c); err != nil && !errors.Is(err, issuer.ErrExists) {
			return fmt.Errorf("hostsim: seed: card %d: %w", i+1, err)
		}
	}
	for i, p := range s.Policies {
		if err := h.applyPolicy(ctx, p); err != nil {
			return fmt.Errorf("hostsim: seed: policy %d: %w", i+1, err)
		}
	}
	if err := h.applyLists(ctx, s.Lists); err != nil {
		return err
	}
	return nil
}

func (h *Host) applyIssuerKey(ctx context.Context, k SeedIssuerKey) error {
	imk, err := hex.DecodeString(k.IMK)
	if err != nil {
		return errors.New("imk: 32 hexadecimal digits wanted") // not the digits themselves
	}
	if k.ARPC == 0 {
		k.ARPC = 1
	}
	smi, err := hex.DecodeString(k.SMI)
	if err != nil || len(smi) != 16 && len(smi) != 0 {
		return errors.New("smi: 32 hexadecimal digits wanted, or none")
	}
	if len(imk) != 16 {
		return fmt.Errorf("imk: %d bytes, 16 wanted", len(imk))
	}
	key := issuer.IssuerKey{BIN: k.BIN, Index: k.Index, ARPCMethod: k.ARPC}
	if key.IMK, err = h.hsm.Import(hsm.IMK, imk); err != nil {
		return err
	}
	if len(smi) > 0 {
		if key.SMI, err = h.hsm.Import(hsm.SMI, smi); err != nil {
			return err
		}
	}
	return h.db.Update(ctx, func(tx db.Tx) error { return issuer.AddIssuerKey(ctx, tx, key) })
}

// applyPolicy stores a policy where its BIN has none of its own.
func (h *Host) applyPolicy(ctx context.Context, p SeedPolicy) error {
	limit, err := h.amount(p.OfflineLimit)
	if err != nil {
		return fmt.Errorf("offline_limit: %w", err)
	}
	return h.db.Update(ctx, func(tx db.Tx) error {
		old, err := issuer.PolicyOf(ctx, tx, p.BIN)
		if err != nil || old.BIN != "" {
			return err
		}
		return issuer.SetPolicy(ctx, tx, issuer.Policy{
			BIN: p.BIN, Typed: p.Typed, Stripe: p.Stripe, HoldDays: p.HoldDays,
			CompletionPercent: p.CompletionPercent, TipPercent: p.TipPercent, OfflineLimit: limit,
		})
	})
}

func (h *Host) applyCard(ctx context.Context, c SeedCard) error {
	pan, err := emv.ParsePAN(c.PAN)
	if err != nil {
		return err
	}
	a := Account{PAN: pan, PSN: c.PSN, Expiry: c.Expiry, PIN: c.PIN, Status: c.Status, Currency: h.cfg.Currency, StripeOnly: c.StripeOnly}
	for _, row := range []struct {
		name, text string
		to         *int64
	}{{"opening", c.Opening, &a.Opening}, {"credit_line", c.CreditLine, &a.CreditLine}, {"limit", c.Limit, &a.Limit}} {
		if *row.to, err = h.amount(row.text); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	return h.AddAccount(ctx, a)
}

// amount reads an amount in major units of the host's currency; empty and zero are 0.
func (h *Host) amount(text string) (int64, error) {
	if text == "" || text == "0" || text == "0.00" {
		return 0, nil
	}
	a, err := emv.ParseAmount(text, h.cfg.Currency)
	return a.Minor, err
}

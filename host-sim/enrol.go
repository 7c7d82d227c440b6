package hostsim

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"posd/emv/keyblock"
	"posd/host-sim/db"
	"posd/host-sim/enrolment"
	"posd/host-sim/estate"
	"posd/host-sim/hsm"
	"posd/host-sim/issuer"
)

// Account is a card with the money behind it.
type Account = issuer.NewCard

// Enrolment is what a new terminal is given, once. It prints without its secrets.
type Enrolment struct {
	TID, MID, SN string
	Cert, Key    []byte       // PEM: the terminal's identity
	CA           []byte       // PEM: who signs the host's certificate
	TMK          []byte       // terminal master key, 16 bytes, in clear
	KCV          keyblock.KCV // of TMK
	KBPK         []byte       // key block protection key of the key loader, 16 bytes, in clear
	Block        string       // TMK in a TR-31 key block under KBPK
}

// String names the terminal only.
func (e Enrolment) String() string { return "enrolment of " + e.TID }

// GoString names the terminal only.
func (e Enrolment) GoString() string { return e.String() }

// Format names the terminal only, in every verb.
func (e Enrolment) Format(f fmt.State, _ rune) { io.WriteString(f, e.String()) } //nolint:errcheck // fmt's own

// LogValue names the terminal only.
func (e Enrolment) LogValue() slog.Value { return slog.StringValue(e.String()) }

// Files of an enrolment.
const (
	CertFile  = "terminal.pem"
	KeyFile   = "terminal-key.pem"
	CAFile    = "ca.pem"
	BlockFile = "tmk.tr31"
	KBPKFile  = "kbpk.hex"
)

// Write stores the enrolment in folder dir, secrets with mode 0600. It replaces no file.
// The clear master key is not written.
func (e Enrolment) Write(dir string) error {
	if err := (estate.Identity{Cert: e.Cert, Key: e.Key}).Write(dir, CertFile, KeyFile); err != nil {
		return err
	}
	files := []struct {
		name    string
		content []byte
		mode    os.FileMode
	}{
		{CAFile, e.CA, 0o644},
		{BlockFile, []byte(e.Block + "\n"), 0o600},
		{KBPKFile, []byte(hex.EncodeToString(e.KBPK) + "\n"), 0o600},
	}
	for _, f := range files {
		out, err := os.OpenFile(filepath.Join(dir, f.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
		if err != nil {
			return fmt.Errorf("hostsim: write enrolment: %w", err)
		}
		_, err = out.Write(f.content)
		if err := errors.Join(err, out.Close()); err != nil {
			return fmt.Errorf("hostsim: write enrolment %s: %w", f.name, err)
		}
	}
	return nil
}

// AddMerchant adds a merchant with an account in the host's currency. mid has 15
// characters.
func (h *Host) AddMerchant(ctx context.Context, mid, name string) error {
	return h.db.Update(ctx, func(tx db.Tx) error {
		_, err := estate.AddMerchant(ctx, tx, estate.Merchant{MID: mid, Name: name}, h.cfg.Currency, h.cfg.Now())
		return err
	})
}

// AddIssuerKey adds a master key for application cryptograms: bin has six digits,
// index is the derivation key index in the card's IAD, imk 16 bytes, arpcMethod 1 or 2.
func (h *Host) AddIssuerKey(ctx context.Context, bin string, index int, imk []byte, arpcMethod int) error {
	if len(imk) != 16 {
		return fmt.Errorf("hostsim: add issuer key %s/%d: %d bytes, 16 wanted", bin, index, len(imk))
	}
	sealed, err := h.hsm.Import(hsm.IMK, imk)
	if err != nil {
		return err
	}
	return h.db.Update(ctx, func(tx db.Tx) error {
		return issuer.AddIssuerKey(ctx, tx, issuer.IssuerKey{BIN: bin, Index: index, IMK: sealed, ARPCMethod: arpcMethod})
	})
}

// AddAccount adds a card and opens its account. The PIN is turned into its value and
// not kept.
func (h *Host) AddAccount(ctx context.Context, a Account) error {
	if a.Currency == 0 {
		a.Currency = h.cfg.Currency
	}
	return h.db.Update(ctx, func(tx db.Tx) error {
		_, err := issuer.AddCard(ctx, tx, h.hsm, a, h.cfg.Now())
		return err
	})
}

// EnrolmentServer is the listener of new terminals over this host's database, keys and
// authority: [enrolment.Server.Serve] runs it, [enrolment.Server.Invite] gives out
// activation codes.
func (h *Host) EnrolmentServer() (*enrolment.Server, error) {
	return enrolment.New(enrolment.Config{
		DB: h.db, Module: h.hsm, CA: h.ca, Hosts: h.cfg.Hosts, Now: h.cfg.Now, Rand: h.cfg.Rand, Log: h.cfg.Log,
	})
}

// Terminal returns a terminal and its profile.
func (h *Host) Terminal(ctx context.Context, tid string) (t estate.Terminal, p estate.Profile, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		if t, err = estate.FindTerminal(ctx, tx, tid); err != nil {
			return err
		}
		p, err = estate.FindProfile(ctx, tx, tid)
		return err
	})
	return t, p, err
}

// AddTerminal adds a terminal of a merchant, makes its TDES master key, and issues its
// certificate. kbpk, 16 bytes, is the key loader's; nil makes one.
func (h *Host) AddTerminal(ctx context.Context, tid, mid, sn string, kbpk []byte) (Enrolment, error) {
	return h.AddTerminalFor(ctx, keyblock.TDES, tid, mid, sn, kbpk)
}

// AddTerminalFor is [Host.AddTerminal] with a master key of any suite, 16 bytes; that of
// AES and SM4 comes in a key block of version D.
func (h *Host) AddTerminalFor(ctx context.Context, suite keyblock.Suite, tid, mid, sn string, kbpk []byte) (Enrolment, error) {
	id, err := h.ca.IssueTerminal(tid, sn, h.cfg.Now())
	if err != nil {
		return Enrolment{}, err
	}
	e := Enrolment{TID: tid, MID: mid, SN: sn, Cert: id.Cert, Key: id.Key, CA: h.ca.PEM(), KBPK: kbpk}
	if e.KBPK == nil {
		e.KBPK = make([]byte, 16)
		if _, err := io.ReadFull(h.cfg.Rand, e.KBPK); err != nil {
			return Enrolment{}, fmt.Errorf("hostsim: add terminal %s: %w", tid, err)
		}
	}
	t := estate.Terminal{TID: tid, MID: mid, SN: sn}
	if t.TMK, err = h.hsm.NewSuiteKey(hsm.TMK, suite, 16); err != nil {
		return Enrolment{}, err
	}
	if e.TMK, e.KCV, e.Block, err = h.hsm.ExportTMK(t.TMK, e.KBPK); err != nil {
		return Enrolment{}, err
	}
	err = h.db.Update(ctx, func(tx db.Tx) error {
		_, err := estate.AddTerminal(ctx, tx, t)
		return err
	})
	if err != nil {
		return Enrolment{}, err
	}
	return e, nil
}

// SetTerminalStatus suspends a terminal or makes it active again.
func (h *Host) SetTerminalStatus(ctx context.Context, tid string, s estate.Status) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return estate.SetStatus(ctx, tx, tid, s) })
}

// SetBatch gives a terminal another batch; it learns of it at its next sign-on.
func (h *Host) SetBatch(ctx context.Context, tid string, batch uint32) error {
	if batch == 0 || batch > 999999 {
		return fmt.Errorf("hostsim: batch %d of %s, 1 to 999999 wanted", batch, tid)
	}
	return h.db.Update(ctx, func(tx db.Tx) error { return estate.SetBatch(ctx, tx, tid, batch) })
}

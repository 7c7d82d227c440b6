package kernel

import (
	"context"
	"fmt"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// Kernel is a terminal's contact kernel. It is made once and runs any number of
// sessions, one after another or at the same time: it does not change.
type Kernel struct {
	cfg      Config
	terminal terminal
}

// New checks the configuration and makes a kernel of it. The error names the field.
func New(cfg Config) (*Kernel, error) {
	t, err := newTerminal(cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("kernel: new: Config.Data: %w", err)
	}
	if len(cfg.Applications) == 0 {
		return nil, fmt.Errorf("kernel: new: Config.Applications is empty")
	}
	for i, app := range cfg.Applications {
		if err := app.check(); err != nil {
			return nil, fmt.Errorf("kernel: new: Config.Applications[%d]: %w", i, err)
		}
	}
	for i, key := range cfg.CAKeys {
		if err := key.Check(); err != nil {
			return nil, fmt.Errorf("kernel: new: Config.CAKeys[%d]: %w", i, err)
		}
	}
	switch {
	case len(cfg.OnlineTags) == 0:
		return nil, fmt.Errorf("kernel: new: Config.OnlineTags is empty")
	case cfg.ScriptLimit < 0:
		return nil, fmt.Errorf("kernel: new: Config.ScriptLimit is %d", cfg.ScriptLimit)
	case cfg.ScriptLimit == 0:
		cfg.ScriptLimit = minScriptLimit
	}
	return &Kernel{cfg, t}, nil
}

// check is point 32: the parameters of random selection are checked when they are
// loaded, so that no session divides by zero. EMV 4.4 Book 3, 10.6.2.
func (a Application) check() error {
	switch n := len(a.AID); {
	case n < 5 || n > 16:
		return fmt.Errorf("AID of %d bytes, 5 to 16 wanted", n)
	case a.FloorLimitMinor < 0 || a.FloorLimitMinor > emv.MaxMinor:
		return fmt.Errorf("FloorLimitMinor is %d", a.FloorLimitMinor)
	case a.RandomThreshold < 0 || a.RandomThreshold > a.FloorLimitMinor:
		return fmt.Errorf("RandomThreshold %d is not between 0 and the floor limit %d", a.RandomThreshold, a.FloorLimitMinor)
	case a.RandomMaxTarget > 99 || a.RandomTarget > a.RandomMaxTarget:
		return fmt.Errorf("RandomTarget %d %%, RandomMaxTarget %d %%: 0 to 99, in this order", a.RandomTarget, a.RandomMaxTarget)
	}
	for _, list := range []struct {
		name string
		dol  tlv.DOL
	}{{"DefaultDDOL", a.DefaultDDOL}, {"DefaultTDOL", a.DefaultTDOL}} {
		for _, err := range list.dol.Entries() {
			if err != nil {
				return fmt.Errorf("%s: %w", list.name, err)
			}
		}
	}
	return nil
}

// check finds what the caller of Run got wrong.
func (tx Transaction) check() error {
	switch {
	case tx.Amount.Minor < 0 || tx.Amount.Minor > emv.MaxMinor:
		return fmt.Errorf("Transaction.Amount is %d minor units", tx.Amount.Minor)
	case tx.Cashback < 0 || tx.Cashback > tx.Amount.Minor:
		return fmt.Errorf("Transaction.Cashback is %d of %d minor units", tx.Cashback, tx.Amount.Minor)
	case tx.LogAmount < 0 || tx.LogAmount > emv.MaxMinor:
		return fmt.Errorf("Transaction.LogAmount is %d minor units", tx.LogAmount)
	case tx.Time.IsZero():
		return fmt.Errorf("Transaction.Time is not set")
	case tx.Draw < 1 || tx.Draw > 99:
		return fmt.Errorf("Transaction.Draw is %d, 1 to 99 wanted", tx.Draw)
	}
	return nil
}

// Run takes the card from selection to completion. A decline, a card that breaks the
// rules and a cardholder who cancels are Results with a nil error. An error says that
// the world failed: the card was pulled, a port broke, ctx ended; the Result then tells
// what is known, and Reverse is set if the issuer had approved.
func (k *Kernel) Run(ctx context.Context, tx Transaction, card Card, holder Cardholder, issuer Issuer) (Result, error) {
	switch {
	case card == nil:
		return Result{}, fmt.Errorf("kernel: run: no card port")
	case holder == nil:
		return Result{}, fmt.Errorf("kernel: run: no cardholder port")
	case issuer == nil:
		return Result{}, fmt.Errorf("kernel: run: no issuer port")
	}
	if err := tx.check(); err != nil {
		return Result{}, fmt.Errorf("kernel: run: %w", err)
	}
	s := newSession(k, tx, card, holder, issuer)
	err := s.run(ctx)
	return s.result(), err
}

// terminal is what the kernel itself looks up in the terminal's own data.
type terminal struct {
	capabilities [3]byte // tag 9F33
	additional   [5]byte // tag 9F40
	kind         byte    // tag 9F35
	country      [2]byte // tag 9F1A
}

// newTerminal reads the objects that no terminal may lack, and checks the length of
// every other that the dictionary knows.
func newTerminal(data map[tlv.Tag][]byte) (terminal, error) {
	for t, value := range data {
		if info, ok := tag.Lookup(t); ok {
			if err := info.Check(value); err != nil {
				return terminal{}, err
			}
		}
	}
	var t terminal
	for _, must := range []struct {
		tag tlv.Tag
		dst []byte
	}{
		{tag.TerminalCapabilities, t.capabilities[:]},
		{tag.AdditionalTerminalCapabilities, t.additional[:]},
		{tag.TerminalCountryCode, t.country[:]},
	} {
		if copy(must.dst, data[must.tag]) != len(must.dst) {
			return terminal{}, fmt.Errorf("tag %v is missing", must.tag)
		}
	}
	kind := data[tag.TerminalType]
	if len(kind) != 1 || kind[0]&0x0F < 1 || kind[0]&0x0F > 6 {
		return terminal{}, fmt.Errorf("tag %v is %X, a type of EMV 4.4 Book 4, Annex A1 wanted", tag.TerminalType, kind)
	}
	t.kind = kind[0]
	if t.capabilities[1]&canECCPIN != 0 || t.capabilities[2]&canXDA != 0 {
		return terminal{}, fmt.Errorf("tag %v is %X: it claims XDA, or a PIN enciphered by ECC, which are missing (package emv/oda/ecc)",
			tag.TerminalCapabilities, t.capabilities)
	}
	return t, nil
}

// The terminal types of EMV 4.4 Book 4, Annex A1, by their second digit: online only,
// offline with online capability, offline only; attended 1 to 3, unattended 4 to 6.
func (t terminal) onlineOnly() bool  { return t.kind&0x0F == 1 || t.kind&0x0F == 4 }
func (t terminal) offlineOnly() bool { return t.kind&0x0F == 3 || t.kind&0x0F == 6 }
func (t terminal) unattended() bool  { return t.kind&0x0F >= 4 }

// atm tells of an unattended terminal of a financial institution that gives cash.
// EMV 4.4 Book 4, Annex A1: types 14, 15 and 16 with additional capability "cash".
func (t terminal) atm() bool { return t.kind>>4 == 1 && t.unattended() && t.additional[0]&0x80 != 0 }

// codeTable tells whether the terminal can show ISO 8859 part n, 1 to 10 (tag 9F40,
// the last two bits of byte 4, and byte 5).
func (t terminal) codeTable(n int) bool {
	switch {
	case n >= 1 && n <= 8:
		return t.additional[4]>>(n-1)&1 != 0
	case n == 9 || n == 10:
		return t.additional[3]>>(n-9)&1 != 0
	}
	return false
}

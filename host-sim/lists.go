package hostsim

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"

	"posd/emv/tag"
	"posd/emv/tlv"
	"posd/host-sim/acquirer"
	"posd/host-sim/db"
)

// Item is one entry of a list that terminals download.
type Item = acquirer.Item

// Status is what a terminal said of its devices.
type Status = acquirer.Status

// SetList stores a list (acquirer.ListParameters and so on) in place of the one before,
// for all terminals, or for one. Terminals that were told of an older one are ordered to
// fetch it.
func (h *Host) SetList(ctx context.Context, list, tid string, items []Item) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return h.desk.PutList(ctx, tx, list, tid, items) })
}

// SetOrder has the answers to a terminal order a job until it is done: acquirer.OrderStatus
// and so on.
func (h *Host) SetOrder(ctx context.Context, tid string, job uint8) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return acquirer.SetOrder(ctx, tx, tid, job, h.cfg.Now()) })
}

// ClearOrder takes an order back.
func (h *Host) ClearOrder(ctx context.Context, tid string, job uint8) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return acquirer.ClearOrder(ctx, tx, tid, job) })
}

// Statuses returns what a terminal said of its devices, newest first.
func (h *Host) Statuses(ctx context.Context, tid string) (out []Status, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = acquirer.Statuses(ctx, tx, tid)
		return err
	})
	return out, err
}

// SeedLists are the lists of a seed file: they are put where the host has none.
type SeedLists struct {
	Parameters   map[string]string `yaml:"parameters"` // by tag of two digits
	QPS          map[string]string `yaml:"qps"`        // by tag FF80xx
	Applications []SeedApplication `yaml:"applications"`
	CAKeys       []SeedCAKey       `yaml:"ca_keys"`
	BlackList    []string          `yaml:"black_list"`
	TableB       []string          `yaml:"table_b"`
	TableC       []string          `yaml:"table_c"`
}

// SeedApplication is an application with its parameters: hexadecimal, but for limits in
// minor units and targets in percent.
type SeedApplication struct {
	AID          string `yaml:"aid"`
	Exact        bool   `yaml:"exact"` // the card's AID may not be longer
	Version      string `yaml:"version"`
	TACDefault   string `yaml:"tac_default"`
	TACOnline    string `yaml:"tac_online"`
	TACDenial    string `yaml:"tac_denial"`
	FloorLimit   uint32 `yaml:"floor_limit"`
	Threshold    uint32 `yaml:"threshold"`
	MaxTarget    int    `yaml:"max_target"`
	Target       int    `yaml:"target"`
	DDOL         string `yaml:"ddol"`
	OnlinePIN    bool   `yaml:"online_pin"`
	CashLimit    int64  `yaml:"cash_limit"`
	TapFloor     int64  `yaml:"tap_floor"`
	TapLimit     int64  `yaml:"tap_limit"`
	TapCVMLimit  int64  `yaml:"tap_cvm_limit"`
	hexadecimals error
}

// SeedCAKey is a public key of a scheme: hexadecimal, the expiry YYYYMMDD.
type SeedCAKey struct {
	RID      string `yaml:"rid"`
	Index    string `yaml:"index"`
	Expiry   string `yaml:"expiry"`
	Modulus  string `yaml:"modulus"`
	Exponent string `yaml:"exponent"`
	Checksum string `yaml:"checksum"`
}

func (h *Host) applyLists(ctx context.Context, s SeedLists) error {
	lists := []struct {
		name  string
		items func() ([]Item, error)
	}{
		{acquirer.ListParameters, s.parameters},
		{acquirer.ListQPS, func() ([]Item, error) { return named(s.QPS), nil }},
		{acquirer.ListApplications, s.applications},
		{acquirer.ListCAKeys, s.caKeys},
		{acquirer.ListBlack, func() ([]Item, error) { return plain(s.BlackList), nil }},
		{acquirer.ListTableB, func() ([]Item, error) { return plain(s.TableB), nil }},
		{acquirer.ListTableC, func() ([]Item, error) { return plain(s.TableC), nil }},
	}
	for _, l := range lists {
		items, err := l.items()
		if err != nil {
			return fmt.Errorf("hostsim: seed: %s: %w", l.name, err)
		}
		if err := h.putFirst(ctx, l.name, items); err != nil {
			return err
		}
	}
	return nil
}

// putFirst puts a list that the host does not have.
func (h *Host) putFirst(ctx context.Context, list string, items []Item) error {
	if len(items) == 0 {
		return nil
	}
	return h.db.Update(ctx, func(tx db.Tx) error {
		version, err := acquirer.ListVersion(ctx, tx, list)
		if err != nil || version > 0 {
			return err
		}
		return h.desk.PutList(ctx, tx, list, "", items)
	})
}

func named(values map[string]string) (out []Item) {
	for name, value := range values {
		out = append(out, Item{Name: name, Content: []byte(value)})
	}
	slices.SortFunc(out, func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func plain(values []string) (out []Item) {
	for _, v := range values {
		out = append(out, Item{Content: []byte(v)})
	}
	return out
}

// parameterLengths are the fixed lengths of the values of function 360, in characters;
// text among them is filled up with blanks.
var parameterLengths = map[string]int{
	"11": 2, "12": 2, "13": 1, "14": 14, "15": 14, "16": 14, "17": 14, "18": 1, "19": 2, "20": 1, "21": 1,
	"22": 40, "23": 1, "24": 1, "25": 1, "26": 8, "27": 2,
}

func (s SeedLists) parameters() ([]Item, error) {
	out := named(s.Parameters)
	for i, it := range out {
		value, err := simplifiedchinese.GBK.NewEncoder().Bytes(it.Content)
		n, known := parameterLengths[it.Name]
		if err != nil || !known || len(value) > n || n < 14 && len(value) != n {
			return nil, errors.Join(fmt.Errorf("tag %s has %d characters of %d, or is not known", it.Name, len(value), n), err)
		}
		out[i].Content = append(value, strings.Repeat(" ", n-len(value))...)
	}
	return out, nil
}

func (s SeedLists) applications() (out []Item, err error) {
	for i, a := range s.Applications {
		content := a.append()
		if a.hexadecimals != nil {
			return nil, fmt.Errorf("application %d: %w", i+1, a.hexadecimals)
		}
		out = append(out, Item{Name: a.AID, Content: content})
	}
	return out, nil
}

// append writes the application's objects in the order of the table of parameters.
func (a *SeedApplication) append() (out []byte) {
	selection, online := byte(0), byte(0)
	if a.Exact {
		selection = 1
	}
	if a.OnlinePIN {
		online = 1
	}
	for _, row := range []struct {
		tag   tlv.Tag
		value []byte
	}{
		{tag.AIDTerminal, a.hex(a.AID)},
		{tag.ApplicationSelectionIndicator, []byte{selection}},
		{tag.ApplicationVersionNumber, a.hex(a.Version)},
		{tag.TerminalActionCodeDefault, a.hex(a.TACDefault)},
		{tag.TerminalActionCodeOnline, a.hex(a.TACOnline)},
		{tag.TerminalActionCodeDenial, a.hex(a.TACDenial)},
		{tag.TerminalFloorLimit, binary.BigEndian.AppendUint32(nil, a.FloorLimit)},
		{tag.RandomSelectionThreshold, binary.BigEndian.AppendUint32(nil, a.Threshold)},
		{tag.RandomSelectionMaxTarget, a.hex(fmt.Sprintf("%02d", a.MaxTarget))},
		{tag.RandomSelectionTarget, a.hex(fmt.Sprintf("%02d", a.Target))},
		{tag.DefaultDDOL, a.hex(a.DDOL)},
		{tag.OnlinePINSupport, []byte{online}},
		{tag.ECashTerminalLimit, a.hex(fmt.Sprintf("%012d", a.CashLimit))},
		{tag.ContactlessFloorLimit, a.hex(fmt.Sprintf("%012d", a.TapFloor))},
		{tag.ContactlessTransactionLimit, a.hex(fmt.Sprintf("%012d", a.TapLimit))},
		{tag.ContactlessCVMLimit, a.hex(fmt.Sprintf("%012d", a.TapCVMLimit))},
	} {
		out = tlv.Append(out, row.tag, row.value)
	}
	return out
}

// hex reads hexadecimal digits; the first that are none are kept as the error.
func (a *SeedApplication) hex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil && a.hexadecimals == nil {
		a.hexadecimals = fmt.Errorf("%q: %w", s, err)
	}
	return b
}

func (s SeedLists) caKeys() (out []Item, err error) {
	for i, k := range s.CAKeys {
		var content []byte
		for _, row := range []struct {
			tag   tlv.Tag
			value string
		}{
			{tag.AIDTerminal, k.RID},
			{tag.CAPublicKeyIndexTerminal, k.Index},
			{tag.CAPublicKeyExpiry, hex.EncodeToString([]byte(k.Expiry))}, // characters, not packed
			{tag.CAHashAlgorithm, "01"},
			{tag.CAPublicKeyAlgorithm, "01"},
			{tag.CAPublicKeyModulus, k.Modulus},
			{tag.CAPublicKeyExponent, k.Exponent},
			{tag.CAPublicKeyCheckSum, k.Checksum},
		} {
			value, err := hex.DecodeString(row.value)
			if err != nil {
				return nil, fmt.Errorf("key %d: tag %v: %w", i+1, row.tag, err)
			}
			content = tlv.Append(content, row.tag, value)
		}
		out = append(out, Item{Name: k.RID + k.Index, Content: content})
	}
	return out, nil
}

package hostsim

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEnrolmentHidesItsSecrets(t *testing.T) {
	r := boot(t)
	e, err := r.AddTerminal(t.Context(), "POSD0003", testMID, "SIM00000003", bytes.Repeat([]byte{0x3B}, 16))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%v %+v %#v %s %x", e, e, e, e, e); got != strings.TrimSuffix(strings.Repeat("enrolment of POSD0003 ", 5), " ") {
		t.Errorf("printed: %s", got)
	}
	dir := filepath.Join(t.TempDir(), "POSD0003")
	if err := e.Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{KeyFile, BlockFile, KBPKFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if err := e.Write(dir); err == nil {
		t.Error("written over")
	}
}

func TestSeedIsStrict(t *testing.T) {
	rows := []struct{ name, text, want string }{
		{"unknown key", "merchants:\n  - mid: x\n    nmae: y\n", "line 3"},
		{"wrong type", "cards: 5\n", "line 1"},
		{"not YAML", "cards:\n\tx", "line 2"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if _, err := ParseSeed("my.yaml", []byte(row.text)); err == nil || !strings.Contains(err.Error(), "my.yaml") || !strings.Contains(err.Error(), row.want) {
				t.Errorf("err = %v, want my.yaml and %q", err, row.want)
			}
		})
	}
	r := boot(t)
	for _, s := range []Seed{
		{Cards: []SeedCard{{PAN: "6277000000000078", Expiry: "3513"}}},
		{Cards: []SeedCard{{PAN: "6277000000000078", Expiry: "3512", Opening: "1.234"}}},
		{Cards: []SeedCard{{PAN: "627700000000007X", Expiry: "3512"}}},
		{Cards: []SeedCard{{PAN: "6277000000000078", Expiry: "3512", Status: "gone"}}},
		{IssuerKeys: []SeedIssuerKey{{BIN: "627700", Index: 3, IMK: "00"}}},
		{Terminals: []SeedTerminal{{TID: "SHORT", MID: testMID, SN: "1"}}},
		{Terminals: []SeedTerminal{{TID: "POSD0009", MID: "104403154119999", SN: "1"}}},
		{Merchants: []SeedMerchant{{MID: testMID[:14], Name: "x"}}},
	} {
		if _, err := r.Apply(t.Context(), s); err == nil {
			t.Errorf("taken: %+v", s)
		}
	}
}

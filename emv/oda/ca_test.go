package oda

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"
)

// Point 16, expiry.
func TestFindCA(t *testing.T) {
	last := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	keys := []CAKey{{RID: testRID, Index: 1}, {RID: testRID, Index: 2, Expires: last}}
	beijing := time.FixedZone("CST", 8*3600)
	tests := []struct {
		name  string
		rid   [5]byte
		index byte
		on    time.Time
		want  error
	}{
		{"without a last day", testRID, 1, last.AddDate(50, 0, 0), nil},
		{"on its last day", testRID, 2, last.Add(23 * time.Hour), nil},
		{"on its last day, by the terminal's clock", testRID, 2, time.Date(2026, 11, 23, 23, 59, 0, 0, beijing), nil},
		{"the day after", testRID, 2, last.AddDate(0, 0, 1), ErrExpired},
		{"the day after, by the terminal's clock", testRID, 2, time.Date(2026, 11, 24, 0, 0, 0, 0, beijing), ErrExpired},
		{"no such index", testRID, 3, last, ErrNoKey},
		{"no such RID", [5]byte{1}, 1, last, ErrNoKey},
	}
	for _, tt := range tests {
		k, err := FindCA(keys, tt.rid, tt.index, tt.on)
		if !errors.Is(err, tt.want) || err == nil && k.Index != tt.index {
			t.Errorf("%s: %v, %v", tt.name, k.Index, err)
		}
		if err != nil && !strings.Contains(err.Error(), "index 0") {
			t.Errorf("%s: %v does not name the key", tt.name, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	ca := testKeys(t)["ca"]
	good := CAKey{RID: testRID, Index: 1, Modulus: ca.Modulus, Exponent: ca.Exponent}
	if err := good.Check(); err != nil {
		t.Errorf("without a published checksum: %v", err)
	}
	sum := good.Checksum()
	good.SHA1 = sum[:]
	if err := good.Check(); err != nil {
		t.Errorf("with one: %v", err)
	}
	tests := []struct {
		name   string
		change func(k *CAKey)
		want   error
	}{
		{"no modulus", func(k *CAKey) { k.Modulus = nil }, ErrLength},
		{"modulus of 249 bytes", func(k *CAKey) { k.Modulus = bytes.Repeat([]byte{0xFF}, 249) }, ErrLength},
		{"even modulus", func(k *CAKey) { k.Modulus = []byte{0x80, 0x02} }, ErrModulus},
		{"modulus with 00 before it", func(k *CAKey) { k.Modulus = append([]byte{0}, k.Modulus...) }, ErrModulus},
		{"exponent 2", func(k *CAKey) { k.Exponent = []byte{2} }, ErrExponent},
		{"no exponent", func(k *CAKey) { k.Exponent = nil }, ErrExponent},
		{"exponent of 4 bytes", func(k *CAKey) { k.Exponent = []byte{0, 0, 0, 3} }, ErrExponent},
		{"checksum of 19 bytes", func(k *CAKey) { k.SHA1 = k.SHA1[:19] }, ErrLength},
		{"another index", func(k *CAKey) { k.Index = 2 }, ErrChecksum},
		{"another RID", func(k *CAKey) { k.RID[0] = 0xA1 }, ErrChecksum},
		{"modulus garbled", func(k *CAKey) { k.Modulus[7] ^= 0x10 }, ErrChecksum},
	}
	for _, tt := range tests {
		k := good
		k.Modulus = bytes.Clone(good.Modulus)
		tt.change(&k)
		if err := k.Check(); !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "oda: CA key A") {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Point 16: every key with a published checksum is good, but for those that EMV does not allow
// any more: exponent 2, and a modulus of 2048 bits.
func TestPublishedKeys(t *testing.T) {
	data := readShared(t, "vectors/emv/capks.json")
	var file struct {
		Keys []struct {
			RID, Index, Modulus, Exponent, SHA1 string
			Bits                                int
			Confirmed                           bool `json:"checksum_confirmed"`
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	checked, refused := 0, 0
	for _, k := range file.Keys {
		key := CAKey{RID: [5]byte(unhex(t, k.RID)), Index: unhex(t, k.Index)[0], Modulus: unhex(t, k.Modulus), Exponent: unhex(t, k.Exponent), SHA1: unhex(t, k.SHA1)}
		if sum := key.Checksum(); !bytes.Equal(sum[:], key.SHA1) {
			t.Errorf("%s %s: checksum %X, want %s", k.RID, k.Index, sum, k.SHA1)
		}
		err := key.Check()
		switch {
		case k.Exponent == "02":
			refused++
			if !errors.Is(err, ErrExponent) {
				t.Errorf("%s %s with exponent 2: %v", k.RID, k.Index, err)
			}
		case k.Bits > 1984:
			refused++
			if !errors.Is(err, ErrLength) {
				t.Errorf("%s %s of %d bits: %v", k.RID, k.Index, k.Bits, err)
			}
		case err != nil:
			t.Errorf("%s %s: %v", k.RID, k.Index, err)
		case k.Confirmed:
			checked++
		}
	}
	t.Logf("%d keys with a published checksum are good, %d of %d refused by length or exponent", checked, refused, len(file.Keys))
	if checked < 130 {
		t.Errorf("only %d keys with a published checksum", checked)
	}
}

// readShared reads a file beside the repository; without it the test is skipped, unless
// CI wants it.
func readShared(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../../shared/" + name)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Skipf("shared/%s is not there", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

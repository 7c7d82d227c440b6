package keypad_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"posd/device/sim/keypad"
	"posd/emv"
	"posd/emv/pinblock"
)

func TestPress(t *testing.T) {
	for _, row := range []struct {
		name, keys string
		bypass     bool
		want       keypad.Outcome // of the last key; those before it are Typing
		digits     int
	}{
		{"four digits and enter", "1234E", false, keypad.Entered, 4},
		{"enter before there are four", "123E", false, keypad.Typing, 3},
		{"more than six", "1234567E", false, keypad.Entered, 6},
		{"clear, and again", "99C1234E", false, keypad.Entered, 4},
		{"cancel", "12X", false, keypad.Cancelled, 2},
		{"enter alone where a PIN is a must", "E", false, keypad.Typing, 0},
		{"enter alone where it is not", "E", true, keypad.Bypassed, 0},
		{"enter after a digit is no bypass", "1E", true, keypad.Typing, 1},
	} {
		p := keypad.PIN{Least: 4, Most: 6, Bypass: row.bypass}
		if err := keypad.Check(row.keys); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		for i := range len(row.keys) {
			want := keypad.Typing
			if i == len(row.keys)-1 {
				want = row.want
			}
			if got := p.Press(row.keys[i]); got != want {
				t.Errorf("%s: key %d: outcome %d, want %d", row.name, i+1, got, want)
			}
		}
		if p.Len() != row.digits || len(p.Stars()) != row.digits {
			t.Errorf("%s: %d digits, %q; want %d", row.name, p.Len(), p.Stars(), row.digits)
		}
		if p.Wipe(); p.Len() != 0 {
			t.Errorf("%s: %d digits after Wipe", row.name, p.Len())
		}
	}
}

func TestCheckNamesTheKey(t *testing.T) {
	err := keypad.Check("12Z")
	if !errors.Is(err, keypad.ErrKeys) || err.Error() != "key 3: keys are digits, E, C and X" {
		t.Errorf("got %v", err)
	}
}

// NIST SP 800-67 rev. 2 has TDES of three keys; with one key three times it is DES, whose
// vector is that of FIPS 81, table B1: key 0123456789ABCDEF, "Now is t".
func TestTDESOfOneKeyIsDES(t *testing.T) {
	key, _ := hex.DecodeString("0123456789ABCDEF")
	want, _ := hex.DecodeString("3FA40E8A984D4815")
	for _, k := range [][]byte{key, append(bytes.Clone(key), key...)} {
		got := []byte("Now is t")
		keypad.TDES(k).Encrypt(got, got)
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %X, want %X", len(k), got, want)
		}
		if back := keypad.OpenWorking(k, want); string(back) != "Now is t" {
			t.Errorf("%d bytes: opened %q", len(k), back)
		}
	}
}

// The blocks open with what pins them to published vectors.
func TestSeal(t *testing.T) {
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		t.Fatal(err)
	}
	p := keypad.PIN{Least: 4, Most: 12}
	p.Set("1234")
	key := []byte("sixteen byte key")
	block := p.Seal0(pan, key)
	keypad.TDES(key).Decrypt(block[:], block[:])
	if got, err := pinblock.Decode0(block, pan); err != nil || string(got) != "1234" {
		t.Errorf("format 0: %q, %v", got, err)
	}
	four := p.Seal4(pan, key, [8]byte{1, 2, 3})
	if got, err := pinblock.Decipher4(key, four, pan); err != nil || string(got) != "1234" {
		t.Errorf("format 4: %q, %v", got, err)
	}
}

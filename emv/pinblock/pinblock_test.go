package pinblock

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"posd/emv"
)

func mustPAN(t testing.TB, digits string) emv.PAN {
	t.Helper()
	pan, err := emv.ParsePAN(digits)
	if err != nil {
		t.Fatal(err)
	}
	return pan
}

func TestFormat0(t *testing.T) {
	tests := []struct{ source, pan, pin, want string }{
		{"Wikipedia, ISO 9564, format 0", "43219876543210987", "1234", "0412AC89ABCDEF67"},
		{"shared/domain/unionpay_vectors.txt, 4", "6225760008219524", "123456", "06126336FF7DE6AD"},
		{"by hand: 12 digits leave two nibbles of fill", "6277000000000017", "123456789012", xor("0C123456789012FF", "0000700000000001")},
		{"by hand: 8 digits of card number, zeros on the left", "12345678", "9999", xor("049999FFFFFFFFFF", "0000000001234567")},
	}
	for _, tt := range tests {
		pan := mustPAN(t, tt.pan)
		got, err := Encode0([]byte(tt.pin), pan)
		if err != nil || strings.ToUpper(hex.EncodeToString(got[:])) != tt.want {
			t.Errorf("%s: %X, %v; want %s", tt.source, got, err, tt.want)
		}
		if pin, err := Decode0(got, pan); err != nil || string(pin) != tt.pin {
			t.Errorf("%s: back to %q, %v", tt.source, pin, err)
		}
	}
}

func xor(a, b string) string {
	x, _ := hex.DecodeString(a)
	y, _ := hex.DecodeString(b)
	for i := range x {
		x[i] ^= y[i]
	}
	return strings.ToUpper(hex.EncodeToString(x))
}

func TestFormat4(t *testing.T) {
	key, _ := hex.DecodeString("00112233445566778899AABBCCDDEEFF")
	pan := mustPAN(t, "1234567890123456789")
	random := [8]byte(bytes.Repeat([]byte{0xFF}, 8))
	got, err := Encipher4(key, []byte("1234"), pan, random)
	// Value: knovichikhin/psec, tests of pinblock.encipher_pinblock_iso_4.
	if want := "28B41FDDD29B743E93124BD8E32D921E"; err != nil || strings.ToUpper(hex.EncodeToString(got[:])) != want {
		t.Errorf("got %X, %v; want %s", got, err, want)
	}
	if pin, err := Decipher4(key, got, pan); err != nil || string(pin) != "1234" {
		t.Errorf("back to %q, %v", pin, err)
	}
	if _, err := Decipher4(key, got, mustPAN(t, "6277000000000017")); !errors.Is(err, ErrBlock) {
		t.Errorf("another card number: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	pan := mustPAN(t, "6277000000000017")
	aes := make([]byte, 16)
	for _, pin := range []string{"", "123", "1234567890123", "12 4", "12345678901A"} {
		if _, err := Encode0([]byte(pin), pan); !errors.Is(err, ErrPIN) {
			t.Errorf("format 0, PIN of %d: %v", len(pin), err)
		}
		if _, err := Encipher4(aes, []byte(pin), pan, [8]byte{}); !errors.Is(err, ErrPIN) {
			t.Errorf("format 4, PIN of %d: %v", len(pin), err)
		}
	}
	if _, err := Encode0([]byte("1234"), emv.PAN{}); !errors.Is(err, ErrPAN) {
		t.Errorf("no card number: %v", err)
	}
	if _, err := Decode0([8]byte{}, emv.PAN{}); !errors.Is(err, ErrPAN) {
		t.Errorf("no card number: %v", err)
	}
	if _, err := Encipher4(aes, []byte("1234"), emv.PAN{}, [8]byte{}); !errors.Is(err, ErrPAN) {
		t.Errorf("no card number: %v", err)
	}
	if _, err := Encipher4(aes[:15], []byte("1234"), pan, [8]byte{}); err == nil {
		t.Error("a key of 15 bytes was taken")
	}
}

// Each clear field wrong in one nibble, bound to the card number as a pad would.
func TestBadBlocks(t *testing.T) {
	pan := mustPAN(t, "6277000000000017")
	account, err := account0(pan)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, field, says string }{
		{"format 1", "141234FFFFFFFFFF", "control"},
		{"format 3", "341234FFFFFFFFFF", "control"},
		{"3 digits", "03123FFFFFFFFFFF", "length"},
		{"13 digits", "0D1234567890123F", "length"},
		{"a digit that is none", "0412A4FFFFFFFFFF", "nibble 5"},
		{"fill that is none", "041234FFFFFFFFF0", "nibble 16"},
	}
	for _, tt := range tests {
		raw, err := hex.DecodeString(tt.field)
		if err != nil {
			t.Fatal(err)
		}
		block := [8]byte(raw)
		for i := range block {
			block[i] ^= account[i]
		}
		if _, err := Decode0(block, pan); !errors.Is(err, ErrBlock) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Whatever decodes encodes to the same block; and no block makes a panic.
func FuzzDecode0(f *testing.F) {
	f.Add([]byte{0x06, 0x12, 0x63, 0x36, 0xFF, 0x7D, 0xE6, 0xAD}, "6225760008219524")
	f.Add([]byte{0x04, 0x12, 0xAC, 0x89, 0xAB, 0xCD, 0xEF, 0x67}, "43219876543210987")
	f.Fuzz(func(t *testing.T, raw []byte, digits string) {
		pan, err := emv.ParsePAN(digits)
		if err != nil || len(raw) != 8 {
			return
		}
		pin, err := Decode0([8]byte(raw), pan)
		if err != nil {
			return
		}
		if again, err := Encode0(pin, pan); err != nil || !bytes.Equal(again[:], raw) {
			t.Errorf("%X decodes, and encodes to %X, %v", raw, again, err)
		}
	})
}

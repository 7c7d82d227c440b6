package binding

import (
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/keyblock"
)

const serial = "00000304P3100000001"

func cipherOf(t *testing.T, suite keyblock.Suite) cipher.Block {
	t.Helper()
	master, err := hex.DecodeString("0123456789ABCDEFFEDCBA9876543210")
	if err != nil {
		t.Fatal(err)
	}
	key, err := Key(suite, master)
	if err != nil || len(key) != 16 {
		t.Fatalf("%d bytes, %v", len(key), err)
	}
	block, err := suite.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func terminal(t *testing.T, key cipher.Block) Terminal {
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		t.Fatal(err)
	}
	factor := Factor(pan)
	return Terminal{Kind: POS, Serial: serial, Factor: factor, Proof: Proof(key, serial, factor), Version: "1.5"}
}

func TestTheHostKnowsTheDevice(t *testing.T) {
	for _, suite := range keyblock.Suites() {
		key := cipherOf(t, suite)
		sent := terminal(t, key)
		line, err := Append(nil, sent)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(line), "A20680100202"+"02019"+serial+"03006000017"+"04008") || !strings.HasSuffix(string(line), "050081.5     ") {
			t.Errorf("%s: %s", suite, line)
		}
		got, err := Parse(append([]byte("A1003abc"), line...))
		if err != nil || got != sent {
			t.Errorf("%s: %+v, %v", suite, got, err)
		}
		if err := got.Verify(key, serial); err != nil {
			t.Error(err)
		}
	}
}

// Each way in which another device could pass for this one.
func TestAnotherDeviceIsSeen(t *testing.T) {
	key, other := cipherOf(t, keyblock.TDES), cipherOf(t, keyblock.SM4)
	for name, change := range map[string]func(*Terminal){
		"another serial number":              func(x *Terminal) { x.Serial = "00000304P3100000002" },
		"proof of another serial number":     func(x *Terminal) { x.Proof = Proof(key, "other", x.Factor) },
		"proof that was made for a card":     func(x *Terminal) { x.Factor = "999999" },
		"proof under another terminal's key": func(x *Terminal) { x.Proof = Proof(other, serial, x.Factor) },
		"no proof":                           func(x *Terminal) { x.Proof = "" },
	} {
		got := terminal(t, key)
		change(&got)
		if err := got.Verify(key, serial); !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutACardTheFactorIsZero(t *testing.T) {
	if got := Factor(emv.PAN{}); got != "000000" {
		t.Error(got)
	}
}

func TestFieldsThatCannotBe(t *testing.T) {
	key := cipherOf(t, keyblock.TDES)
	good, err := Append(nil, terminal(t, key))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":            "",
		"another usage":    "A1003abc",
		"cut short":        string(good[:40]),
		"length no number": "A20x4" + string(good[5:]),
		"tag missing":      "A20070100202",
		"tag twice":        "A2014010020201002" + "02",
		"proof in lower":   strings.Replace(string(good), "04008", "04008abcdefgh0", 1),
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, bad := range map[string]Terminal{
		"no serial":   {Kind: "02", Factor: "000000", Proof: "00000000"},
		"long serial": {Kind: "02", Serial: strings.Repeat("1", 51), Factor: "000000", Proof: "00000000"},
		"factor":      {Kind: "02", Serial: "1", Factor: "00000x", Proof: "00000000"},
		"version":     {Kind: "02", Serial: "1", Factor: "000000", Proof: "00000000", Version: "123456789"},
	} {
		if _, err := Append(nil, bad); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("A207601002020201900000304P310000000103006000017040081234ABCD050081.5     "))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Parse(b)
		if err != nil {
			return
		}
		line, err := Append(nil, got)
		if err != nil {
			t.Fatalf("%+v: %v", got, err)
		}
		if again, err := Parse(line); err != nil || again != got {
			t.Errorf("%+v came back as %+v, %v", got, again, err)
		}
	})
}

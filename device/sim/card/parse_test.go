package card_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"posd/device/sim/card"
	"posd/device/sim/cards"
)

// text is a card file of the program.
func text(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("../cards/" + name + ".card")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const minimal = `application: A000000333010101
pan: 6277000000000011
expiry: 2035-12
imk: 0123456789ABCDEF FEDCBA9876543210
`

func TestParseNamesFileAndLine(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"no colon", "pse on\n" + minimal, "x.card:1: no colon"},
		{"unknown key", minimal + "pann: 1", "x.card:5: pann: unknown key"},
		{"no value", "pse:\n" + minimal, "x.card:1: pse: no value"},
		{"twice", "pse: on\npse: off\n" + minimal, "x.card:2: pse: is set on line 1 already"},
		{"card key in an application", minimal + "pse: on", "x.card:5: pse: belongs to the card"},
		{"application key above", "label: A\n" + minimal, "x.card:1: label: belongs to an application"},
		{"no application", "pse: on\n", "x.card:1: no application line"},
		{"no PAN", "application: A000000333\nexpiry: 2035-12\nimk: 0123456789ABCDEF FEDCBA9876543210", "x.card:1: no pan line"},
		{"second application is incomplete", minimal + "application: A000000333", "x.card:5: no pan line"},
		{"check digit", "application: A000000333\npan: 6277000000000017", "x.card:2: pan: the check digit is wrong"},
		{"AID too short", "application: A0", "x.card:1: application: 1 bytes"},
		{"CVM method", minimal + "cvm: magic always", `x.card:5: cvm: rule 1: unknown method "magic"`},
		{"CVM condition", minimal + "cvm: signature always; no-cvm sometimes", `x.card:5: cvm: rule 2: unknown condition "sometimes"`},
		{"date", strings.Replace(minimal, "2035-12", "35-12", 1), "x.card:3: expiry: "},
		{"key too short", strings.Replace(minimal, "FEDC", "FE", 1), "x.card:4: imk: 15 bytes"},
		{"DOL", minimal + "cdol1: 9F02", "x.card:5: cdol1: "},
		{"RSA key", minimal + "ca-key: mine", `x.card:5: ca-key: no key is named "mine"`},
		{"DDA without key", minimal + "oda: dda", "x.card:1: oda needs ca-key"},
		{"misbehave", "misbehave: gpo explode\n" + minimal, "x.card:1: misbehave: "},
		{"object", minimal + "data: 9F63 05 00", "x.card:5: data: "},
		{"PIN", "pin: 12\n" + minimal, "x.card:1: pin: 4 to 12 digits"},
	} {
		_, err := cards.Parse("x.card", []byte(tc.text))
		if !errors.Is(err, card.ErrFile) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	for _, line := range []string{"pin: 12345678901234", "imk: 00112233445566778899AABBCCDDEEFFGG", "pan: 62770000000000AB"} {
		_, err := cards.Parse("x.card", []byte("application: A000000333\n"+line))
		if _, secret, _ := strings.Cut(line, ": "); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error %v repeats it", line, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	p, err := cards.Parse("folder/plain.card", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	a := p.Applications[0]
	if p.Name != "plain" || p.PANSequence != -1 || p.ARPCMethod != 1 || p.CVN != 18 || p.DKI != 1 || p.PIN != "" {
		t.Errorf("profile %s: sequence %d, ARPC %d, CVN %d, DKI %d", p.Name, p.PANSequence, p.ARPCMethod, p.CVN, p.DKI)
	}
	if p.Expiry != [3]byte{0x35, 0x12, 0x31} {
		t.Errorf("expiry % X, want the last day of the month", p.Expiry)
	}
	if got := a.Track2.Reveal(); got != "6277000000000011D351222000000000" {
		t.Errorf("track 2 %s", got)
	}
	if a.AIP != 0x0C00 {
		t.Errorf("AIP %04X: terminal risk management and issuer authentication wanted", uint16(a.AIP))
	}
}

func TestCVMWords(t *testing.T) {
	for _, tc := range []struct {
		words string
		want  string
	}{
		{"online-pin if-supported; signature always", "0000000000000000 4203 1E00"},
		{"plaintext-pin+signature if-over-x final; no-cvm always", "0000000000000000 0307 1F00"},
		{"4201; fail always", "0000000000000000 4201 0000"},
	} {
		p, err := cards.Parse("x.card", []byte(minimal+"cvm: "+tc.words))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.Applications[0].CVMList); got != string(unhex(tc.want)) {
			t.Errorf("%s: % X, want %s", tc.words, got, tc.want)
		}
	}
}

// FuzzParse: no file makes the reader panic, and a file that is read makes a card.
func FuzzParse(f *testing.F) {
	for _, name := range cards.Names() {
		f.Add(text(f, name))
	}
	f.Add(minimal)
	keys, err := cards.Keys()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := card.Parse("fuzz.card", []byte(text), keys)
		if err != nil {
			if !errors.Is(err, card.ErrFile) {
				t.Errorf("%v is no ErrFile", err)
			}
			return
		}
		c, err := card.New(p, new(counter))
		if err != nil {
			t.Fatal(err)
		}
		c.Reset()
		c.Exchange(unhex("00A4040005A00000033300"))
	})
}

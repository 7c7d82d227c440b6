package issuer

import (
	"encoding/hex"
	"strings"
	"testing"

	"posd/emv"
)

// whole is field 55 of a payment of 12.00 CNY with a good shape; the cryptogram is not.
const whole = "9F2608" + "1122334455667788" + "9F2701" + "80" + "9F1007" + "06011203A00000" + "9F3704" + "DEADBEEF" +
	"9F3602" + "0007" + "9505" + "8000040000" + "9A03" + "261123" + "9C01" + "00" + "9F0206" + "000000001200" +
	"5F2A02" + "0156" + "8202" + "7C00" + "9F1A02" + "0156" + "9F0306" + "000000000000" + "9F3403" + "420300"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseChip(t *testing.T) {
	c, err := parseChip(unhex(t, whole))
	if err != nil {
		t.Fatal(err)
	}
	if c.amount != 1200 || c.currency != emv.CNY || c.atc != 7 || c.keyIndex != 1 || c.kind != emv.ARQC || c.tvr != emv.ODANotPerformed|emv.OnlinePINEntered {
		t.Errorf("chip = %+v", c)
	}
	want := "000000001200" + "000000000000" + "0156" + "8000040000" + "0156" + "261123" + "00" + "DEADBEEF" + "7C00" + "0007" + "06011203A00000"
	if got := strings.ToUpper(hex.EncodeToString(c.cryptogram.Data)); got != want {
		t.Errorf("signed data = %s, want %s", got, want)
	}
}

func TestParseChipRefuses(t *testing.T) {
	rows := []struct{ name, old, changed string }{
		{"no cryptogram", "9F2608" + "1122334455667788", ""},
		{"short amount", "9F0206" + "000000001200", "9F0205" + "0000001200"},
		{"amount that is no number", "000000001200", "00000000120A"},
		{"no IAD", "9F1007" + "06011203A00000", ""},
		{"short IAD", "9F1007" + "06011203A00000", "9F1006" + "06011203A000"},
		{"unknown version", "06011203A00000", "06010103A00000"},
		{"no ATC", "9F3602" + "0007", ""},
		{"TVR twice", "9C01" + "00", "9C01" + "00" + "9505" + "8000040000"},
		{"cut", "9F3403" + "420300", "9F3403" + "42"},
		{"too long", "9F3403" + "420300", "DF01820100" + strings.Repeat("00", 256)},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if !strings.Contains(whole, row.old) {
				t.Fatal("the row changes nothing")
			}
			if _, err := parseChip(unhex(t, strings.Replace(whole, row.old, row.changed, 1))); err == nil {
				t.Error("taken")
			}
		})
	}
}

func TestDoubt(t *testing.T) {
	pin := Request{Amount: 1200, Currency: emv.CNY, PINBlock: make([]byte, 8)}
	none := Request{Amount: 1200, Currency: emv.CNY}
	const tvr, cvm = "8000040000", "420300"
	rows := []struct {
		name          string
		request       Request
		tvr, cvm, cid string
		cvr           string
		doubted       bool
	}{
		{"online PIN", pin, tvr, cvm, "80", "03A00000", false},
		{"TVR claims a PIN, none came", none, tvr, cvm, "80", "03A00000", true},
		{"a PIN came, TVR is silent", pin, "8000000000", cvm, "80", "03A00000", true},
		{"signature", none, "8000000000", "1E0300", "80", "03A00000", false},
		{"offline PIN, the card saw it right", none, "8000000000", "410302", "80", "03A40000", false},
		{"offline PIN claimed, the card saw none", none, "8000000000", "410302", "80", "03A00000", true},
		{"offline PIN claimed, the card saw it wrong", none, "8000000000", "440302", "80", "03A60000", true},
		{"offline PIN that failed, as both say", none, "8000000000", "410301", "80", "03A60000", false},
		{"the card gave a TC", none, "8000000000", "1E0300", "40", "03900000", true},
		{"CID and CVR differ", none, "8000000000", "1E0300", "80", "03900000", true},
		{"data not authenticated, and no PIN", none, "0800000000", "1F0002", "80", "03A00000", true},
		{"data not authenticated, and an online PIN", pin, "0400040000", "420300", "80", "03A00000", false},
		{"another amount", Request{Amount: 1201, Currency: emv.CNY}, "8000000000", "1E0300", "80", "03A00000", true},
		{"another currency", Request{Amount: 1200, Currency: emv.USD}, "8000000000", "1E0300", "80", "03A00000", true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			text := strings.NewReplacer("9505"+tvr, "9505"+row.tvr, "9F3403"+cvm, "9F3403"+row.cvm,
				"9F270180", "9F2701"+row.cid, "03A00000", row.cvr).Replace(whole)
			c, err := parseChip(unhex(t, text))
			if err != nil {
				t.Fatal(err)
			}
			if why := c.doubt(row.request); (why != "") != row.doubted {
				t.Errorf("doubt = %q, want one: %v", why, row.doubted)
			}
		})
	}
}

// FuzzParseChip: no panic; what is taken has all that the cryptogram needs.
func FuzzParseChip(f *testing.F) {
	f.Add(unhex(f, whole))
	f.Fuzz(func(t *testing.T, icc []byte) {
		c, err := parseChip(icc)
		if err == nil && len(c.cryptogram.Data) < 33+4 {
			t.Errorf("%d bytes of signed data", len(c.cryptogram.Data))
		}
	})
}

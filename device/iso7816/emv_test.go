package iso7816

import (
	"errors"
	"strings"
	"testing"

	"posd/device"
)

// The rows follow EMV 4.4 Book 1 (EMV Contact Interface Specification), 8.3, one
// character after the other. want is why the answer to a cold reset is refused; warm is
// for the answer to a warm reset, "=" where it is the same.
func TestEMVAnswersToReset(t *testing.T) {
	for _, row := range []struct{ name, atr, cold, warm string }{
		{"basic, T=0", "3B 60 00 00", "", ""},
		{"basic, T=0, inverse convention, historical bytes", "3F 65 00 00 01 02 03 04 05", "", ""},
		{"basic, T=1", "3B E0 00 00 81 31 20 45", "", ""},
		{"basic, T=1, historical bytes", "3B E2 00 00 81 31 FE 45 01 02", "", ""},

		{"TA1 of a card in negotiable mode is not used", "3B 70 96 00 00", "", ""},
		{"TA1 reserved, negotiable mode", "3B 70 00 00 00", "", ""},
		{"TA1 11, specific mode", "3B F0 11 00 00 10 00", "", ""},
		{"TA1 13, specific mode", "3B F0 13 00 00 10 00", "", ""},
		{"TA1 14, specific mode", "3B F0 14 00 00 10 00", "TA1 14 in specific mode", "="},
		{"TA1 95, specific mode", "3B F0 95 00 00 10 00", "TA1 95 in specific mode", "="},
		{"TA1 missing, specific mode", "3B E0 00 00 10 00", "", ""},

		{"TB1 missing", "3B 40 00", "TB1 is missing", ""},
		{"no interface bytes at all", "3B 00", "TB1 is missing", ""},
		{"TB1 with a programming voltage", "3B 60 25 00", "TB1 25", ""},

		{"TC1 missing", "3B 20 00", "", ""},
		{"TC1 FE at T=0", "3B 60 00 FE", "", ""},
		{"TC1 FF", "3B 60 00 FF", "", ""},

		{"TD1 names T=0", "3B E0 00 00 00", "", ""},
		{"TD1 names T=2", "3B E0 00 00 02", "TD1 names T=2", "="},
		{"TD1 names T=15", "3B E0 00 00 0F", "TD1 names T=15", "="},

		{"TA2 of another protocol", "3B E0 00 00 10 01", "TA2 names T=1, TD1 T=0", "="},
		{"TA2, implicit", "3B E0 00 00 10 10", "implicit", "="},
		{"TB2", "3B E0 00 00 20 00", "TB2", "="},
		{"TC2 0A", "3B E0 00 00 40 0A", "", ""},
		{"TC2 00", "3B E0 00 00 40 00", "TC2 00", "="},
		{"TC2 0B", "3B E0 00 00 40 0B", "TC2 0B", "="},

		{"TD2 names T=1 behind T=0, with its TB3", "3B E0 00 00 80 21 45", "", ""},
		{"TD2 names T=1 behind T=0, without", "3B E0 00 00 80 01", "TB3 is missing", "="},
		{"TD2 names T=14 behind T=0", "3B E0 00 00 80 0E", "", ""},
		{"TD2 names T=15 behind T=0", "3B E0 00 00 80 1F 03", "", ""},
		{"TD2 names T=0 behind T=0", "3B E0 00 00 80 00", "TD2 names T=0 behind T=0", "="},
		{"TD2 names T=14 behind T=1", "3B E0 00 00 81 0E", "TD2 names T=14 behind T=1", "="},
		{"TD2 names T=0 behind T=1", "3B E0 00 00 81 00", "TD2 names T=0 behind T=1", "="},
		{"TD2 missing behind T=1", "3B E0 00 00 01", "TB3 is missing", "="},

		{"TA3 missing", "3B E0 00 00 81 21 45", "", ""},
		{"TA3 10", "3B E0 00 00 81 31 10 45", "", ""},
		{"TA3 0F", "3B E0 00 00 81 31 0F 45", "TA3 0F", "="},
		{"TA3 FF", "3B E0 00 00 81 31 FF 45", "TA3 FF", "="},
		{"TB3 missing", "3B E0 00 00 81 11 20", "TB3 is missing", "="},
		{"BWI 5", "3B E0 00 00 81 31 20 55", "BWI 5", "="},
		{"CWI 6", "3B E0 00 00 81 31 20 46", "CWI 6", "="},
		{"CWI 5 with the most extra guard time", "3B E0 00 1E 81 31 20 45", "", ""},
		{"CWI 5 with one more", "3B E0 00 1F 81 31 20 45", "CWI 5 with an extra guard time of 31", "="},
		{"CWI 0 with no extra guard time", "3B E0 00 00 81 31 20 40", "CWI 0", "="},
		{"CWI 0 with TC1 FF, which is -1", "3B E0 00 FF 81 31 20 40", "", ""},
		{"CWI 5 with TC1 FE", "3B E0 00 FE 81 31 20 45", "extra guard time of 254", "="},
		{"TC3 00", "3B E0 00 00 81 71 20 45 00", "", ""},
		{"TC3 says CRC", "3B E0 00 00 81 71 20 45 01", "TC3 01", "="},
		{"TC3 says more", "3B E0 00 00 81 71 20 45 02", "TC3 02", "="},
	} {
		b := unhex(t, row.atr)
		a, err := ParseATR(b)
		if err != nil {
			a = atrOf(t, row.atr)
		}
		if row.warm == "=" {
			row.warm = row.cold
		}
		for warm, want := range map[bool]string{false: row.cold, true: row.warm} {
			err := a.EMV(warm)
			switch {
			case want == "" && err == nil:
			case want == "" || err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, device.ErrMute):
				t.Errorf("%s, warm %v: %v, want %q", row.name, warm, err, want)
			}
		}
	}
}

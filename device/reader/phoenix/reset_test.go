package phoenix

import (
	"testing"

	"posd/device/iso7816"
)

func TestMissing(t *testing.T) {
	for _, row := range []struct {
		name string
		atr  []byte
		want int
	}{
		{"nothing yet", nil, 2},
		{"TS", []byte{0x3B}, 1},
		{"T0 without anything", []byte{0x3B, 0x00}, 0},
		{"T0 with two historical bytes", []byte{0x3B, 0x02}, 2},
		{"TB1, TC1 and two historical bytes", []byte{0x3B, 0x62, 0x00}, 3},
		{"TD1 is not there yet", []byte{0x3B, 0x80}, 1},
		{"TD1 names T=0: no TCK", []byte{0x3B, 0x80, 0x00}, 0},
		{"TD1 names T=1: TCK", []byte{0x3B, 0x80, 0x01}, 1},
		{"TD1 that says TD2", []byte{0x3B, 0xF2, 1, 2, 3, 0x80}, 1},
		{"one byte too many", []byte{0x3B, 0x00, 0x55}, -1},
	} {
		if got := missing(row.atr); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

// FuzzMissing reads byte by byte, as the driver does: where it stops is where the parser of
// package iso7816 finds the whole answer, and not before.
func FuzzMissing(f *testing.F) {
	f.Add([]byte{0x3B, 0x62, 0x00, 0x00, 0x50, 0x31})
	f.Add([]byte{0x3B, 0xE0, 0x00, 0x00, 0x81, 0x31, 0x20, 0x45, 0x35, 0x99})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || b[0] != 0x3B && b[0] != 0x3F {
			return
		}
		var atr []byte
		for missing(atr) > 0 && len(atr) < len(b) && len(atr) < maxATR {
			if _, err := iso7816.ParseATR(atr); err == nil {
				t.Fatalf("% X is whole, and more is wanted", atr)
			}
			atr = append(atr, b[len(atr)])
		}
		if missing(atr) > 0 {
			return
		}
		if _, err := iso7816.ParseATR(atr); err != nil && lrcOf(atr[1:]) == 0 {
			t.Errorf("% X is whole, and refused: %v", atr, err)
		}
	})
}

func lrcOf(b []byte) (x byte) {
	for _, c := range b {
		x ^= c
	}
	return x
}

// FuzzCode: the inverse convention undoes itself.
func FuzzCode(f *testing.F) {
	f.Add(byte(0x03), true)
	f.Fuzz(func(t *testing.T, b byte, inverse bool) {
		c := contacts{inverse: inverse}
		if got := c.code(c.code(b)); got != b {
			t.Errorf("%02X became %02X", b, got)
		}
		if inverse && c.code(rawTSInverse) != 0x3F {
			t.Error("TS")
		}
	})
}

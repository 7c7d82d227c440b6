package iso7816

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// With a CRC: blocks between the driver libccid and a card in a Gemalto reader, as the
// OsEID project published them (doc/T1_CRC.txt). With an LRC: S(IFS request) for 254 as
// every T=1 log begins.
func TestBlocksAsOthersSendThem(t *testing.T) {
	for _, row := range []struct {
		raw  string
		crc  bool
		want string
	}{
		{"00 C1 01 FE 54 4E", true, "S(IFS request) FE"},
		{"00 E1 01 FE 57 75", true, "S(IFS response) FE"},
		{"00 00 05 00 A4 00 00 00 B8 DA", true, "I(0,0) 00A4000000"},
		{"00 90 00 20 6E", true, "R(1)"},
		{"00 60 07 00 02 8A 01 AA 90 00 A6 33", true, "I(1,1) 00028A01AA9000"},
		{"00 80 00 B5 FF", true, "R(0)"},
		{"00 C1 01 FE 3E", false, "S(IFS request) FE"},
		{"00 E1 01 FE 1E", false, "S(IFS response) FE"},
		{"00 C0 00 C0", false, "S(RESYNCH request)"},
		{"00 92 00 92", false, "R(1) other"},
	} {
		raw := unhex(t, row.raw)
		b, err := parseBlock(raw, row.crc)
		if err != nil || show(b) != row.want {
			t.Errorf("%s: %s, %v; want %s", row.raw, show(b), err, row.want)
		}
		if again := b.append(nil, row.crc); !bytes.Equal(again, raw) {
			t.Errorf("%s became % X", row.raw, again)
		}
	}
}

func TestBlocksThatAreNone(t *testing.T) {
	for _, row := range []struct {
		name, raw, want string
		damaged         bool
	}{
		{"nothing", "", "0 bytes", true},
		{"no check", "00 80 00", "3 bytes", true},
		{"shorter than LEN", "00 00 02 90 92", "LEN 2", true},
		{"longer than LEN", "00 00 00 00 00", "LEN 0", true},
		{"check", "00 80 00 81", "check is wrong", true},
		{"address", "21 80 00 A1", "NAD 21", false},
		{"reserved bits of an I-block", "00 01 00 01", "PCB 01", false},
		{"reserved bit of an R-block", "00 A0 00 A0", "PCB A0", false},
		{"error that is none", "00 83 00 83", "PCB 83", false},
		{"R-block with information", "00 80 01 00 81", "LEN 1, 0 wanted", false},
		{"S-block of no kind", "00 C5 00 C5", "PCB C5", false},
		{"IFS without a size", "00 C1 00 C1", "LEN 0, 1 wanted", false},
		{"RESYNCH with information", "00 C0 01 07 C6", "LEN 1, 0 wanted", false},
	} {
		_, err := parseBlock(unhex(t, row.raw), false)
		if err == nil || !strings.Contains(err.Error(), row.want) || errors.Is(err, errEDC) != row.damaged {
			t.Errorf("%s: %v, want %q in it, damaged %v", row.name, err, row.want, row.damaged)
		}
	}
	long := block{inf: make([]byte, 255)}.append(nil, false)
	if _, err := parseBlock(long, false); err == nil || errors.Is(err, errEDC) {
		t.Errorf("LEN FF: %v", err)
	}
}

func FuzzBlock(f *testing.F) {
	f.Add([]byte{0, 0xC1, 1, 0xFE, 0x3E}, false)
	f.Add([]byte{0, 0xC1, 1, 0xFE, 0x54, 0x4E}, true)
	f.Fuzz(func(t *testing.T, raw []byte, crc bool) {
		b, err := parseBlock(raw, crc)
		if err != nil {
			return
		}
		if again := b.append(nil, crc); !bytes.Equal(again, raw) {
			t.Errorf("% X became % X", raw, again)
		}
		if again := read(t, show(b)); !crc && !bytes.Equal(again, raw) {
			t.Errorf("% X is shown as %s, which is % X", raw, show(b), again)
		}
	})
}

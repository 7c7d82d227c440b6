package iso7816

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"posd/device"
)

func TestATR(t *testing.T) {
	for _, row := range []struct {
		name       string
		raw        []byte
		protocols  []int
		fiDi, wi   byte
		guard      byte
		inverse    bool
		specific   bool
		historical string
	}{
		{name: "direct convention, nothing else", raw: []byte{0x3B, 0x00}, protocols: []int{0}, fiDi: 0x11, wi: 10},
		{name: "inverse convention", raw: []byte{0x3F, 0x02, 'h', 'i'}, protocols: []int{0}, fiDi: 0x11, wi: 10, inverse: true, historical: "hi"},
		// EMV 4.4 Book 1, 8.3: the basic answer to reset for T=0 only.
		{name: "EMV basic, T=0", raw: []byte{0x3B, 0x60, 0x00, 0x00}, protocols: []int{0}, fiDi: 0x11, wi: 10},
		// ... and for T=1 only: TB1 TC1 TD1, TD2, TA3 TB3, TCK.
		{
			name: "EMV basic, T=1", raw: []byte{0x3B, 0xE0, 0x00, 0x00, 0x81, 0x31, 0x20, 0x45, 0x35},
			protocols: []int{1, 1}, fiDi: 0x11, wi: 10,
		},
		{name: "TA1, TC1 and TC2", raw: []byte{0x3B, 0xD0, 0x95, 0x02, 0x40, 0x0C}, protocols: []int{0}, fiDi: 0x95, wi: 12, guard: 2},
		{name: "T=0 and T=1", raw: []byte{0x3B, 0x80, 0x80, 0x01, 0x01}, protocols: []int{0, 1}, fiDi: 0x11, wi: 10},
		{name: "specific mode, T=1", raw: []byte{0x3B, 0x80, 0x90, 0x01, 0x01, 0x10}, protocols: []int{1}, fiDi: 0x11, wi: 10, specific: true},
		{name: "global bytes T=15 count for TCK, not as a protocol", raw: []byte{0x3B, 0x80, 0x80, 0x1F, 0x03, 0x1C}, protocols: []int{0}, fiDi: 0x11, wi: 10},
	} {
		a, err := ParseATR(row.raw)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if got := a.Protocols(); !slices.Equal(got, row.protocols) || !a.Offers(row.protocols[0]) || a.Offers(7) {
			t.Errorf("%s: protocols %v, want %v", row.name, got, row.protocols)
		}
		if _, specific := a.Specific(); specific != row.specific || a.Inverse() != row.inverse {
			t.Errorf("%s: specific %v, inverse %v", row.name, specific, a.Inverse())
		}
		if a.FiDi() != row.fiDi || a.WaitingInteger() != row.wi || a.ExtraGuardTime() != row.guard {
			t.Errorf("%s: Fi/Di %02X, WI %d, guard %d", row.name, a.FiDi(), a.WaitingInteger(), a.ExtraGuardTime())
		}
		if string(a.Historical) != row.historical {
			t.Errorf("%s: historical %q", row.name, a.Historical)
		}
	}
}

func TestATRThatIsNone(t *testing.T) {
	for _, row := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"nothing", nil, "0 bytes"},
		{"TS alone", []byte{0x3B}, "1 bytes"},
		{"34 bytes", make([]byte, 34), "34 bytes"},
		{"TS of no convention", []byte{0x3C, 0x00}, "TS 3C"},
		{"TA1 missing", []byte{0x3B, 0x10}, "ends in interface bytes 1"},
		{"TD2 missing", []byte{0x3B, 0x80, 0x80}, "ends in interface bytes 2"},
		{"a chain of TD without end", append([]byte{0x3B, 0x80}, bytes.Repeat([]byte{0x80}, 31)...), "ends in interface bytes"},
		{"one historical byte too few", []byte{0x3B, 0x02, 'h'}, "1 of 2 historical"},
		{"one byte too many", []byte{0x3B, 0x00, 0x00}, "3 bytes where T0 and TDi say 2"},
		{"TCK missing", []byte{0x3B, 0x80, 0x01}, "3 bytes where T0 and TDi say 4"},
		{"TCK wrong", []byte{0x3B, 0x80, 0x01, 0x80}, "TCK 80 is wrong by 01"},
	} {
		if _, err := ParseATR(row.raw); err == nil || !strings.Contains(err.Error(), row.want) || !errors.Is(err, device.ErrMute) {
			t.Errorf("%s: %v, want %q in it", row.name, err, row.want)
		}
	}
}

// encode makes an answer to reset of its parts: the other direction for the fuzzer.
func encode(a ATR) []byte {
	y := byte(0)
	if len(a.Interface) > 0 {
		y = a.Interface[0].Has
	}
	b := []byte{a.Raw[0], y | byte(len(a.Historical))}
	for _, l := range a.Interface {
		for _, c := range []struct {
			bit uint8
			b   byte
		}{{HasTA, l.TA}, {HasTB, l.TB}, {HasTC, l.TC}, {HasTD, l.TD}} {
			if l.Has&c.bit != 0 {
				b = append(b, c.b)
			}
		}
	}
	b = append(b, a.Historical...)
	if !a.hasTCK() {
		return b
	}
	var x byte
	for _, c := range b[1:] {
		x ^= c
	}
	return append(b, x)
}

func FuzzATR(f *testing.F) {
	f.Add([]byte{0x3B, 0x62, 0x00, 0x00, 0x50, 0x31})
	f.Add([]byte{0x3B, 0xE0, 0x00, 0x00, 0x81, 0x31, 0x20, 0x45, 0x35})
	f.Add([]byte{0x3F, 0xDF, 0x18, 0x00, 0x81, 0x31, 0xFE, 0x58})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseATR(b)
		if err != nil {
			return
		}
		if again := encode(a); !bytes.Equal(again, b) {
			t.Errorf("% X became % X", b, again)
		}
	})
}

package escpos

import (
	"errors"
	"slices"
	"testing"

	"posd/device"
)

// said is what a stream says: a letter for each kind.
func said(p *parser, stream []byte) (out string) {
	for _, b := range stream {
		out += string("-ROA?"[p.add(b)])
	}
	return out
}

func TestParserPartsTheStream(t *testing.T) {
	for _, tc := range []struct {
		name, stream, want string
	}{
		{"four answers to DLE EOT", "\x12\x16\x32\x7E", "RRRR"},
		{"an answer to GS r", "\x00\x03", "OO"},
		{"an automatic status", "\x18\x00\x0F\x00", "---A"},
		{"an automatic status with flow control in it", "\x13\x10\x11\x00\x13\x03\x11\x00", "-------A"},
		{"before and after an answer", "\x12\x10\x00\x00\x00\x00\x12", "R---AOR"},
		{"one cut off by an answer", "\x10\x00\x12\x00", "--RO"},
		{"one cut off by another", "\x10\x00\x18\x20\x0C\x00", "-----A"},
		{"garbage", "\xFF\x92\x01", "??O"},
		{"garbage in the middle of one", "\x10\xFF\x00", "-?O"},
	} {
		if got := said(&parser{}, []byte(tc.stream)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestTroubleOfAnAutomaticStatus(t *testing.T) {
	for _, tc := range []struct {
		stream string
		want   error
	}{
		{"\x10\x00\x00\x00", nil},
		{"\x10\x00\x03\x00", nil}, // near the end
		{"\x18\x00\x0F\x00", device.ErrPaper},
		{"\x38\x00\x0C\x00", device.ErrPaper},
		{"\x38\x00\x00\x00", device.ErrCover},
		{"\x18\x08\x00\x00", errCutter},
		{"\x18\x20\x00\x00", errBroken},
		{"\x18\x00\x00\x00", errOffline},
		{"\x54\x02\x00\x00", nil}, // drawer open, feed button
	} {
		p := &parser{}
		said(p, []byte(tc.stream))
		if got := p.trouble(); !errors.Is(got, tc.want) {
			t.Errorf("% X: %v, want %v", tc.stream, got, tc.want)
		}
	}
}

// FuzzParser: whatever a line makes of a printer's words, after three bytes that belong
// to no automatic status the parser is in step again; no byte is two things; and the
// trouble of any four bytes is one of the contract's errors.
func FuzzParser(f *testing.F) {
	f.Add([]byte("\x12\x12\x12\x12\x10\x00\x00\x00\x00"))
	f.Add([]byte("\x10\x13\x00\x11\x0C\x00\xFF\x00"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		p := &parser{}
		autos, ordereds := 0, 0
		for _, b := range stream {
			switch k := p.add(b); k {
			case auto:
				autos++
				if !isAuto(p.auto[0]) || slices.ContainsFunc(p.auto[1:], func(b byte) bool { return !isOrdered(b) }) {
					t.Errorf("automatic status % X", p.auto)
				}
				if err := p.trouble(); err != nil && !errors.Is(err, device.ErrPaper) && !errors.Is(err, device.ErrCover) && !errors.Is(err, device.ErrRefused) {
					t.Errorf("% X: %v", p.auto, err)
				}
			case ordered:
				ordereds++
			case realtime:
				if !isRealtime(b) {
					t.Errorf("%02X is no answer to DLE EOT", b)
				}
			}
			if p.have < 0 || p.have > 3 {
				t.Fatalf("%d bytes of an automatic status", p.have)
			}
		}
		if 4*autos+ordereds > len(stream) {
			t.Errorf("%d automatic statuses and %d answers in %d bytes", autos, ordereds, len(stream))
		}
		if got := said(p, []byte{0x12, 0x00, 0x12}); got != "ROR" {
			t.Errorf("out of step: %s", got)
		}
	})
}

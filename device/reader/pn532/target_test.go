package pn532

import (
	"bytes"
	"testing"
)

// The answers to InListPassiveTarget, and the ATR that PC/SC part 3 makes of each.
func TestTargets(t *testing.T) {
	typeBCard := []byte{1, 1, 0x50, 1, 2, 3, 4, 0xA1, 0xA2, 0xA3, 0xA4, 0x11, 0x81, 0xE1, 1, 0x30}
	for _, row := range []struct {
		name   string
		baud   byte
		answer []byte
		isoDEP bool
		atr    []byte
	}{
		{
			"type A, ATS with historical bytes", typeA,
			[]byte{1, 1, 0x03, 0x44, 0x20, 7, 4, 1, 2, 3, 4, 5, 6, 7, 0x78, 0x77, 0x80, 0x02, 0x80, 0x81},
			true,
			[]byte{0x3B, 0x82, 0x80, 0x01, 0x80, 0x81, 0x02},
		},
		{
			"type A, ATS without interface bytes", typeA,
			[]byte{1, 1, 0, 4, 0x20, 4, 8, 1, 2, 3, 4, 0x05, 0x41, 0x42},
			true,
			[]byte{0x3B, 0x82, 0x80, 0x01, 0x41, 0x42, 0x00},
		},
		{
			"type A, ATS that is its length alone", typeA,
			[]byte{1, 1, 0, 4, 0x20, 4, 8, 1, 2, 3, 1},
			true,
			[]byte{0x3B, 0x80, 0x80, 0x01, 0x01},
		},
		{
			"type A, more historical bytes than an ATR holds", typeA,
			append([]byte{1, 1, 0, 4, 0x20, 4, 8, 1, 2, 3, 18, 0x00}, bytes.Repeat([]byte{0x55}, 16)...),
			true, append(append([]byte{0x3B, 0x8F, 0x80, 0x01}, bytes.Repeat([]byte{0x55}, 15)...), 0x5B),
		},
		{
			"type A without ISO/IEC 14443-4", typeA,
			[]byte{1, 1, 0, 4, 0x08, 4, 1, 2, 3, 4},
			false,
			[]byte{0x3B, 0x80, 0x80, 0x01, 0x01},
		},
		{
			"type B", typeB, typeBCard,
			true,
			[]byte{0x3B, 0x88, 0x80, 0x01, 0xA1, 0xA2, 0xA3, 0xA4, 0x11, 0x81, 0xE1, 0x30, 0x4C},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			targets, err := parseTargets(row.baud, row.answer)
			if err != nil || len(targets) != 1 {
				t.Fatalf("%d targets, %v", len(targets), err)
			}
			if got := targets[0]; got.isoDEP != row.isoDEP || got.number != 1 || !bytes.Equal(got.atr(), row.atr) {
				t.Errorf("got %+v, ATR % X, want % X", got, got.atr(), row.atr)
			}
			for n := range row.answer { // each cut of it is refused, and none panics
				if _, err := parseTargets(row.baud, row.answer[:n]); err == nil {
					t.Errorf("%d of %d bytes are taken", n, len(row.answer))
				}
			}
			if _, err := parseTargets(row.baud, append(row.answer[:len(row.answer):len(row.answer)], 0)); err == nil {
				t.Error("a byte too many is taken")
			}
		})
	}
	two := append([]byte{2}, typeBCard[1:]...)
	if got, err := parseTargets(typeB, append(two, typeBCard[1:]...)); err != nil || len(got) != 2 {
		t.Errorf("two targets: %d, %v", len(got), err)
	}
	if _, err := parseTargets(typeA, []byte{3}); err == nil {
		t.Error("three targets are taken")
	}
	if got, err := parseTargets(typeA, []byte{0}); err != nil || len(got) != 0 {
		t.Errorf("no target: %d, %v", len(got), err)
	}
}

func FuzzTargets(f *testing.F) {
	f.Add(byte(typeA), []byte{1, 1, 0, 4, 0x20, 4, 8, 1, 2, 3, 4, 0x05, 0x41, 0x42})
	f.Add(byte(typeB), []byte{1, 1, 0x50, 1, 2, 3, 4, 0xA1, 0xA2, 0xA3, 0xA4, 0x11, 0x81, 0xE1, 1, 0x30})
	f.Fuzz(func(t *testing.T, baud byte, b []byte) {
		targets, err := parseTargets(baud, b)
		if err != nil {
			return
		}
		for _, target := range targets {
			if atr := target.atr(); len(atr) > 20 || int(atr[1]&0x0F) != len(atr)-5 {
				t.Errorf("% X: ATR % X", b, atr)
			}
		}
	})
}

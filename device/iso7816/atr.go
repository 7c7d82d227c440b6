package iso7816

import (
	"fmt"

	"posd/device"
)

// maxATR is TS and 32 characters after it. ISO/IEC 7816-3, 8.2.1.
const maxATR = 33

// ATR is an answer to reset, as it was sent.
type ATR struct {
	Raw        []byte
	Interface  []InterfaceBytes // TA1 TB1 TC1 TD1, TA2 …
	Historical []byte           // at most 15; aliases Raw
}

// InterfaceBytes are TAi, TBi, TCi and TDi.
type InterfaceBytes struct {
	Has            uint8 // which of the four are there: bits HasTA to HasTD
	TA, TB, TC, TD byte
}

// Bits of InterfaceBytes.Has, which are those of T0 and TDi.
const (
	HasTA uint8 = 0x10 << iota
	HasTB
	HasTC
	HasTD
)

// ParseATR reads an answer to reset. What is not one is device.ErrMute: as after
// silence, the card cannot be used.
func ParseATR(b []byte) (ATR, error) {
	a, err := parseATR(b)
	if err != nil {
		return ATR{}, fmt.Errorf("iso7816: answer to reset % X: %w: %w", b[:min(len(b), maxATR)], device.ErrMute, err)
	}
	return a, nil
}

func parseATR(b []byte) (ATR, error) {
	switch {
	case len(b) < 2 || len(b) > maxATR:
		return ATR{}, fmt.Errorf("%d bytes, 2 to %d wanted", len(b), maxATR)
	case b[0] != 0x3B && b[0] != 0x3F:
		return ATR{}, fmt.Errorf("TS %02X is neither 3B nor 3F", b[0])
	}
	a := ATR{Raw: b}
	at, y := 2, b[1]
	for y&0xF0 != 0 {
		l := InterfaceBytes{Has: y & 0xF0}
		for _, c := range []struct {
			bit  uint8
			into *byte
		}{{HasTA, &l.TA}, {HasTB, &l.TB}, {HasTC, &l.TC}, {HasTD, &l.TD}} {
			if l.Has&c.bit == 0 {
				continue
			}
			if at == len(b) {
				return ATR{}, fmt.Errorf("ends in interface bytes %d", len(a.Interface)+1)
			}
			*c.into, at = b[at], at+1
		}
		a.Interface = append(a.Interface, l)
		y = l.TD
	}
	end := at + int(b[1]&0x0F)
	if end > len(b) {
		return ATR{}, fmt.Errorf("has %d of %d historical bytes", len(b)-at, end-at)
	}
	a.Historical = b[at:end:end]
	return a, a.checkTCK(end)
}

// checkTCK checks the last character, which is there unless T=0 is the only protocol:
// T0 to TCK, exclusive-or, give 00. ISO/IEC 7816-3, 8.2.5.
func (a ATR) checkTCK(end int) error {
	want := end
	if a.hasTCK() {
		want++
	}
	if len(a.Raw) != want {
		return fmt.Errorf("%d bytes where T0 and TDi say %d", len(a.Raw), want)
	}
	if !a.hasTCK() {
		return nil
	}
	var x byte
	for _, c := range a.Raw[1:] {
		x ^= c
	}
	if x != 0 {
		return fmt.Errorf("TCK %02X is wrong by %02X", a.Raw[end], x)
	}
	return nil
}

func (a ATR) hasTCK() bool {
	for _, t := range a.indicated() {
		if t != 0 {
			return true
		}
	}
	return false
}

// indicated are the T of each TDi, in order, T=15 (global bytes) included.
func (a ATR) indicated() []int {
	var ts []int
	for _, l := range a.Interface {
		if l.Has&HasTD != 0 {
			ts = append(ts, int(l.TD&0x0F))
		}
	}
	return ts
}

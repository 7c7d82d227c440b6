package main

import (
	"fmt"
	"slices"
	"strings"

	"posd/device/iso7816"
	"posd/emv/describe"
)

// describeATR says what a card tells of itself at reset. ISO/IEC 7816-3, 8.2.
func describeATR(b []byte) ([]describe.Line, error) {
	a, err := iso7816.ParseATR(b)
	if err != nil {
		return nil, err
	}
	convention := "direct convention"
	if a.Inverse() {
		convention = "inverse convention"
	}
	lines := []describe.Line{
		{Name: "TS", Value: hex2(b[0]), Note: convention},
		{Name: "T0", Value: hex2(b[1]), Note: fmt.Sprintf("%d historical bytes", b[1]&0x0F)},
	}
	protocol := 0 // that TA, TB and TC of the third level on are about
	for i, level := range a.Interface {
		lines = append(lines, atrLevel(i+1, protocol, level)...)
		protocol = int(level.TD & 0x0F)
	}
	lines = append(lines, historical(a.Historical)...)
	if end := len(b) - 1; atrHasTCK(a) {
		lines = append(lines, describe.Line{Name: "TCK", Value: hex2(b[end]), Note: "right"})
	}
	var speaks []string
	for _, t := range a.Protocols() {
		if name := fmt.Sprintf("T=%d", t); !slices.Contains(speaks, name) {
			speaks = append(speaks, name)
		}
	}
	return append(lines, describe.Line{Name: "protocols", Value: strings.Join(speaks, ", ")}), nil
}

func hex2(b byte) string { return fmt.Sprintf("%02X", b) }

// atrHasTCK tells whether a check character ends it: there is one unless T=0 is all.
func atrHasTCK(a iso7816.ATR) bool {
	for _, level := range a.Interface {
		if level.Has&iso7816.HasTD != 0 && level.TD&0x0F != 0 {
			return true
		}
	}
	return false
}

// atrLevel describes TAi to TDi.
func atrLevel(i, protocol int, l iso7816.InterfaceBytes) []describe.Line {
	var lines []describe.Line
	add := func(has uint8, letter string, value byte, note string) {
		if l.Has&has != 0 {
			lines = append(lines, describe.Line{Name: fmt.Sprintf("T%s%d", letter, i), Value: hex2(value), Note: note})
		}
	}
	add(iso7816.HasTA, "A", l.TA, noteTA(i, protocol, l.TA))
	add(iso7816.HasTB, "B", l.TB, noteTB(i, protocol, l.TB))
	add(iso7816.HasTC, "C", l.TC, noteTC(i, protocol, l.TC))
	next := fmt.Sprintf("T=%d", l.TD&0x0F)
	if l.TD&0x0F == 15 {
		next = "T=15, global bytes follow"
	}
	add(iso7816.HasTD, "D", l.TD, next)
	return lines
}

// Fi and Di by their codes. ISO/IEC 7816-3, 8.3.
var (
	atrFi = [16]int{372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0}
	atrDi = [16]int{0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0}
)

func noteTA(i, protocol int, v byte) string {
	switch {
	case i == 1:
		fi, di := atrFi[v>>4], atrDi[v&0x0F]
		if fi == 0 || di == 0 {
			return "reserved speed"
		}
		return fmt.Sprintf("Fi %d, Di %d: %d clocks a bit", fi, di, fi/di)
	case i == 2:
		words := fmt.Sprintf("specific mode, T=%d", v&0x0F)
		if v&0x80 != 0 {
			words += ", cannot change"
		}
		if v&0x10 != 0 {
			words += ", speed implicit"
		}
		return words
	case protocol == 1:
		return fmt.Sprintf("information field of %d bytes", v)
	case protocol == 15:
		return "clock stop and supply classes"
	}
	return ""
}

func noteTB(i, protocol int, v byte) string {
	switch {
	case i == 1 && v == 0:
		return "no programming voltage"
	case i <= 2:
		return "programming voltage, deprecated"
	case protocol == 1:
		return fmt.Sprintf("BWI %d, CWI %d", v>>4, v&0x0F)
	}
	return ""
}

func noteTC(i, protocol int, v byte) string {
	switch {
	case i == 1 && v == 0xFF:
		return "guard time as short as the protocol allows"
	case i == 1:
		return fmt.Sprintf("extra guard time of %d bits", v)
	case i == 2:
		return fmt.Sprintf("work waiting integer %d", v)
	case protocol == 1 && v&1 != 0:
		return "CRC"
	case protocol == 1:
		return "LRC"
	}
	return ""
}

// historical shows the card's own bytes, as text too where they are text.
func historical(b []byte) []describe.Line {
	if len(b) == 0 {
		return nil
	}
	l := describe.Line{Name: "historical bytes", Value: fmt.Sprintf("%X", b)}
	letters := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, string(b))
	switch {
	case b[0] == 0x80:
		l.Note = "compact TLV"
	case len(letters) == len(b):
		l.Note = fmt.Sprintf("%q", letters)
	}
	return []describe.Line{l}
}

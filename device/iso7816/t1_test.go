package iso7816

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"posd/device"
)

// atrOf reads an answer to reset; hexadecimal, blanks allowed, TCK put behind it.
func atrOf(t *testing.T, s string) ATR {
	t.Helper()
	b := unhex(t, s)
	a, err := ParseATR(append(b, lrc(b[1:])))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// show writes a block as the annex of the standard does: "I(0,0) 00A4", "R(1) edc",
// "S(WTX request) 02".
func show(b block) string {
	switch {
	case b.isR() && b.pcb&rEDC != 0:
		return b.String() + " edc"
	case b.isR() && b.pcb&rOther != 0:
		return b.String() + " other"
	}
	return strings.TrimSpace(fmt.Sprintf("%v %X", b, b.inf))
}

// read is the other direction: the lowest control byte that is shown like that.
func read(t *testing.T, s string) []byte {
	t.Helper()
	name, tail, _ := strings.Cut(s, ")")
	for pcb := range 256 {
		b := block{pcb: byte(pcb)}
		if b.isR() && show(b) == s {
			return b.append(nil, false)
		}
		if !b.isR() && b.String() == name+")" {
			b.inf = unhex(t, tail)
			return b.append(nil, false)
		}
	}
	t.Fatalf("%q is no block", s)
	return nil
}

// dialogue is a card that plays one side of a text, and knows the other.
type dialogue struct {
	t     *testing.T
	steps []string // "terminal > card"
	bwts  []byte
}

func (d *dialogue) carry(_ context.Context, raw []byte, bwts byte) ([]byte, error) {
	d.t.Helper()
	b, err := parseBlock(raw, false)
	if err != nil {
		d.t.Fatalf("sent % X: %v", raw, err)
	}
	if len(d.steps) == 0 {
		d.t.Fatalf("sent %s after the end", show(b))
	}
	want, answer, _ := strings.Cut(d.steps[0], " > ")
	d.steps = d.steps[1:]
	if show(b) != want {
		d.t.Fatalf("sent %s, want %s", show(b), want)
	}
	d.bwts = append(d.bwts, bwts)
	switch answer {
	case "silence":
		return nil, fmt.Errorf("%w: test", device.ErrMute)
	case "damaged":
		return []byte{0, 0, 2, 0x90, 0, 0xFF}, nil
	}
	return read(d.t, answer), nil
}

// A card with an IFSC of 4.
const small = "3B E0 00 00 81 31 04 45"

// The rows follow the scenarios in the annex of ISO/IEC 7816-3 (T=1): error-free first,
// then one loss after the other, and what EMV makes of ABORT. The commands are 00B2010C00
// and, where a chain is wanted, 00A4040002AABB00, which goes out in two blocks of 4.
func TestScenarios(t *testing.T) {
	const (
		one     = "00B2010C00"
		two     = "00A4040002AABB00"
		i00     = "I(0,0) 00B2010C00"
		answer  = "I(0,0) 079000"
		resync  = "S(RESYNCH request) > S(RESYNCH response)"
		ifs     = "S(IFS request) FE > S(IFS response) FE"
		deadRow = "S(RESYNCH request) > silence"
	)
	for _, row := range []struct {
		name, atr, command string
		steps              []string
		want               string
		err                error
	}{
		{"I-block for I-block", "", one, []string{i00 + " > " + answer}, "079000", nil},
		{"two commands: numbers alternate in both directions", "", one, []string{i00 + " > I(0,0) 6C02", "I(1,0) 00B2010C02 > I(1,0) 07089000"}, "07089000", nil},
		{"more time", "", one, []string{i00 + " > S(WTX request) 03", "S(WTX response) 03 > " + answer}, "079000", nil},
		{"more time, twice", "", one, []string{i00 + " > S(WTX request) 03", "S(WTX response) 03 > S(WTX request) 01", "S(WTX response) 01 > " + answer}, "079000", nil},
		{"card takes more", small, two, []string{"I(0,1) 00A40400 > S(IFS request) 20", "S(IFS response) 20 > R(1)", "I(1,0) 02AABB00 > " + answer}, "079000", nil},
		{"card takes less, from the next block on", "", one, []string{i00 + " > S(IFS request) 04", "S(IFS response) 04 > I(0,0) 6C01", "I(1,1) 00B2010C > R(0)", "I(0,0) 01 > I(1,0) 9000"}, "9000", nil},
		{"chain to the card", small, two, []string{"I(0,1) 00A40400 > R(1)", "I(1,0) 02AABB00 > " + answer}, "079000", nil},
		{"chain from the card", "", one, []string{i00 + " > I(0,1) 0102", "R(1) > I(1,1) 03", "R(0) > I(0,0) 9000"}, "0102039000", nil},
		{"chains both ways", small, two, []string{"I(0,1) 00A40400 > R(1)", "I(1,0) 02AABB00 > I(0,1) 0102", "R(1) > I(1,0) 9000"}, "01029000", nil},
		{"empty block in a chain", "", one, []string{i00 + " > I(0,1)", "R(1) > I(1,0) 9000"}, "9000", nil},

		{"I-block lost on its way there", "", one, []string{i00 + " > R(0) edc", i00 + " > " + answer}, "079000", nil},
		{"I-block lost on its way back", "", one, []string{i00 + " > damaged", "R(0) edc > " + answer}, "079000", nil},
		{"card silent once", "", one, []string{i00 + " > silence", "R(0) other > " + answer}, "079000", nil},
		{"answer lost, and the R-block after it", "", one, []string{i00 + " > damaged", "R(0) edc > R(1) edc", "R(0) other > " + answer}, "079000", nil},
		{"answer lost twice", "", one, []string{i00 + " > damaged", "R(0) edc > damaged", "R(0) edc > " + answer}, "079000", nil},
		{"I-block lost, and the card's R-block", "", one, []string{i00 + " > damaged", "R(0) edc > R(0) edc", i00 + " > " + answer}, "079000", nil},
		{"WTX request lost", "", one, []string{i00 + " > damaged", "R(0) edc > S(WTX request) 02", "S(WTX response) 02 > " + answer}, "079000", nil},
		{"WTX response lost: R-block", "", one, []string{i00 + " > S(WTX request) 02", "S(WTX response) 02 > R(1) edc", "S(WTX response) 02 > " + answer}, "079000", nil},
		{"WTX response lost: the request again", "", one, []string{i00 + " > S(WTX request) 02", "S(WTX response) 02 > S(WTX request) 02", "S(WTX response) 02 > " + answer}, "079000", nil},
		{"answer after WTX lost", "", one, []string{i00 + " > S(WTX request) 02", "S(WTX response) 02 > damaged", "R(0) edc > " + answer}, "079000", nil},
		{"IFS response to the card lost", "", one, []string{i00 + " > S(IFS request) 10", "S(IFS response) 10 > R(1) edc", "S(IFS response) 10 > " + answer}, "079000", nil},
		{"first block of a chain lost", small, two, []string{"I(0,1) 00A40400 > R(0) edc", "I(0,1) 00A40400 > R(1)", "I(1,0) 02AABB00 > " + answer}, "079000", nil},
		{"acknowledgement lost", small, two, []string{"I(0,1) 00A40400 > damaged", "R(0) edc > R(1)", "I(1,0) 02AABB00 > " + answer}, "079000", nil},
		{"last block of a chain lost", small, two, []string{"I(0,1) 00A40400 > R(1)", "I(1,0) 02AABB00 > R(1) edc", "I(1,0) 02AABB00 > " + answer}, "079000", nil},
		{"our acknowledgement lost", "", one, []string{i00 + " > I(0,1) 0102", "R(1) > R(1) edc", "R(1) > I(1,0) 9000"}, "01029000", nil},
		{"second block of the card lost", "", one, []string{i00 + " > I(0,1) 0102", "R(1) > damaged", "R(1) edc > I(1,0) 9000"}, "01029000", nil},
		{"card says its block again", "", one, []string{i00 + " > I(0,1) 0102", "R(1) > I(0,1) 0102", "R(1) other > I(1,0) 9000"}, "01029000", nil},
		{"IFS request of the card lost", small, two, []string{"I(0,1) 00A40400 > damaged", "R(0) edc > S(IFS request) 20", "S(IFS response) 20 > R(1)", "I(1,0) 02AABB00 > " + answer}, "079000", nil},

		{
			"resynchronised with the command out: not sent again", "", one,
			[]string{i00 + " > silence", "R(0) other > silence", "R(0) other > silence", resync, ifs},
			"", errResynchronised,
		},
		{
			"resynchronised in the middle of a chain: from the beginning", small, two,
			[]string{"I(0,1) 00A40400 > R(1)", "I(1,0) 02AABB00 > " + "I(0,0) 6C01", "I(0,1) 00A40400 > damaged", "R(1) edc > damaged", "R(1) edc > damaged", resync, ifs, "I(0,1) 00A40400 > R(1)", "I(1,0) 02AABB01 > I(0,0) 019000"},
			"019000", nil,
		},
		{
			"RESYNCH response lost", "", one,
			[]string{i00 + " > damaged", "R(0) edc > damaged", "R(0) edc > damaged", "S(RESYNCH request) > damaged", resync, ifs},
			"", errResynchronised,
		},
		{
			"silent for good", "", one,
			[]string{i00 + " > silence", "R(0) other > silence", "R(0) other > silence", deadRow, deadRow, deadRow},
			"", device.ErrMute,
		},
		{
			"damaged for good", "", one,
			[]string{i00 + " > damaged", "R(0) edc > damaged", "R(0) edc > damaged", "S(RESYNCH request) > damaged", "S(RESYNCH request) > damaged", "S(RESYNCH request) > damaged"},
			"", device.ErrProtocol,
		},
		{
			"N(R) wrong for good", "", one,
			[]string{i00 + " > R(1)", "R(0) other > R(1)", "R(0) other > R(1)", "S(RESYNCH request) > R(1)", "S(RESYNCH request) > R(1)", "S(RESYNCH request) > R(1)"},
			"", ErrDeactivate,
		},
		{
			"the same block asked for for good", "", one,
			[]string{i00 + " > R(0)", i00 + " > R(0)", i00 + " > R(0)", "S(RESYNCH request) > R(0)", "S(RESYNCH request) > R(0)", "S(RESYNCH request) > R(0)"},
			"", ErrDeactivate,
		},
		{
			"our acknowledgement asked for for good", "", one,
			[]string{i00 + " > I(0,1) 01", "R(1) > R(0)", "R(1) > R(0)", "R(1) > R(0)", resync, ifs},
			"", errResynchronised,
		},
		{"card aborts its chain", "", one, []string{i00 + " > I(0,1) 0102", "R(1) > S(ABORT request)", "S(ABORT response) > R(1)"}, "", ErrDeactivate},
		{"card aborts ours", small, two, []string{"I(0,1) 00A40400 > S(ABORT request)", "S(ABORT response) > silence"}, "", ErrDeactivate},
		{"RESYNCH is the terminal's to ask", "", one, []string{i00 + " > S(RESYNCH request)", "R(0) other > " + answer}, "079000", nil},
		{"response that nobody asked for", "", one, []string{i00 + " > S(WTX response) 01", "R(0) other > " + answer}, "079000", nil},
		{"IFS of nothing", "", one, []string{i00 + " > S(IFS request) 00", "R(0) other > " + answer}, "079000", nil},
		{"card takes less for a while: resynchronised, it takes what it took", small, two, []string{
			"I(0,1) 00A40400 > S(IFS request) 03", "S(IFS response) 03 > R(1)", "I(1,1) 02AABB > damaged", "R(0) edc > damaged", "R(0) edc > damaged", resync, ifs,
			"I(0,1) 00A40400 > R(1)", "I(1,0) 02AABB00 > " + answer,
		}, "079000", nil},
		{"block that is longer than the terminal has said", "", one, []string{i00 + " > I(0,0) " + strings.Repeat("07", 33), "R(0) other > " + answer}, "079000", nil},
		{"answer in the middle of our chain", small, two, []string{"I(0,1) 00A40400 > " + answer, "R(0) other > R(1)", "I(1,0) 02AABB00 > " + answer}, "079000", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.atr == "" {
				row.atr = "3B E0 00 00 81 31 20 45"
			}
			d := &dialogue{t: t, steps: row.steps}
			s := NewT1(atrOf(t, row.atr), d.carry)
			got, err := s.Transmit(t.Context(), unhex(t, row.command))
			if !bytes.Equal(got, unhex(t, row.want)) || !errors.Is(err, row.err) {
				t.Errorf("got % X, %v; want %s, %v", got, err, row.want, row.err)
			}
			if len(d.steps) > 0 {
				t.Errorf("not reached: %q", d.steps)
			}
		})
	}
}

// What the card asked for holds until it has answered, lost blocks included, and no longer.
func TestBlockWaitingTimes(t *testing.T) {
	d := &dialogue{t: t, steps: []string{
		"I(0,0) 00B2010C00 > S(WTX request) 09", "S(WTX response) 09 > silence", "R(0) other > S(WTX request) 00",
		"S(WTX response) 00 > I(0,1) 01", "R(1) > S(WTX request) 05", "S(WTX response) 05 > R(1) edc", "S(WTX response) 05 > I(1,0) 9000",
	}}
	if _, err := NewT1(atrOf(t, "3B E0 00 00 81 31 20 45"), d.carry).Transmit(t.Context(), unhex(t, "00B2010C00")); err != nil {
		t.Fatal(err)
	}
	if want := []byte{1, 9, 9, 1, 1, 5, 5}; !bytes.Equal(d.bwts, want) {
		t.Errorf("block waiting times %v, want %v", d.bwts, want)
	}
}

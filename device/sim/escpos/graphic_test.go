package escpos

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestPatternsAreThoseOfCode128(t *testing.T) {
	seen := map[string]bool{}
	for value, p := range patterns {
		sum, bars := 0, 0
		for i := range len(p) {
			sum += int(p[i] - '0')
			bars += int(p[i]-'0') * (1 - i%2)
		}
		want := 11
		if value == stop {
			want = 13
		}
		if sum != want || seen[p] {
			t.Errorf("symbol %d: %s has %d modules, or is there twice", value, p, sum)
		}
		if value != stop && bars%2 != 0 { // ISO/IEC 15417: the bars of a symbol are even
			t.Errorf("symbol %d: %s has %d black modules", value, p, bars)
		}
		seen[p] = true
	}
}

// The check symbol of PJJ123C in code set A is 54: the worked example of Wikipedia's
// article on Code 128.
func TestCheckSymbol(t *testing.T) {
	text, symbols, ok := code128([]byte("{APJJ123C"))
	want := []int{startA, 48, 42, 42, 17, 18, 19, 35, 54, stop}
	if !ok || text != "PJJ123C" || !slices.Equal(symbols, want) {
		t.Errorf("%q %v %v, want %v", text, symbols, ok, want)
	}
}

func TestCode128Data(t *testing.T) {
	for _, tc := range []struct {
		data, text string
		symbols    int // 0: refused
	}{
		{"{B{{a", "{a", 5},
		{"{C\x00\x63", "0099", 5},
		{"{BNo{C\x0C\x22", "No1234", 8},
		{"{A\x01", "\x01", 4},
		{"abc", "", 0},
		{"{B", "", 0},
		{"", "", 0},
		{"{B\x80", "", 0},
		{"{C\x64", "", 0},
		{"{X1", "", 0},
		{"{Ba{", "", 0},
	} {
		text, symbols, ok := code128([]byte(tc.data))
		if ok != (tc.symbols > 0) || ok && (text != tc.text || len(symbols) != tc.symbols) {
			t.Errorf("%q: %q, %d symbols, %v", tc.data, text, len(symbols), ok)
		}
	}
}

func TestBarcodesOfOtherKindsAreCountedAndSkipped(t *testing.T) {
	p := newPrinter(t)
	p.take([]byte("\x1dk\x04ABC\x00\x1dkE\x03ABC\x1dkI\x02{BA\n"))
	if p.Unknown() != 3 || !slices.Equal(p.Lines(), []string{"A"}) {
		t.Errorf("%d unknown, %q", p.Unknown(), p.Lines())
	}
}

func TestImageSizes(t *testing.T) {
	for m, want := range map[byte]Image{
		0: {8, 2, "\x81\x18"},
		1: {16, 2, "\xC0\x03\x03\xC0"},
		2: {8, 4, "\x81\x81\x18\x18"},
		3: {16, 4, "\xC0\x03\xC0\x03\x03\xC0\x03\xC0"},
	} {
		p := newPrinter(t)
		p.take([]byte{0x1D, 'v', '0', m, 1, 0, 2, 0, 0x81, 0x18, 'A', '\n'})
		paper := p.Paper()
		if len(paper) != 2 || paper[0].Image != want || paper[1].Text != "A" {
			t.Errorf("m %d: %+v", m, paper)
		}
	}
}

func TestImpossibleImagesAreSkipped(t *testing.T) {
	p := newPrinter(t)
	p.take([]byte("\x1dv0\x00\xff\xff\xff\xff\x1dv0\x00\x00\x00\x01\x00A\n"))
	if p.Unknown() != 2 || !slices.Equal(p.Lines(), []string{"A"}) {
		t.Errorf("%d unknown, %q", p.Unknown(), p.Lines())
	}
}

func TestRealTimeCommands(t *testing.T) {
	for _, tc := range []struct {
		name, stream string
		kicks        int
		answers      int
		printed      string
	}{
		{"drawer at once", "A\x10\x14\x01\x00\x02B\n", 1, 0, "AB"},
		{"recover", "A\x10\x05\x02B\n", 0, 0, "AB"},
		{"begun twice", "\x10\x14\x10\x04\x01A\n", 0, 1, "A"},
		{"begun in the middle of one that is none", "\x10\x14\x01\x10\x04\x01A\n", 0, 1, "A"},
		{"no such status", "\x10\x04\x09A\n", 0, 0, "A"},
	} {
		p := newPrinter(t)
		p.take([]byte(tc.stream))
		if p.Kicks() != tc.kicks || len(p.out) != tc.answers || !slices.Equal(p.Lines(), []string{tc.printed}) {
			t.Errorf("%s: %d kicks, %d answers, %q", tc.name, p.Kicks(), len(p.out), p.Lines())
		}
	}
}

// sent takes what the printer has sent.
func sent(p *Printer) (out []byte) {
	for len(p.out) > 0 {
		out = append(out, <-p.out...)
	}
	return out
}

func TestAutomaticStatus(t *testing.T) {
	p := newPrinter(t)
	p.SetPaperLow(true)
	if got := sent(p); got != nil {
		t.Errorf("unasked: % X", got)
	}
	p.take([]byte("\x1da\x0e"))
	if got := sent(p); !bytes.Equal(got, []byte{0x10, 0, 3, 0}) {
		t.Errorf("at once: % X", got)
	}
	p.SetPaperLow(true)
	p.SetCoverOpen(true)
	p.SetPaperOut(true)
	if got := sent(p); !bytes.Equal(got, []byte{0x38, 0, 3, 0, 0x38, 0, 0x0F, 0}) {
		t.Errorf("on change: % X", got)
	}
	p.SetPaperOut(false)
	p.SetCoverOpen(false)
	sent(p)
	p.take([]byte("\x1b@"))
	p.SetPaperLow(false)
	if got := sent(p); got != nil {
		t.Errorf("after ESC @: % X", got)
	}
	p.take([]byte("\x1da\x02"))
	sent(p)
	p.SetPaperLow(true)
	if got := sent(p); got != nil {
		t.Errorf("of the paper, asked of the line only: % X", got)
	}
}

func TestPowerLost(t *testing.T) {
	p := newPrinter(t)
	p.SetCoverOpen(true)
	p.take([]byte("ONE\n"))
	p.SetPower(false)
	p.take([]byte("TWO\n\x10\x04\x01"))
	p.SetCoverOpen(false)
	p.SetPower(true)
	p.SetBytesLeft(6)
	p.take([]byte("THREE\nFOUR\n"))
	p.take([]byte("FIVE\n\x10\x04\x01"))
	if got := p.Lines(); !slices.Equal(got, []string{"THREE"}) || sent(p) != nil {
		t.Errorf("on paper %q", got)
	}
}

func TestLaggingAnswers(t *testing.T) {
	p := newPrinter(t)
	p.Misbehave(Lagging)
	p.take([]byte("\x10\x04\x01"))
	p.SetCoverOpen(true)
	p.take([]byte("\x10\x04\x02\x10\x04\x04"))
	if got := sent(p); !bytes.Equal(got, []byte{0x12, 0x16}) {
		t.Errorf("% X", got)
	}
}

func TestSlipOfGraphicsAsText(t *testing.T) {
	p := newPrinter(t)
	image := "\x1dv0\x00\x01\x00\x02\x00\x81\x18"
	p.take([]byte(image + image + "\x1ba\x01" + image + "\x1dkI\x04{C\x0c\x22\x1dVB\x00"))
	want := []string{strings.Join([]string{"[image 8x4]", "          [image 8x2]", "         [CODE128 1234]"}, "\n")}
	if got := p.Slips(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

package escpos

import (
	"bytes"
	"image/png"
	"slices"
	"strings"
	"testing"

	"posd/device"
)

func newPrinter(t testing.TB) *Printer {
	t.Helper()
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBytesArriveInAnyPieces(t *testing.T) {
	stream := "\x1b@\x1d!\x11A\x1c&\xd2\xf8\x1c.\n\x1d(k\x05\x001P0Hi\x1d(k\x03\x001Q0\x1dVB\x00"
	whole := newPrinter(t)
	whole.take([]byte(stream))
	pieces := newPrinter(t)
	for i := range len(stream) {
		pieces.take([]byte(stream[i : i+1]))
	}
	want := []Line{{Text: "A银", Width: 2, Height: 2}, {QR: "Hi", Width: 1, Height: 1}, {Width: 1, Height: 1, Cut: true}}
	if got := whole.Paper(); !slices.Equal(got, want) {
		t.Errorf("whole: %+v", got)
	}
	if got := pieces.Paper(); !slices.Equal(got, want) {
		t.Errorf("in pieces: %+v", got)
	}
}

func TestPrinterWrapsToo(t *testing.T) {
	p := newPrinter(t)
	p.take([]byte(strings.Repeat("A", 33) + "\n"))
	if got := p.Lines(); len(got) != 2 || got[1] != "A" {
		t.Errorf("got %q", got)
	}
}

func TestRealTimeStatusOvertakesTheBuffer(t *testing.T) {
	p := newPrinter(t)
	p.SetCoverOpen(true)
	p.take([]byte("A\x10\x10\x04\x02B\n\x1dr\x01"))
	if got := <-p.out; !bytes.Equal(got, []byte{0x16}) {
		t.Errorf("status % X, want cover open", got)
	}
	if got := p.Lines(); len(got) != 0 {
		t.Errorf("printed with an open cover: %q", got)
	}
	p.SetCoverOpen(false)
	if got := <-p.out; !bytes.Equal(got, []byte{0x00}) {
		t.Errorf("answer to GS r % X", got)
	}
	if got := p.Lines(); !slices.Equal(got, []string{"AB"}) {
		t.Errorf("after the cover is closed: %q", got)
	}
}

func TestSlips(t *testing.T) {
	p := newPrinter(t)
	p.take([]byte("ONE\n\x1bd\x03\x1dVB\x00TWO\nMORE\n\x1dVB\x00\x1dVB\x00THREE\n"))
	if got := p.Slips(); !slices.Equal(got, []string{"ONE", "TWO\nMORE", "THREE"}) {
		t.Errorf("got %q", got)
	}
	if got := Slips(p.Tear(), 32); len(got) != 3 || len(p.Paper()) != 0 {
		t.Errorf("torn off: %q, left %v", got, p.Paper())
	}
}

func TestUnknownCommandsAreCounted(t *testing.T) {
	p := newPrinter(t)
	p.take([]byte("\x1bzA\n"))
	if p.Unknown() != 1 || !slices.Equal(p.Lines(), []string{"A"}) {
		t.Errorf("%d unknown, %q", p.Unknown(), p.Lines())
	}
}

func TestPicture(t *testing.T) {
	var b bytes.Buffer
	paper := []Line{
		{Text: "AMOUNT 12.00", Width: 2, Height: 2, Bold: true, Align: device.Centre},
		{Text: "银联", Width: 1, Height: 1, Align: device.Right},
		{QR: "https://example.org", Align: device.Centre},
		{Cut: true},
	}
	if err := WritePNG(&b, paper, 32); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if got := img.Bounds().Dx(); got != 2*(32*6+16) {
		t.Errorf("%d pixels wide", got)
	}
	black := 0
	for i := range img.Bounds().Dx() * img.Bounds().Dy() {
		if r, _, _, _ := img.At(i%img.Bounds().Dx(), i/img.Bounds().Dx()).RGBA(); r == 0 {
			black++
		}
	}
	if black < 1000 {
		t.Errorf("%d black pixels", black)
	}
}

// FuzzStream: no stream makes the printer panic or print without end, and pieces make no
// difference.
func FuzzStream(f *testing.F) {
	f.Add([]byte("\x1b@\x1ba\x01\x1bE\x01\x1d!\x11\x1c!\x0cA\x1c&\xd2\xf8\x1c.\n\x1bd\x03\x1dVB\x00\x1dr\x01"), 3)
	f.Add([]byte("\x10\x04\x01\x10\x10\x04\x02\x1d(k\x05\x001P0Hi\x1d(k\x03\x001Q0"), 1)
	f.Add([]byte("\x1da\x0e\x1dh\x40\x1dw\x02\x1dkI\x06{BA{{B\x1dv0\x00\x01\x00\x02\x00\x81\x18\x10\x14\x01\x00\x01\x1bp\x00\x32\xfa"), 9)
	f.Fuzz(func(t *testing.T, stream []byte, at int) {
		whole, pieces := newPrinter(t), newPrinter(t)
		whole.take(stream)
		at = min(max(at, 0), len(stream))
		pieces.take(stream[:at])
		pieces.take(stream[at:])
		if !slices.Equal(whole.Paper(), pieces.Paper()) {
			t.Errorf("cut at %d:\n%+v\n%+v", at, whole.Paper(), pieces.Paper())
		}
		if got := len(whole.Paper()); got > maxPaper {
			t.Errorf("%d lines", got)
		}
		if whole.Kicks() != pieces.Kicks() || whole.Unknown() != pieces.Unknown() {
			t.Errorf("cut at %d: %d and %d kicks, %d and %d unknown", at, whole.Kicks(), pieces.Kicks(), whole.Unknown(), pieces.Unknown())
		}
		Text(whole.Paper(), 32)
		Picture(whole.Paper()[:min(len(whole.Paper()), 20)], 32)
	})
}

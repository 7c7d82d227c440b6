package escpos_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"

	"posd/device"
	"posd/device/printer/escpos"
	sim "posd/device/sim/escpos"
)

// canvas is a picture whose dots a function draws.
func canvas(width, height int, black func(x, y int) bool) *image.Gray {
	img := image.NewGray(image.Rect(10, 20, 10+width, 20+height)) // images need not begin at zero
	for y := range height {
		for x := range width {
			if !black(x, y) {
				img.SetGray(10+x, 20+y, color.Gray{Y: 255})
			}
		}
	}
	return img
}

// pieces puts the picture on paper together again.
func pieces(paper []sim.Line) (width int, rows [][]bool) {
	for _, l := range paper {
		width = max(width, l.Image.Width)
		for y := range l.Image.Height {
			row := make([]bool, l.Image.Width)
			for x := range row {
				row[x] = l.Image.Black(x, y)
			}
			rows = append(rows, row)
		}
	}
	return width, rows
}

func TestImagesArriveDotByDot(t *testing.T) {
	for name, black := range map[string]func(x, y int) bool{
		"ring":    func(x, y int) bool { d := (x-60)*(x-60) + (y-40)*(y-40); return d < 1500 && d > 900 },
		"all":     func(int, int) bool { return true },
		"none":    func(int, int) bool { return false },
		"diagram": func(x, y int) bool { return (x+y)%3 == 0 || x == y },
	} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			printer, far := connect(t, escpos.Config{})
			doc := device.Document{Lines: []device.Line{{Image: canvas(123, 81, black), Align: device.Centre}}}
			if err := printer.Print(ctx, doc); err != nil {
				t.Fatal(err)
			}
			width, rows := pieces(far.Paper())
			if width != 128 || len(rows) != 81 || far.Unknown() != 0 {
				t.Fatalf("%d by %d dots, %d unknown commands", width, len(rows), far.Unknown())
			}
			for y, row := range rows {
				for x, got := range row {
					if want := x < 123 && black(x, y); got != want {
						t.Fatalf("dot %d, %d is %v", x, y, got)
					}
				}
			}
			if got := far.Lines()[0]; strings.TrimSpace(got) != "[image 128x81]" {
				t.Errorf("as text %q", got)
			}
		})
	}
}

// Dots that would read as DLE EOT, ENQ or DC4 lose or gain one dot: nothing is executed
// in the middle of an image, and none of its bytes is lost.
func TestNoImageCarriesACommand(t *testing.T) {
	inBubble(t, "dots that are commands", func(t *testing.T, ctx context.Context) {
		commands := []byte{0x10, 0x04, 0x01, 0x10, 0x05, 0x02, 0x10, 0x14, 0x01, 0x00, 0x08, 0x10, 0x10, 0x04, 0x04, 0x1B}
		img := canvas(8*len(commands), 40, func(x, y int) bool { return commands[x/8]<<(x%8)&0x80 != 0 })
		printer, far := connect(t, escpos.Config{})
		if err := printer.Print(ctx, device.Document{Lines: []device.Line{{Image: img}, {Text: "after"}}}); err != nil {
			t.Fatal(err)
		}
		_, rows := pieces(far.Paper())
		wrong := 0
		for y, row := range rows {
			for x, got := range row {
				if got != (commands[x/8]<<(x%8)&0x80 != 0) {
					wrong++
				}
				_ = y
			}
		}
		if len(rows) != 40 || wrong != 40*4 || far.Kicks() != 0 || !slices.Contains(far.Lines(), "after") {
			t.Errorf("%d rows, %d dots changed, %d kicks, paper %q", len(rows), wrong, far.Kicks(), far.Lines())
		}
	})
}

func TestTransparentIsPaper(t *testing.T) {
	inBubble(t, "alpha", func(t *testing.T, ctx context.Context) {
		img := image.NewNRGBA(image.Rect(0, 0, 8, 1))
		for x, c := range []color.NRGBA{{A: 255}, {A: 100}, {R: 255, A: 255}, {G: 255, A: 255}, {}, {R: 255, G: 255, B: 255, A: 255}, {B: 255, A: 255}} {
			img.SetNRGBA(x, 0, c)
		}
		printer, far := connect(t, escpos.Config{})
		if err := printer.Print(ctx, device.Document{Lines: []device.Line{{Image: img}}}); err != nil {
			t.Fatal(err)
		}
		// Black, red and blue are dark; a shadow, green, nothing and white are not.
		if got := far.Paper()[0].Image.Dots; got != "\xA2" {
			t.Errorf("dots % X, want A2", got)
		}
	})
}

func TestBarcodes(t *testing.T) {
	for _, tc := range []struct {
		name, content string
		symbols       int // with start, check and stop
	}{
		{"digits take half the width", "123456789012", 9},
		{"an odd number of digits", "12345", 8},
		{"the pair that is DLE", "00160401", 11},
		{"letters and braces", "{A}-{{x", 10},
		{"reference", "REF 0012", 11},
	} {
		inBubble(t, tc.name, func(t *testing.T, ctx context.Context) {
			printer, far := connect(t, escpos.Config{})
			err := printer.Print(ctx, device.Document{Lines: []device.Line{{Barcode: tc.content, Align: device.Centre}}})
			if err != nil {
				t.Fatal(err)
			}
			got := far.Paper()[0]
			if got.Barcode.Text != tc.content || got.Align != device.Centre || len(got.Barcode.Bars) != 6*tc.symbols+1 {
				t.Errorf("on paper %+v, %d bars", got, len(got.Barcode.Bars))
			}
			if far.Unknown() != 0 {
				t.Errorf("%d unknown commands", far.Unknown())
			}
		})
	}
}

// A printer prints nothing where a code is too wide. So each width up to the limit is
// tried, on both papers: what the driver lets through is on paper.
func TestBarcodesThatFitArePrintedAndOthersRefused(t *testing.T) {
	for _, columns := range []int{32, 48} {
		inBubble(t, "columns", func(t *testing.T, ctx context.Context) {
			printer, far := connect(t, escpos.Config{Columns: columns})
			for n := 1; n <= 60; n++ {
				content := strings.Repeat("X", n)
				err := printer.Print(ctx, device.Document{Lines: []device.Line{{Barcode: content}}})
				paper := far.Tear()
				if err == nil && (len(paper) == 0 || paper[0].Barcode.Text != content) {
					t.Fatalf("%d characters: confirmed, but not on %d columns", n, columns)
				}
				if err != nil && (!errors.Is(err, device.ErrDocument) || n < 10) {
					t.Fatalf("%d characters: %v", n, err)
				}
			}
		})
	}
}

func TestGraphicsThatCannotBe(t *testing.T) {
	inBubble(t, "refused before the wire", func(t *testing.T, ctx context.Context) {
		printer, far := connect(t, escpos.Config{})
		for name, line := range map[string]device.Line{
			"wide image":     {Image: image.NewGray(image.Rect(0, 0, 385, 1))},
			"high image":     {Image: image.NewGray(image.Rect(0, 0, 8, 1001))},
			"empty image":    {Image: image.NewGray(image.Rect(0, 0, 0, 8))},
			"long bar code":  {Barcode: strings.Repeat("1", 61)},
			"wide bar code":  {Barcode: strings.Repeat("x", 40)},
			"Chinese code":   {Barcode: "汉"},
			"command in it":  {Barcode: "\x10\x04\x01"},
			"two at a time":  {Barcode: "1", QR: "1"},
			"control in QR":  {QR: "\x1b@"},
			"image and code": {QR: "1", Image: image.NewGray(image.Rect(0, 0, 8, 8))},
		} {
			err := printer.Print(ctx, device.Document{Lines: []device.Line{{Text: "before"}, line}})
			if !errors.Is(err, device.ErrDocument) || !errors.Is(err, device.ErrUnprinted) || !strings.Contains(err.Error(), "line 2") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := far.Lines(); len(got) != 0 {
			t.Errorf("on paper: %q", got)
		}
	})
}

func TestDrawer(t *testing.T) {
	for drawer, want := range map[device.Drawer]int{device.NoDrawer: 0, device.Drawer1: 1, device.Drawer2: 1} {
		inBubble(t, "kick", func(t *testing.T, ctx context.Context) {
			printer, far := connect(t, escpos.Config{})
			if err := printer.Print(ctx, device.Document{Drawer: drawer}); err != nil {
				t.Fatal(err)
			}
			if got := far.Kicks(); got != want {
				t.Errorf("drawer %d: %d kicks, want %d", drawer, got, want)
			}
		})
	}
}

// The whole slip, from the driver's bytes to the picture.
func TestPictureOfASlip(t *testing.T) {
	inBubble(t, "logo, text, bar code, QR", func(t *testing.T, ctx context.Context) {
		printer, far := connect(t, escpos.Config{})
		logo := canvas(200, 60, func(x, y int) bool { return (x/10+y/10)%2 == 0 })
		err := printer.Print(ctx, device.Document{Cut: true, Drawer: device.Drawer1, Lines: []device.Line{
			{Image: logo, Align: device.Centre},
			{Text: "签购单 SLIP", Size: device.Large, Bold: true, Align: device.Centre},
			{Barcode: "012345678912", Align: device.Centre},
			{QR: "https://example.org", Align: device.Right},
		}})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := sim.WritePNG(&b, far.Paper(), 32); err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		black := func(x, y int) bool { r, _, _, _ := img.At(x, y).RGBA(); return r == 0 }
		left := 16 + (384-200)/2
		for _, at := range []image.Point{{0, 0}, {9, 59}, {199, 0}, {120, 33}} {
			if got, want := black(left+at.X, 16+at.Y), (at.X/10+at.Y/10)%2 == 0; got != want {
				t.Errorf("logo's dot %v is %v", at, got)
			}
		}
		y := 16 + 60 + 40 + 10 // margin, logo, large line, into the bar code
		first := 0
		for first < img.Bounds().Dx() && !black(first, y) {
			first++
		}
		// Start C is 2 1 1 2 3 2 modules, three dots each.
		if !black(first+5, y) || black(first+6, y) || !black(first+9, y) || black(first+12, y) {
			t.Errorf("the bar code does not begin as one, at %d", first)
		}
	})
}

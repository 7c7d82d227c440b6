package escpos

import (
	"errors"
	"fmt"
	"image"
	"image/color"
)

// What graphics measure, in dots, 8 a millimetre.
const (
	columnDots    = 12 // of a normal character
	qrDots        = 6  // of a QR code's module
	barcodeHeight = 64
	quietModules  = 20 // a scanner wants ten at each side of a bar code
)

// Limits of graphics.
const (
	maxQR       = 500  // bytes of one code
	maxBarcode  = 60   // characters of one code
	maxImage    = 1000 // rows of dots: 125 mm
	bandBytes   = 512  // of one command of an image
	longestPart = bandBytes + 8
)

// code prints a QR code, model 2, correction M, 6 dots a module.
func (e *encoder) code(content string) error {
	if len(content) > maxQR {
		return fmt.Errorf("QR code of %d bytes, at most %d", len(content), maxQR)
	}
	for i := range len(content) {
		if content[i] < 0x20 || content[i] == 0x7F {
			return errors.New("QR code with a control character") // it could be a command
		}
	}
	n := len(content) + 3
	e.add(gs, '(', 'k', 4, 0, '1', 'A', '2', 0)
	e.add(gs, '(', 'k', 3, 0, '1', 'C', qrDots)
	e.add(gs, '(', 'k', 3, 0, '1', 'E', '1')
	e.add(gs, '(', 'k', byte(n), byte(n>>8), '1', 'P', '0')
	e.add([]byte(content)...)
	e.add(gs, '(', 'k', 3, 0, '1', 'Q', '0')
	return nil
}

// barcode prints Code 128 (ISO/IEC 15417), with the content in letters below. Printers
// print nothing where a code is too wide for the paper, so that is checked here.
func (e *encoder) barcode(content string) error {
	if len(content) > maxBarcode {
		return fmt.Errorf("bar code of %d characters, at most %d", len(content), maxBarcode)
	}
	data, symbols, err := code128(content)
	if err != nil {
		return err
	}
	modules := 11*(symbols+2) + 13 + quietModules // start, check, stop
	width := 3
	for width > 1 && width*modules > e.columns*columnDots {
		width--
	}
	if width == 1 {
		return fmt.Errorf("bar code of %d modules is too wide for %d dots", modules, e.columns*columnDots)
	}
	e.add(gs, 'h', barcodeHeight, gs, 'w', byte(width), gs, 'H', 2)
	e.add(gs, 'k', 'I', byte(len(data)))
	e.add(data...)
	return nil
}

// code128 writes content as printers want it: {B and characters, a brace doubled; or {C
// and a byte for two digits, which takes half the width.
func code128(content string) (data []byte, symbols int, err error) {
	if pairs := digitPairs(content); pairs != nil {
		return append([]byte("{C"), pairs...), len(pairs), nil
	}
	data = []byte("{B")
	for i := range len(content) {
		c := content[i]
		if c < 0x20 || c > 0x7E {
			return nil, 0, fmt.Errorf("bar code: character %d is not ASCII", i+1)
		}
		if c == '{' {
			data = append(data, c)
		}
		data = append(data, c)
	}
	return data, len(content), nil
}

// digitPairs returns a byte for two digits of content; nil where it is anything else, or
// has the pair 16: that byte is DLE, and could begin a real-time command.
func digitPairs(content string) []byte {
	if len(content) < 4 || len(content)%2 != 0 {
		return nil
	}
	pairs := make([]byte, 0, len(content)/2)
	for i := 0; i < len(content); i += 2 {
		tens, ones := content[i]-'0', content[i+1]-'0'
		if tens > 9 || ones > 9 || 10*tens+ones == dle {
			return nil
		}
		pairs = append(pairs, 10*tens+ones)
	}
	return pairs
}

// image prints a picture in bands of rows, each a command of its own: a printer that
// stops in the middle of one takes at most that many bytes for dots.
func (e *encoder) image(img image.Image) error {
	box := img.Bounds()
	switch {
	case box.Empty():
		return errors.New("image without a pixel")
	case box.Dx() > e.columns*columnDots:
		return fmt.Errorf("image of %d dots is too wide for %d", box.Dx(), e.columns*columnDots)
	case box.Dy() > maxImage:
		return fmt.Errorf("image of %d rows, at most %d", box.Dy(), maxImage)
	}
	width := (box.Dx() + 7) / 8
	rows := max(bandBytes/width, 1)
	for top := box.Min.Y; top < box.Max.Y; top += rows {
		band := box
		band.Min.Y, band.Max.Y = top, min(top+rows, box.Max.Y)
		e.add(gs, 'v', '0', 0, byte(width), byte(width>>8), byte(band.Dy()), byte(band.Dy()>>8))
		e.add(harmless(raster(img, band, width))...)
	}
	return nil
}

// raster returns the dots of a band, eight a byte, the left one in bit 7.
func raster(img image.Image, band image.Rectangle, width int) []byte {
	out := make([]byte, 0, width*band.Dy())
	for y := band.Min.Y; y < band.Max.Y; y++ {
		row := make([]byte, width)
		for x := band.Min.X; x < band.Max.X; x++ {
			if dark(img.At(x, y)) {
				i := x - band.Min.X
				row[i/8] |= 0x80 >> (i % 8)
			}
		}
		out = append(out, row...)
	}
	return out
}

// dark tells whether a pixel on white paper is darker than half.
func dark(c color.Color) bool {
	r, g, b, a := c.RGBA() // premultiplied, 16 bits
	luma := (299*r + 587*g + 114*b) / 1000
	return luma+0xFFFF-a < 0x8000
}

// harmless changes a dot where the dots would read as a real-time command (DLE with EOT,
// ENQ or DC4), which printers find in the middle of an image as well.
func harmless(dots []byte) []byte {
	for i := 1; i < len(dots); i++ {
		if next := dots[i]; dots[i-1] == dle && (next == 0x04 || next == 0x05 || next == 0x14) {
			dots[i] ^= 0x02
		}
	}
	return dots
}

package escpos

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"

	"rsc.io/qr"

	"posd/device"
)

// Dots of one column by one line, with the space between characters and lines. A dot of
// a character is two of the printer's, each way: a pixel is one of those.
const (
	cellWidth  = 6
	cellHeight = 10
	margin     = 8
	dotSize    = 2 // pixels
)

// Picture draws paper of a width, in black and white. A code that cannot be drawn is an
// empty space.
func Picture(paper []Line, columns int) image.Image {
	height := 2 * margin * dotSize
	for _, l := range paper {
		height += lineHeight(l)
	}
	img := image.NewPaletted(image.Rect(0, 0, dotSize*(columns*cellWidth+2*margin), height),
		color.Palette{color.White, color.Black})
	c := canvas{img: img, width: columns * cellWidth, top: margin * dotSize}
	for _, l := range paper {
		c.line(l)
		c.top += lineHeight(l)
	}
	return img
}

// WritePNG writes the picture of paper.
func WritePNG(w io.Writer, paper []Line, columns int) error {
	if err := png.Encode(w, Picture(paper, columns)); err != nil {
		return fmt.Errorf("sim/escpos: write PNG: %w", err)
	}
	return nil
}

// qrScale is how many dots a module has in the picture.
const qrScale = 2

func encodeQR(content string) (*qr.Code, bool) {
	code, err := qr.Encode(content, qr.M)
	return code, err == nil
}

// lineHeight is how far a line feeds the paper, in pixels.
func lineHeight(l Line) int {
	switch {
	case l.Barcode.Bars != "":
		return l.Barcode.Height + dotSize*(cellHeight+margin)
	case l.Image.Dots != "":
		return l.Image.Height
	case l.QR == "":
		return dotSize * cellHeight * max(l.Height, 1)
	}
	code, ok := encodeQR(l.QR)
	if !ok {
		return dotSize * cellHeight
	}
	return dotSize * (qrScale*code.Size + 2*margin)
}

// canvas draws one line after the other, within the margins from left to right.
type canvas struct {
	img   *image.Paletted
	width int // dots
	top   int // of the line, in pixels
}

// set blackens one dot of the line.
func (c canvas) set(x, y int) {
	for i := range dotSize * dotSize {
		c.pixel(dotSize*x+i%dotSize, dotSize*y+i/dotSize)
	}
}

// pixel blackens one pixel of the line.
func (c canvas) pixel(x, y int) {
	if at := image.Pt(dotSize*margin+x, c.top+y); at.In(c.img.Rect) {
		c.img.SetColorIndex(at.X, at.Y, 1)
	}
}

func (c canvas) line(l Line) {
	switch {
	case l.Cut:
		for x := range c.width {
			if x%6 < 3 {
				c.set(x, cellHeight/2)
			}
		}
	case l.QR != "":
		c.code(l)
	case l.Barcode.Bars != "":
		c.barcode(l)
	case l.Image.Dots != "":
		c.image(l)
	default:
		c.text(l, 0)
	}
}

// image draws a pixel for a dot of the printer.
func (c canvas) image(l Line) {
	left := c.start(l.Align, l.Image.Width/dotSize) * dotSize
	for y := range l.Image.Height {
		for x := range l.Image.Width {
			if l.Image.Black(x, y) {
				c.pixel(left+x, y)
			}
		}
	}
}

// barcode draws the bars, and what they say below them.
func (c canvas) barcode(l Line) {
	bars := l.Barcode.Bars
	x := c.start(l.Align, total(bars)/dotSize) * dotSize
	for i := range len(bars) {
		for dx := range int(bars[i]) * (1 - i%2) { // the even ones are bars
			for y := range l.Barcode.Height {
				c.pixel(x+dx, y)
			}
		}
		x += int(bars[i])
	}
	c.text(Line{Text: l.Barcode.Text, Align: l.Align}, l.Barcode.Height/dotSize+1)
}

// start is where something of a width begins.
func (c canvas) start(align device.Align, width int) int {
	switch align {
	case device.Centre:
		return max(c.width-width, 0) / 2
	case device.Right:
		return max(c.width-width, 0)
	}
	return 0
}

func (c canvas) code(l Line) {
	code, ok := encodeQR(l.QR)
	if !ok {
		return
	}
	side := qrScale * code.Size
	left := c.start(l.Align, side)
	for i := range side * side {
		if dx, dy := i%side, i/side; code.Black(dx/qrScale, dy/qrScale) {
			c.set(left+dx, margin+dy)
		}
	}
}

func (c canvas) text(l Line, y int) {
	wide, high := max(l.Width, 1), max(l.Height, 1)
	x := c.start(l.Align, wide*cellWidth*Columns(l.Text))
	for _, r := range l.Text {
		columns := Columns(string(r))
		c.character(r, columns, x, y, wide, high)
		if l.Bold {
			c.character(r, columns, x+1, y, wide, high)
		}
		x += wide * columns * cellWidth
	}
}

func (c canvas) character(r rune, columns, left, top, wide, high int) {
	for dy := range high * glyphHeight {
		for dx := range wide * columns * cellWidth {
			if dot(r, columns, dx/wide, dy/high) {
				c.set(left+dx, top+dy)
			}
		}
	}
}

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

// Dots of one column by one line, with the space between characters and lines.
const (
	cellWidth  = 6
	cellHeight = 10
	margin     = 8
	dotSize    = 2 // pixels
)

// Picture draws paper of a width, in black and white. A code that cannot be drawn is an
// empty space.
func Picture(paper []Line, columns int) image.Image {
	height := 2 * margin
	for _, l := range paper {
		height += lineHeight(l)
	}
	img := image.NewPaletted(image.Rect(0, 0, dotSize*(columns*cellWidth+2*margin), dotSize*height),
		color.Palette{color.White, color.Black})
	c := canvas{img, columns * cellWidth}
	y := margin
	for _, l := range paper {
		c.line(l, y)
		y += lineHeight(l)
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

func lineHeight(l Line) int {
	if l.QR == "" {
		return cellHeight * max(l.Height, 1)
	}
	code, ok := encodeQR(l.QR)
	if !ok {
		return cellHeight
	}
	return qrScale*code.Size + 2*margin
}

// canvas draws in dots, within the margins from left to right.
type canvas struct {
	img   *image.Paletted
	width int
}

// set blackens one dot.
func (c canvas) set(x, y int) {
	for i := range dotSize * dotSize {
		c.img.SetColorIndex(dotSize*(x+margin)+i%dotSize, dotSize*y+i/dotSize, 1)
	}
}

func (c canvas) line(l Line, y int) {
	switch {
	case l.Cut:
		for x := range c.width {
			if x%6 < 3 {
				c.set(x, y+cellHeight/2)
			}
		}
	case l.QR != "":
		c.code(l, y)
	default:
		c.text(l, y)
	}
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

func (c canvas) code(l Line, y int) {
	code, ok := encodeQR(l.QR)
	if !ok {
		return
	}
	side := qrScale * code.Size
	left := c.start(l.Align, side)
	for i := range side * side {
		if dx, dy := i%side, i/side; code.Black(dx/qrScale, dy/qrScale) {
			c.set(left+dx, y+margin+dy)
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

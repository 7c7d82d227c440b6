package escpos

import "strings"

// bars is how the next bar code is printed: GS w and GS h.
type bars struct{ width, height int } // dots

// barcode executes GS k. Only form B with Code 128 (73) prints; the others are counted.
func (p *Printer) barcode(b []byte) int {
	if b[2] < 'A' { // form A ends at a NUL
		end := strings.IndexByte(string(b[3:]), 0)
		if end < 0 && len(b) < 260 {
			return 0
		}
		p.unknown++
		return 3 + max(end+1, 0)
	}
	if len(b) < 4 {
		return 0
	}
	n := 4 + int(b[3])
	if len(b) < n {
		return 0
	}
	text, symbols, ok := code128(b[4:n])
	if b[2] != 'I' || !ok {
		p.unknown++
		return n
	}
	l := Line{Width: 1, Height: 1, Align: p.style.align}
	l.Barcode = Barcode{Text: text, Bars: p.bars.draw(symbols), Height: p.bars.height}
	if total(l.Barcode.Bars) <= p.config.Columns*columnDots { // else printers print nothing
		p.print(l)
	}
	return n
}

// columnDots is the width of a normal character, in dots.
const columnDots = 12

func total(widths string) (sum int) {
	for i := range len(widths) {
		sum += int(widths[i])
	}
	return sum
}

// draw turns symbols into widths in dots.
func (b bars) draw(symbols []int) string {
	var out []byte
	for _, s := range symbols {
		for _, modules := range []byte(patterns[s]) {
			out = append(out, (modules-'0')*byte(b.width))
		}
	}
	return string(out)
}

// raster executes GS v 0: b has the eight bytes of its head, at least.
func (p *Printer) raster(b []byte) int {
	const head = 8
	width, height := int(b[4])|int(b[5])<<8, int(b[6])|int(b[7])<<8
	if b[2] != '0' || width == 0 || height == 0 || width > maxImage/height {
		p.unknown++
		return head
	}
	n := head + width*height
	if len(b) < n {
		return 0
	}
	l := Line{Width: 1, Height: 1, Align: p.style.align}
	l.Image = Image{Width: 8 * width, Height: height, Dots: string(b[head:n])}
	if b[3]&1 != 0 {
		l.Image = l.Image.wider()
	}
	if b[3]&2 != 0 {
		l.Image = l.Image.higher()
	}
	p.print(l)
	return n
}

// Black tells whether a dot is.
func (i Image) Black(x, y int) bool {
	if x < 0 || y < 0 || x >= i.Width || y >= i.Height {
		return false
	}
	return i.Dots[y*i.Width/8+x/8]&(0x80>>(x%8)) != 0
}

func (i Image) wider() Image {
	var dots []byte
	for at := range len(i.Dots) {
		var wide uint16
		for bit := range 8 {
			if i.Dots[at]>>bit&1 != 0 {
				wide |= 3 << (2 * bit)
			}
		}
		dots = append(dots, byte(wide>>8), byte(wide))
	}
	return Image{Width: 2 * i.Width, Height: i.Height, Dots: string(dots)}
}

func (i Image) higher() Image {
	var dots strings.Builder
	for y := range i.Height {
		row := i.Dots[y*i.Width/8 : (y+1)*i.Width/8]
		dots.WriteString(row + row)
	}
	return Image{Width: i.Width, Height: 2 * i.Height, Dots: dots.String()}
}

package escpos

import (
	"fmt"
	"strings"

	"posd/device"
)

// Text shows paper of a width as text for a terminal, a string for each line: aligned, a
// code by its content in brackets, an image by its size, a cut by a dashed line. A line of
// double width is aligned as if its characters were wide.
func Text(paper []Line, columns int) []string {
	lines := make([]string, 0, len(paper))
	for i := 0; i < len(paper); i++ {
		l := paper[i]
		switch {
		case l.Cut:
			lines = append(lines, strings.Repeat("- ", columns/2))
		case l.QR != "":
			lines = append(lines, aligned("[QR "+l.QR+"]", l.Align, columns, 1))
		case l.Barcode.Bars != "":
			lines = append(lines, aligned("[CODE128 "+l.Barcode.Text+"]", l.Align, columns, 1))
		case l.Image.Dots != "":
			n, rows := whole(paper[i:])
			i += n - 1
			size := fmt.Sprintf("[image %dx%d]", l.Image.Width, rows)
			lines = append(lines, aligned(size, l.Align, columns, 1))
		default:
			lines = append(lines, aligned(l.Text, l.Align, columns, l.Width))
		}
	}
	return lines
}

// whole counts the pieces of the picture that paper begins with, and their rows.
func whole(paper []Line) (pieces, rows int) {
	for _, l := range paper {
		if l.Image.Width != paper[0].Image.Width || l.Align != paper[0].Align {
			break
		}
		pieces, rows = pieces+1, rows+l.Image.Height
	}
	return pieces, rows
}

func aligned(text string, align device.Align, columns, width int) string {
	space := max(columns-width*Columns(text), 0)
	switch align {
	case device.Centre:
		return strings.Repeat(" ", space/2) + text
	case device.Right:
		return strings.Repeat(" ", space) + text
	}
	return text
}

// Columns is the width of text on paper: one for ASCII, two for all else.
func Columns(text string) (n int) {
	for _, r := range text {
		if n++; r >= 0x80 {
			n++
		}
	}
	return n
}

// Slips parts paper at its cuts and returns each slip as text, empty lines at its end
// left out. What follows the last cut is a slip as well, unless it is empty.
func Slips(paper []Line, columns int) (slips []string) {
	var slip []Line
	end := func() {
		if text := strings.TrimRight(strings.Join(Text(slip, columns), "\n"), " \n"); text != "" {
			slips = append(slips, text)
		}
		slip = nil
	}
	for _, l := range paper {
		if l.Cut {
			end()
			continue
		}
		slip = append(slip, l)
	}
	end()
	return slips
}

package escpos

import (
	"strings"

	"posd/device"
)

// Text shows paper of a width as text for a terminal, a string for each line: aligned, a
// QR code by its content in brackets, a cut by a dashed line. A line of double width is
// aligned as if its characters were wide.
func Text(paper []Line, columns int) []string {
	lines := make([]string, 0, len(paper))
	for _, l := range paper {
		switch {
		case l.Cut:
			lines = append(lines, strings.Repeat("- ", columns/2))
		case l.QR != "":
			lines = append(lines, aligned("[QR "+l.QR+"]", l.Align, columns, 1))
		default:
			lines = append(lines, aligned(l.Text, l.Align, columns, l.Width))
		}
	}
	return lines
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

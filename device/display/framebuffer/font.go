package framebuffer

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed font.txt
var fontText string

// Dots of a glyph, and of the cell around it.
const (
	glyphWidth  = 5
	glyphHeight = 9 // seven above the line, two below
	cellWidth   = glyphWidth + 1
	cellHeight  = glyphHeight + 1
	bandStep    = glyphWidth + 3 // columns of text from glyph to glyph
)

// glyph has a row in each byte, the left dot in bit 4.
type glyph [glyphHeight]byte

// parseFont reads bands of glyphs: a line that names them, each at the column where it
// begins, a line for each row of dots, and a blank line. The first of all is the blank.
func parseFont(text string) (map[rune]glyph, error) {
	font := map[rune]glyph{}
	for n, band := range strings.Split(strings.TrimSuffix(text, "\n"), "\n\n") {
		lines := strings.Split(band, "\n")
		if len(lines) != 1+glyphHeight {
			return nil, fmt.Errorf("band %d has %d lines, %d wanted", n+1, len(lines), 1+glyphHeight)
		}
		names := []rune(lines[0])
		for at := 0; at < len(names); at += bandStep {
			g, err := parseGlyph(lines[1:], at)
			if err != nil {
				return nil, fmt.Errorf("band %d, %q: %w", n+1, names[at], err)
			}
			if _, twice := font[names[at]]; twice {
				return nil, fmt.Errorf("band %d: %q is there twice", n+1, names[at])
			}
			font[names[at]] = g
		}
	}
	return font, nil
}

func parseGlyph(lines []string, at int) (g glyph, err error) {
	for y, line := range lines {
		if len(line) < at+glyphWidth {
			return g, errors.New("a row is too short")
		}
		for x, dot := range []byte(line[at : at+glyphWidth]) {
			switch dot {
			case '#':
				g[y] |= 1 << (glyphWidth - 1 - x)
			case '.':
			default:
				return g, fmt.Errorf("%q is no dot: # or . wanted", dot)
			}
		}
	}
	return g, nil
}

package display

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Columns is how many cells a character takes: 2 for a wide one, 1 for others, and 0 for
// what has no place of its own (control, format and combining characters).
func Columns(r rune) int {
	switch {
	case r < 0x20, r == 0x7F, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Mn, unicode.Me, unicode.Zl, unicode.Zp):
		return 0
	case r < 0x1100:
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// MaxCells bounds a grid in each direction.
const MaxCells = 512

// Fit makes rows lines of exactly so many columns: each is cut or filled with blanks, and
// has a question mark in each cell of a character that has no glyph. A wide character that
// would be cut in half is left out.
func Fit(lines []string, columns, rows int, has func(rune) bool) []string {
	out := make([]string, rows)
	for i := range out {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		out[i] = fitLine(line, columns, has)
	}
	return out
}

func fitLine(line string, columns int, has func(rune) bool) string {
	var b strings.Builder
	used := 0
	for _, r := range line {
		n := Columns(r)
		if used+n > columns {
			break
		}
		switch used += n; {
		case n == 0:
		case has(r):
			b.WriteRune(r)
		default:
			b.WriteString("??"[:n])
		}
	}
	b.WriteString(strings.Repeat(" ", columns-used))
	return b.String()
}

// ASCII has the characters that every display has.
func ASCII(r rune) bool { return ' ' <= r && r <= '~' }

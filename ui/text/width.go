package text

import (
	"strings"
	"unicode"
)

// wide are the blocks whose characters take two columns: CJK, kana, Hangul and
// full-width forms. Unicode Standard Annex 11, classes W and F, in the blocks that
// GB 18030 printers and terminals show; the ambiguous class counts as narrow.
var wide = [...]struct{ first, last rune }{
	{0x1100, 0x115F},
	{0x2E80, 0x303E},
	{0x3041, 0x33FF},
	{0x3400, 0x4DBF},
	{0x4E00, 0xA4CF},
	{0xAC00, 0xD7A3},
	{0xF900, 0xFAFF},
	{0xFE30, 0xFE6F},
	{0xFF01, 0xFF60},
	{0xFFE0, 0xFFE6},
	{0x20000, 0x3FFFD},
}

// Columns returns how many columns s takes: a CJK character two, a combining or
// control character none.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case r < 0x20 || r == 0x7F:
		return 0
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Cc):
		return 0
	}
	for _, block := range wide {
		if r >= block.first && r <= block.last {
			return 2
		}
	}
	return 1
}

// Cut returns the longest beginning of s that fits into columns.
func Cut(s string, columns int) string {
	n := 0
	for i, r := range s {
		n += runeColumns(r)
		if n > columns {
			return s[:i]
		}
	}
	return s
}

// Fit returns s in exactly columns: filled with spaces on the right, or cut, with ~
// as its last character to show it.
func Fit(s string, columns int) string {
	if columns <= 0 {
		return ""
	}
	if Columns(s) > columns {
		s = Cut(s, columns-1) + "~"
	}
	return s + strings.Repeat(" ", columns-Columns(s))
}

// Wrap breaks s into lines of at most columns: at spaces, and anywhere between wide
// characters. A word longer than a line is broken where the line ends. An empty
// string has no lines. Columns below 2 count as 2, the width of one wide character.
func Wrap(s string, columns int) []string {
	columns = max(columns, 2)
	var lines []string
	for rest := strings.TrimSpace(s); rest != ""; {
		head := Cut(rest, columns)
		if len(head) < len(rest) {
			head = rest[:breakAt(rest, len(head))]
		}
		lines = append(lines, strings.TrimRight(head, " "))
		rest = strings.TrimLeft(rest[len(head):], " ")
	}
	return lines
}

// breakAt returns where to break s when at most its first end bytes fit, end < len(s).
func breakAt(s string, end int) int {
	for i := end; i > 0; i-- {
		if mayBreak(s, i) {
			return i
		}
	}
	return end
}

// mayBreak tells whether a line may end before byte i of s, which is inside it: at a
// space, or beside a wide character, but not before closing punctuation.
func mayBreak(s string, i int) bool {
	before, after := lastRune(s[:i]), firstRune(s[i:])
	switch {
	case !startsRune(s[i]):
		return false
	case before == ' ' || after == ' ':
		return true
	case strings.ContainsRune("，。；：？！）》、", after):
		return false
	}
	return runeColumns(before) == 2 || runeColumns(after) == 2
}

func startsRune(b byte) bool { return b&0xC0 != 0x80 }

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

func lastRune(s string) (last rune) {
	for i := max(0, len(s)-4); i < len(s); i++ {
		if startsRune(s[i]) {
			last = firstRune(s[i:])
		}
	}
	return last
}

package display_test

import (
	"slices"
	"testing"
	"unicode/utf8"

	"posd/device/display"
)

func TestFit(t *testing.T) {
	all := func(rune) bool { return true }
	for _, row := range []struct {
		name  string
		lines []string
		has   func(rune) bool
		want  []string
	}{
		{"filled", []string{"AMOUNT"}, all, []string{"AMOUNT    ", "          "}},
		{"cut", []string{"PLEASE INSERT CARD", "", "three"}, all, []string{"PLEASE INS", "          "}},
		{"wide", []string{"请插卡"}, all, []string{"请插卡    ", "          "}},
		{"wide, cut before the one in the middle", []string{"a请插卡请插卡"}, all, []string{"a请插卡请 ", "          "}},
		{"no glyph", []string{"请 ¥5"}, display.ASCII, []string{"?? ?5     ", "          "}},
		{"control characters are no text", []string{"a\x1b[2Jb\r\n\x00c"}, all, []string{"a[2Jbc    ", "          "}},
		{"what is no UTF-8", []string{"a\xffb"}, display.ASCII, []string{"a?b       ", "          "}},
		{"combining characters", []string{"e\u0301t\u200de"}, all, []string{"ete       ", "          "}},
	} {
		if got := display.Fit(row.lines, 10, 2, row.has); !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add("请插卡 insert card", 10)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		if columns < 1 || columns > display.MaxCells {
			return
		}
		line := display.Fit([]string{text}, columns, 1, func(r rune) bool { return r != 'x' })[0]
		used := 0
		for _, r := range line {
			if n := display.Columns(r); n == 0 {
				t.Fatalf("%q has a control character", line)
			} else {
				used += n
			}
		}
		if used != columns || !utf8.ValidString(line) {
			t.Errorf("%q has %d columns, want %d", line, used, columns)
		}
	})
}

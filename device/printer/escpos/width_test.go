package escpos

import (
	"testing"
	"unicode"

	"posd/ui/text"
)

// Slips are laid out by ui/text.Columns and printed by columnsOf: over all of Unicode the
// two agree, but for what a screen shows narrow and GB18030 prints wide.
func TestColumnsAgreeWithTheLayoutOfSlips(t *testing.T) {
	narrow := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		got, want := columnsOf(r), text.Columns(string(r))
		switch {
		case r < 0x80 || want != 1:
			if got != want {
				t.Errorf("%U: %d columns on paper, %d in the layout", r, got, want)
			}
		case got == 2:
			narrow++
		}
	}
	if narrow == 0 {
		t.Error("no character differs: say so in width.go")
	}
}

// What goes out has the width that was counted: the printer gives a column to a byte of
// ASCII, and two to each character in Chinese mode.
func TestBytesHaveTheWidthThatIsCounted(t *testing.T) {
	e := newEncoder(32, 1, false)
	for r := rune(0); r <= unicode.MaxRune; r++ {
		b := e.character(r)
		if want := columnsOf(r); min(len(b), 2) != want && string(b) != "?" {
			t.Errorf("%U: % X, want %d columns", r, b, want)
		}
	}
}

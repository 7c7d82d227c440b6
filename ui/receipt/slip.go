package receipt

import (
	"strings"

	"posd/ui/text"
)

// Columns is the width of the paper: 58 mm, 12 dots a character.
const Columns = 32

// Size scales characters; the numbers are those of device.Size.
type Size uint8

const (
	Normal Size = iota
	Tall        // double height
	Large       // double height and width: 16 columns a line
)

// Align places a line; the numbers are those of device.Align.
type Align uint8

const (
	Left Align = iota
	Centre
	Right
)

// Line is one line of a slip. It fits: Text has at most Columns columns, half of that
// if it is Large.
type Line struct {
	Text  string
	Size  Size
	Bold  bool
	Align Align
	Rule  bool // a line across the paper; Text has the same in dashes
}

// Slip is a receipt, line by line.
type Slip struct{ Lines []Line }

// Text returns the slip as plain text, placed on 32 columns, without trailing spaces.
func (s Slip) Text() string {
	var b strings.Builder
	for _, line := range s.Lines {
		free := max(Columns-text.Columns(line.Text), 0)
		switch line.Align {
		case Centre:
			b.WriteString(strings.Repeat(" ", free/2))
		case Right:
			b.WriteString(strings.Repeat(" ", free))
		}
		b.WriteString(strings.TrimRight(line.Text, " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// width returns how many columns a line of this size has.
func (s Size) width() int {
	if s == Large {
		return Columns / 2
	}
	return Columns
}

// add puts text on the slip, in as many lines as it takes.
func (s *Slip) add(style Line, words string) {
	for _, part := range text.Wrap(words, style.Size.width()) {
		style.Text = part
		s.Lines = append(s.Lines, style)
	}
}

// rule draws a line across the paper.
func (s *Slip) rule() {
	s.Lines = append(s.Lines, Line{Text: strings.Repeat("-", Columns), Rule: true})
}

// blank leaves lines empty.
func (s *Slip) blank(n int) {
	s.Lines = append(s.Lines, make([]Line, n)...)
}

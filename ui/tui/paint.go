package tui

import (
	"strings"

	"charm.land/lipgloss/v2"

	"posd/ui/text"
)

// tone is what a piece of text means; the palette knows how that looks.
type tone uint8

const (
	plain tone = iota
	dim
	good
	warn
	bad
	title
	focus
	bar
)

// span is a piece of text in one tone, a line a row of them.
type (
	span struct {
		text string
		tone tone
	}
	line []span
)

// fit returns the line in exactly so many columns.
func (l line) fit(columns int) line {
	out := make(line, 0, len(l)+1)
	last := plain
	for i, s := range l {
		s.text = printable(s.text)
		width := text.Columns(s.text)
		if width > columns || width == columns && i < len(l)-1 && !blank(l[i+1:]) {
			s.text = text.Fit(s.text+" ", columns)
			width = columns
		}
		columns -= width
		out, last = append(out, s), s.tone
		if columns == 0 {
			return out
		}
	}
	if last != bar {
		last = plain
	}
	return append(out, span{strings.Repeat(" ", columns), last})
}

// blank tells that there is nothing to see in the rest of a line.
func blank(l line) bool {
	for _, s := range l {
		if strings.TrimSpace(s.text) != "" {
			return false
		}
	}
	return true
}

// palette is how tones look. A nil palette paints nothing: the text alone.
type palette map[tone]lipgloss.Style

// colours is the palette of 16 colours; a terminal with fewer, or NO_COLOR, shows what
// it can. No meaning is carried by a colour alone.
func colours() palette {
	style := lipgloss.NewStyle
	return palette{
		dim:   style().Faint(true),
		good:  style().Foreground(lipgloss.Green),
		warn:  style().Foreground(lipgloss.Yellow),
		bad:   style().Foreground(lipgloss.Red).Bold(true),
		title: style().Bold(true),
		focus: style().Bold(true).Foreground(lipgloss.Cyan),
		bar:   style().Reverse(true),
	}
}

func (p palette) paint(l line) string {
	var b strings.Builder
	for _, s := range l {
		if style, ok := p[s.tone]; ok {
			b.WriteString(style.Render(s.text))
		} else {
			b.WriteString(s.text)
		}
	}
	return b.String()
}

package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"posd/ui/text"
)

// Every section is on a screen of at least this size; a smaller one has pages.
const (
	wideEnough = 72
	highEnough = 20
)

// keysHeight is the height of keys, store and owed reversals on a wide screen, without
// the title.
const keysHeight = 4

// View draws the screen.
func (m Model) View() tea.View {
	v := tea.NewView(strings.Join(m.draw(colours()), "\n"))
	v.AltScreen = true
	return v
}

// draw returns the screen's lines: exactly as many as it is high, each as wide as it is.
func (m Model) draw(p palette) []string {
	out := []line{m.bar(), m.status()}
	switch {
	case !m.seen:
		out = append(out, m.waiting()...)
	case m.wide():
		out = append(out, m.dashboard()...)
	default:
		out = append(out, m.block(m.focus, m.width, m.page())...)
	}
	return m.paint(out, p)
}

// linkHeight is the height of link and devices on a wide screen, without the title.
func (m Model) linkHeight() int {
	if m.height < 30 {
		return 6
	}
	return 9
}

// page is how many lines a section has on a small screen.
func (m Model) page() int { return max(1, m.height-4) }

func (m Model) wide() bool { return m.width >= wideEnough && m.height >= highEnough }

// paint fills or cuts the lines to the screen, and puts the help last.
func (m Model) paint(lines []line, p palette) []string {
	out := make([]string, m.height)
	for i := range out {
		var l line
		if i < len(lines) {
			l = lines[i]
		}
		if i == m.height-1 {
			l = m.help()
		}
		out[i] = p.paint(l.fit(m.width))
	}
	return out
}

// bar is the first line: which terminal, whose, which program, what time.
func (m Model) bar() line {
	s := m.snap
	left := " " + m.word("tui.title")
	if m.seen {
		left += "  " + s.Terminal + "  " + s.Name
	}
	right := ""
	if m.seen && m.wide() {
		right = "posd " + s.Version + "  " + s.Now.Format("2006-01-02 15:04:05") + " "
	} else if m.seen {
		right = s.Now.Format("15:04:05") + " "
	}
	left = text.Fit(printable(left), m.width-text.Columns(right)-1) + " "
	return line{{left + right, bar}}
}

// status is the second line: can it take money.
func (m Model) status() line {
	var out line
	switch {
	case m.err != nil && m.seen:
		return line{{" " + m.word("tui.no_agent"), bad}}
	case !m.seen:
		return nil
	case m.snap.Doing != "":
		out = line{{" " + m.word("tui.busy", m.doing()), warn}}
	case m.snap.Ready:
		out = line{{" " + m.word("tui.ready"), good}}
	default:
		out = line{{" " + m.word("tui.not_ready"), bad}}
	}
	if m.wide() {
		out = append(out, span{fmt.Sprintf("   %s %06d  %s %06d  %s %s",
			m.word("tui.batch"), m.snap.Batch, m.word("cli.next_voucher"), m.snap.NextSTAN,
			m.word("tui.merchant"), m.snap.Merchant), dim})
	}
	return out
}

// doing says what the till is at: a message of the words table, or a response code.
func (m Model) doing() string {
	if code, ok := strings.CutPrefix(m.snap.Doing, "code."); ok {
		return text.ForCode(m.cfg.Lang, code).Display
	}
	return m.word(text.Key(m.snap.Doing))
}

// waiting is what there is to say before the agent has ever answered.
func (m Model) waiting() []line {
	out := []line{{{" " + m.word("tui.waiting", m.cfg.Socket), plain}}}
	if m.err != nil {
		out = append(out, nil)
		out = append(out, indented(m.err.Error(), m.width, bad)...)
		out = append(out, nil)
		out = append(out, indented(m.word("tui.start_posd"), m.width, plain)...)
	}
	return out
}

func (m Model) help() line {
	if m.wide() {
		return line{{" " + m.word("tui.help"), bar}}
	}
	return line{{" " + m.word("tui.help_short"), bar}}
}

// dashboard puts all sections on a wide screen.
func (m Model) dashboard() []line {
	out := m.beside(m.linkHeight(), link, devices)
	out = append(out, m.beside(keysHeight, keys, store, owed)...)
	high, low := m.shares()
	out = append(out, m.block(findings, m.width, high)...)
	return append(out, m.block(paid, m.width, low)...)
}

// shares divides the rest of a wide screen: findings take what they need, but leave
// two lines to the payments.
func (m Model) shares() (forFindings, forPayments int) {
	rest := m.height - 3 - (1 + m.linkHeight()) - (1 + keysHeight) - 2
	forFindings = max(1, min(len(m.lines(findings, m.width)), rest-2))
	return forFindings, rest - forFindings
}

// beside puts sections side by side, a column of space between them.
func (m Model) beside(height int, parts ...int) []line {
	out := make([]line, height+1)
	for i, section := range parts {
		columns := m.columns(i, len(parts))
		for row, l := range m.block(section, columns, height) {
			if i > 0 {
				out[row] = append(out[row], span{" ", plain})
			}
			out[row] = append(out[row], l.fit(columns)...)
		}
	}
	return out
}

// columns is the width of the i-th of n sections side by side.
func (m Model) columns(i, n int) int {
	free := m.width - (n - 1)
	if i == n-1 {
		return free - free/n*(n-1)
	}
	return free / n
}

// block is a section under its title, in height lines and the title.
func (m Model) block(section, columns, height int) []line {
	all := m.lines(section, columns)
	from := min(m.offset[section], max(0, len(all)-height))
	shown := all[from:min(len(all), from+height)]
	out := make([]line, height+1)
	out[0] = m.title(section, columns, from, len(shown), len(all))
	copy(out[1:], shown)
	return out
}

// title is a section's name, how many there are, and which lines are shown if not all.
func (m Model) title(section, columns, from, shown, all int) line {
	name, how := m.word(titles[section]), title
	if n := m.count(section); n > 0 {
		name += fmt.Sprintf(" (%d)", n)
	}
	if section == m.focus {
		name, how = "> "+name, focus
	}
	if !m.wide() {
		name += fmt.Sprintf(" %d/%d", section+1, sections)
	}
	tail := ""
	if shown < all {
		tail = fmt.Sprintf(" %d-%d/%d", from+1, from+shown, all)
	}
	name = text.Cut(name+" ", columns)
	dashes := max(0, columns-text.Columns(name)-len(tail))
	return line{{name, how}, {strings.Repeat("-", dashes) + tail, dim}}
}

// lastOffset is how far a section can scroll.
func (m Model) lastOffset(section int) int {
	columns, height := m.width, m.page()
	if m.wide() {
		columns, height = m.place(section)
	}
	return max(0, len(m.lines(section, columns))-height)
}

// place is the size of a section on a wide screen.
func (m Model) place(section int) (columns, height int) {
	high, low := m.shares()
	switch section {
	case findings:
		return m.width, high
	case link, devices:
		return m.columns(section-link, 2), m.linkHeight()
	case keys, store, owed:
		return m.columns(section-keys, 3), keysHeight
	}
	return m.width, low
}

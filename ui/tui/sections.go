package tui

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"posd/transport/control"
	"posd/ui/text"
)

// The sections, in the order of the Tab key.
const (
	findings = iota
	link
	devices
	keys
	store
	owed
	paid
	sections
)

// titles are the words of the sections' titles.
var titles = [sections]text.Key{
	"tui.findings", "tui.link", "tui.devices", "tui.keys", "tui.store", "tui.owed", "tui.payments",
}

// lines returns what a section says on a screen of so many columns.
func (m Model) lines(section, columns int) []line {
	switch section {
	case findings:
		return m.findingLines(columns)
	case link:
		return m.linkLines(columns)
	case devices:
		return m.deviceLines(columns)
	case keys:
		return m.keyLines()
	case store:
		return m.storeLines()
	case owed:
		return m.owedLines()
	default:
		return m.paymentLines(columns)
	}
}

// count is what stands behind a section's title: how many there are, or -1.
func (m Model) count(section int) int {
	switch section {
	case findings:
		return len(control.Visible(m.snap.Findings))
	case owed:
		return len(m.snap.Owed)
	}
	return -1
}

func (m Model) findingLines(columns int) []line {
	var out []line
	for _, f := range control.Visible(m.snap.Findings) {
		mark, how := "[i] ", plain
		switch f.Severity {
		case control.Error:
			mark, how = "[X] ", bad
		case control.Warning:
			mark, how = "[!] ", warn
		}
		row := control.Definition{Code: f.Code}
		head := line{{mark + m.word(text.Key(row.Title())), how}}
		if detail := printable(f.Detail); text.Columns(head[0].text)+2+text.Columns(detail) <= columns {
			out = append(out, append(head, span{"  " + detail, dim}))
		} else {
			out = append(append(out, head), indented(detail, columns, dim)...)
		}
		out = append(out, indented(m.word(text.Key(row.Do())), columns, plain)...)
	}
	if len(out) == 0 {
		out = []line{{{m.word("tui.all_good"), good}}}
	}
	return out
}

func (m Model) linkLines(columns int) []line {
	l := m.snap.Link
	how := bad
	switch l.State {
	case "up":
		how = good
	case "connecting", "signing on":
		how = warn
	}
	out := []line{
		m.pair("tui.state", span{text.Name(m.cfg.Lang, "link", l.State), how}, span{" " + m.since(l.Since), dim}),
		m.pair("tui.host", span{l.Host, plain}),
	}
	if l.LastError != "" {
		out = append(out, line{{m.word("tui.last_error"), dim}})
		out = append(out, indented(l.LastError, columns, bad)...)
	}
	if l.RoundTrip != "" {
		out = append(out, m.pair("tui.answer_time", span{l.RoundTrip, plain}))
	}
	if !l.LastEcho.IsZero() {
		out = append(out, m.pair("tui.last_echo", span{m.word("tui.ago", short(m.snap.Now.Sub(l.LastEcho))), plain}))
	}
	return append(out,
		m.pair("tui.counts", span{fmt.Sprintf("%d/%d", l.Requests, l.Answers), plain}),
		m.pair("tui.dropped", span{fmt.Sprintf("%d/%d", l.Dropped, l.Reconnects), plain}))
}

// deviceLines has how each device is first, for a small screen; then, device by device, where
// it is and what happened on its line.
func (m Model) deviceLines(columns int) []line {
	var out, lines []line
	for _, d := range m.snap.Devices {
		how := bad
		switch d.State {
		case "loaded":
			how = good
		case "skipped":
			how = dim
		}
		name := text.Fit(text.Name(m.cfg.Lang, "diag", d.Name), 12)
		head := line{{name, plain}, {text.Name(m.cfg.Lang, "dev", d.State), how}}
		if d.Detail != "" {
			head = append(head, span{" " + d.Detail, dim})
		}
		out = append(out, head)
		if d.Why != "" {
			out = append(out, indented(d.Why, columns, how)...)
		}
		lines = append(lines, line{{"  " + d.URL, dim}})
		lines = append(lines, m.lineCounts(d, columns)...)
	}
	return m.orNone(append(out, lines...))
}

// lineCounts says how often a device was opened, and what happened on its line since then:
// bytes, and in a tone of its own what went wrong.
func (m Model) lineCounts(d control.Device, columns int) []line {
	if d.Opened == 0 {
		return nil
	}
	l := d.Line
	good := m.word("tui.opened", tally(d.Opened))
	wrong := l.Timeouts+l.Garbled+l.Retries+l.Discarded > 0
	if l.Read+l.Written > 0 {
		good += ", " + m.word("tui.bytes", tally(l.Read), tally(l.Written))
		if !wrong {
			good += ", " + m.word("tui.line_clean")
		}
	}
	out := indented(good, columns, dim)
	if !wrong {
		return out
	}
	return append(out, indented(strings.Join([]string{
		m.word("tui.timeouts", tally(l.Timeouts)), m.word("tui.garbled", tally(l.Garbled)),
		m.word("tui.retries", tally(l.Retries)), m.word("tui.discarded", tally(l.Discarded)),
	}, ", "), columns, warn)...)
}

// tally writes a count, shortened where it is long: 9999, 10.0k, 12.3M.
func tally(n uint64) string {
	switch {
	case n < 10_000:
		return strconv.FormatUint(n, 10)
	case n < 10_000_000:
		return fmt.Sprintf("%.1fk", float64(n)/1000)
	}
	return fmt.Sprintf("%.1fM", float64(n)/1_000_000)
}

func (m Model) keyLines() []line {
	var out []line
	for _, k := range m.snap.Keys {
		row := line{{text.Fit(k.Name, 4), plain}}
		if k.KCV == "" {
			how := bad
			if k.Name == "TDK" {
				how = dim // most hosts send none
			}
			row = append(row, span{m.word("tui.no_key"), how})
		} else {
			row = append(row, span{k.KCV, good}, span{stamp(k.Since), dim})
		}
		out = append(out, row)
	}
	return m.orNone(out)
}

func (m Model) storeLines() []line {
	s := m.snap.Store
	how := plain
	if s.Max > 0 && s.Size > s.Max/10*9 {
		how = warn
	}
	used := fmt.Sprintf("%s/%s MB", mega(s.Size), mega(s.Max))
	return []line{
		m.pair("tui.used", span{used, how}),
		m.pair("tui.records", span{strconv.Itoa(s.Payments), plain}),
		m.pair("tui.schema", span{strconv.Itoa(s.Schema), plain}),
		m.pair("tui.file", span{filepath.Base(s.Path), dim}),
	}
}

func (m Model) owedLines() []line {
	var out []line
	for _, e := range m.snap.Owed {
		out = append(out,
			line{{e.ID + " ", plain}, {e.Amount, warn}},
			line{{"  " + m.word("tui.tries", strconv.Itoa(e.Tries)) + " " + m.since(e.Time), dim}})
	}
	return m.orNone(out)
}

// paymentLines takes one line for a payment where there is room, else two.
func (m Model) paymentLines(columns int) []line {
	var out []line
	for _, e := range m.entries {
		state := span{text.Fit(text.Name(m.cfg.Lang, "state", e.State), 16), tones[e.State]}
		amount := span{fmt.Sprintf("%13s %s ", e.Amount, e.Currency), plain}
		card := span{text.Fit(e.Card, 17) + e.Code, plain}
		if columns >= wideEnough {
			out = append(out, line{{e.ID, plain}, {stamp(e.Time) + " ", dim}, amount, state, card})
			continue
		}
		out = append(out, line{{e.ID, plain}, {stamp(e.Time), dim}}, line{amount, state})
	}
	return m.orNone(out)
}

// tones are the colours of a payment's state.
var tones = map[string]tone{
	"completed": good, "declined": plain, "reversal owed": bad, "requested": warn, "answered": warn,
	"reversed": warn, "resolved": warn,
}

func (m Model) orNone(lines []line) []line {
	if len(lines) == 0 {
		return []line{{{m.word("tui.none"), dim}}}
	}
	return lines
}

// pair is a label in a column of its own, and a value.
func (m Model) pair(label text.Key, value ...span) line {
	words := m.word(label)
	return append(line{{text.Fit(words, max(11, text.Columns(words)+1)), dim}}, value...)
}

func (m Model) word(key text.Key, args ...string) string { return text.Word(m.cfg.Lang, key, args...) }

func (m Model) since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return m.word("tui.since", short(m.snap.Now.Sub(t)))
}

// indented breaks words into lines behind a margin of four.
func indented(words string, columns int, how tone) []line {
	var out []line
	for _, part := range text.Wrap(printable(words), columns-4) {
		out = append(out, line{{"    " + part, how}})
	}
	return out
}

// short writes a length of time in its two largest units.
func short(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// stamp writes a moment with a space before it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(" 01-02 15:04")
}

func mega(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }

// printable replaces what would steer the terminal: an error's text may quote a line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7F && r < 0xA0 {
			return '.'
		}
		return r
	}, s)
}

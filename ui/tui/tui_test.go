package tui

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/mattn/go-runewidth"

	"posd/transport/control"
	"posd/ui/text"
)

// source answers from memory and counts the looks.
type source struct {
	snap  control.Snapshot
	err   error
	looks int
}

func (s *source) Snapshot(context.Context) (control.Snapshot, error) {
	s.looks++
	return s.snap, s.err
}

func (s *source) Journal(context.Context, int) ([]control.Entry, error) { return journal(), s.err }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// healthy is a terminal at work.
func healthy() control.Snapshot {
	return control.Snapshot{
		Version: "0.1.0", Started: noon.Add(-26 * time.Hour), Now: noon, Terminal: "10000001",
		Merchant: "898110053110001", Name: "北京测试商贸有限公司", Serial: "00003060123456", Lang: "zh-CN",
		Link: control.Link{
			State: "up", Host: "host.example:8583", Since: noon.Add(-133 * time.Minute), LastEcho: noon.Add(-35 * time.Second),
			RoundTrip: "12ms", Requests: 42, Answers: 42, Reconnects: 1,
		},
		Devices: []control.Device{
			{
				Name: "reader", URL: "ccid:///dev/serial/by-path/platform-1c28400.serial", State: "loaded", Detail: "ATR 3B65",
				Opened: 1, Line: control.Line{Read: 48211, Written: 9077},
			},
			{
				Name: "pinpad", URL: "vfpad:///dev/ttyS2", State: "loaded", Detail: "VF 1.04",
				Opened: 3, Line: control.Line{Read: 9999, Written: 12_345_678, Discarded: 7, Timeouts: 1, Garbled: 2, Retries: 3},
			},
			{Name: "printer", URL: "escpos:///dev/ttyS3", State: "loaded", Opened: 1},
		},
		Keys: []control.Key{
			{Name: "TMK", KCV: "D5D44F", Since: noon.AddDate(0, -2, 0)},
			{Name: "TPK", KCV: "08D7B4", Since: noon.Add(-4 * time.Hour)},
			{Name: "TAK", KCV: "8CA64D", Since: noon.Add(-4 * time.Hour)},
			{Name: "TDK"},
		},
		Store: control.Store{Path: "/var/lib/posd/posd.db", Schema: 1, Size: 3 << 20, Max: 32 << 20, Payments: 42},
		Batch: 1, NextSTAN: 43, Ready: true,
	}
}

// troubled is one that has everything to say.
func troubled() control.Snapshot {
	s := healthy()
	s.Ready = false
	s.Link.State, s.Link.RoundTrip, s.Link.LastError = "connecting", "", "dial tcp 192.0.2.1:8583: connect: no route to host"
	s.Devices[1].State, s.Devices[1].Detail, s.Devices[1].Why = "failed", "", "vfpad: enquire: device did not answer"
	s.Devices[2].State, s.Devices[2].Why, s.Devices[2].Opened = "skipped", "no printer configured", 0
	s.Keys[0].KCV = ""
	s.Owed = []control.Entry{{ID: "000001/000041", Amount: "12.00", Time: noon.Add(-5 * time.Minute), Tries: 3}}
	s.Findings = []control.Finding{
		control.TestKeys.With(""),
		control.ReversalOwed.With("1 payment, 12.00 CNY"),
		control.PINPadFailed.With("vfpad: enquire: device did not answer"),
		control.NotSignedOn.With(""),
		control.LinkDown.With("dial tcp 192.0.2.1:8583: connect: no route to host"),
		control.ClockSkew.With("host is 95 s ahead"),
	}
	return s
}

func journal() []control.Entry {
	row := func(stan, state, amount, code string, ago time.Duration) control.Entry {
		return control.Entry{
			ID: "000001/0000" + stan, Kind: "sale", State: state, Amount: amount, Currency: "CNY",
			Time: noon.Add(-ago), Card: "627700******0017", Code: code,
		}
	}
	return []control.Entry{
		row("42", "completed", "1234.56", "00", 2*time.Minute),
		row("41", "reversal owed", "12.00", "", 5*time.Minute),
		row("40", "declined", "88.00", "51", 8*time.Minute),
		row("39", "reversed", "9999999999.99", "", time.Hour),
		row("38", "completed", "1.00", "00", 2*time.Hour),
		row("37", "completed", "2.00", "00", 3*time.Hour),
	}
}

// screen is a model of a size, after one look.
func screen(t *testing.T, s *source, width, height int, l text.Lang) Model {
	t.Helper()
	m := New(Config{Source: s, Socket: "/run/posd/control.sock", Lang: l})
	m = send(m, tea.WindowSizeMsg{Width: width, Height: height})
	return send(m, m.Init()())
}

func send(m Model, msg tea.Msg) Model {
	next, _ := m.Update(msg)
	return next.(Model)
}

func press(m Model, keys ...rune) Model {
	for _, k := range keys {
		msg := tea.KeyPressMsg{Code: k}
		if k >= ' ' && k < 0x7F {
			msg.Text = string(k)
		}
		m = send(m, msg)
	}
	return m
}

func TestScreens(t *testing.T) {
	down := errors.New("control: connect to /run/posd/control.sock: no agent at the control socket")
	for _, row := range []struct {
		name          string
		source        source
		width, height int
		keys          []rune
	}{
		{"healthy-80x24", source{snap: healthy()}, 80, 24, nil},
		{"troubled-80x24", source{snap: troubled()}, 80, 24, nil},
		{"troubled-80x24-scrolled", source{snap: troubled()}, 80, 24, []rune{tea.KeyPgDown}},
		{"troubled-120x40", source{snap: troubled()}, 120, 40, nil},
		{"no-agent-80x24", source{err: down}, 80, 24, nil},
		{"healthy-40x15", source{snap: healthy()}, 40, 15, nil},
		{"troubled-40x15", source{snap: troubled()}, 40, 15, nil},
		{"devices-40x15", source{snap: troubled()}, 40, 15, []rune{tea.KeyTab, tea.KeyTab}},
		{"healthy-devices-40x15", source{snap: healthy()}, 40, 15, []rune{tea.KeyTab, tea.KeyTab}},
		{"payments-40x15", source{snap: troubled()}, 40, 15, []rune{tea.KeyLeft}},
	} {
		for _, l := range text.Langs() {
			t.Run(row.name+"."+l.String(), func(t *testing.T) {
				m := press(screen(t, &row.source, row.width, row.height, l), row.keys...)
				golden(t, row.name+"."+l.String(), m.draw(nil))
			})
		}
	}
}

// golden compares lines without their trailing spaces; TestEveryLineIsAsWideAsTheScreen
// looks after those.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(l, " ") + "\n")
	}
	path := filepath.Join("testdata", name+".golden")
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestEveryLineIsAsWideAsTheScreen(t *testing.T) {
	narrow := runewidth.NewCondition()
	narrow.EastAsianWidth = false
	for _, size := range [][2]int{{40, 15}, {41, 10}, {71, 30}, {72, 20}, {73, 21}, {80, 24}, {133, 50}, {20, 5}, {1, 1}} {
		for _, l := range text.Langs() {
			m := screen(t, &source{snap: troubled()}, size[0], size[1], l)
			for range sections {
				lines := m.draw(nil)
				if len(lines) != size[1] {
					t.Fatalf("%v: %d lines", size, len(lines))
				}
				for i, got := range lines {
					if narrow.StringWidth(got) != size[0] {
						t.Errorf("%v %v: line %d has %d columns: %q", size, l, i, narrow.StringWidth(got), got)
					}
				}
				m = press(m, tea.KeyTab)
			}
		}
	}
}

func TestNoCharacterOfUncertainWidth(t *testing.T) {
	for _, l := range text.Langs() {
		for _, got := range screen(t, &source{snap: troubled()}, 80, 24, l).draw(nil) {
			for _, r := range got {
				if runewidth.IsAmbiguousWidth(r) {
					t.Errorf("%v: %q in %q", l, r, got)
				}
			}
		}
	}
}

func TestAnAgentCannotSteerTheTerminal(t *testing.T) {
	s := troubled()
	s.Link.LastError, s.Name, s.Doing = "\x1b[2J\u009b", "A\x07B", "\x1b]0;x"
	for _, got := range screen(t, &source{snap: s}, 80, 24, text.English).draw(nil) {
		if strings.ContainsFunc(got, func(r rune) bool { return r < 0x20 || r >= 0x7F && r < 0xA0 }) {
			t.Errorf("%q", got)
		}
	}
}

func TestKeys(t *testing.T) {
	m := screen(t, &source{snap: troubled()}, 80, 24, text.Chinese)
	if got := press(m, 'l').cfg.Lang; got != text.English {
		t.Errorf("l: language is %v", got)
	}
	if got := press(m, tea.KeyTab, tea.KeyRight, tea.KeyLeft).focus; got != link {
		t.Errorf("tab, right, left: section %d, want %d", got, link)
	}
	if got := press(m, tea.KeyUp).offset[findings]; got != 0 {
		t.Errorf("up at the top: offset %d", got)
	}
	all, high := len(m.lines(findings, 80)), 0
	_, high = m.place(findings)
	for range 100 {
		m = press(m, tea.KeyDown)
	}
	if got := m.offset[findings]; got != all-high || got == 0 {
		t.Errorf("down a hundred times: offset %d, want %d", got, all-high)
	}
	if _, cmd := m.Update(tea.KeyPressMsg{Code: 'q', Text: "q"}); cmd == nil || cmd() != tea.Quit() {
		t.Error("q does not quit")
	}
}

func TestRefreshDoesNotDoubleTheClock(t *testing.T) {
	s := &source{snap: healthy()}
	m := screen(t, s, 80, 24, text.Chinese)
	next, cmd := m.Update(tea.KeyPressMsg{Code: 'r', Text: "r"})
	if cmd == nil {
		t.Fatal("r asks for nothing")
	}
	m = next.(Model)
	if _, again := m.Update(tea.KeyPressMsg{Code: 'r', Text: "r"}); again != nil {
		t.Error("r during a look asks again")
	}
	old := tick{m.turn}
	m = send(m, cmd())
	if _, cmd := m.Update(old); cmd != nil {
		t.Error("the clock of before the refresh still ticks")
	}
	if _, cmd := m.Update(tick{m.turn}); cmd == nil {
		t.Error("the clock does not tick")
	}
	if s.looks != 2 {
		t.Errorf("%d looks, want 2", s.looks)
	}
}

func TestAgentThatDiesLeavesItsLastPicture(t *testing.T) {
	s := &source{snap: healthy()}
	m := screen(t, s, 80, 24, text.English)
	m = send(m, looked{err: errors.New("gone")})
	got := strings.Join(m.draw(nil), "\n")
	if !strings.Contains(got, "posd does not answer: this is old") || !strings.Contains(got, "D5D44F") {
		t.Errorf("got\n%s", got)
	}
	if strings.Contains(got, "Ready for payments") {
		t.Error("an agent that is gone is said to be ready")
	}
}

func TestEveryFindingHasItsWords(t *testing.T) {
	for _, d := range control.Catalogue() {
		for _, key := range []string{d.Title(), d.Do()} {
			if !text.Has(text.Key(key)) {
				t.Errorf("%s is not in the table of words", key)
			}
		}
	}
}

func TestShort(t *testing.T) {
	for _, row := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0s"},
		{59 * time.Second, "59s"},
		{time.Minute, "1m"},
		{133 * time.Minute, "2h13m"},
		{26 * time.Hour, "1d2h"},
	} {
		if got := short(row.d); got != row.want {
			t.Errorf("short(%v) = %s, want %s", row.d, got, row.want)
		}
	}
}

func TestViewIsTheSameTextInColour(t *testing.T) {
	m := screen(t, &source{snap: troubled()}, 80, 24, text.Chinese)
	v := m.View()
	if !v.AltScreen {
		t.Error("the screen is not the alternate one")
	}
	stripped := slices.Collect(strings.SplitSeq(strip(v.Content), "\n"))
	if want := m.draw(nil); !slices.Equal(stripped, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(stripped, "\n"), strings.Join(want, "\n"))
	}
}

// strip removes the escape sequences of colours.
func strip(s string) string {
	var b strings.Builder
	for {
		head, rest, ok := strings.Cut(s, "\x1b[")
		b.WriteString(head)
		if !ok {
			return b.String()
		}
		_, s, _ = strings.Cut(rest, "m")
	}
}

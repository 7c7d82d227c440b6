package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"posd/transport/control"
	"posd/ui/text"
)

// Source is where the screen looks: a control.Client.
type Source interface {
	Snapshot(ctx context.Context) (control.Snapshot, error)
	Journal(ctx context.Context, limit int) ([]control.Entry, error)
}

// Config is what a screen needs.
type Config struct {
	Source Source
	Socket string // where the agent is, for people
	Lang   text.Lang
}

const (
	every    = time.Second     // between two looks
	patience = 5 * time.Second // for one look
	payments = 50              // of the journal
)

// Model is the screen. Its methods take and return it by value.
type Model struct {
	cfg           Config
	width, height int
	focus         int // section
	offset        [sections]int

	snap    control.Snapshot
	entries []control.Entry
	err     error // of the last look
	seen    bool  // a look has succeeded

	looking bool
	turn    int // of the clock: a tick of an earlier turn counts for nothing
}

// New returns the screen before its first look, 80x24 until it hears otherwise.
func New(cfg Config) Model {
	return Model{cfg: cfg, width: 80, height: 24, looking: true}
}

// looked is what one look brought.
type looked struct {
	snap    control.Snapshot
	entries []control.Entry
	err     error
}

// tick asks for the next look.
type tick struct{ turn int }

// Init has the first look taken.
func (m Model) Init() tea.Cmd { return m.look() }

// Update takes one message.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		if msg.Width > 0 && msg.Height > 0 { // a serial console may not know its size
			m.width, m.height = msg.Width, msg.Height
		}
	case looked:
		return m.heard(msg)
	case tick:
		if msg.turn == m.turn && !m.looking {
			m.looking = true
			return m, m.look()
		}
	case tea.KeyPressMsg:
		return m.key(msg.String())
	}
	return m, nil
}

// heard takes what a look brought, and sets the clock for the next.
func (m Model) heard(msg looked) (tea.Model, tea.Cmd) {
	m.looking, m.err = false, msg.err
	if msg.err == nil {
		m.snap, m.entries, m.seen = msg.snap, msg.entries, true
	}
	m.turn++
	turn := m.turn
	return m, tea.Tick(every, func(time.Time) tea.Msg { return tick{turn} })
}

// key takes one key press.
func (m Model) key(name string) (tea.Model, tea.Cmd) {
	switch name {
	case "q", "ctrl+c", "esc":
		return m, tea.Quit
	case "tab", "right":
		m.focus = (m.focus + 1) % sections
	case "shift+tab", "left":
		m.focus = (m.focus + sections - 1) % sections
	case "l":
		m.cfg.Lang = m.cfg.Lang.Other()
	case "r":
		if !m.looking {
			m.looking = true
			return m, m.look()
		}
	case "up", "k":
		m.scroll(-1)
	case "down", "j":
		m.scroll(1)
	case "pgup":
		m.scroll(-m.height / 2)
	case "pgdown", "space":
		m.scroll(m.height / 2)
	case "home":
		m.offset[m.focus] = 0
	}
	return m, nil
}

// scroll moves the section in focus, as far as its lines go.
func (m *Model) scroll(lines int) {
	last := m.lastOffset(m.focus)
	m.offset[m.focus] = max(0, min(m.offset[m.focus]+lines, last))
}

// look returns the command that asks the agent.
func (m Model) look() tea.Cmd {
	source := m.cfg.Source
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		snap, err := source.Snapshot(ctx)
		if err != nil {
			return looked{err: err}
		}
		entries, err := source.Journal(ctx, payments)
		return looked{snap, entries, err}
	}
}

package vt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"posd/device"
	"posd/device/display"
	"posd/device/link"
)

// Config is a terminal. Columns and Rows are required.
type Config struct {
	Columns, Rows int
	CJK           bool // it has glyphs for Chinese, Japanese and Korean characters
}

// Display is a device.Display.
type Display struct {
	config Config
	link   *link.Link
	shown  []string // nil: not known
}

var _ device.Display = (*Display)(nil)

// New makes the display at the port, and owns the port from then on.
func New(port device.Port, config Config) (*Display, error) {
	switch {
	case port == nil:
		return nil, errors.New("vt: new: no port")
	case config.Columns < 1 || config.Columns > display.MaxCells || config.Rows < 1 || config.Rows > display.MaxCells:
		return nil, fmt.Errorf("vt: new: %d columns and %d rows, 1 to %d wanted", config.Columns, config.Rows, display.MaxCells)
	}
	return &Display{config: config, link: link.New("vt", port)}, nil
}

// Open opens a tty. What config leaves 0 of its size is asked from the tty.
func Open(path string, config Config) (*Display, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("vt: open: %w", err)
	}
	columns, rows, err := size(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("vt: %s is no terminal: %w", path, err)
	}
	if config.Columns == 0 {
		config.Columns = columns
	}
	if config.Rows == 0 {
		config.Rows = rows
	}
	d, err := New(f, config)
	if err != nil {
		f.Close()
		return nil, err
	}
	return d, nil
}

func size(f *os.File) (columns, rows int, err error) {
	c, err := f.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var w *unix.Winsize
	var inner error
	if err := c.Control(func(fd uintptr) { w, inner = unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ) }); err != nil {
		return 0, 0, err
	}
	if inner != nil {
		return 0, 0, inner
	}
	return int(w.Col), int(w.Row), nil
}

// Counters are those of the line.
func (d *Display) Counters() link.Counters { return d.link.Counters() }

// Size is that of device.Display.
func (d *Display) Size() (columns, rows int) { return d.config.Columns, d.config.Rows }

// Has is that of device.Display: with CJK everything, else what has one column.
func (d *Display) Has(r rune) bool {
	n := display.Columns(r)
	return n == 1 || n == 2 && d.config.CJK
}

const (
	prepare  = "\x1b%G\x1b[?25l"
	blank    = "\x1b[2J"
	farewell = "\x1b[2J\x1b[H\x1b[?25h"
)

// Show is that of device.Display. After an error all of it is written anew.
func (d *Display) Show(ctx context.Context, lines []string) error {
	want := display.Fit(lines, d.config.Columns, d.config.Rows, d.Has)
	var out []byte
	if d.shown == nil {
		out = append(out, prepare+blank...)
	}
	for i, line := range want {
		if d.shown == nil || d.shown[i] != line {
			out = fmt.Appendf(out, "\x1b[%d;1H%s", i+1, line)
		}
	}
	if len(out) == 0 {
		return nil
	}
	d.shown = nil
	if err := d.link.Write(ctx, out); err != nil {
		return err
	}
	d.shown = want
	return nil
}

// Refresh is that of device.Display.
func (d *Display) Refresh(ctx context.Context) error {
	if d.shown == nil {
		return d.Show(ctx, nil)
	}
	out := []byte(prepare) // and no blank: it would flicker
	for i, line := range d.shown {
		out = fmt.Appendf(out, "\x1b[%d;1H%s", i+1, line)
	}
	if err := d.link.Write(ctx, out); err != nil {
		d.shown = nil
		return err
	}
	return nil
}

// partingTime is how long Close gives the terminal to take the last bytes.
const partingTime = 200 * time.Millisecond

// Close blanks the terminal, where that is possible, and closes the port.
func (d *Display) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	_ = d.link.Write(ctx, []byte(farewell)) // one that is gone needs none
	return d.link.Close()
}

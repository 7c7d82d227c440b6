package pole

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"posd/device"
	"posd/device/display"
	"posd/device/link"
)

// Values for zero fields of Config.
const (
	DefaultColumns = 20
	DefaultRows    = 2
)

// Config is a display. Nothing in it is required.
type Config struct {
	Columns, Rows int // 20 and 2
}

// Display is a device.Display.
type Display struct {
	config Config
	link   *link.Link
	ready  bool // initialised
	shown  []string
}

var _ device.Display = (*Display)(nil)

// New makes the display at the port, and owns the port from then on.
func New(port device.Port, config Config) (*Display, error) {
	if config.Columns == 0 {
		config.Columns = DefaultColumns
	}
	if config.Rows == 0 {
		config.Rows = DefaultRows
	}
	switch {
	case port == nil:
		return nil, errors.New("pole: new: no port")
	case config.Columns < 1 || config.Columns > 255 || config.Rows < 1 || config.Rows > 255:
		return nil, fmt.Errorf("pole: new: %d columns and %d rows, 1 to 255 wanted", config.Columns, config.Rows)
	}
	return &Display{config: config, link: link.New("pole", port)}, nil
}

// Counters are those of the line.
func (d *Display) Counters() link.Counters { return d.link.Counters() }

// Size is that of device.Display.
func (d *Display) Size() (columns, rows int) { return d.config.Columns, d.config.Rows }

// Has is that of device.Display: ASCII.
func (d *Display) Has(r rune) bool { return display.ASCII(r) }

var (
	initialise = []byte{0x1B, '@', 0x1F, 0x01, 0x1F, 'C', 0x00}
	clearAll   = []byte{0x0C}
)

// Show is that of device.Display. It returns when the line has taken the bytes.
func (d *Display) Show(ctx context.Context, lines []string) error {
	lines = slices.Clone(lines)
	var out []byte
	if !d.ready {
		out = append(out, initialise...)
	}
	for i, line := range display.Fit(lines, d.config.Columns, d.config.Rows, d.Has) {
		out = append(out, 0x1F, '$', 1, byte(i+1))
		out = append(out, line...)
	}
	d.ready, d.shown = false, lines
	if err := d.link.Write(ctx, out); err != nil {
		return err
	}
	d.ready = true
	return nil
}

// Refresh is that of device.Display.
func (d *Display) Refresh(ctx context.Context) error { return d.Show(ctx, d.shown) }

// farewell is how long Close gives the line to take the last byte.
const farewell = 200 * time.Millisecond

// Close clears the display, where that is possible, and closes the port.
func (d *Display) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = d.link.Write(ctx, clearAll) // one that is gone needs none
	return d.link.Close()
}

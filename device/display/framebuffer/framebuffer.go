package framebuffer

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"posd/device"
	"posd/device/display"
)

// Colour is red, green and blue, 8 bits each.
type Colour struct{ R, G, B uint8 }

// Values for zero fields of Config.
const (
	DefaultPath    = "/dev/fb0"
	DefaultColumns = 24
	DefaultRows    = 8
)

// Config is a screen. Nothing in it is required.
type Config struct {
	Path          string // /dev/fb0
	Columns, Rows int    // 24 and 8
	Ink, Paper    Colour // white on black, where both are zero
}

func (c Config) withDefaults() (Config, error) {
	if c.Path == "" {
		c.Path = DefaultPath
	}
	if c.Columns == 0 {
		c.Columns = DefaultColumns
	}
	if c.Rows == 0 {
		c.Rows = DefaultRows
	}
	if c.Ink == (Colour{}) && c.Paper == (Colour{}) {
		c.Ink = Colour{255, 255, 255}
	}
	if c.Columns < 1 || c.Columns > display.MaxCells || c.Rows < 1 || c.Rows > display.MaxCells {
		return c, fmt.Errorf("%d columns and %d rows, 1 to %d wanted", c.Columns, c.Rows, display.MaxCells)
	}
	return c, nil
}

// Display is a device.Display.
type Display struct {
	config     Config
	font       map[rune]glyph
	geometry   Geometry
	memory     []byte // mapped
	scale      int    // pixels of a dot, each way
	left, top  int    // of the grid
	ink, paper []byte // a pixel
	shown      []string
	closed     bool
}

var _ device.Display = (*Display)(nil)

// Open maps the framebuffer and fills it with paper.
func Open(config Config) (*Display, error) { return open(config, askKernel) }

// open is Open with the answers of the kernel given.
func open(config Config, ask func(fd int) (Geometry, error)) (*Display, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("framebuffer: open: %w", err)
	}
	font, err := parseFont(fontText)
	if err != nil {
		return nil, fmt.Errorf("framebuffer: font: %w", err)
	}
	f, err := os.OpenFile(config.Path, os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("framebuffer: open: %w", err)
	}
	defer f.Close() // the map stays
	d := &Display{config: config, font: font}
	if err := d.take(int(f.Fd()), ask); err != nil {
		return nil, fmt.Errorf("framebuffer: open %s: %w", config.Path, err)
	}
	return d, nil
}

func (d *Display) take(fd int, ask func(fd int) (Geometry, error)) (err error) {
	if d.geometry, err = ask(fd); err != nil {
		return err
	}
	if err := d.geometry.check(); err != nil {
		return err
	}
	if err := d.place(); err != nil {
		return err
	}
	if d.memory, err = unix.Mmap(fd, 0, d.geometry.bytes(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map %d bytes: %w", d.geometry.bytes(), err)
	}
	d.ink, d.paper = d.geometry.pixel(d.config.Ink), d.geometry.pixel(d.config.Paper)
	d.fill(d.paper)
	return nil
}

// place finds the largest dot with which the grid fits, and centres it.
func (d *Display) place() error {
	width, height := d.config.Columns*cellWidth, d.config.Rows*cellHeight
	g := d.geometry
	d.scale = min(g.Width/width, g.Height/height)
	if d.scale == 0 {
		return fmt.Errorf("%d by %d pixels have no room for %d columns and %d rows, which take %d by %d",
			g.Width, g.Height, d.config.Columns, d.config.Rows, width, height)
	}
	d.left, d.top = (g.Width-width*d.scale)/2, (g.Height-height*d.scale)/2
	return nil
}

// Size is that of device.Display.
func (d *Display) Size() (columns, rows int) { return d.config.Columns, d.config.Rows }

// Has is that of device.Display: what is in the font.
func (d *Display) Has(r rune) bool {
	_, ok := d.font[r]
	return ok
}

// Show is that of device.Display. It does not wait for anything.
func (d *Display) Show(ctx context.Context, lines []string) error {
	if d.closed {
		return fmt.Errorf("framebuffer: show: %w", device.ErrGone)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("framebuffer: show: %w", err)
	}
	want := display.Fit(lines, d.config.Columns, d.config.Rows, d.Has)
	for y, line := range want {
		if d.shown == nil || d.shown[y] != line {
			d.drawRow(y, line)
		}
	}
	d.shown = want
	return nil
}

// Refresh is that of device.Display: it draws over what others have drawn.
func (d *Display) Refresh(ctx context.Context) error {
	lines := d.shown
	d.shown = nil
	return d.Show(ctx, lines)
}

// drawRow draws a row; every character of it is in the font.
func (d *Display) drawRow(row int, line string) {
	column := 0
	for _, r := range line {
		g := d.font[r]
		for y := range cellHeight {
			for x := range cellWidth {
				on := y < glyphHeight && x < glyphWidth && g[y]&(1<<(glyphWidth-1-x)) != 0
				d.dot(column*cellWidth+x, row*cellHeight+y, on)
			}
		}
		column++
	}
}

// dot draws one dot of the grid.
func (d *Display) dot(x, y int, on bool) {
	colour := d.paper
	if on {
		colour = d.ink
	}
	for dy := range d.scale {
		at := d.geometry.offset(d.left+x*d.scale, d.top+y*d.scale+dy)
		for range d.scale {
			at += copy(d.memory[at:], colour)
		}
	}
}

func (d *Display) fill(colour []byte) {
	for y := range d.geometry.Height {
		at := d.geometry.offset(0, y)
		for range d.geometry.Width {
			at += copy(d.memory[at:], colour)
		}
	}
}

// Close fills the screen with paper, and lets go of it.
func (d *Display) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	d.fill(d.paper)
	if err := unix.Munmap(d.memory); err != nil {
		return fmt.Errorf("framebuffer: close: %w", err)
	}
	return nil
}

// errDepth is a screen whose pixels are not for us.
var errDepth = errors.New("pixels of 16 or 32 bits wanted")

package pole

import (
	"context"
	"sync"

	"posd/device"
	"posd/device/sim/line"
)

// Size of the screen.
const (
	Columns = 20
	RowsOf  = 2
)

// Display is a display. Its methods may be called from any goroutine.
type Display struct {
	mu      sync.Mutex
	screen  [RowsOf][Columns]byte
	x, y    int
	cursor  bool
	unknown int
	buf     []byte // an unfinished command
	changed func()
}

// New makes a blank display with its cursor on, as after power-up. changed, where it is not
// nil, is called after each piece of input, by the goroutine of Run.
func New(changed func()) *Display {
	d := &Display{changed: changed}
	d.initialise()
	return d
}

// Rows are what can be read.
func (d *Display) Rows() [RowsOf]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out [RowsOf]string
	for i, row := range d.screen {
		out[i] = string(row[:])
	}
	return out
}

// Cursor tells whether the cursor can be seen.
func (d *Display) Cursor() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cursor
}

// Unknown counts the bytes that were not understood.
func (d *Display) Unknown() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unknown
}

// Run reads the port until ctx ends (nil) or the port fails. It closes nothing.
func (d *Display) Run(ctx context.Context, port device.Port) error {
	return line.Loops{Name: "sim/pole", Take: func(_ context.Context, piece []byte) error {
		d.Take(piece)
		return nil
	}}.Run(ctx, port)
}

// Take is what Run does with what it reads.
func (d *Display) Take(b []byte) {
	d.mu.Lock()
	d.buf = append(d.buf, b...)
	for len(d.buf) > 0 {
		n := d.execute(d.buf)
		if n == 0 {
			break
		}
		d.buf = d.buf[n:]
	}
	d.mu.Unlock()
	if d.changed != nil {
		d.changed()
	}
}

func (d *Display) initialise() {
	d.blank()
	d.cursor = true
}

func (d *Display) blank() {
	for y := range d.screen {
		for x := range d.screen[y] {
			d.screen[y][x] = ' '
		}
	}
	d.x, d.y = 0, 0
}

// execute does the first thing in b and returns its length, 0 for an unfinished one. The
// caller has the lock.
func (d *Display) execute(b []byte) int {
	switch c := b[0]; {
	case c == 0x1B || c == 0x1F:
		return d.command(b)
	case c >= 0x20:
		d.screen[d.y][d.x] = c
		d.move(1)
	default:
		d.control(c)
	}
	return 1
}

// move goes cells on, round the end of the screen.
func (d *Display) move(cells int) {
	at := (d.y*Columns + d.x + cells + Columns*RowsOf) % (Columns * RowsOf)
	d.x, d.y = at%Columns, at/Columns
}

func (d *Display) control(c byte) {
	switch c {
	case 0x08:
		d.move(-1)
	case 0x09:
		d.move(1)
	case 0x0A:
		d.move(Columns)
	case 0x0B:
		d.x, d.y = 0, 0
	case 0x0C:
		d.blank()
	case 0x0D:
		d.x = 0
	case 0x18:
		for x := range d.screen[d.y] {
			d.screen[d.y][x] = ' '
		}
		d.x = 0
	default:
		d.unknown++
	}
}

// parameters is how many bytes follow the two of a command.
var parameters = map[[2]byte]int{
	{0x1B, '@'}: 0, {0x1B, 't'}: 1, {0x1B, 'R'}: 1,
	{0x1F, 0x01}: 0, {0x1F, 0x0A}: 0, {0x1F, 0x0D}: 0, {0x1F, 'B'}: 0,
	{0x1F, '$'}: 2, {0x1F, 'C'}: 1, {0x1F, 'X'}: 1, {0x1F, 'E'}: 1,
}

// command executes one of ESC or US.
func (d *Display) command(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	code := [2]byte(b[:2])
	count, known := parameters[code]
	if !known {
		d.unknown += 2
		return 2
	}
	if len(b) < 2+count {
		return 0
	}
	d.perform(code, b[2:2+count])
	return 2 + count
}

func (d *Display) perform(code [2]byte, p []byte) {
	switch code {
	case [2]byte{0x1B, '@'}:
		d.initialise()
	case [2]byte{0x1F, 0x0A}:
		d.move(-Columns)
	case [2]byte{0x1F, 0x0D}:
		d.x = Columns - 1
	case [2]byte{0x1F, 'B'}:
		d.x, d.y = 0, RowsOf-1
	case [2]byte{0x1F, 'C'}:
		d.cursor = p[0] != 0
	case [2]byte{0x1F, '$'}:
		if p[0] < 1 || p[0] > Columns || p[1] < 1 || p[1] > RowsOf {
			d.unknown += 4
			return
		}
		d.x, d.y = int(p[0])-1, int(p[1])-1
	}
}

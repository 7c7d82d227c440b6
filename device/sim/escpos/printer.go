package escpos

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"posd/device"
)

// Limits of a printer.
const (
	maxQueue  = 64       // answers that wait for a driver that does not read
	maxBuffer = 64 << 10 // bytes that wait for paper
	maxPaper  = 10_000   // lines of paper
)

// Config is a printer. Zero values are the defaults.
type Config struct {
	Columns int // default 32: 58 mm paper
	// OnLine, where set, is called for each line that is printed, in order. It must not
	// call the Printer.
	OnLine func(Line)
}

// Line is one line on paper.
type Line struct {
	Text          string
	Width, Height int // 1 or 2
	Bold          bool
	Align         device.Align
	QR            string // a QR code with this content
	Cut           bool   // the paper is cut here
}

// Fault is a way to misbehave.
type Fault uint8

const (
	None        Fault = iota
	Silent            // reads, and answers nothing
	GarbledOnce       // the next answer is no status byte
	Garbled           // every answer is none
)

// Printer is a printer. Its methods may be called from any goroutine.
type Printer struct {
	config Config
	out    chan []byte

	mu        sync.Mutex
	fault     Fault
	paperOut  bool
	paperLow  bool
	coverOpen bool
	linesLeft int // -1: enough
	realtime  realtime
	buffer    []byte
	style     style
	row       []rune // of the line that is being filled
	used      int    // columns of it
	qr        []byte // stored
	paper     []Line
	unknown   int
	lost      int // bytes that the buffer had no room for
}

// New makes a printer with paper in it.
func New(config Config) (*Printer, error) {
	if config.Columns == 0 {
		config.Columns = 32
	}
	if config.Columns < 4 || config.Columns > 255 {
		return nil, fmt.Errorf("sim/escpos: new: Columns %d, 4 to 255 wanted", config.Columns)
	}
	return &Printer{config: config, out: make(chan []byte, maxQueue), linesLeft: -1, style: plain}, nil
}

// Run speaks on the port until ctx ends (nil) or the port fails. It closes nothing.
func (p *Printer) Run(ctx context.Context, port device.Port) error {
	g, run := errgroup.WithContext(ctx)
	stop := context.AfterFunc(run, func() { // a port that is closed is ended already
		_ = port.SetReadDeadline(time.Unix(1, 0))
		_ = port.SetWriteDeadline(time.Unix(1, 0))
	})
	defer stop()
	g.Go(func() error { return p.read(port) })
	g.Go(func() error { return p.write(run, port) })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("sim/escpos: %w", err)
	}
	return nil
}

func (p *Printer) read(port device.Port) error {
	b := make([]byte, 512)
	for {
		n, err := port.Read(b)
		p.take(b[:n])
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
}

func (p *Printer) write(ctx context.Context, port device.Port) error {
	for {
		select {
		case b := <-p.out:
			if _, err := port.Write(b); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take reads a piece of the stream: real-time commands at once, the rest in its turn.
func (p *Printer) take(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range b {
		rest, n := p.realtime.add(c)
		if n != 0 {
			p.answer(p.status(n))
		}
		if len(p.buffer)+len(rest) > maxBuffer {
			p.lost += len(rest)
			continue
		}
		p.buffer = append(p.buffer, rest...)
	}
	p.work()
}

// answer queues one byte.
func (p *Printer) answer(b byte) {
	switch p.fault {
	case Silent:
		return
	case GarbledOnce:
		p.fault = None
		b = 0xFF
	case Garbled:
		b = 0xFF
	}
	select {
	case p.out <- []byte{b}:
	default: // nobody reads
	}
}

func (p *Printer) offline() bool { return p.paperOut || p.coverOpen }

// status is the answer to DLE EOT n.
func (p *Printer) status(n byte) byte {
	b := byte(0x12)
	for _, row := range []struct {
		on  bool
		n   byte
		bit byte
	}{
		{p.offline(), 1, 0x08},
		{p.coverOpen, 2, 0x04},
		{p.paperOut, 2, 0x20},
		{p.paperLow || p.paperOut, 4, 0x0C},
		{p.paperOut, 4, 0x60},
	} {
		if row.on && row.n == n {
			b |= row.bit
		}
	}
	return b
}

// change applies f, and prints what waited if the printer is online after it.
func (p *Printer) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.work()
}

// Misbehave does so until it is told otherwise.
func (p *Printer) Misbehave(f Fault) { p.change(func() { p.fault = f }) }

// SetPaperOut takes the roll out, or puts a new one in.
func (p *Printer) SetPaperOut(out bool) {
	p.change(func() { p.paperOut, p.linesLeft = out, -1 })
}

// SetPaperLow says that the roll is near its end.
func (p *Printer) SetPaperLow(low bool) { p.change(func() { p.paperLow = low }) }

// SetCoverOpen opens or closes the cover.
func (p *Printer) SetCoverOpen(open bool) { p.change(func() { p.coverOpen = open }) }

// SetLinesLeft ends the roll after so many lines more.
func (p *Printer) SetLinesLeft(lines int) { p.change(func() { p.linesLeft = max(lines, 0) }) }

// Paper is what was printed since the last Tear.
func (p *Printer) Paper() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.paper)
}

// Tear takes the paper away and returns it.
func (p *Printer) Tear() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	paper := p.paper
	p.paper = nil
	return paper
}

// Lines is the paper as text, a string for each line: see [Text].
func (p *Printer) Lines() []string { return Text(p.Paper(), p.config.Columns) }

// Unknown counts the commands that the printer did not know.
func (p *Printer) Unknown() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unknown
}

// Slips is the paper, parted at its cuts, as text: see [Slips].
func (p *Printer) Slips() []string { return Slips(p.Paper(), p.config.Columns) }

package escpos

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"posd/device"
	"posd/device/sim/line"
)

// Limits of a printer.
const (
	maxBuffer = 128 << 10 // bytes that wait for paper
	maxImage  = 64 << 10  // bytes of one image
	maxPaper  = 10_000    // lines of paper
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
	QR            string  // a QR code with this content
	Barcode       Barcode // where it has bars
	Image         Image   // where it has dots
	Cut           bool    // the paper is cut here
}

// Barcode is a bar code on paper.
type Barcode struct {
	Text   string // what it says
	Bars   string // the width in dots of a bar, a space, a bar … as bytes
	Height int    // dots
}

// Image is a piece of a picture on paper; pieces that follow each other touch.
type Image struct {
	Width, Height int    // dots; Width is a multiple of 8
	Dots          string // row by row, eight a byte, the left one in bit 7
}

// Fault is a way to misbehave.
type Fault uint8

const (
	None         Fault = iota
	Silent             // reads, and answers nothing
	GarbledOnce        // the next answer is no status byte
	Garbled            // every answer is none
	Lagging            // each answer is the one to the question before
	Unconfirming       // GS r is not answered
)

// Printer is a printer. Its methods may be called from any goroutine.
type Printer struct {
	config Config
	out    line.Queue

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
	bars      bars   // of the next bar code
	auto      byte   // what GS a asked for
	told      [4]byte
	lagging   []byte // the answer that waits for the next question
	paper     []Line
	kicks     int
	unknown   int
	lost      int // bytes that the buffer had no room for
	off       bool
	bytesLeft int // until the power goes; -1: it stays
}

// New makes a printer with paper in it.
func New(config Config) (*Printer, error) {
	if config.Columns == 0 {
		config.Columns = 32
	}
	if config.Columns < 4 || config.Columns > 255 {
		return nil, fmt.Errorf("sim/escpos: new: Columns %d, 4 to 255 wanted", config.Columns)
	}
	p := &Printer{config: config, out: line.NewQueue(), linesLeft: -1, bytesLeft: -1}
	p.initialise()
	return p, nil
}

// Run speaks on the port until ctx ends (nil) or the port fails. It closes nothing.
func (p *Printer) Run(ctx context.Context, port device.Port) error {
	return line.Loops{Name: "sim/escpos", Out: p.out, Take: func(_ context.Context, piece []byte) error {
		p.take(piece)
		return nil
	}}.Run(ctx, port)
}

// take reads a piece of the stream: real-time commands at once, the rest in its turn.
func (p *Printer) take(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range b {
		if p.off || p.bytesLeft == 0 {
			break
		}
		p.bytesLeft = max(p.bytesLeft-1, -1)
		p.accept(c)
	}
	p.work()
	if p.bytesLeft == 0 {
		p.powerOff()
	}
}

func (p *Printer) accept(c byte) {
	rest, command := p.realtime.add(c)
	if command != nil {
		p.immediately(command)
	}
	if len(p.buffer)+len(rest) > maxBuffer {
		p.lost += len(rest)
		return
	}
	p.buffer = append(p.buffer, rest...)
}

// immediately executes a real-time command.
func (p *Printer) immediately(command []byte) {
	switch command[1] {
	case 0x04:
		p.answer(p.status(command[2]))
	case 0x14:
		p.kicks++
	}
}

// answer queues the bytes of one answer.
func (p *Printer) answer(b ...byte) {
	switch p.fault {
	case Silent:
		return
	case GarbledOnce:
		p.fault = None
		b[0] = 0xFF
	case Garbled:
		b[0] = 0xFF
	case Lagging:
		b, p.lagging = p.lagging, b
	}
	if len(b) == 0 {
		return
	}
	p.out.Offer(b)
}

// autoStatus is the four bytes of GS a.
func (p *Printer) autoStatus() [4]byte {
	b := [4]byte{0x10}
	for _, row := range []struct {
		on  bool
		at  int
		bit byte
	}{
		{p.offline(), 0, 0x08},
		{p.coverOpen, 0, 0x20},
		{p.paperLow || p.paperOut, 2, 0x03},
		{p.paperOut, 2, 0x0C},
	} {
		if row.on {
			b[row.at] |= row.bit
		}
	}
	return b
}

func (p *Printer) sendAuto() {
	now := p.autoStatus()
	p.told = now
	p.answer(now[:]...)
}

// tell sends the automatic status if something has changed that was asked for.
func (p *Printer) tell() {
	now := p.autoStatus()
	if p.auto&0x02 != 0 && now[0] != p.told[0] || p.auto&0x08 != 0 && now[2] != p.told[2] {
		p.sendAuto()
	}
}

// powerOff forgets everything but the paper.
func (p *Printer) powerOff() {
	p.off, p.bytesLeft = true, -1
	p.realtime, p.buffer, p.qr, p.lagging = realtime{}, nil, nil, nil
	p.initialise()
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
	if !p.off {
		p.tell()
	}
	p.work()
	if p.bytesLeft == 0 {
		p.powerOff()
	}
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

// SetBytesLeft takes the power away after so many bytes more: what is in the buffer is
// lost, what is on paper stays, and nothing is answered until SetPower.
func (p *Printer) SetBytesLeft(n int) { p.change(func() { p.bytesLeft = max(n, 0) }) }

// SetPower switches the printer off, with its buffer, or on again.
func (p *Printer) SetPower(on bool) {
	p.change(func() {
		p.powerOff()
		p.off = !on
	})
}

// Kicks counts the pulses to a cash drawer.
func (p *Printer) Kicks() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kicks
}

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

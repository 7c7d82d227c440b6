package escpos

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"posd/device"
	"posd/device/link"
)

const (
	tries      = 3
	chunk      = 256 // bytes written at once
	maxNoise   = 64  // bytes skipped while an answer is waited for
	staleTime  = time.Millisecond
	settleTime = 50 * time.Millisecond // after which an answer is the last of its kind
	wanted     = 2                     // questions in a row with one answer each
	maxRounds  = 8
)

// Config is what may differ between printers. Zero values are the defaults.
type Config struct {
	Columns    int           // of the paper; default 32 (58 mm), 80 mm has 48
	FeedLines  int           // after the last line, so that it can be torn off; default 3
	StatusTime time.Duration // for one answer, and for 256 bytes to be taken; default 1 s
	PrintTime  time.Duration // until a document must be confirmed; default 60 s
	// Unconfirmed is for printers that do not know GS r: a document counts as printed
	// when its bytes are out and the status after it is good.
	Unconfirmed bool
	// NoAutoStatus is for printers that do not know GS a: what happens while a document
	// is printed is then seen up to StatusTime later.
	NoAutoStatus bool
}

// Printer is a printer at the end of a port. It implements device.Printer; one goroutine
// uses it at a time, and any may call Close, Counters and Last.
type Printer struct {
	link     *link.Link
	cfg      Config
	heard    parser
	answered int  // answers to GS r since somebody looked
	torn     bool // the printer may be in the middle of a command
	last     atomic.Pointer[device.PrinterStatus]
}

var _ device.Printer = (*Printer)(nil)

// New takes over the port. It sends nothing.
func New(port device.Port, cfg Config) (*Printer, error) {
	if port == nil {
		return nil, errors.New("escpos: new: Port is missing")
	}
	for _, d := range []struct {
		value *int
		name  string
		zero  int
	}{{&cfg.Columns, "Columns", 32}, {&cfg.FeedLines, "FeedLines", 3}} {
		if *d.value == 0 {
			*d.value = d.zero
		}
		if *d.value < 1 || *d.value > 255 {
			return nil, fmt.Errorf("escpos: new: %s %d, 1 to 255 wanted", d.name, *d.value)
		}
	}
	if cfg.Columns < 4 {
		return nil, fmt.Errorf("escpos: new: Columns %d: no room for a large Chinese character", cfg.Columns)
	}
	if cfg.StatusTime == 0 {
		cfg.StatusTime = time.Second
	}
	if cfg.PrintTime == 0 {
		cfg.PrintTime = time.Minute
	}
	if cfg.StatusTime < 0 || cfg.PrintTime < 0 {
		return nil, fmt.Errorf("escpos: new: StatusTime %v, PrintTime %v: negative", cfg.StatusTime, cfg.PrintTime)
	}
	return &Printer{link: link.New("escpos", port), cfg: cfg, torn: true}, nil
}

// Close closes the port.
func (p *Printer) Close() error { return p.link.Close() }

// Counters tell of the line's health.
func (p *Printer) Counters() link.Counters { return p.link.Counters() }

// Last is what the printer said of itself when it was asked last, which is before and
// after each document; ok is false where it never was.
func (p *Printer) Last() (status device.PrinterStatus, ok bool) {
	if s := p.last.Load(); s != nil {
		return *s, true
	}
	return device.PrinterStatus{}, false
}

// Print prints a document and returns when the printer has confirmed the end of it.
// Errors: device.ErrPaper, device.ErrCover, device.ErrRefused (offline, or an error of
// the mechanics, named), device.ErrDocument, and those of a line. Beside them
// device.ErrUnprinted where not a byte of the document went out; otherwise it is not
// known how much is on paper.
func (p *Printer) Print(ctx context.Context, doc device.Document) error {
	data, err := newEncoder(p.cfg.Columns, p.cfg.FeedLines, !p.cfg.NoAutoStatus).document(doc)
	if err != nil {
		err = fmt.Errorf("%w: %w", device.ErrDocument, err)
	} else {
		err = p.prepare(ctx)
	}
	if err != nil {
		return fmt.Errorf("escpos: print: %w: %w", device.ErrUnprinted, err)
	}
	if err := p.print(ctx, data); err != nil {
		p.torn = true
		return fmt.Errorf("escpos: print: %w", err)
	}
	return nil
}

// prepare has the printer ready for a document from its first byte on.
func (p *Printer) prepare(ctx context.Context) error {
	if err := p.ready(ctx, staleTime); err != nil {
		return err
	}
	if !p.torn {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, p.cfg.PrintTime)
	defer cancel()
	if err := p.mend(limit); err != nil {
		return p.because(ctx, err)
	}
	p.torn = false
	return nil
}

// mend ends whatever command the document before was cut off in: the printer takes as
// many bytes as the command lacks for its data, and ignores the others. What was in the
// printer's buffer comes out first, and its answers with it.
func (p *Printer) mend(ctx context.Context) error {
	if err := p.send(ctx, append(make([]byte, longestPart), esc, '@')); err != nil {
		return err
	}
	if p.cfg.Unconfirmed {
		return nil
	}
	return p.confirm(ctx)
}

func (p *Printer) print(ctx context.Context, data []byte) error {
	limit, cancel := context.WithTimeout(ctx, p.cfg.PrintTime)
	defer cancel()
	err := p.send(limit, data)
	if err == nil && !p.cfg.Unconfirmed {
		err = p.confirm(limit)
	}
	if err != nil {
		return p.because(ctx, err)
	}
	err = p.ready(ctx, staleTime) // for Last; after a confirmed document trouble is the next one's
	if p.cfg.Unconfirmed {
		return err
	}
	return nil
}

// because finds out why a printer stopped taking data: a cause that it tells is better
// than a time-out.
func (p *Printer) because(ctx context.Context, err error) error {
	if !errors.Is(err, device.ErrTimeout) || ctx.Err() != nil {
		return err
	}
	if cause := p.ready(ctx, p.cfg.StatusTime); cause != nil {
		return cause
	}
	return err
}

// send writes in chunks, each with its time.
func (p *Printer) send(ctx context.Context, data []byte) error {
	for len(data) > 0 {
		n := min(len(data), chunk)
		if err := p.write(ctx, data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

func (p *Printer) write(ctx context.Context, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.StatusTime)
	defer cancel()
	return p.link.Write(ctx, b)
}

// confirm waits until everything that was sent is printed. The answer to a GS r says no
// more than that one was executed: it could be that of an earlier document, or what a bad
// line left of an automatic status. So it asks until two questions in a row had one
// answer each.
func (p *Printer) confirm(ctx context.Context) error {
	good := 0
	for range maxRounds {
		n, err := p.round(ctx)
		switch {
		case err != nil:
			return err
		case n != 1:
			good = 0
			continue
		}
		if good++; good == wanted {
			return nil
		}
	}
	return p.link.Garbled("questions and answers do not fit after %d rounds", maxRounds)
}

// round sends one GS r, and counts the answers until the line is quiet again.
func (p *Printer) round(ctx context.Context) (int, error) {
	p.answered = 0
	if err := p.write(ctx, []byte{gs, 'r', 1}); err != nil {
		return 0, err
	}
	for p.answered == 0 {
		k, quiet, err := p.hearFor(ctx, p.cfg.StatusTime)
		switch {
		case err != nil:
			return 0, err
		case quiet:
			err = p.stopped(ctx)
		case k == auto:
			err = p.heard.trouble()
		}
		if err != nil {
			return 0, err
		}
	}
	for range maxNoise {
		if _, quiet, err := p.hearFor(ctx, settleTime); quiet || err != nil {
			return p.answered, err
		}
	}
	return 0, p.link.Garbled("%d bytes without a pause", maxNoise)
}

// stopped asks whether the printer has stopped, without throwing away the answer that is
// waited for.
func (p *Printer) stopped(ctx context.Context) error {
	for _, n := range causes {
		b, err := p.realtime(ctx, n)
		if err == nil {
			err = troubleOf(n, b)
		}
		if err != nil || p.answered > 0 {
			return err
		}
	}
	return nil
}

package escpos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/device/link"
)

const (
	tries     = 3
	chunk     = 256 // bytes written at once
	maxNoise  = 64  // bytes skipped while an answer is waited for
	staleTime = time.Millisecond
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
}

// Printer is a printer at the end of a port. It implements device.Printer; one goroutine
// uses it at a time, and any may call Close.
type Printer struct {
	link *link.Link
	cfg  Config
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
	return &Printer{link: link.New("escpos", port), cfg: cfg}, nil
}

// Close closes the port.
func (p *Printer) Close() error { return p.link.Close() }

// Counters tell of the line's health.
func (p *Printer) Counters() link.Counters { return p.link.Counters() }

// Print prints a document and returns when the printer has confirmed the end of it.
// Errors: device.ErrPaper, device.ErrCover, device.ErrRefused (offline, or an error of
// the mechanics, named), and those of a line. After an error it is not known how much is
// on paper.
func (p *Printer) Print(ctx context.Context, doc device.Document) error {
	data, err := newEncoder(p.cfg.Columns, p.cfg.FeedLines).document(doc)
	if err == nil {
		err = p.ready(ctx)
	}
	if err == nil {
		err = p.print(ctx, data)
	}
	if err != nil {
		return fmt.Errorf("escpos: print: %w", err)
	}
	return nil
}

func (p *Printer) print(ctx context.Context, data []byte) error {
	limit, cancel := context.WithTimeout(ctx, p.cfg.PrintTime)
	defer cancel()
	if !p.cfg.Unconfirmed {
		data = append(data, gs, 'r', 1)
	}
	for len(data) > 0 {
		n := min(len(data), chunk)
		if err := p.write(limit, data[:n]); err != nil {
			return p.because(ctx, err)
		}
		data = data[n:]
	}
	if p.cfg.Unconfirmed {
		return p.ready(ctx)
	}
	if err := p.confirmed(limit); err != nil {
		return p.because(ctx, err)
	}
	return nil // what happened to the printer after the last line is for the next document
}

// because finds out why a printer stopped taking data: a cause that it tells is better
// than a time-out.
func (p *Printer) because(ctx context.Context, err error) error {
	if !errors.Is(err, device.ErrTimeout) || ctx.Err() != nil {
		return err
	}
	if cause := p.ready(ctx); cause != nil {
		return cause
	}
	return err
}

func (p *Printer) write(ctx context.Context, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.StatusTime)
	defer cancel()
	return p.link.Write(ctx, b)
}

// confirmed waits for the answer to GS r, and asks in between whether the printer has
// stopped: then it would not come.
func (p *Printer) confirmed(ctx context.Context) error {
	for {
		done, err := p.poll(ctx)
		if done || err != nil {
			return err
		}
		for _, n := range causes {
			b, done, err := p.realtime(ctx, n)
			if done || err != nil {
				return err
			}
			if err := trouble(n, b); err != nil {
				return err
			}
		}
	}
}

// poll waits a little for the confirmation.
func (p *Printer) poll(ctx context.Context) (done bool, err error) {
	wait, cancel := context.WithTimeout(ctx, p.cfg.StatusTime)
	defer cancel()
	for range maxNoise {
		b, err := p.link.Byte(wait)
		switch {
		case errors.Is(err, device.ErrTimeout) && ctx.Err() == nil:
			return false, nil
		case err != nil:
			return false, err
		case isOrdered(b):
			return true, nil
		}
	}
	return false, p.link.Garbled("%d bytes and no confirmation", maxNoise)
}

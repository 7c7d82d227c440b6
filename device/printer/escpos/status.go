package escpos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
)

// The n of DLE EOT.
const (
	printerStatus = 1
	offlineCause  = 2
	errorCause    = 3
	paperSensor   = 4
)

// Bits of the answers to DLE EOT.
const (
	bitOffline       = 0x08 // of n 1
	bitCover         = 0x04 // of n 2
	bitStopped       = 0x20
	bitCutter        = 0x08 // of n 3
	bitUnrecoverable = 0x20
	bitLow           = 0x0C // of n 4
	bitEnd           = 0x60
)

// What GS a asks to be told of, by itself, when it changes.
const (
	autoOffline = 0x02
	autoError   = 0x04
	autoPaper   = 0x08
)

// Bits of the four bytes of an automatic status.
const (
	autoIsOffline = 0x08 // of byte 1
	autoCover     = 0x20
	autoCutter    = 0x08 // of byte 2
	autoBroken    = 0x20
	autoEnd       = 0x0C // of byte 3
)

const (
	xon  = 0x11
	xoff = 0x13
)

// Every byte of a printer tells by its fixed bits what it belongs to.
func isRealtime(b byte) bool { return b&0x93 == 0x12 } // an answer to DLE EOT
func isAuto(b byte) bool     { return b&0x93 == 0x10 } // the first of an automatic status
func isOrdered(b byte) bool  { return b&0x90 == 0x00 } // an answer to GS r, or the rest of one

// kind is what a printer says.
type kind uint8

const (
	nothing  kind = iota // in the middle of something, or flow control
	realtime             // status of a DLE EOT
	ordered              // answer to a GS r
	auto                 // automatic status
	garbage
)

// parser parts what a printer sends.
type parser struct {
	auto [4]byte
	have int // bytes of an automatic status
}

// add takes a byte and says what is complete with it. An automatic status, then in
// p.auto, is four bytes in a row, but for flow control.
func (p *parser) add(b byte) kind {
	switch {
	case b == xon || b == xoff:
		return nothing
	case p.have > 0 && isOrdered(b):
		p.auto[p.have] = b
		if p.have++; p.have < len(p.auto) {
			return nothing
		}
		p.have = 0
		return auto
	}
	p.have = 0
	switch {
	case isAuto(b):
		p.auto[0], p.have = b, 1
		return nothing
	case isRealtime(b):
		return realtime
	case isOrdered(b):
		return ordered
	}
	return garbage
}

// trouble is what an automatic status says that keeps from printing.
func (p *parser) trouble() error {
	switch a := p.auto; {
	case a[2]&autoEnd != 0:
		return device.ErrPaper
	case a[0]&autoCover != 0:
		return device.ErrCover
	case a[1]&autoCutter != 0:
		return errCutter
	case a[1]&autoBroken != 0:
		return errBroken
	case a[0]&autoIsOffline != 0:
		return errOffline
	}
	return nil
}

var (
	errCutter  = fmt.Errorf("%w: the cutter is stuck", device.ErrRefused)
	errBroken  = fmt.Errorf("%w: error that needs service", device.ErrRefused)
	errOffline = fmt.Errorf("%w: printer is offline", device.ErrRefused)
)

// answers are the four answers to DLE EOT, by n.
type answers [5]byte

func (a answers) status() device.PrinterStatus {
	return device.PrinterStatus{
		PaperOut:  a[paperSensor]&bitEnd != 0 || a[offlineCause]&bitStopped != 0,
		PaperLow:  a[paperSensor]&bitLow != 0,
		CoverOpen: a[offlineCause]&bitCover != 0,
		Offline:   a[printerStatus]&bitOffline != 0,
	}
}

// trouble says why a printer cannot print, or nil: the cause before the consequence, for
// a printer without paper is offline as well.
func (a answers) trouble() error {
	for _, n := range causes {
		if err := troubleOf(n, a[n]); err != nil {
			return err
		}
	}
	return nil
}

// causes is the order in which statuses are looked at.
var causes = [...]byte{paperSensor, offlineCause, errorCause, printerStatus}

// troubleOf is what one status says that keeps from printing.
func troubleOf(n, b byte) error {
	switch {
	case n == paperSensor && b&bitEnd != 0, n == offlineCause && b&bitStopped != 0:
		return device.ErrPaper
	case n == offlineCause && b&bitCover != 0:
		return device.ErrCover
	case n == errorCause && b&bitCutter != 0:
		return errCutter
	case n == errorCause && b&bitUnrecoverable != 0:
		return errBroken
	case n == printerStatus && b&bitOffline != 0:
		return errOffline
	}
	return nil
}

// Status asks for the four real-time statuses. It is answered without paper too.
func (p *Printer) Status(ctx context.Context) (device.PrinterStatus, error) {
	a, err := p.ask(ctx, staleTime)
	if err != nil {
		return device.PrinterStatus{}, fmt.Errorf("escpos: status: %w", err)
	}
	return a.status(), nil
}

// ready returns nil for a printer that can print, or why it cannot.
func (p *Printer) ready(ctx context.Context, quiet time.Duration) error {
	a, err := p.ask(ctx, quiet)
	if err != nil {
		return err
	}
	return a.trouble()
}

// ask asks for all four, once the line was quiet for so long. The answers do not say what
// they answer, so one that is missing or wrong makes the whole of it be asked again, after
// as long as an answer may take: a late one would be taken for that of the next question.
func (p *Printer) ask(ctx context.Context, quiet time.Duration) (a answers, err error) {
	err = p.link.Retry(ctx, tries, func(ctx context.Context) error {
		if err := p.link.Discard(ctx, quiet); err != nil {
			return err
		}
		quiet, p.heard = p.cfg.StatusTime, parser{}
		for n := byte(1); n < byte(len(a)); n++ {
			if a[n], err = p.realtime(ctx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		status := a.status()
		p.last.Store(&status)
	}
	return a, err
}

// realtime asks for one status. Answers to GS r that come instead are counted.
func (p *Printer) realtime(ctx context.Context, n byte) (status byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.StatusTime)
	defer cancel()
	if err := p.link.Write(ctx, []byte{dle, eot, n}); err != nil {
		return 0, err
	}
	for range maxNoise {
		switch b, k, err := p.hear(ctx); {
		case err != nil:
			return 0, err
		case k == realtime:
			return b, nil
		case k == garbage:
			return 0, p.link.Garbled("status %d is %02X: fixed bits are wrong", n, b)
		}
	}
	return 0, p.link.Garbled("%d bytes and no status", maxNoise)
}

// hear reads one byte and says what is complete with it.
func (p *Printer) hear(ctx context.Context) (byte, kind, error) {
	b, err := p.link.Byte(ctx)
	if err != nil {
		return 0, nothing, err
	}
	k := p.heard.add(b)
	if k == ordered {
		p.answered++
	}
	return b, k, nil
}

// hearFor is hear within a time of its own; nothing is no error.
func (p *Printer) hearFor(ctx context.Context, d time.Duration) (k kind, quiet bool, err error) {
	wait, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_, k, err = p.hear(wait)
	if errors.Is(err, device.ErrTimeout) && ctx.Err() == nil {
		return nothing, true, nil
	}
	return k, false, err
}

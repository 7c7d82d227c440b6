package escpos

import (
	"context"
	"fmt"

	"posd/device"
)

// The n of DLE EOT.
const (
	printerStatus = 1
	offlineCause  = 2
	errorCause    = 3
	paperSensor   = 4
)

// Bits of the answers.
const (
	bitOffline       = 0x08 // of n 1
	bitCover         = 0x04 // of n 2
	bitStopped       = 0x20
	bitCutter        = 0x08 // of n 3
	bitUnrecoverable = 0x20
	bitLow           = 0x0C // of n 4
	bitEnd           = 0x60
)

const (
	xon  = 0x11
	xoff = 0x13
)

// isRealtime tells an answer to DLE EOT by its fixed bits, isOrdered one to GS r.
func isRealtime(b byte) bool { return b&0x93 == 0x12 }
func isOrdered(b byte) bool  { return b&0x90 == 0x00 }

// answers are the four answers by n.
type answers [5]byte

// Status asks for the four real-time statuses. It is answered without paper too.
func (p *Printer) Status(ctx context.Context) (device.PrinterStatus, error) {
	a, err := p.ask(ctx)
	if err != nil {
		return device.PrinterStatus{}, fmt.Errorf("escpos: status: %w", err)
	}
	return device.PrinterStatus{
		PaperOut:  a[paperSensor]&bitEnd != 0 || a[offlineCause]&bitStopped != 0,
		PaperLow:  a[paperSensor]&bitLow != 0,
		CoverOpen: a[offlineCause]&bitCover != 0,
		Offline:   a[printerStatus]&bitOffline != 0,
	}, nil
}

// ready returns nil for a printer that can print, or why it cannot: the cause before the
// consequence, for a printer without paper is offline as well.
func (p *Printer) ready(ctx context.Context) error {
	a, err := p.ask(ctx)
	if err != nil {
		return err
	}
	for _, n := range causes {
		if err := trouble(n, a[n]); err != nil {
			return err
		}
	}
	return nil
}

// causes is the order in which statuses are looked at.
var causes = [...]byte{paperSensor, offlineCause, errorCause, printerStatus}

// trouble is what one status says that keeps from printing.
func trouble(n, b byte) error {
	switch {
	case n == paperSensor && b&bitEnd != 0, n == offlineCause && b&bitStopped != 0:
		return device.ErrPaper
	case n == offlineCause && b&bitCover != 0:
		return device.ErrCover
	case n == errorCause && b&bitCutter != 0:
		return fmt.Errorf("%w: the cutter is stuck", device.ErrRefused)
	case n == errorCause && b&bitUnrecoverable != 0:
		return fmt.Errorf("%w: error that needs service", device.ErrRefused)
	case n == printerStatus && b&bitOffline != 0:
		return fmt.Errorf("%w: printer is offline", device.ErrRefused)
	}
	return nil
}

// ask asks for all four. The answers do not say what they answer, so one that is missing
// makes the whole of it be asked again, with the line cleared.
func (p *Printer) ask(ctx context.Context) (a answers, err error) {
	err = p.link.Retry(ctx, tries, func(ctx context.Context) error {
		if err := p.link.Discard(ctx, staleTime); err != nil {
			return err
		}
		for n := byte(1); n < byte(len(a)); n++ {
			b, _, err := p.realtime(ctx, n)
			if err != nil {
				return err
			}
			a[n] = b
		}
		return nil
	})
	return a, err
}

// realtime asks for one status. done tells that the answer to a GS r came instead.
func (p *Printer) realtime(ctx context.Context, n byte) (status byte, done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.StatusTime)
	defer cancel()
	if err := p.link.Write(ctx, []byte{dle, eot, n}); err != nil {
		return 0, false, err
	}
	for range maxNoise {
		b, err := p.link.Byte(ctx)
		switch {
		case err != nil:
			return 0, done, err
		case b == xon || b == xoff:
		case isRealtime(b):
			return b, done, nil
		case isOrdered(b):
			done = true
		default:
			return 0, done, p.link.Garbled("status %d is %02X: fixed bits are wrong", n, b)
		}
	}
	return 0, done, p.link.Garbled("%d bytes and no status", maxNoise)
}

package vfpad

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"posd/device"
)

// errEOT says that the pad ended the exchange. It does not leave the package.
var errEOT = errors.New("end of transmission")

// send sends a frame that the pad has to acknowledge.
func (p *Pad) send(ctx context.Context, request []byte) error {
	if err := p.settle(ctx); err != nil {
		return err
	}
	answer, err := p.handshake(ctx, request)
	if err == nil && answer == eot {
		p.unsettled = true // it may be the end of an exchange before this one
		err = fmt.Errorf("%w: it does not take this now", device.ErrRefused)
	}
	return err
}

// handshake sends a frame, up to three times, until the pad answers ACK or EOT.
func (p *Pad) handshake(ctx context.Context, request []byte) (answer byte, err error) {
	err = p.link.Retry(ctx, tries, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, p.cfg.AckTime)
		defer cancel()
		if err := p.link.Write(ctx, request); err != nil {
			return err
		}
		if answer, err = p.controlByte(ctx); err == nil && answer == nak {
			return p.link.Garbled("the pad does not understand")
		}
		return err
	})
	if err != nil {
		p.unsettled = true
	}
	return answer, err
}

// controlByte returns the next ACK, NAK or EOT. A whole frame before it is a late one: it
// is acknowledged and thrown away, and so is the EOT of a pad that has given it up.
func (p *Pad) controlByte(ctx context.Context) (byte, error) {
	late := false
	for range maxNoise {
		b, err := p.link.Byte(ctx)
		switch {
		case err != nil:
			return 0, err
		case b == stx || b == si:
			late = true
			if err := p.drop(ctx, b); err != nil {
				return 0, err
			}
		case b == eot && late:
			late = false
		case b == ack || b == nak || b == eot:
			return b, nil
		}
	}
	return 0, p.link.Garbled("%d bytes and no handshake", maxNoise)
}

// drop reads the frame that begins with start and acknowledges it.
func (p *Pad) drop(ctx context.Context, start byte) error {
	data, err := p.frame(ctx, start)
	clear(data)
	switch {
	case err == nil:
		return p.control(ctx, ack)
	case errors.Is(err, device.ErrProtocol):
		return p.control(ctx, nak)
	}
	return err
}

// receive returns the data of a frame with one of the identifiers, for the caller to
// acknowledge; errEOT for the pad's end. Other frames are acknowledged and thrown away.
func (p *Pad) receive(ctx context.Context, ids ...string) ([]byte, error) {
	naks, strays := 0, 0
	for range maxNoise {
		b, err := p.link.Byte(ctx)
		if err != nil {
			return nil, err
		}
		if b == eot {
			return nil, errEOT
		}
		if b != stx && b != si {
			continue
		}
		data, err := p.frame(ctx, b)
		switch {
		case err == nil && slices.ContainsFunc(ids, frame{b, data}.has):
			return data, nil
		case err == nil:
			clear(data)
			if strays++; strays > maxStrays {
				return nil, p.link.Garbled("%d frames that nobody asked for", strays)
			}
			err = p.control(ctx, ack)
		case errors.Is(err, device.ErrGone) || ctx.Err() != nil:
			return nil, err
		case naks == tries-1:
			p.unsettled = true
			return nil, errors.Join(err, p.control(ctx, eot))
		default:
			naks++
			err = p.control(ctx, nak)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, p.link.Garbled("%d bytes and no frame", maxNoise)
}

// answer is receive with the time of a machine, not of a person.
func (p *Pad) answer(ctx context.Context, ids ...string) ([]byte, error) {
	limit, cancel := context.WithTimeout(ctx, tries*p.cfg.AckTime)
	defer cancel()
	data, err := p.receive(limit, ids...)
	if err != nil && !errors.Is(err, errEOT) {
		p.unsettled = true
	}
	return data, err
}

// frame reads a frame after its start byte and returns its data.
func (p *Pad) frame(ctx context.Context, start byte) ([]byte, error) {
	limit, cancel := context.WithTimeout(ctx, p.cfg.AckTime)
	defer cancel()
	buf := append(make([]byte, 0, 64), start)
	end := frame{start: start}.end()
	for len(buf) <= maxData+2 {
		b, err := p.link.Byte(limit)
		if errors.Is(err, device.ErrTimeout) && ctx.Err() == nil {
			return nil, p.link.Garbled("a frame stops after %d bytes", len(buf))
		} else if err != nil {
			return nil, err
		}
		if buf = append(buf, b); len(buf) > 2 && buf[len(buf)-2] == end {
			f, err := parse(buf)
			if err != nil {
				return nil, p.link.Garbled("%v", err)
			}
			return f.data, nil
		}
	}
	return nil, p.link.Garbled("a frame does not end in %d bytes", len(buf))
}

// control sends one byte of the handshake.
func (p *Pad) control(ctx context.Context, b byte) error {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.AckTime)
	defer cancel()
	return p.link.Write(limit, []byte{b})
}

// settle throws away what came after an exchange that broke off; frames are
// acknowledged, so that the pad does not send them again.
func (p *Pad) settle(ctx context.Context) error {
	for range maxNoise {
		if !p.unsettled {
			return nil
		}
		quiet, cancel := context.WithTimeout(ctx, drainTime)
		b, err := p.link.Byte(quiet)
		cancel()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, device.ErrTimeout):
			p.unsettled = false
		case err != nil:
			return err
		case b == stx || b == si:
			if err := p.drop(ctx, b); err != nil {
				return err
			}
		}
	}
	return p.link.Garbled("%d bytes without a pause", maxNoise)
}

package abecs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
)

// Limits and times of the link. Abecs 2.20, 2.2.
const (
	tries      = 3
	ackTime    = 2 * time.Second
	packetTime = 5 * time.Second // for the rest of a packet; a full one takes 2 s at 19200 baud
	silence    = 500 * time.Millisecond
	settleTime = 50 * time.Millisecond // a pause that no byte of a packet makes
	staleTime  = time.Millisecond      // the same, where the line should be silent anyway
	maxStrays  = 8                     // answers to something else, while one is waited for
	maxNotes   = 64                    // notifications of one command
	maxNoise   = 8 * 1024              // bytes outside of packets
)

// errStopped says that the pad took longer than it may, and was told to stop. It does not
// leave the package alone.
var errStopped = errors.New("stopped at its time")

// take waits for the line, which the views share. Who waits longest has it first.
func (p *Pad) take(ctx context.Context) error {
	select {
	case p.line <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *Pad) give() { <-p.line }

// do sends a command and waits so long for its answer. A pad that has lost the session is
// opened again, once: it has not done the command.
func (p *Pad) do(ctx context.Context, wait time.Duration, id string, blocks ...[]byte) (response, error) {
	if err := p.take(ctx); err != nil {
		return response{}, err
	}
	defer p.give()
	for first := true; ; first = false {
		err := p.ready(ctx)
		var r response
		if err == nil {
			r, err = p.ask(ctx, wait, id, blocks...)
		}
		if err == nil && r.status != stOK {
			err = failure(r.id, r.status)
		}
		if errors.Is(err, errSession) {
			p.open = false
			if first {
				continue
			}
			err = fmt.Errorf("%w: %w", device.ErrProtocol, err)
		}
		if err != nil {
			return response{}, err
		}
		return r, nil
	}
}

// ready settles the line and opens the pad, where that is due.
func (p *Pad) ready(ctx context.Context) error {
	if !p.settled {
		if err := p.cancel(ctx); err != nil {
			return err
		}
	}
	if p.open {
		return nil
	}
	p.chip.powered.Store(false)
	p.contactless.powered.Store(false)
	if err := p.opn(ctx); err != nil {
		return err
	}
	p.open = true
	return nil
}

// ask is one command with its answer, whatever its status. However it breaks off, the pad is
// told to stop: at once, or before the next command if it does not answer at all.
func (p *Pad) ask(ctx context.Context, wait time.Duration, id string, blocks ...[]byte) (response, error) {
	request, err := p.packet(id, blocks)
	defer clear(request)
	if err != nil {
		return response{}, err
	}
	p.settled = false
	limit, stop := context.WithTimeout(ctx, wait+ackTime)
	defer stop()
	if err := p.deliver(ctx, request); err != nil {
		return response{}, p.breakOff(ctx, ctx, err)
	}
	r, err := p.answer(limit, id)
	if err != nil {
		return response{}, p.breakOff(ctx, limit, err)
	}
	p.settled = true
	return r, nil
}

// breakOff tells the pad to stop, where it has not just shown that it does not hear, and says
// why.
func (p *Pad) breakOff(ctx, limit context.Context, cause error) error {
	slow := limit.Err() != nil
	if errors.Is(cause, device.ErrGone) || errors.Is(cause, device.ErrTimeout) && !slow {
		return cause
	}
	err := p.cancel(context.WithoutCancel(ctx))
	switch {
	case errors.Is(err, device.ErrGone):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case slow && err == nil:
		return fmt.Errorf("%w: %w", errStopped, cause)
	}
	return cause
}

// packet is a command as it travels.
func (p *Pad) packet(id string, blocks [][]byte) ([]byte, error) {
	data, err := appendCommand(make([]byte, 0, 64), id, blocks...)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	if p.session != nil && id != "OPN" {
		if data, err = p.session.seal(data); err != nil {
			return nil, err
		}
	}
	return appendPacket(make([]byte, 0, len(data)+16), data)
}

// deliver sends a packet, again after NAK, three times in all. A pad that says nothing is
// not asked again: it may be doing the command.
func (p *Pad) deliver(ctx context.Context, request []byte) error {
	var silent error
	err := p.link.Retry(ctx, tries, func(ctx context.Context) error {
		limit, stop := context.WithTimeout(ctx, ackTime)
		defer stop()
		b := byte(0)
		if silent = p.link.Write(limit, request); silent == nil {
			b, silent = p.skipTo(limit, ack, nak)
		}
		if b == nak {
			return p.link.Garbled("the pad cannot read the packet")
		}
		return nil
	})
	return errors.Join(err, silent)
}

// skipTo reads up to one of the bytes.
func (p *Pad) skipTo(ctx context.Context, wanted ...byte) (byte, error) {
	for range maxNoise {
		b, err := p.link.Byte(ctx)
		if err != nil {
			return 0, err
		}
		for _, w := range wanted {
			if b == w {
				return b, nil
			}
		}
	}
	return 0, p.link.Garbled("%d bytes and none of % X", maxNoise, wanted)
}

// answer returns the response to a command. Notifications are passed on, and answers to
// something else thrown away.
func (p *Pad) answer(ctx context.Context, id string) (response, error) {
	strays, notes := 0, 0
	for strays <= maxStrays && notes <= maxNotes {
		data, err := p.receive(ctx)
		if err != nil {
			return response{}, err
		}
		r, err := p.read(data)
		switch {
		case err != nil:
			return response{}, p.link.Garbled("%v", err)
		case r.id == id, r.id == "ERR" && r.status != stOK:
			return r, nil
		case r.id == "NTM":
			notes++
			if p.cfg.Notify != nil {
				p.cfg.Notify(printable(r.block(0)))
			}
		default:
			strays++
		}
	}
	return response{}, p.link.Garbled("%d answers to other commands and %d notifications", strays, notes)
}

// read opens what a packet carries.
func (p *Pad) read(data []byte) (response, error) {
	if len(data) > 0 && data[0] == dc2 {
		if p.session == nil {
			return response{}, fmt.Errorf("enciphered answer without a session: %w", errMessage)
		}
		var err error
		if data, err = p.session.unseal(data); err != nil {
			return response{}, err
		}
	}
	return parseResponse(data)
}

// receive returns the data of the next packet; one that cannot be read is asked for again,
// three times in all.
func (p *Pad) receive(ctx context.Context) (data []byte, err error) {
	for n := 1; ; n++ {
		data, err = p.receiveOnce(ctx)
		if err == nil || !errors.Is(err, device.ErrProtocol) || n == tries {
			return data, err
		}
		if err := p.link.Discard(ctx, silence); err != nil {
			return nil, err
		}
		limit, stop := context.WithTimeout(ctx, ackTime)
		err := p.link.Write(limit, []byte{nak})
		stop()
		if err != nil {
			return nil, err
		}
	}
}

func (p *Pad) receiveOnce(ctx context.Context) ([]byte, error) {
	if _, err := p.skipTo(ctx, syn); err != nil {
		return nil, err
	}
	limit, stop := context.WithTimeout(ctx, packetTime)
	defer stop()
	buf := append(make([]byte, 0, 256), syn)
	for len(buf) < 2*maxData+4 {
		b, err := p.link.Byte(limit)
		if err != nil {
			return nil, p.torn(ctx, err, len(buf))
		}
		if buf = append(buf, b); b == etb {
			return p.finish(ctx, limit, buf)
		}
	}
	return nil, p.link.Garbled("a packet does not end in %d bytes", len(buf))
}

// finish reads the CRC after ETB.
func (p *Pad) finish(ctx, limit context.Context, buf []byte) ([]byte, error) {
	var crc [2]byte
	if err := p.link.ReadFull(limit, crc[:]); err != nil {
		return nil, p.torn(ctx, err, len(buf))
	}
	data, err := parsePacket(append(buf, crc[:]...))
	if err != nil {
		return nil, p.link.Garbled("%v", err)
	}
	return data, nil
}

// torn says that silence within a packet garbles it.
func (p *Pad) torn(ctx context.Context, err error, n int) error {
	if errors.Is(err, device.ErrTimeout) && ctx.Err() == nil {
		return p.link.Garbled("a packet stops after %d bytes", n)
	}
	return err
}

// cancel ends whatever the pad does: CAN until EOT, three times. What the pad sent before
// its EOT is thrown away.
func (p *Pad) cancel(ctx context.Context) error {
	err := p.link.Retry(ctx, tries, func(ctx context.Context) error {
		limit, stop := context.WithTimeout(ctx, ackTime)
		defer stop()
		if err := p.link.Write(limit, []byte{can}); err != nil {
			return err
		}
		if _, err := p.skipTo(limit, eot); err != nil {
			return err
		}
		return p.link.Discard(ctx, settleTime) // a byte of an answer may have looked like EOT
	})
	if err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	p.settled = true
	return nil
}

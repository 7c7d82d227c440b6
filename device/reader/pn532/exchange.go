package pn532

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
)

// Limits of one exchange.
const (
	maxTries    = 3   // of a command that does nothing to a card, and of NACKs
	maxStray    = 64  // frames that belong to nothing, and damaged ones
	maxJunk     = 512 // bytes in a row that are no frame
	frameTime   = time.Second
	ackTime     = 500 * time.Millisecond // the chip takes 15 ms at most, the rest is for USB adapters
	quietTime   = 20 * time.Millisecond
	staleTime   = time.Millisecond // an answer has no number: what is there before the command is not its own
	defaultWait = 10 * time.Second
	defaultPoll = 250 * time.Millisecond
)

// errDamaged is what a frame can be besides a frame.
var errDamaged = errors.New("damaged frame")

// ask carries a command that may be tried again, and returns the data of the answer.
func (r *Reader) ask(ctx context.Context, c command, data ...byte) (answer []byte, err error) {
	err = r.link.Retry(ctx, maxTries, func(ctx context.Context) error {
		if err := r.ready(ctx); err != nil {
			return err
		}
		answer, err = r.exchange(ctx, c, data)
		return err
	})
	return answer, err
}

// ready makes sure that the chip is awake and set up. What it was doing is over then,
// and the card that was active counts as lost.
func (r *Reader) ready(ctx context.Context) error {
	if r.synced {
		return nil
	}
	r.powered = false
	if err := r.link.Write(ctx, append(append([]byte(nil), wakeUp...), ackFrame...)); err != nil {
		return err
	}
	if err := r.link.Discard(ctx, quietTime); err != nil {
		return err
	}
	r.synced = true
	for _, s := range []struct {
		command
		data []byte
	}{
		{samConfiguration, []byte{normalMode, 0x14, 0x01}}, // times and interrupt line mean nothing here
		{setParameters, []byte{automatic}},
		{rfConfiguration, []byte{itemRetries, 0x00, 0x01, r.config.Retries}},
	} {
		if _, err := r.exchange(ctx, s.command, s.data); err != nil {
			r.synced = false
			return err
		}
	}
	return nil
}

// exchange sends one command once, and returns the data of its answer. Silence and
// damage that could not be mended put the line out of step.
func (r *Reader) exchange(ctx context.Context, c command, data []byte) ([]byte, error) {
	if len(data) > maxData {
		return nil, fmt.Errorf("pn532: %s: %d bytes of data, at most %d", c.name, len(data), maxData)
	}
	if err := ctx.Err(); err != nil { // before anything was sent: the line stays in step
		return nil, fmt.Errorf("pn532: %s: %w", c.name, err)
	}
	f := frame{kind: information, tfi: fromHost, code: c.code, data: data}
	answer, err := r.deliver(ctx, c, f.appendFrame(nil))
	switch {
	case err == nil, errors.Is(err, device.ErrGone), errors.Is(err, device.ErrRefused):
	default:
		r.synced, r.powered = false, false
		r.abort(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("pn532: %s: %w", c.name, err)
	}
	return answer, nil
}

// abort tells the chip to stop what it does, with an ACK: ctx may have ended already.
func (r *Reader) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackTime)
	defer cancel()
	_ = r.link.Write(ctx, ackFrame) // the line may be dead: that is found at the next command
}

// deliver gets the command to the chip and the answer back, through damage on the line.
func (r *Reader) deliver(ctx context.Context, c command, send []byte) ([]byte, error) {
	x := transfer{Reader: r, command: c}
	r.in, r.junk = r.in[:0], false
	if err := r.link.Discard(ctx, staleTime); err != nil {
		return nil, err
	}
	for tries := 0; ; tries++ {
		if err := r.link.Write(ctx, send); err != nil {
			return nil, err
		}
		answer, err := x.answer(ctx)
		switch {
		case !errors.Is(err, errDamaged):
			return answer, err
		case tries == maxTries:
			return nil, r.link.Garbled("%v, %d times", err, tries+1)
		}
		send, x.again = nackFrame, true // the answer again, not the command: the card has done it
		if err := r.link.Discard(ctx, quietTime); err != nil {
			return nil, err
		}
	}
}

// transfer is one command on its way.
type transfer struct {
	*Reader
	command command
	acked   bool // by the chip
	again   bool // NACK was sent: the answer is ready
	stray   int
}

// answer waits for the answer to the command, past late answers to others, and past all
// that comes before the ACK. A damaged frame is errDamaged once the chip has acknowledged;
// before that it may have been the ACK, and the answer is still to come.
func (x *transfer) answer(ctx context.Context) ([]byte, error) {
	for ; x.stray <= maxStray; x.stray++ {
		f, err := x.await(ctx)
		switch {
		case errors.Is(err, errDamaged) && !x.acked:
			continue
		case err != nil:
			return nil, err
		}
		switch {
		case f.kind == ack:
			x.acked = true
		case f.kind == nack: // the chip sends none, so it was an ACK
			x.junk = true
		case !x.acked && !x.junk:
		case f.kind == syntaxError:
			return nil, fmt.Errorf("%w: syntax error: the chip does not know the command or its parameters", device.ErrRefused)
		case f.kind == information && f.tfi == fromChip && f.code == x.command.code+1:
			return f.data, nil
		}
	}
	return nil, x.link.Garbled("no answer after %d stray or damaged frames", x.stray)
}

// await reads one frame within the time that there is for it.
func (x *transfer) await(ctx context.Context) (frame, error) {
	wait := ackTime
	if x.acked && !x.again {
		wait = x.config.AnswerTime
	}
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return x.next(limit)
}

// next reads one frame off the line.
func (r *Reader) next(ctx context.Context) (frame, error) {
	f, _, junk := r.take()
	for f.kind == none && !junk && len(r.in) < 2 { // 00 alone may be a postamble
		if err := r.read(ctx); err != nil {
			return frame{}, err
		}
		f, _, junk = r.take()
	}
	if f.kind != none {
		return f, nil
	}
	rest, cancel := context.WithTimeout(ctx, frameTime) // a frame has begun, it comes at once
	defer cancel()
	for range maxJunk {
		f, size, _ := r.take()
		if f.kind != none {
			return f, nil
		}
		for len(r.in) < size {
			if err := r.read(rest); errors.Is(err, device.ErrTimeout) {
				return r.rescue(err)
			} else if err != nil {
				return frame{}, err
			}
		}
	}
	r.in = r.in[:0]
	return frame{}, fmt.Errorf("%w: %d bytes without one", errDamaged, maxJunk)
}

// take takes the first frame out of what was read, and what is before it. Of kind none,
// size is what must be there before it is worth another look.
func (r *Reader) take() (f frame, size int, junk bool) {
	f, skip, size, junk := scan(r.in)
	if f.kind != none {
		skip += size
	}
	r.in = r.in[:copy(r.in, r.in[skip:])]
	r.junk = r.junk || junk
	return f, size, junk
}

func (r *Reader) read(ctx context.Context) error {
	b, err := r.link.Byte(ctx)
	if err == nil {
		r.in = append(r.in, b)
	}
	return err
}

// rescue looks for a frame within what looked like a longer one that did not end.
func (r *Reader) rescue(cause error) (frame, error) {
	r.junk = true
	for len(r.in) > 0 {
		r.in = r.in[:copy(r.in, r.in[1:])]
		if f, _, _ := r.take(); f.kind != none {
			return f, nil
		}
	}
	return frame{}, fmt.Errorf("%w: it does not end: %w", errDamaged, cause)
}

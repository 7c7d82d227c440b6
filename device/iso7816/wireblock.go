package iso7816

import (
	"context"
	"errors"
	"fmt"

	"posd/device"
)

// Block is a [Blocks]. After a block that did not come whole, or has a wrong check, the
// line is heard until it is quiet, so that a rest is not taken for the next block.
// ISO/IEC 7816-3, 11.4.3 (block and character waiting time).
func (w Wire) Block(ctx context.Context, block []byte, bwts byte) ([]byte, error) {
	if err := w.write(ctx, block); err != nil {
		return nil, err
	}
	wait := Timing{BlockWaiting: w.BlockWaiting}.Block(bwts)
	b, err := w.char(ctx, wait)
	if err == nil {
		got := append(make([]byte, 0, maxBlock), b)
		if got, err = w.rest(ctx, got); err == nil && !intact(got, w.CRC) {
			return got, w.drain(ctx)
		}
		if err == nil {
			return got, nil
		}
	}
	if errors.Is(err, device.ErrProtocol) && ctx.Err() == nil { // parity: the line found it
		err = fmt.Errorf("%w: %w", device.ErrMute, err)
	}
	if errors.Is(err, device.ErrMute) {
		if gone := w.drain(ctx); gone != nil {
			return nil, gone
		}
	}
	return nil, fmt.Errorf("iso7816: T=1 block: %w", err)
}

// rest reads a block behind its NAD, to the length that it has in it.
func (w Wire) rest(ctx context.Context, got []byte) ([]byte, error) {
	for size := prologue; len(got) < size; {
		b, err := w.char(ctx, w.CharWaiting)
		if err != nil {
			return nil, err
		}
		if got = append(got, b); len(got) == prologue {
			size = prologue + int(b) + edcSize(w.CRC)
		}
	}
	return got, nil
}

// drain hears a line to its end: silence for a character waiting time.
func (w Wire) drain(ctx context.Context) error {
	for range 2 * maxBlock {
		_, err := w.char(ctx, w.CharWaiting)
		switch {
		case errors.Is(err, device.ErrMute):
			return nil
		case errors.Is(err, device.ErrProtocol), err == nil:
		default:
			return err
		}
	}
	return fmt.Errorf("iso7816: T=1: %w: card does not stop", device.ErrProtocol)
}

package iso7816

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
)

// maxNulls bounds the NULL bytes in a row: each is a work waiting time of patience.
const maxNulls = 1000

// Bytes is a line to the card's contacts, character by character; link.Link is one.
type Bytes interface {
	Write(ctx context.Context, p []byte) error
	Byte(ctx context.Context) (byte, error)
}

// Wire carries TPDUs byte by byte, for a reader that leaves procedure bytes to its
// host. WorkWaiting is the longest silence between two characters of the card: 960
// times D times WI elementary time units, that is about a second as cards leave reset.
// ISO/IEC 7816-3, 10.2 and 10.3.
type Wire struct {
	Bytes       Bytes
	WorkWaiting time.Duration
}

// TPDU is a [TPDU]. Data goes out if there is more than the header, else P3 bytes (256
// for 00) come in unless the card ends before. A silent card is device.ErrMute.
func (w Wire) TPDU(ctx context.Context, tpdu []byte) ([]byte, error) {
	if len(tpdu) < 5 || len(tpdu) > 5 && len(tpdu) != 5+int(tpdu[4]) {
		return nil, fmt.Errorf("iso7816: TPDU of %d bytes does not fit its P3", len(tpdu))
	}
	if err := w.Bytes.Write(ctx, tpdu[:5]); err != nil {
		return nil, err
	}
	x := transfer{Wire: w, ins: tpdu[1], out: tpdu[5:]}
	if len(x.out) == 0 {
		x.expect = length(tpdu[4])
	}
	for {
		done, err := x.procedure(ctx)
		if err != nil {
			return nil, fmt.Errorf("iso7816: INS %02X after %d bytes: %w", x.ins, len(x.in), err)
		}
		if done {
			return x.in, nil
		}
	}
}

// transfer is one TPDU on its way.
type transfer struct {
	Wire
	ins    byte
	out    []byte // still to send
	in     []byte // received, the status word at the end
	expect int    // still to receive
	nulls  int
}

// procedure obeys one procedure byte. ISO/IEC 7816-3, 10.3.3.
func (x *transfer) procedure(ctx context.Context) (done bool, err error) {
	b, err := x.char(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case b == 0x60: // NULL: wait on
		if x.nulls++; x.nulls > maxNulls {
			return false, fmt.Errorf("%w: more than %d NULL bytes", device.ErrProtocol, maxNulls)
		}
		return false, nil
	case b&0xF0 == 0x60, b&0xF0 == 0x90: // SW1
		sw2, err := x.char(ctx)
		x.in = append(x.in, b, sw2)
		return true, err
	case b == x.ins:
		return false, x.move(ctx, max(len(x.out), x.expect))
	case b == x.ins^0xFF:
		return false, x.move(ctx, 1)
	}
	return false, fmt.Errorf("%w: procedure byte %02X", device.ErrProtocol, b)
}

// move transfers the next n bytes in the direction of the command.
func (x *transfer) move(ctx context.Context, n int) error {
	x.nulls = 0
	if len(x.out) > 0 {
		err := x.Bytes.Write(ctx, x.out[:n])
		x.out = x.out[n:]
		return err
	}
	if x.expect == 0 {
		return fmt.Errorf("%w: ACK where no byte is left to transfer", device.ErrProtocol)
	}
	for range n {
		b, err := x.char(ctx)
		if err != nil {
			return err
		}
		x.in = append(x.in, b)
		x.expect--
	}
	return nil
}

// char reads one character of the card within the work waiting time.
func (x *transfer) char(ctx context.Context) (byte, error) {
	wait, cancel := context.WithTimeout(ctx, x.WorkWaiting)
	defer cancel()
	b, err := x.Bytes.Byte(wait)
	if err != nil && ctx.Err() == nil && errors.Is(err, device.ErrTimeout) {
		return 0, fmt.Errorf("%w: %w", device.ErrMute, err)
	}
	return b, err
}

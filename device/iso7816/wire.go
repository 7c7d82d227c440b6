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

// Bytes is a line to the card's contacts, character by character; link.Link is one. It
// undoes the card's convention, and takes the echo away where there is one.
type Bytes interface {
	Write(ctx context.Context, p []byte) error
	// ByteWithin is the next character, or device.ErrTimeout after that time.
	ByteWithin(ctx context.Context, limit time.Duration) (byte, error)
}

// Wire carries TPDUs and blocks byte by byte, for a reader that leaves them to its host.
// The times are those of [Timing] with what the host adds for its own slowness: a UART
// behind USB tells of a character up to 20 ms late, which is more than many a CharWaiting.
type Wire struct {
	Bytes Bytes
	// WorkWaiting is the longest silence between two characters of the card at T=0.
	WorkWaiting time.Duration
	// BlockWaiting is the longest silence before a block of the card at T=1, and
	// CharWaiting that within one.
	BlockWaiting, CharWaiting time.Duration
	// Turnaround goes before each write, and ExtraGuard behind each character written.
	// They are zero where Bytes keeps the guard times itself.
	Turnaround, ExtraGuard time.Duration
	// CRC says that blocks of T=1 end in a CRC.
	CRC bool
}

// Wire is one with these times, the slack added to each wait.
func (t Timing) Wire(b Bytes, crc bool, slack time.Duration) Wire {
	return Wire{
		Bytes: b, CRC: crc, Turnaround: t.Turnaround, ExtraGuard: t.ExtraGuard,
		WorkWaiting: t.WorkWaiting + slack, BlockWaiting: t.BlockWaiting + slack, CharWaiting: t.CharWaiting + slack,
	}
}

// TPDU is a [TPDU]. Data goes out if there is more than the header, else P3 bytes (256
// for 00) come in unless the card ends before. A silent card is device.ErrMute.
func (w Wire) TPDU(ctx context.Context, tpdu []byte) ([]byte, error) {
	if len(tpdu) < 5 || len(tpdu) > 5 && len(tpdu) != 5+int(tpdu[4]) {
		return nil, fmt.Errorf("iso7816: TPDU of %d bytes does not fit its P3", len(tpdu))
	}
	if err := w.write(ctx, tpdu[:5]); err != nil {
		return nil, err
	}
	x := transfer{Wire: w, ins: tpdu[1], out: tpdu[5:], until: time.Now().Add(maxPatience)}
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
	until  time.Time
}

// procedure obeys one procedure byte. ISO/IEC 7816-3, 10.3.3.
func (x *transfer) procedure(ctx context.Context) (done bool, err error) {
	b, err := x.char(ctx, x.WorkWaiting)
	if err != nil {
		return false, err
	}
	switch {
	case b == 0x60: // NULL: wait on
		x.nulls++
		switch {
		case x.nulls > maxNulls:
			return false, fmt.Errorf("%w: more than %d NULL bytes", device.ErrProtocol, maxNulls)
		case time.Now().After(x.until):
			return false, fmt.Errorf("%w: NULL bytes and no end after %v", device.ErrMute, maxPatience)
		}
		return false, nil
	case b&0xF0 == 0x60, b&0xF0 == 0x90: // SW1
		sw2, err := x.char(ctx, x.WorkWaiting)
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
		err := x.write(ctx, x.out[:n])
		x.out = x.out[n:]
		return err
	}
	if x.expect == 0 {
		return fmt.Errorf("%w: ACK where no byte is left to transfer", device.ErrProtocol)
	}
	for range n {
		b, err := x.char(ctx, x.WorkWaiting)
		if err != nil {
			return err
		}
		x.in = append(x.in, b)
		x.expect--
	}
	return nil
}

// char reads one character of the card within that time.
func (w Wire) char(ctx context.Context, limit time.Duration) (byte, error) {
	b, err := w.Bytes.ByteWithin(ctx, limit)
	if err != nil && ctx.Err() == nil && errors.Is(err, device.ErrTimeout) {
		return 0, fmt.Errorf("%w: %w", device.ErrMute, err)
	}
	return b, err
}

// write keeps the guard times. ISO/IEC 7816-3, 8.3 (extra guard time) and 11.4.3 (block
// guard time); EMV Contact Interface Specification for the 16 etu of T=0.
func (w Wire) write(ctx context.Context, p []byte) error {
	if err := pause(ctx, w.Turnaround); err != nil {
		return err
	}
	if w.ExtraGuard <= 0 {
		return w.Bytes.Write(ctx, p)
	}
	for i := range p {
		if err := w.Bytes.Write(ctx, p[i:i+1]); err != nil {
			return err
		}
		if err := pause(ctx, w.ExtraGuard); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("iso7816: %w", context.Cause(ctx))
	}
}

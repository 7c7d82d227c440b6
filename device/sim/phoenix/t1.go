package phoenix

import (
	"context"
	"time"
)

// session is what an answer to reset says of the characters behind it.
type session struct {
	blocks bool // T=1 is what it names first
	check  int  // bytes at a block's end
}

// sessionOf walks an answer to reset. ISO/IEC 7816-3, 8.2.3 and 11.4.4 (TC for T=1).
func sessionOf(atr []byte) session {
	s := session{check: 1}
	at, y, level, protocol := 2, atr[1], 1, byte(0)
	for y&0xF0 != 0 {
		for _, bit := range []byte{0x10, 0x20, 0x40, 0x80} {
			if y&bit == 0 {
				continue
			}
			if at >= len(atr) {
				return s
			}
			if bit == 0x40 && level > 2 && protocol == 1 && atr[at]&0x01 != 0 {
				s.check = 2
			}
			at++
		}
		if y&0x80 == 0 {
			break
		}
		y = atr[at-1]
		protocol = y & 0x0F
		if level == 1 {
			s.blocks = protocol == 1
		}
		level++
	}
	return s
}

// torn is how long a pause ends a block that is not whole: well above what a host makes
// between two characters, and below what it waits before it speaks again.
const torn = 500 * time.Millisecond

// block gives the card the block in the buffer, and returns its length; 0 if more is to
// come. NAD PCB LEN INF EDC.
func (d *dialogue) block(ctx context.Context) (int, error) {
	if len(d.in) < 3 || len(d.in) < 3+int(d.in[2])+d.session.check {
		return 0, nil
	}
	d.sent++
	f := d.reader.take(answerFaults...)
	answer := d.card.Transmit(append([]byte(nil), d.in...))
	if !d.reader.current(d.epoch) {
		d.dead = true
		return len(d.in), nil
	}
	n := len(d.in)
	if len(answer) == 0 {
		return n, nil // silence, until the next block
	}
	return n, d.answer(ctx, f, answer)
}

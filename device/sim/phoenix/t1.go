package phoenix

import "context"

// Exchanger is a card that takes whole APDUs: it is needed where the answer to reset names
// T=1 first. nil is a card that died. package device/sim/card has such cards.
type Exchanger interface {
	Exchange(command []byte) []byte
}

// t1 is the card's side of T=1, with an LRC. ISO/IEC 7816-3:2006, 11.
type t1 struct {
	*dialogue
	card    Exchanger
	ns, nr  byte   // N(S) of the card's next I-block, and of the one that it expects
	command []byte // what has come of a chain
	rest    []byte // of the response
	size    int    // of the blocks that the host takes
	last    []byte // block, as it was sent
	asked   []byte // answer that waits for the host to grant time
}

// Bits of the protocol control byte. ISO/IEC 7816-3, 11.3.2.2.
const (
	pcbMore   = 0x20 // of an I-block
	pcbR      = 0x80
	pcbS      = 0xC0
	pcbReply  = 0x20 // of an S-block
	kindSync  = 0x00
	kindIFS   = 0x01
	kindAbort = 0x02
	kindWTX   = 0x03
)

// blockFaults are those that strike a block of T=1.
var blockFaults = []FaultKind{Mute, Garble, Late, DiesHalfway}

// speaksT1 tells whether an answer to reset names T=1 first.
func speaksT1(atr []byte) bool {
	at := 2
	for bit := byte(0x10); bit <= 0x40; bit <<= 1 {
		if atr[1]&bit != 0 {
			at++
		}
	}
	return atr[1]&0x80 != 0 && at < len(atr) && atr[at]&0x0F == 1
}

// block deals with the first block in the buffer and returns its length, 0 if more is to
// come.
func (c *t1) block(ctx context.Context) (int, error) {
	if len(c.in) < 3 || len(c.in) < 4+int(c.in[2]) {
		return 0, nil
	}
	n := 4 + int(c.in[2])
	b := append([]byte(nil), c.in[:n]...)
	c.sent++
	var check byte
	for _, x := range b {
		check ^= x
	}
	pcb, inf := b[1], b[3:n-1]
	switch {
	case check != 0:
		return n, c.say(ctx, pcbR|c.nr<<4|0x01, nil)
	case pcb&0x80 == 0:
		return n, c.information(ctx, pcb, inf)
	case pcb&0xC0 == pcbR:
		return n, c.receipt(ctx, pcb>>4&1)
	}
	return n, c.supervise(ctx, pcb, inf)
}

// information takes an I-block, and answers the command when it is whole.
func (c *t1) information(ctx context.Context, pcb byte, inf []byte) error {
	switch {
	case c.reader.peek().Kind == WrongNR:
		return c.say(ctx, pcbR|(pcb>>6&1)<<4|0x02, nil)
	case pcb>>6&1 != c.nr:
		return c.say(ctx, pcbR|c.nr<<4|0x02, nil)
	}
	c.nr ^= 1
	c.command = append(c.command, inf...)
	if pcb&pcbMore != 0 {
		return c.say(ctx, pcbR|c.nr<<4, nil)
	}
	answer := c.card.Exchange(c.command)
	c.command = nil
	if len(answer) < 2 || !c.reader.current(c.epoch) {
		c.dead = true
		return nil
	}
	if f := c.reader.take(Extension); f.Kind == Extension {
		c.asked = answer
		return c.say(ctx, pcbS|kindWTX, []byte{3})
	}
	c.rest = answer
	return c.next(ctx)
}

// next sends the next I-block of the response.
func (c *t1) next(ctx context.Context) error {
	size := c.size
	if c.reader.peek().Kind == SmallBlocks {
		size = 3
	}
	n := min(size, len(c.rest))
	inf := c.rest[:n]
	c.rest = c.rest[n:]
	pcb := c.ns << 6
	if len(c.rest) > 0 {
		pcb |= pcbMore
	}
	c.ns ^= 1
	return c.say(ctx, pcb, inf)
}

// receipt takes an R-block: it wants the next block of a chain, or the last one again.
func (c *t1) receipt(ctx context.Context, nr byte) error {
	if nr == c.ns && len(c.rest) > 0 {
		return c.next(ctx)
	}
	return c.transmit(ctx, c.last)
}

// supervise takes an S-block.
func (c *t1) supervise(ctx context.Context, pcb byte, inf []byte) error {
	switch {
	case pcb == pcbS|pcbReply|kindWTX && c.asked != nil:
		c.rest, c.asked = c.asked, nil
		if !c.wait(ctx, c.reader.extension()) {
			return nil
		}
		return c.next(ctx)
	case pcb&pcbReply != 0:
		return nil
	case pcb&0x1F == kindSync:
		c.ns, c.nr, c.command, c.rest, c.asked, c.size = 0, 0, nil, nil, nil, 32
	case pcb&0x1F == kindIFS && len(inf) == 1:
		c.size = int(inf[0])
	case pcb&0x1F == kindAbort:
		c.command, c.rest = nil, nil
	}
	return c.say(ctx, pcb|pcbReply, inf)
}

func (c *t1) say(ctx context.Context, pcb byte, inf []byte) error {
	b := append([]byte{0, pcb, byte(len(inf))}, inf...)
	var check byte
	for _, x := range b {
		check ^= x
	}
	c.last = append(b, check)
	return c.transmit(ctx, c.last)
}

func (c *t1) transmit(ctx context.Context, b []byte) error {
	return c.answer(ctx, c.reader.take(blockFaults...), b)
}

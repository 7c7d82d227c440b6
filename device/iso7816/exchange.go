package iso7816

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
)

// exchange is one command at T=1: its I-blocks out, acknowledged one by one, then the
// card's I-blocks in. The terminal speaks first, and then each block answers one.
type exchange struct {
	*T1
	command []byte
	rest    []byte // of the command, behind the block that is out
	out     block  // the I-block that is out
	sending bool   // until the card's first I-block
	in      []byte

	last      block // sent last
	bwts      byte  // that the card has for its answer
	tries     int   // without progress
	restarted bool
	until     time.Time
}

// restart begins with the first block of the command.
func (x *exchange) restart() {
	x.rest, x.sending, x.in, x.tries = x.command, true, nil, 0
	x.chunk()
}

// chunk has the next I-block of the command go out. It is kept as it is, for a card that
// changes its IFSC wants the same block if it wants it again.
func (x *exchange) chunk() {
	n := min(len(x.rest), x.ifsc)
	x.out = block{pcb: x.ns * iSeq, inf: x.rest[:n]}
	if x.rest = x.rest[n:]; len(x.rest) > 0 {
		x.out.pcb |= iMore
	}
	x.say(x.out)
}

func (x *exchange) say(b block) { x.last, x.bwts = b, 1 }

// run goes through the dialogue until the card's last I-block.
func (x *exchange) run(ctx context.Context) error {
	for range maxBlocks {
		if time.Now().After(x.until) {
			return fmt.Errorf("%w: %w: no end after %v", ErrDeactivate, device.ErrMute, maxPatience)
		}
		got, err := x.send(ctx, x.last, x.bwts)
		done := false
		if err == nil {
			done, err = x.hear(ctx, got)
		}
		if errors.As(err, new(errNoBlock)) {
			err = x.complain(ctx, err)
		}
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %w: no end after %d blocks", ErrDeactivate, device.ErrProtocol, maxBlocks)
}

// hear takes a good block and decides what to say next. done is the end of the response.
func (x *exchange) hear(ctx context.Context, b block) (done bool, err error) {
	switch {
	case b.isI():
		return x.information(b)
	case b.isR():
		return false, x.acknowledged(b)
	}
	return false, x.supervised(ctx, b)
}

// information takes an I-block, which acknowledges ours. ISO/IEC 7816-3, 11.6.2.3 (rules
// 2.1 and 5).
func (x *exchange) information(b block) (done bool, err error) {
	switch {
	case x.sending && x.out.more():
		return false, wrong("%v in the middle of a chain to the card", b)
	case b.seq() != x.nr:
		return false, wrong("%v, N(S)=%d wanted", b, x.nr)
	case len(x.in)+len(b.inf) > maxResponse:
		return false, fmt.Errorf("%w: %w: response of more than %d bytes", ErrDeactivate, device.ErrProtocol, maxResponse)
	}
	if x.sending {
		x.sending = false
		x.ns ^= 1
	}
	x.nr ^= 1
	x.in = append(x.in, b.inf...)
	x.tries = 0
	x.say(block{pcb: pcbR | x.nr*rSeq})
	return !b.more(), nil
}

// acknowledged takes an R-block. The N(R) of the next I-block moves a chain on; any other
// asks for the last thing again, which is said at most three times: a card that keeps a
// wrong N(R) has no way to make this a loop. ISO/IEC 7816-3, 11.6.2.3 (rules 2.2 and 7).
func (x *exchange) acknowledged(b block) error {
	switch {
	case x.sending && x.out.more() && b.seq() != x.out.seq():
		x.ns ^= 1
		x.tries = 0
		x.chunk()
		return nil
	case x.sending && b.seq() == x.out.seq(): // the card has not had the I-block
		return x.again(wrong("%v to %v", b, x.last), x.out)
	case x.last.pcb&0xE0 == pcbS|sAnswer: // nor what it asked for
		return x.again(wrong("%v to %v", b, x.last), x.last)
	case x.sending: // it has had it, and says nothing to it
		return wrong("%v to %v", b, x.out)
	}
	return x.again(wrong("%v to %v", b, x.last), x.last)
}

// again says something once more, if the tries are not used up: then why is returned.
func (x *exchange) again(why error, b block) error {
	if x.tries+1 >= maxTries {
		return why
	}
	x.tries++
	bwts := x.bwts
	x.say(b)
	if b.pcb == sWTX|sAnswer {
		x.bwts = bwts
	}
	return nil
}

// supervised takes an S-block. ISO/IEC 7816-3, 11.6.2.3 (rules 3, 4 and 9).
func (x *exchange) supervised(ctx context.Context, b block) error {
	if !b.asks() {
		return wrong("%v where nothing was asked", b)
	}
	answer := block{pcb: b.pcb | sAnswer, inf: append([]byte(nil), b.inf...)}
	switch b.pcb {
	case sWTX:
		x.say(answer)
		x.bwts = max(b.inf[0], 1)
		return nil
	case sIFS:
		if b.inf[0] == 0 || b.inf[0] > maxIFS {
			return wrong("%v for %d bytes", b, b.inf[0])
		}
		x.ifsc = int(b.inf[0])
		x.say(answer)
		return nil
	case sAbort:
		_, err := x.send(ctx, answer, 1) // what the card says next is of no use
		if err != nil && !errors.As(err, new(errNoBlock)) {
			return err
		}
		return fmt.Errorf("%w: %w: card aborted the chain", ErrDeactivate, device.ErrProtocol)
	}
	return wrong("%v from the card", b)
}

// complain asks for a good block in place of what came: with an R-block that names the
// one that is wanted, three times at most, and then from the beginning. ISO/IEC 7816-3,
// 11.6.2.3 (rules 7.1, 7.2 and 7.4).
func (x *exchange) complain(ctx context.Context, why error) error {
	x.tries++
	if x.tries < maxTries {
		var none errNoBlock
		errors.As(why, &none)
		bwts := x.bwts
		x.say(block{pcb: pcbR | x.nr*rSeq | none.code})
		x.bwts = bwts // of a card that was given more time
		return nil
	}
	unsent := x.sending && len(x.rest) > 0
	if err := x.resynchronise(ctx); err != nil {
		return fmt.Errorf("%w (after %w)", err, why)
	}
	if unsent && !x.restarted {
		x.restarted = true
		x.restart()
		return nil
	}
	return fmt.Errorf("%w: %w", errResynchronised, why)
}

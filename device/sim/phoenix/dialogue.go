package phoenix

import (
	"context"
	"time"
)

// dialogue is the card's side of the line between two resets.
type dialogue struct {
	reader *Reader
	card   Card
	epoch  int // of the reset that began it
	atr    []byte
	convention
	in   []byte // characters of the host, decoded
	sent int    // TPDUs so far: PPS comes before the first
	dead bool
	session
	heard time.Time // the last character
}

// begin answers to reset. nil is a card that says nothing.
func (r *Reader) begin(ctx context.Context, s start) (*dialogue, error) {
	d := &dialogue{reader: r, card: s.card, epoch: s.epoch, atr: s.card.Reset()}
	f := r.take(s.kinds()...)
	atr := append([]byte(nil), d.atr...)
	switch {
	case len(atr) < 2, f.Kind == MuteAtReset, f.Kind == MuteCold:
		return nil, nil
	case f.Kind == BadTS:
		atr[0] = 0x3A
	case f.Kind == ShortATR:
		atr = atr[:len(atr)-1]
	}
	d.inverse = atr[0] == 0x3F
	d.session = sessionOf(atr)
	r.setLine(d.inverse, 0x11)
	r.tell(Event{Kind: PoweredOn, Warm: s.warm})
	return d, d.send(ctx, atr)
}

// feed takes characters from the line, and answers when there is a whole thing to answer.
// It takes them one by one, as they come on a real line.
func (d *dialogue) feed(ctx context.Context, raw []byte) error {
	now := time.Now()
	if d.blocks && now.Sub(d.heard) > torn {
		d.in = nil
	}
	d.heard = now
	for _, c := range raw {
		if d.dead {
			return nil
		}
		d.in = append(d.in, d.code(c))
		n, err := d.turn(ctx)
		if err != nil {
			return err
		}
		d.in = d.in[n:]
	}
	return nil
}

// turn deals with the first thing in the buffer and returns its length, 0 if more is to
// come.
func (d *dialogue) turn(ctx context.Context) (int, error) {
	switch {
	case len(d.in) == 0:
		return 0, nil
	case d.in[0] == 0xFF && d.sent == 0:
		return d.pps(ctx)
	case d.blocks:
		return d.block(ctx)
	case len(d.in) < 5:
		return 0, nil
	}
	if ins, p3 := d.in[1], d.in[4]; sends(ins) || p3 == 0 {
		d.sent++
		return 5, d.outgoing(ctx, d.in[:5])
	}
	return d.incoming(ctx)
}

// incoming is a TPDU that brings P3 bytes to the card: it asks for them, all or one by
// one, and has them by and by.
func (d *dialogue) incoming(ctx context.Context) (int, error) {
	have, want := len(d.in)-5, int(d.in[4])
	if have == 0 {
		d.sent++
	}
	oneByOne := d.reader.peek().Kind == OneByOne
	switch {
	case have == 0 && !oneByOne:
		return 0, d.steer(ctx, d.in[1])
	case have < want && oneByOne:
		return 0, d.steer(ctx, ^d.in[1])
	case have < want:
		return 0, nil
	}
	f := d.reader.take(answerFaults...)
	tpdu := append([]byte(nil), d.in[:5+want]...)
	answer := d.transmit(tpdu)
	if len(answer) > 2 {
		answer = answer[len(answer)-2:] // T=0 carries data one way only
	}
	return 5 + want, d.answer(ctx, f, answer)
}

// outgoing is a TPDU that brings at most P3 bytes back, 0 of P3 being 256.
func (d *dialogue) outgoing(ctx context.Context, header []byte) error {
	f := d.reader.take(answerFaults...)
	answer := d.transmit(append([]byte(nil), header...))
	if len(answer) <= 2 {
		return d.answer(ctx, f, answer)
	}
	data, status := answer[:len(answer)-2], answer[len(answer)-2:]
	want := int(header[4])
	if want == 0 && sends(header[1]) {
		want = 256
	}
	var out []byte
	if f.Kind == OneByOne || len(data) != want {
		for _, b := range data {
			out = append(out, ^header[1], b)
		}
	} else {
		out = append([]byte{header[1]}, data...)
	}
	return d.answer(ctx, f, append(out, status...))
}

// transmit asks the card, and gives nothing if it died or was pulled meanwhile.
func (d *dialogue) transmit(tpdu []byte) []byte {
	answer := d.card.Transmit(tpdu)
	if len(answer) < 2 || !d.reader.current(d.epoch) {
		d.dead = true
		return nil
	}
	return answer
}

// steer sends a procedure byte that asks for data.
func (d *dialogue) steer(ctx context.Context, b byte) error {
	if f := d.reader.peek(); f.Kind == Nulls || f.Kind == Mute || f.Kind == Garble {
		return d.answer(ctx, d.reader.take(answerFaults...), []byte{b})
	}
	return d.send(ctx, []byte{b})
}

// nullBytes is how many come with the fault Nulls.
const nullBytes = 3

// answer sends what the card has to say, with what the fault does to it.
func (d *dialogue) answer(ctx context.Context, f Fault, b []byte) error {
	switch {
	case len(b) == 0 || f.Kind == Mute:
		d.dead = true
		return nil
	case f.Kind == Late:
		if !d.wait(ctx, f.Delay) {
			return nil
		}
	case f.Kind == Nulls:
		for range nullBytes {
			if err := d.send(ctx, []byte{0x60}); err != nil {
				return err
			}
			if !d.wait(ctx, f.Delay) {
				return nil
			}
		}
	case f.Kind == Garble:
		b = append([]byte{b[0] ^ 0x01}, b[1:]...)
	case f.Kind == DiesHalfway:
		d.dead = true
		b = b[:(len(b)+1)/2]
	}
	return d.send(ctx, b)
}

// pps answers a protocol and parameters selection: FF PPS0 [PPS1 PPS2 PPS3] PCK, as it
// came where the card can do that. ISO/IEC 7816-3, 9.
func (d *dialogue) pps(ctx context.Context) (int, error) {
	if len(d.in) < 2 {
		return 0, nil
	}
	n := 3
	for bit := byte(0x10); bit <= 0x40; bit <<= 1 {
		if d.in[1]&bit != 0 {
			n++
		}
	}
	if len(d.in) < n {
		return 0, nil
	}
	request := append([]byte(nil), d.in[:n]...)
	d.sent++ // only one
	var check byte
	for _, b := range request {
		check ^= b
	}
	if check != 0 || (request[1]&0x0F == 1) != d.blocks {
		d.dead = true // a card does not answer what it cannot read or cannot do
		return n, nil
	}
	return n, d.agree(ctx, request)
}

func (d *dialogue) agree(ctx context.Context, request []byte) error {
	rate := byte(0x11)
	if request[1]&0x10 != 0 {
		rate = request[2]
	}
	switch d.reader.take(PPSMute, PPSWrong, PPSDeclined).Kind {
	case PPSMute:
		d.dead = true
		return nil
	case PPSWrong:
		request[1] ^= 0x01
	case PPSDeclined:
		rate = 0x11
		request = []byte{0xFF, 0x00, 0xFF}
	}
	if err := d.send(ctx, request); err != nil {
		return err
	}
	d.reader.agree(rate)
	return nil
}

func (d *dialogue) send(ctx context.Context, b []byte) error {
	return d.reader.out.Send(ctx, d.codeAll(b))
}

// wait lets time pass; false: a reset or the end came before.
func (d *dialogue) wait(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	for d.reader.current(d.epoch) {
		select {
		case <-timer.C:
			return d.reader.current(d.epoch)
		case <-d.reader.kick:
			defer d.reader.wake() // the reset is for serve
		case <-ctx.Done():
			return false
		}
	}
	return false
}

package vfpad

import "time"

// Bytes of the protocol.
const (
	stx = 0x02
	etx = 0x03
	eot = 0x04
	ack = 0x06
	so  = 0x0E
	si  = 0x0F
	nak = 0x15
	sub = 0x1A
	fs  = 0x1C
)

// maxFrame bounds what the pad keeps of a frame.
const maxFrame = 600

type kind uint8

const (
	nothing kind = iota
	request      // a good frame
	spoiled      // a frame with a wrong check byte, or too long
	control      // ACK, NAK or EOT
)

// event is what came in. data is the frame between its start and end bytes.
type event struct {
	kind  kind
	start byte
	data  string
	byte  byte
}

// input parts the byte stream.
type input struct {
	start byte // 0: outside of a frame
	data  []byte
	ended bool // the end byte was there: the check byte is next
	check byte
}

// add takes one byte and returns what it completes.
func (in *input) add(c byte) event {
	switch {
	case in.start == 0 && (c == ack || c == nak || c == eot):
		return event{kind: control, byte: c}
	case in.start == 0 && (c == stx || c == si):
		*in = input{start: c, data: in.data[:0]}
	case in.start == 0:
	case in.ended:
		e := event{kind: request, start: in.start, data: string(in.data)}
		if c != in.check {
			e = event{kind: spoiled}
		}
		in.clear()
		return e
	case in.start == stx && c == etx, in.start == si && c == so:
		in.check ^= c
		in.ended = true
	case len(in.data) == maxFrame:
		in.clear()
		return event{kind: spoiled}
	default:
		in.check ^= c
		in.data = append(in.data, c)
	}
	return event{}
}

func (in *input) clear() {
	clear(in.data)
	*in = input{data: in.data[:0]}
}

// encode makes a frame.
func encode(start byte, data string) []byte {
	end := byte(etx)
	if start == si {
		end = so
	}
	out := append(append([]byte{start}, data...), end)
	check := byte(0)
	for _, c := range out[1:] {
		check ^= c
	}
	return append(out, check)
}

// put queues bytes for the line. The caller has the lock.
func (p *Pad) put(b ...byte) {
	if p.fault == Silent {
		return
	}
	p.out.Offer(b)
}

// sendFrame sends a frame until it is acknowledged; then it calls done, which may be
// nil. The caller has the lock.
func (p *Pad) sendFrame(start byte, data string, done func()) {
	p.settle()
	s := &sent{frame: encode(start, data), done: done}
	p.sent = s
	p.transmit(s)
}

// transmit sends the frame once more, or gives up after three times.
func (p *Pad) transmit(s *sent) {
	if s.times == sends {
		p.sent = nil
		p.put(eot)
		return
	}
	s.times++
	s.timer = time.AfterFunc(ackTime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.sent == s {
			p.transmit(s)
		}
	})
	b := append([]byte(nil), s.frame...)
	if p.fault == Garbled || p.fault == GarbledOnce {
		b[len(b)-1] ^= 0x55
	}
	if p.fault == GarbledOnce {
		p.fault = None
	}
	p.put(b...)
	if p.fault == Twice {
		p.put(b...)
	}
}

// acknowledge sends ACK, if it is not to be lost.
func (p *Pad) acknowledge() {
	if p.fault == LostACK {
		p.fault = None
		return
	}
	p.put(ack)
}

// settle forgets the frame that waits for its ACK.
func (p *Pad) settle() {
	if p.sent != nil {
		p.sent.timer.Stop()
		p.sent = nil
	}
}

// react is what the pad does about one thing that came in.
func (p *Pad) react(e event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case e.kind == control:
		p.controlled(e.byte)
	case p.fault == NAKs:
		p.put(nak)
	case e.kind == spoiled && p.naks == sends-1:
		p.naks = 0
		p.put(eot)
	case e.kind == spoiled:
		p.naks++
		p.put(nak)
	default:
		p.naks = 0
		p.request(e)
	}
}

func (p *Pad) controlled(c byte) {
	s := p.sent
	if s == nil {
		return
	}
	switch c {
	case ack:
		p.settle()
		if s.done != nil {
			s.done()
		}
	case nak:
		s.timer.Stop()
		p.transmit(s)
	case eot:
		p.settle()
	}
}

package abecs

import (
	"time"
)

// Bytes of the link.
const (
	eot = 0x04
	ack = 0x06
	dc2 = 0x12
	dc3 = 0x13
	nak = 0x15
	syn = 0x16
	etb = 0x17
	can = 0x18
)

// Times and limits of the pad's side. Abecs 2.20, 6.2.1.
const (
	byteTime = 1500 * time.Millisecond
	silence  = 500 * time.Millisecond
	maxData  = 2049
)

// where is what the next byte is.
type where uint8

const (
	outside   where = iota
	inside          // of the data
	escaped         // after DC3
	firstCRC        // after ETB
	secondCRC       //
	noise           // after a packet that cannot be read, until the line is silent
)

// input parts the byte stream.
type input struct {
	at    where
	data  []byte
	crc   uint16 // computed
	told  uint16 // read
	timer *time.Timer
}

// take is what the pad does with one byte. The caller has the lock.
func (p *Pad) take(c byte) {
	in := &p.in
	if in.timer != nil {
		in.timer.Stop()
	}
	switch in.at {
	case outside:
		p.control(c)
	case inside:
		p.inside(c)
	case escaped:
		in.at = inside
		p.add(c - 0x20)
	case firstCRC:
		in.told = uint16(c) << 8
		in.at = secondCRC
	case secondCRC:
		in.told |= uint16(c)
		in.at = outside
		p.complete()
	}
	p.arm()
}

// control is a byte outside of a packet.
func (p *Pad) control(c byte) {
	switch c {
	case syn:
		clear(p.in.data)
		p.in = input{at: inside, data: p.in.data[:0]}
	case can:
		p.abort()
		if p.fault != NoEOT {
			p.put(eot)
		}
	case nak:
		if p.last != nil {
			p.transmit(p.last)
		}
	}
}

func (p *Pad) inside(c byte) {
	switch c {
	case etb:
		p.in.crc = crc16(p.in.crc, etb)
		p.in.at = firstCRC
	case dc3:
		p.in.at = escaped
	default:
		p.add(c)
	}
}

func (p *Pad) add(c byte) {
	if len(p.in.data) == maxData {
		p.in.at = noise
		return
	}
	p.in.data = append(p.in.data, c)
	p.in.crc = crc16(p.in.crc, c)
}

// complete is a whole packet: its CRC decides.
func (p *Pad) complete() {
	if p.in.crc != p.in.told {
		p.in.at = noise
		return
	}
	if p.fault == NAKs {
		p.put(nak)
		return
	}
	p.abort() // a new command ends the one before it
	p.put(ack)
	p.received(p.in.data)
	clear(p.in.data)
}

// arm sets the time for the next byte, or for the silence after noise.
func (p *Pad) arm() {
	in := &p.in
	limit := byteTime
	switch in.at {
	case outside:
		return
	case noise:
		limit = silence
	}
	in.timer = time.AfterFunc(limit, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.in.at == noise {
			p.in.at = outside
			p.put(nak)
		} else if p.in.at != outside {
			p.in.at = noise
			p.arm()
		}
	})
}

// put queues bytes for the line. The caller has the lock.
func (p *Pad) put(b ...byte) {
	if p.fault == Silent {
		return
	}
	p.out.Offer(b)
}

// transmit sends a packet, once more if asked.
func (p *Pad) transmit(packet []byte) {
	b := append([]byte(nil), packet...)
	if p.fault == Garbled || p.fault == GarbledOnce {
		b[len(b)-1] ^= 0x55
	}
	if p.fault == GarbledOnce {
		p.fault = None
	}
	p.put(b...)
}

// encode makes a packet.
func encode(data []byte) []byte {
	out := append(make([]byte, 0, len(data)+8), syn)
	crc := uint16(0)
	for _, c := range data {
		crc = crc16(crc, c)
		if c == dc3 || c == syn || c == etb {
			out = append(out, dc3)
			c += 0x20
		}
		out = append(out, c)
	}
	crc = crc16(crc, etb)
	return append(out, etb, byte(crc>>8), byte(crc))
}

// crc16 adds a byte to a CRC by a shift register, as section 7.2 has it.
func crc16(crc uint16, c byte) uint16 {
	word := uint16(c) << 8
	for range 8 {
		if (crc^word)&0x8000 != 0 {
			crc = crc<<1 ^ 0x1021
		} else {
			crc <<= 1
		}
		word <<= 1
	}
	return crc
}

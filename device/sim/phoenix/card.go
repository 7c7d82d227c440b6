package phoenix

// Card is a card as the contacts see it. One goroutine calls it at a time.
type Card interface {
	// Reset resets the card and returns its answer to reset in clear, TS 3B or 3F first,
	// 2 to 33 bytes; nil is a mute card. What it says of the protocol is what Transmit
	// takes.
	Reset() []byte
	// Transmit takes one T=0 TPDU (CLA INS P1 P2 P3, with data where P3 counts data) and
	// returns data and the two bytes of the status word, nil being a card that died; or one
	// block of T=1, and returns the card's next, nil being silence.
	Transmit(tpdu []byte) []byte
}

// outgoing are the instructions whose P3 counts what the card sends; all others bring
// data to it. At T=0 a card knows that of its instructions, it is nowhere in the TPDU.
// ISO/IEC 7816-4 (READ, GET …); EMV 4.4 Book 3, 6.5.
var outgoing = [...]byte{0x84, 0xB0, 0xB2, 0xC0, 0xCA, 0xCB}

func sends(ins byte) bool {
	for _, o := range outgoing {
		if ins == o {
			return true
		}
	}
	return false
}

// convention codes characters as they are on the line, and back.
type convention struct{ inverse bool }

// code turns a character into that of the line or back: with the inverse convention a
// high level is 0, and the highest bit comes first. ISO/IEC 7816-3, 7.3 and 8.1.
func (c convention) code(b byte) byte {
	if !c.inverse {
		return b
	}
	var out byte
	for bit := range 8 {
		if b&(1<<bit) == 0 {
			out |= 0x80 >> bit
		}
	}
	return out
}

func (c convention) codeAll(p []byte) []byte {
	out := make([]byte, len(p))
	for i, b := range p {
		out[i] = c.code(b)
	}
	return out
}

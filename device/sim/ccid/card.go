package ccid

// Card is a card as the reader sees it. One goroutine calls it at a time.
type Card interface {
	// Reset resets the card and returns its answer to reset, 2 to 33 bytes; nil is a mute
	// card. What it says of the protocol is what Transmit takes.
	Reset() []byte
	// Transmit takes one T=0 TPDU (CLA INS P1 P2 P3, with data where P3 counts data) and
	// returns data and the two bytes of the status word; or one block of T=1 and returns
	// the card's next. nil is silence.
	Transmit(tpdu []byte) []byte
}

// protocolOf is the first protocol that an answer to reset names: T of TD1, 0 without.
func protocolOf(atr []byte) byte {
	if len(atr) < 2 || atr[1]&0x80 == 0 {
		return 0
	}
	at := 2
	for _, bit := range []byte{0x10, 0x20, 0x40} {
		if atr[1]&bit != 0 {
			at++
		}
	}
	if at >= len(atr) {
		return 0
	}
	return atr[at] & 0x0F
}

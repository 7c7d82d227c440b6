package ccid

// Card is a T=0 card as the reader sees it. One goroutine calls it at a time.
type Card interface {
	// Reset resets the card cold and returns its answer to reset, 2 to 33 bytes; nil is
	// a mute card.
	Reset() []byte
	// Transmit takes one T=0 TPDU (CLA INS P1 P2 P3, with data where P3 counts data) and
	// returns data and the two bytes of the status word; nil is a card that died.
	Transmit(tpdu []byte) []byte
}

package vpcd

// Controls.
const (
	powerOff = 0x00
	powerOn  = 0x01
	reset    = 0x02
	askATR   = 0x04
)

const maxMessage = 1<<16 - 1

// frame puts a message, at most 65535 bytes, behind its length.
func frame(message []byte) []byte {
	return append([]byte{byte(len(message) >> 8), byte(len(message))}, message...)
}

// session is a card while it is connected. Its answer to reset is known before it has
// power, since readers ask for that to see whether a card is there.
type session struct {
	card    Card
	atr     []byte
	powered bool
}

// do does what a message says. Not every one is answered.
func (v *session) do(message []byte) (answer []byte, wanted bool) {
	switch {
	case len(message) == 0:
		return nil, false
	case len(message) > 1:
		if !v.powered {
			return nil, true
		}
		return v.card.Exchange(message), true
	}
	switch message[0] {
	case powerOff:
		v.powered = false
	case powerOn, reset:
		v.atr = v.card.Reset()
		v.powered = v.atr != nil
	case askATR:
		return v.atr, true
	}
	return nil, false
}

package ccid

import "encoding/binary"

// The serial framing. GemPC Twin serial: SYNC (syn here), CTRL, message or nothing, LRC.
const (
	syn        = 0x03
	ack        = 0x06
	nak        = 0x15
	maxData    = 261 // 271 less the header of ten
	headerSize = 10
)

// Message types. USB CCID 1.1, 6.1 and 6.2.
const (
	iccPowerOn    = 0x62
	iccPowerOff   = 0x63
	getSlotStatus = 0x65
	xfrBlock      = 0x6F
	getParameters = 0x6C
	setParameters = 0x61
	escape        = 0x6B

	dataBlock  = 0x80
	slotStatus = 0x81
	parameters = 0x82
	escaped    = 0x83
)

// command is a message of the host.
type command struct {
	kind, slot, seq byte
	params          [3]byte
	data            []byte
	frame           []byte // as it came, for the echo
}

// input takes frames out of the bytes that come in, whatever the pieces are.
type input struct {
	buf []byte
}

type event uint8

const (
	nothing  event = iota // more bytes are needed
	received              // a command
	nakked                // the host wants the last answer again
	spoiled               // a frame with a wrong check or length
)

// next takes one event off the front of the buffer.
func (in *input) next() (event, command) {
	for len(in.buf) > 0 && in.buf[0] != syn {
		in.buf = in.buf[1:] // noise
	}
	switch {
	case len(in.buf) < 3:
		return nothing, command{}
	case in.buf[1] == nak:
		bad := in.buf[2] != syn^nak
		in.buf = in.buf[3:]
		if bad {
			return spoiled, command{}
		}
		return nakked, command{}
	case in.buf[1] != ack:
		in.buf = in.buf[1:]
		return in.next()
	case len(in.buf) < 2+headerSize+1:
		return nothing, command{}
	}
	n := binary.LittleEndian.Uint32(in.buf[3:])
	if n > maxData {
		in.buf = in.buf[2:] // what follows is noise until the next SYNC
		return spoiled, command{}
	}
	size := 2 + headerSize + int(n) + 1
	if len(in.buf) < size {
		return nothing, command{}
	}
	f := in.buf[:size:size]
	in.buf = in.buf[size:]
	if check(f) != 0 {
		return spoiled, command{}
	}
	c := command{kind: f[2], slot: f[7], seq: f[8], data: f[2+headerSize : size-1], frame: f}
	copy(c.params[:], f[9:])
	return received, c
}

func check(b []byte) (x byte) {
	for _, c := range b {
		x ^= c
	}
	return x
}

// answer makes the frame of a message to the host.
func answer(kind, slot, seq, status, code, third byte, data []byte) []byte {
	f := []byte{syn, ack, kind, 0, 0, 0, 0, slot, seq, status, code, third}
	binary.LittleEndian.PutUint32(f[3:], uint32(len(data)))
	f = append(f, data...)
	return append(f, check(f))
}

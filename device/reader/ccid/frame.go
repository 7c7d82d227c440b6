package ccid

import (
	"encoding/binary"
	"errors"
	"fmt"

	"posd/device/link"
)

// Bytes of the serial framing.
const (
	syn        = 0x03
	ctrlACK    = 0x06
	ctrlNAK    = 0x15
	slotChange = 0x50
	headerSize = 10
	maxData    = 261 // 271 less the header
	frameExtra = 3   // SYNC, CTRL, LRC
)

var nakFrame = []byte{syn, ctrlNAK, syn ^ ctrlNAK}

// message is a CCID message. params are the last three bytes of the header.
type message struct {
	kind, slot, seq byte
	params          [3]byte
	data            []byte
}

// appendFrame appends the message in its frame.
func (m message) appendFrame(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, syn, ctrlACK, m.kind)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(m.data)))
	dst = append(dst, m.slot, m.seq, m.params[0], m.params[1], m.params[2])
	dst = append(dst, m.data...)
	return append(dst, link.LRC(dst[start:]...))
}

// frameSize reads the length of a whole frame from its first twelve bytes.
func frameSize(head []byte) (int, error) {
	if n := binary.LittleEndian.Uint32(head[3:]); n <= maxData {
		return frameExtra + headerSize + int(n), nil
	} else {
		return 0, fmt.Errorf("length %d, at most %d allowed", n, maxData)
	}
}

// parseFrame reads one whole frame. The data is a copy.
func parseFrame(b []byte) (message, error) {
	if len(b) < frameExtra+headerSize {
		return message{}, fmt.Errorf("frame of %d bytes, at least %d wanted", len(b), frameExtra+headerSize)
	}
	if b[0] != syn || b[1] != ctrlACK {
		return message{}, fmt.Errorf("frame begins with %02X %02X", b[0], b[1])
	}
	size, err := frameSize(b)
	if err != nil {
		return message{}, err
	}
	if size != len(b) {
		return message{}, fmt.Errorf("frame of %d bytes where its length says %d", len(b), size)
	}
	if link.LRC(b...) != 0 {
		return message{}, errors.New("LRC is wrong")
	}
	m := message{kind: b[2], slot: b[7], seq: b[8], params: [3]byte(b[9:12])}
	if size > frameExtra+headerSize {
		m.data = append(m.data, b[12:size-1]...)
	}
	return m, nil
}

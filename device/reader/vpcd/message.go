package vpcd

import (
	"encoding/binary"
	"fmt"
)

// Controls.
const (
	powerOff = 0x00
	powerOn  = 0x01
	askATR   = 0x04
)

const (
	headerSize  = 2
	maxPayload  = 1<<16 - 1
	maxATR      = 33
	maxResponse = 258 // of a short APDU
)

// appendMessage appends the payload, at most 65535 bytes, behind its length.
func appendMessage(dst, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	return append(dst, payload...)
}

// payloadSize reads a header. It is an error to announce more than limit.
func payloadSize(header []byte, limit int) (int, error) {
	n := int(binary.BigEndian.Uint16(header))
	if n > limit {
		return 0, fmt.Errorf("message of %d bytes, at most %d expected", n, limit)
	}
	return n, nil
}

// parseMessage takes one message off the front of b. rest is nil where it is not whole.
func parseMessage(b []byte, limit int) (payload, rest []byte, err error) {
	if len(b) < headerSize {
		return nil, nil, fmt.Errorf("header of %d bytes", len(b))
	}
	n, err := payloadSize(b, limit)
	switch {
	case err != nil:
		return nil, nil, err
	case len(b) < headerSize+n:
		return nil, nil, fmt.Errorf("%d of %d bytes", len(b)-headerSize, n)
	}
	return b[headerSize : headerSize+n], b[headerSize+n:], nil
}

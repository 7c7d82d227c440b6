package vpcd

import (
	"context"
	"encoding/binary"

	"posd/device/link"
)

// Controls.
const (
	powerOff = 0x00
	powerOn  = 0x01
	askATR   = 0x04
)

const (
	headerSize  = 2
	maxATR      = 33
	maxResponse = 258 // of a short APDU
)

// appendMessage appends the payload, at most 65535 bytes, behind its length.
func appendMessage(dst, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	return append(dst, payload...)
}

// receive reads one message, of at most limit bytes. A longer one is not read.
func receive(ctx context.Context, line *link.Link, limit int) ([]byte, error) {
	header := make([]byte, headerSize)
	if err := line.ReadFull(ctx, header); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(header))
	if n > limit {
		return nil, line.Garbled("message of %d bytes, at most %d expected", n, limit)
	}
	message := make([]byte, n)
	if n == 0 {
		return message, nil
	}
	return message, line.ReadFull(ctx, message)
}

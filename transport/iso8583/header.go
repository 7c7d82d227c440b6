package iso8583

import (
	"encoding/binary"
	"fmt"
)

// Order is the job that the host wants done when the terminal is idle: the low digit of
// the header's third byte (处理要求).
type Order = byte

// Orders. 4, 5 and 9 stand in public sources; the others are not confirmed by one.
const (
	NoOrder          Order = 0
	OrderStripe      Order = 1 // stripe parameters
	OrderStatus      Order = 2 // status upload
	OrderSignOn      Order = 3 // sign on anew
	OrderCAKeys      Order = 4 // CA keys
	OrderAIDs        Order = 5 // parameters of applications
	OrderTMS         Order = 6 // ask the terminal management
	OrderContactless Order = 9 // contactless parameters
)

// check refuses a header whose digits are none.
func (h Header) check() error {
	switch {
	case h.TPDU[0] != 0x60:
		return fmt.Errorf("TPDU: first byte %02X, 60 wanted: %w", h.TPDU[0], ErrValue)
	case !isBCD(h.Application) || !isBCD(h.Version) || h.Status > 9 || h.Order > 9:
		return fmt.Errorf("header: application, version, status or order is no digit: %w", ErrValue)
	case !isBCD(h.Minor[0]) || !isBCD(h.Minor[1]) || !isBCD(h.Minor[2]):
		return fmt.Errorf("header: minor version is no digit: %w", ErrValue)
	}
	return nil
}

// parseHeader reads TPDU, application header, message type and bitmap.
func parseHeader(frame []byte) (h Header, mti uint16, bitmap uint64, err error) {
	if len(frame) < fieldsAt {
		return h, 0, 0, fmt.Errorf("iso8583: parse: %d bytes, at least %d: %w", len(frame), fieldsAt, ErrTruncated)
	}
	if len(frame) > MaxFrame {
		return h, 0, 0, fmt.Errorf("iso8583: parse: %d bytes, at most %d: %w", len(frame), MaxFrame, ErrTooLong)
	}
	copy(h.TPDU[:], frame)
	h.Application, h.Version = frame[5], frame[6]
	h.Status, h.Order = frame[7]>>4, frame[7]&0xF
	copy(h.Minor[:], frame[8:])
	if err := h.check(); err != nil {
		return Header{}, 0, 0, fmt.Errorf("iso8583: parse: %w", err)
	}
	return h, binary.BigEndian.Uint16(frame[headerLength:]), binary.BigEndian.Uint64(frame[bitmapAt:]), nil
}

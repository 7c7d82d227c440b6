package iso8583

import (
	"errors"
	"fmt"
)

var (
	// ErrTooLong says that a frame is longer than [MaxFrame].
	ErrTooLong = errors.New("frame too long")
	// ErrTruncated says that a frame ends before it should.
	ErrTruncated = errors.New("frame truncated")
	// ErrTrailing says that bytes follow the last field.
	ErrTrailing = errors.New("bytes after the last field")
	// ErrUnknown says that the dialect, or the message class, has no such field,
	// message type, transaction or function.
	ErrUnknown = errors.New("not in the dialect")
	// ErrMissing says that a field is not there that the class must have.
	ErrMissing = errors.New("missing")
	// ErrValue says that a field's value is none that it may have.
	ErrValue = errors.New("bad value")
	// ErrMAC says that field 64 is not the MAC of the frame under the key.
	ErrMAC = errors.New("wrong MAC")
	// ErrNoMAC says that the frame has no field 64.
	ErrNoMAC = errors.New("no MAC")
)

// FieldError says which field of which message was wrong, and where it begins. It
// never repeats what a field holds.
type FieldError struct {
	Verb   string // parse or pack
	MTI    uint16 // as on the wire, in hexadecimal: 0x0200
	Field  int    // 1 to 64
	Name   string // of the field, empty for one that the dialect does not know
	Offset int    // of the field's first byte, its length included, from the TPDU's first byte
	Err    error
}

// Error names message type, field, offset and cause.
func (e *FieldError) Error() string {
	name := e.Name
	if name != "" {
		name = " (" + name + ")"
	}
	return fmt.Sprintf("iso8583: %s %04X: field %d%s at offset %d: %v", e.Verb, e.MTI, e.Field, name, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.Err }

package pn532

import (
	"errors"
	"fmt"
)

// Bytes of the framing. UM0701-02, 6.2.1.
const (
	fromHost  = 0xD4
	fromChip  = 0xD5
	errorTFI  = 0x7F
	maxLength = 265 // TFI, code and data
	maxData   = maxLength - 2
	maxFrame  = 3 + 5 + maxLength + 2
)

var (
	ackFrame  = []byte{0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00}
	nackFrame = []byte{0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00}
	// wakeUp ends any sleep of the chip: rising edges, then time for its clock to start.
	// Awake, it takes them for a long preamble. 7.2.11 and 3.1.3.
	wakeUp = []byte{0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
)

// kind is what a frame is.
type kind uint8

const (
	none kind = iota
	ack
	nack
	syntaxError // an error frame
	information
)

// frame is one frame. Of information it has the rest.
type frame struct {
	kind     kind
	tfi      byte
	code     byte
	data     []byte
	extended bool // the long length, which the chip may use for short frames too
}

// appendFrame appends the frame with preamble and postamble.
func (f frame) appendFrame(dst []byte) []byte {
	switch f.kind {
	case ack:
		return append(dst, ackFrame...)
	case nack:
		return append(dst, nackFrame...)
	case syntaxError:
		return append(dst, 0x00, 0x00, 0xFF, 0x01, 0xFF, errorTFI, 0x81, 0x00)
	}
	n := len(f.data) + 2
	dst = append(dst, 0x00, 0x00, 0xFF)
	if f.extended || n > 255 {
		dst = append(dst, 0xFF, 0xFF, byte(n>>8), byte(n), -(byte(n>>8) + byte(n)))
	} else {
		dst = append(dst, byte(n), -byte(n))
	}
	body := len(dst)
	dst = append(dst, f.tfi, f.code)
	dst = append(dst, f.data...)
	return append(dst, -sum(dst[body:]), 0x00)
}

func sum(b []byte) (s byte) {
	for _, c := range b {
		s += c
	}
	return s
}

// errStart says that no frame begins here.
var errStart = errors.New("no start code")

// parse reads a frame that begins at b with its start code and ends with its check. The
// kind is none where bytes are missing; then size is how many there must be at least.
func parse(b []byte) (f frame, size int, err error) {
	if len(b) < 4 {
		return frame{}, 4, startOf(b)
	}
	if err := startOf(b); err != nil {
		return frame{}, 0, err
	}
	switch [2]byte{b[2], b[3]} {
	case [2]byte{0x00, 0xFF}:
		return frame{kind: ack}, 4, nil
	case [2]byte{0xFF, 0x00}:
		return frame{kind: nack}, 4, nil
	case [2]byte{0xFF, 0xFF}:
		return parseExtended(b)
	}
	if b[2]+b[3] != 0 || b[2] == 0 {
		return frame{}, 0, fmt.Errorf("LEN %02X with LCS %02X", b[2], b[3])
	}
	return parseBody(b, 4, int(b[2]), false)
}

func startOf(b []byte) error {
	if len(b) > 0 && b[0] != 0x00 || len(b) > 1 && b[1] != 0xFF {
		return errStart
	}
	return nil
}

func parseExtended(b []byte) (frame, int, error) {
	if len(b) < 7 {
		return frame{}, 7, nil
	}
	n := int(b[4])<<8 | int(b[5])
	if sum(b[4:7]) != 0 || n == 0 || n > maxLength {
		return frame{}, 0, fmt.Errorf("extended LEN %d with LCS %02X, 1 to %d allowed", n, b[6], maxLength)
	}
	return parseBody(b, 7, n, true)
}

// parseBody reads the n bytes from TFI on, and DCS. A DCS of 00 may be the postamble of a
// frame that lost a 00, which no sum shows: then the postamble must be there as well.
func parseBody(b []byte, at, n int, extended bool) (frame, int, error) {
	size := at + n + 1
	if len(b) < size {
		return frame{}, size, nil
	}
	body := b[at : at+n]
	switch {
	case sum(b[at:size]) != 0:
		return frame{}, 0, errors.New("DCS is wrong")
	case b[size-1] == 0 && len(b) == size:
		return frame{}, size + 1, nil
	case b[size-1] == 0 && b[size] != 0:
		return frame{}, 0, errors.New("no postamble")
	case n == 1 && body[0] == errorTFI && !extended:
		return frame{kind: syntaxError}, size, nil
	case n < 2 || body[0] != fromHost && body[0] != fromChip:
		return frame{}, 0, fmt.Errorf("TFI %02X with %d bytes", body[0], n)
	}
	f := frame{kind: information, tfi: body[0], code: body[1], extended: extended}
	if n > 2 {
		f.data = append(f.data, body[2:]...)
	}
	return f, size, nil
}

// scan looks for the first frame in b. skip is how many bytes before it belong to none;
// junk tells whether one of those was not 00, which preambles and postambles are. Where
// the kind is none, size counts the bytes after skip that a frame there needs at least.
func scan(b []byte) (f frame, skip, size int, junk bool) {
	for ; skip < len(b); skip++ {
		f, size, err := parse(b[skip:])
		if err == nil {
			return f, skip, size, junk
		}
		junk = junk || b[skip] != 0
	}
	return frame{}, skip, 1, junk
}

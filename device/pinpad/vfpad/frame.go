package vfpad

import (
	"errors"
	"fmt"

	"posd/device/link"
)

// Bytes of the protocol.
const (
	stx = 0x02
	etx = 0x03
	eot = 0x04
	ack = 0x06
	so  = 0x0E
	si  = 0x0F
	nak = 0x15
	sub = 0x1A // clears the display
	fs  = 0x1C // separates fields
)

// maxData bounds the data of a frame: a key block of an AES key with optional blocks is
// the longest.
const maxData = 512

// errFrame is the cause of every refusal to read or write a frame.
var errFrame = errors.New("not a frame")

// frame is identifier and data, with the pair of bytes that encloses them.
type frame struct {
	start byte // stx or si
	data  []byte
}

func (f frame) end() byte {
	if f.start == si {
		return so
	}
	return etx
}

// has tells whether the frame carries the identifier.
func (f frame) has(id string) bool {
	return len(f.data) >= len(id) && string(f.data[:len(id)]) == id
}

// append writes the frame; the data are checked, for a byte like ETX in a prompt would
// end it early.
func (f frame) append(dst []byte) ([]byte, error) {
	if f.start != stx && f.start != si {
		return nil, fmt.Errorf("start byte %02X: %w", f.start, errFrame)
	}
	if err := checkData(f.data); err != nil {
		return nil, err
	}
	n := len(dst) + 1
	dst = append(append(append(dst, f.start), f.data...), f.end())
	return append(dst, link.LRC(dst[n:]...)), nil
}

// parse reads exactly one frame. data aliases b.
func parse(b []byte) (frame, error) {
	if len(b) < 5 || b[0] != stx && b[0] != si {
		return frame{}, fmt.Errorf("%d bytes without start and end: %w", len(b), errFrame)
	}
	n := len(b) - 2
	f := frame{b[0], b[1:n:n]}
	switch {
	case b[n] != f.end():
		return frame{}, fmt.Errorf("end byte %02X after start byte %02X: %w", b[n], b[0], errFrame)
	case link.LRC(b[1:n+1]...) != b[n+1]:
		return frame{}, fmt.Errorf("check byte differs: %w", errFrame)
	}
	return f, checkData(f.data)
}

// checkData tells whether the bytes are what a frame may carry. It does not repeat them.
func checkData(data []byte) error {
	if len(data) < 2 || len(data) > maxData {
		return fmt.Errorf("%d bytes of data, 2 to %d wanted: %w", len(data), maxData, errFrame)
	}
	for i, c := range data {
		if !carried(c) {
			return fmt.Errorf("byte %d of the data is no character: %w", i+1, errFrame)
		}
	}
	return nil
}

func carried(c byte) bool { return c >= 0x20 && c <= 0x7E || c == sub || c >= fs && c <= 0x1E }

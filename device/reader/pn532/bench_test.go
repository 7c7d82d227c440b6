package pn532_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"posd/device/devicetest"
	"posd/device/reader/pn532"
)

// instant is a line that takes no time: each frame written is answered at once, and
// silence is over at once.
type instant struct {
	answers map[byte][]byte // by the command's code
	pending []byte
	bytes   int
}

func (p *instant) Write(b []byte) (int, error) {
	p.bytes += len(b)
	if len(b) > 8 && b[0] == 0 && b[5] == 0xD4 {
		p.pending = append(p.pending, 0, 0, 0xFF, 0, 0xFF, 0)
		if b[6] == 0x4A && b[8] == 3 {
			p.pending = append(p.pending, answered(0x4B, 0)...) // nobody of type B
		} else {
			p.pending = append(p.pending, p.answers[b[6]]...)
		}
	}
	return len(b), nil
}

func (p *instant) Read(b []byte) (int, error) {
	if len(p.pending) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, p.pending)
	p.bytes += n
	p.pending = p.pending[n:]
	return n, nil
}

func (*instant) Close() error                     { return nil }
func (*instant) SetReadDeadline(time.Time) error  { return nil }
func (*instant) SetWriteDeadline(time.Time) error { return nil }

func answered(b ...byte) []byte {
	n := byte(len(b) + 1)
	f := append([]byte{0, 0, 0xFF, n, -n, 0xD5}, b...)
	var sum byte
	for _, c := range f[5:] {
		sum += c
	}
	return append(f, -sum, 0)
}

// BenchmarkAPDU is what the driver costs for one READ RECORD of 60 bytes, in CPU time and
// allocations, beside the time that its bytes need on the line (10 bits each: 8N1).
func BenchmarkAPDU(b *testing.B) {
	line := &instant{answers: map[byte][]byte{
		0x14: answered(0x15), 0x12: answered(0x13), 0x32: answered(0x33),
		0x4A: answered(0x4B, 1, 1, 0, 4, 0x20, 4, 8, 1, 2, 3, 1),
		0x40: answered(append(append([]byte{0x41, 0}, make([]byte, 60)...), 0x90, 0)...),
	}}
	r, err := pn532.New(line, pn532.Config{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.PowerOn(b.Context()); err != nil {
		b.Fatal(err)
	}
	devicetest.Overhead(b, 10, func() int { return line.bytes }, func() error {
		got, err := r.Transmit(b.Context(), readRecord)
		if err == nil && len(got) != 62 {
			err = fmt.Errorf("%d bytes", len(got))
		}
		return err
	}, devicetest.Bauds()...)
}

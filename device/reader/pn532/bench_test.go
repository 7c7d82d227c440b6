package pn532_test

import (
	"os"
	"testing"
	"time"

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

// BenchmarkTransmit is what the driver itself takes for READ RECORD, beside the time of
// the bytes on a line at 115200 baud: line-% must stay under 2.
func BenchmarkTransmit(b *testing.B) {
	line := &instant{answers: map[byte][]byte{
		0x14: answered(0x15), 0x12: answered(0x13), 0x32: answered(0x33),
		0x4A: answered(0x4B, 1, 1, 0, 4, 0x20, 4, 8, 1, 2, 3, 1),
		0x40: answered(0x41, 0, 1, 2, 3, 4, 5, 0x90, 0),
	}}
	r, err := pn532.New(line, pn532.Config{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.PowerOn(b.Context()); err != nil {
		b.Fatal(err)
	}
	line.bytes = 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Transmit(b.Context(), readRecord); err != nil {
			b.Fatal(err)
		}
	}
	onLine := time.Duration(line.bytes) * 10 * time.Second / 115200
	b.ReportMetric(100*float64(b.Elapsed())/float64(onLine), "line-%")
}

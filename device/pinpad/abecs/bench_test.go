package abecs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"posd/device/devicetest"
	"posd/device/pinpad/abecs"
)

// canned is a pad's end that costs next to nothing: it answers each packet with what is ready,
// and counts the bytes of the line. It is the port itself, so what is measured is the driver.
type canned struct {
	answers map[string][]byte // by command; ACK and packet
	in      []byte
	bytes   int
}

func (*canned) Close() error                     { return nil }
func (*canned) SetReadDeadline(time.Time) error  { return nil }
func (*canned) SetWriteDeadline(time.Time) error { return nil }

func (c *canned) Write(p []byte) (int, error) {
	if c.in = []byte{0x04}; p[0] == 0x16 {
		c.in = c.answers[string(p[1:4])]
	}
	c.bytes += len(p) + len(c.in)
	return len(p), nil
}

func (c *canned) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

// ready is ACK and the packet of a response without bytes that DC3 stands for.
func ready(data string) []byte {
	crc := uint16(0)
	for _, c := range []byte(data + "\x17") {
		crc ^= uint16(c) << 8
		for range 8 {
			carry := crc >> 15
			crc = crc<<1 ^ 0x1021*carry
		}
	}
	return append([]byte("\x06\x16"+data), 0x17, byte(crc>>8), byte(crc))
}

// BenchmarkAPDU is what the driver costs for one READ RECORD of 60 bytes, in CPU time and
// allocations, beside the time that its bytes need on the line (10 bits each: 8N1) at the
// speeds that pads have. The figure that counts is the last: it has to stay under 2 %.
func BenchmarkAPDU(b *testing.B) {
	port := &canned{answers: map[string][]byte{
		"OPN": ready("OPN000"),
		"CHP": ready("CHP000011" + "004" + "3B600000"),
	}}
	driver, err := abecs.New(port, abecs.Config{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := driver.Chip().PowerOn(b.Context()); err != nil {
		b.Fatal(err)
	}
	port.answers["CHP"] = ready("CHP000127" + "062" + strings.Repeat("5A", 60) + "9000")
	command := []byte{0x00, 0xB2, 0x01, 0x0C, 60}
	devicetest.Overhead(b, 10, func() int { return port.bytes }, func() error {
		got, err := driver.Chip().Transmit(b.Context(), command)
		if err == nil && len(got) != 62 {
			err = fmt.Errorf("%d bytes", len(got))
		}
		return err
	}, devicetest.Bauds()...)
}

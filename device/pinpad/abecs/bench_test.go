package abecs_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

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
	before := port.bytes
	b.ReportAllocs()
	begin := cpuTime(b)
	for b.Loop() {
		if got, err := driver.Chip().Transmit(b.Context(), command); err != nil || len(got) != 62 {
			b.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	apdu := (cpuTime(b) - begin) / time.Duration(b.N)
	b.ReportMetric(float64(apdu.Nanoseconds()), "cpu-ns/op")
	perAPDU := (port.bytes - before) / b.N
	b.ReportMetric(float64(perAPDU), "line-bytes/op")
	for _, baud := range []int{9600, 19200, 115200} {
		line := time.Duration(perAPDU) * 10 * time.Second / time.Duration(baud)
		share := 100 * float64(apdu) / float64(line)
		b.ReportMetric(share, fmt.Sprintf("%%-of-%d-baud", baud))
		if share > 2 && b.N > 100 {
			b.Errorf("%v of CPU per APDU is %.1f %% of the line's %v at %d baud, want under 2 %%", apdu, share, line, baud)
		}
	}
}

// cpuTime is what the process has used, all threads and the kernel included.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

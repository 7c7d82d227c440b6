package phoenix_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device/gpio"
	"posd/device/reader/phoenix"
)

// cannedCard is a card's end that costs next to nothing: it lets the terminal hear itself,
// and answers READ RECORD with 60 bytes. It is the port itself, so what is measured is the
// driver alone. A real UART gives the bytes one by one, and so does this.
type cannedCard struct {
	in    []byte
	bytes int
}

func (*cannedCard) Close() error                     { return nil }
func (*cannedCard) SetReadDeadline(time.Time) error  { return nil }
func (*cannedCard) SetWriteDeadline(time.Time) error { return nil }

func (c *cannedCard) Write(p []byte) (int, error) {
	c.in = append(c.in, p...)
	if len(p) == 5 {
		c.in = append(c.in, p[1])
		c.in = append(c.in, make([]byte, p[4])...)
		c.in = append(c.in, 0x90, 0x00)
	}
	return len(p), nil
}

func (c *cannedCard) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	p[0] = c.in[0]
	c.in = c.in[1:]
	c.bytes++
	return 1, nil
}

// BenchmarkAPDU is what the driver costs for one READ RECORD of 60 bytes at T=0, in CPU time
// and allocations, beside the time that its characters need at 9600 baud (12 bits each).
// That share has to stay under 2 %.
func BenchmarkAPDU(b *testing.B) {
	card := &cannedCard{}
	off := gpio.NewMemory("OFFN", nil)
	off.Drive(pin.High)
	rstin := gpio.NewMemory("RSTIN", func(l pin.Level) {
		if l == pin.High {
			card.in = []byte{0x3B, 0x60, 0x00, 0x00}
		}
	})
	r, err := phoenix.New(card, phoenix.Config{Lines: phoenix.TDA8035(gpio.NewMemory("CMDVCCN", nil), rstin, off)})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.PowerOn(b.Context()); err != nil {
		b.Fatal(err)
	}
	command := []byte{0x00, 0xB2, 0x01, 0x0C, 60}
	b.ReportAllocs()
	before, begin := card.bytes, cpuTime(b)
	for b.Loop() {
		if got, err := r.Transmit(b.Context(), command); err != nil || len(got) != 62 {
			b.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	apdu := (cpuTime(b) - begin) / time.Duration(b.N)
	perAPDU := (card.bytes - before) / b.N
	line := time.Duration(perAPDU) * 12 * time.Second / 9600
	share := 100 * float64(apdu) / float64(line)
	b.ReportMetric(float64(apdu.Nanoseconds()), "cpu-ns/op")
	b.ReportMetric(float64(perAPDU), "line-bytes/op")
	b.ReportMetric(share, fmt.Sprintf("%%-of-%d-baud", 9600))
	if share > 2 && b.N > 100 {
		b.Errorf("%v of CPU per APDU is %.1f %% of the line's %v, want under 2 %%", apdu, share, line)
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

package phoenix_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device/devicetest"
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
// and allocations, beside the time that its characters need (12 bits each), at each speed.
// The pauses that T=0 wants before each write are part of it.
func BenchmarkAPDU(b *testing.B) {
	for _, baud := range devicetest.Bauds() {
		b.Run(fmt.Sprintf("%d", baud), func(b *testing.B) { benchmark(b, baud) })
	}
}

func benchmark(b *testing.B, baud int) {
	card := &cannedCard{}
	off := gpio.NewMemory("OFFN", nil)
	off.Drive(pin.High)
	rstin := gpio.NewMemory("RSTIN", func(l pin.Level) {
		if l == pin.High {
			card.in = []byte{0x3B, 0x60, 0x00, 0x00}
		}
	})
	r, err := phoenix.New(card, phoenix.Config{
		Baud: baud, ClockHz: 372 * baud, Lines: phoenix.TDA8035(gpio.NewMemory("CMDVCCN", nil), rstin, off),
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.PowerOn(b.Context()); err != nil {
		b.Fatal(err)
	}
	command := []byte{0x00, 0xB2, 0x01, 0x0C, 60}
	devicetest.Overhead(b, 12, func() int { return card.bytes }, func() error {
		got, err := r.Transmit(b.Context(), command)
		if err == nil && len(got) != 62 {
			err = fmt.Errorf("%d bytes", len(got))
		}
		return err
	}, baud)
}

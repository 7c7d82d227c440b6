package ccid_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/reader/ccid"
	"posd/device/serial"
	sim "posd/device/sim/ccid"
	"posd/device/sim/pty"
	"posd/device/sim/t1"
)

// canned is a reader's end that costs next to nothing: it answers each frame with what
// the test has ready, and counts the bytes of the line. It is the port itself, so what is
// measured is the driver alone.
type canned struct {
	answer func(message []byte) []byte // the data of the answer
	in     []byte
	bytes  int
}

func (*canned) Close() error                     { return nil }
func (*canned) SetReadDeadline(time.Time) error  { return nil }
func (*canned) SetWriteDeadline(time.Time) error { return nil }

func (c *canned) Write(p []byte) (int, error) {
	c.bytes += len(p)
	m := p[2 : len(p)-1]
	data := c.answer(m)
	kind := map[byte]byte{0x62: 0x80, 0x6F: 0x80, 0x61: 0x82, 0x65: 0x81, 0x63: 0x81}[m[0]]
	f := append(c.in[:0], 0x03, 0x06, kind, byte(len(data)), byte(len(data)>>8), 0, 0, 0, m[6], 0, 0, 0)
	f = append(f, data...)
	var x byte
	for _, b := range f {
		x ^= b
	}
	c.in = append(f, x)
	c.bytes += len(c.in)
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

// benchRecord answers READ RECORD with 60 bytes, a usual record.
type benchRecord struct{}

func (benchRecord) Reset()                 {}
func (benchRecord) Exchange([]byte) []byte { return append(make([]byte, 60), 0x90, 0x00) }

// BenchmarkAPDU is what the driver costs for one READ RECORD of 60 bytes, in CPU time and
// allocations, beside the time that its bytes need on the line (11 bits each: 8N2) at
// three speeds. The figure that counts is the last: it has to stay under 2 %.
func BenchmarkAPDU(b *testing.B) {
	card, err := t1.New(t1.Config{Application: benchRecord{}})
	if err != nil {
		b.Fatal(err)
	}
	record := append(make([]byte, 60), 0x90, 0x00)
	for _, row := range []struct {
		name   string
		answer func(m []byte) []byte
	}{
		{"T=0", func(m []byte) []byte {
			if m[0] == 0x62 {
				return []byte{0x3B, 0x60, 0x00, 0x00}
			}
			if m[0] == 0x6F {
				return record
			}
			return nil
		}},
		{"T=1", func(m []byte) []byte {
			switch m[0] {
			case 0x62:
				return card.Reset()
			case 0x6F:
				return card.Transmit(m[10:])
			}
			return nil
		}},
	} {
		b.Run(row.name, func(b *testing.B) {
			port := &canned{answer: row.answer}
			benchmark(b, port, func() int { return port.bytes })
		})
	}
	b.Run("T=1 with serial port, kernel and simulator", func(b *testing.B) {
		port, count := overAPseudoTerminal(b, card)
		benchmark(b, port, count)
	})
}

// overAPseudoTerminal is the whole way: what is measured then is both ends of it.
func overAPseudoTerminal(b *testing.B, card sim.Card) (device.Port, func() int) {
	pair, err := pty.Open()
	if err != nil {
		b.Fatal(err)
	}
	reader := sim.New(sim.Config{Profile: sim.SEC1210})
	reader.Insert(card)
	far := &counted{Port: pair.Port}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- reader.Run(ctx, far) }()
	port, err := serial.Open(serial.Config{Path: pair.Path(), Baud: 115200, StopBits: 2})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		port.Close()
		cancel()
		<-ended
		pair.Close()
	})
	return port, func() int { return int(far.bytes.Load()) }
}

// counted counts the bytes of a line.
type counted struct {
	device.Port
	bytes atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Port.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Port.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

func benchmark(b *testing.B, port device.Port, count func() int) {
	r, err := ccid.New(port, ccid.Config{Profile: ccid.SEC1210})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.PowerOn(b.Context()); err != nil {
		b.Fatal(err)
	}
	command := []byte{0x00, 0xB2, 0x01, 0x0C, 60}
	devicetest.Overhead(b, 11, count, func() error {
		got, err := r.Transmit(b.Context(), command)
		if err == nil && len(got) != 62 {
			err = fmt.Errorf("%d bytes", len(got))
		}
		return err
	}, devicetest.Bauds()...)
}

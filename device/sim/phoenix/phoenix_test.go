package phoenix

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	pin "periph.io/x/conn/v3/gpio"
)

// card sends P3 bytes 41, 42 …, and takes what it gets.
type card struct{ atr []byte }

func (c card) Reset() []byte { return c.atr }
func (card) Transmit(b []byte) []byte {
	if !sends(b[1]) {
		return []byte{0x90, byte(len(b) - 5)}
	}
	var out []byte
	for i := range int(b[4]) {
		out = append(out, 0x41+byte(i))
	}
	return append(out, 0x90, 0x00)
}

// echoCard is at T=1: it answers a block with that block.
type echoCard struct{ card }

func (echoCard) Transmit(b []byte) []byte { return b }

var (
	direct  = card{[]byte{0x3B, 0x00}}
	inverse = card{[]byte{0x3F, 0x00}}
	blocks  = echoCard{card{[]byte{0x3B, 0x80, 0x01, 0x81}}}
	crcs    = echoCard{card{[]byte{0x3B, 0x80, 0x81, 0x41, 0x01, 0x41}}}
)

// run runs a reader for one test and returns the host's end of its line.
func run(t *testing.T, c Config) (*Reader, net.Conn) {
	t.Helper()
	host, far := net.Pipe()
	r := New(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, far) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		host.Close()
	})
	synctest.Wait()
	return r, host
}

// activate has the card reset, cold.
func activate(r *Reader) {
	r.Lines().RSTIN.Out(pin.Low)
	r.Lines().CMDVCCN.Out(pin.Low)
	r.Lines().RSTIN.Out(pin.High)
}

// expect sends, and wants exactly that back within ten seconds.
func expect(t *testing.T, host net.Conn, send, want []byte) {
	t.Helper()
	go host.Write(send)
	host.SetReadDeadline(time.Now().Add(10 * time.Second))
	got, _ := io.ReadAll(host)
	if !bytes.Equal(got, want) {
		t.Errorf("to % X\ngot  % X\nwant % X", send, got, want)
	}
}

// The characters as they are on the line, echo and all. ISO/IEC 7816-3, 10.3.
func TestCharacters(t *testing.T) {
	read, write := []byte{0, 0xB2, 1, 0x0C, 2}, []byte{0, 0xD6, 0, 0, 2}
	for _, row := range []struct {
		name  string
		card  Card
		fault Fault
		steps [][2][]byte // sent, wanted
	}{
		{"answer to reset", direct, Fault{}, [][2][]byte{{nil, {0x3B, 0x00}}}},
		{"inverse convention", inverse, Fault{}, [][2][]byte{{nil, {0x03, 0xFF}}}},
		{"data in", direct, Fault{}, [][2][]byte{{nil, {0x3B, 0}}, {read, {0, 0xB2, 1, 0x0C, 2, 0xB2, 0x41, 0x42, 0x90, 0}}}},
		{"data in, byte by byte", direct, Fault{Kind: OneByOne}, [][2][]byte{{nil, {0x3B, 0}}, {read, {0, 0xB2, 1, 0x0C, 2, 0x4D, 0x41, 0x4D, 0x42, 0x90, 0}}}},
		{"data out", direct, Fault{}, [][2][]byte{
			{nil, {0x3B, 0}}, {write, {0, 0xD6, 0, 0, 2, 0xD6}}, {[]byte{7, 8}, {7, 8, 0x90, 2}},
		}},
		{"data out, byte by byte", direct, Fault{Kind: OneByOne}, [][2][]byte{
			{nil, {0x3B, 0}}, {write, {0, 0xD6, 0, 0, 2, 0x29}}, {[]byte{7}, {7, 0x29}}, {[]byte{8}, {8, 0x90, 2}},
		}},
		{"NULL", direct, Fault{Kind: Nulls, Times: 1, Delay: time.Second}, [][2][]byte{
			{nil, {0x3B, 0}}, {[]byte{0, 0x70, 0, 0, 0}, {0, 0x70, 0, 0, 0, 0x60, 0x60, 0x60, 0x90, 0}},
		}},
		{"inverse TPDU", inverse, Fault{}, [][2][]byte{
			{nil, {0x03, 0xFF}}, {[]byte{0xFF, 0xF1, 0xFF, 0xFF, 0xFF}, []byte{0xFF, 0xF1, 0xFF, 0xFF, 0xFF, 0xF6, 0xFF}}, // 00 70 00 00 00, 90 00
		}},
		{"PPS", direct, Fault{}, [][2][]byte{{nil, {0x3B, 0}}, {[]byte{0xFF, 0x10, 0x13, 0xFC}, {0xFF, 0x10, 0x13, 0xFC, 0xFF, 0x10, 0x13, 0xFC}}}},
		{"PPS for another protocol", direct, Fault{}, [][2][]byte{{nil, {0x3B, 0}}, {[]byte{0xFF, 0x01, 0xFE}, {0xFF, 0x01, 0xFE}}, {read, read}}},
		{"PPS with a wrong check", direct, Fault{}, [][2][]byte{{nil, {0x3B, 0}}, {[]byte{0xFF, 0x00, 0xFE}, {0xFF, 0x00, 0xFE}}}},
		{"FF as class, after a TPDU", direct, Fault{}, [][2][]byte{
			{nil, {0x3B, 0}}, {[]byte{0, 0x70, 0, 0, 0}, {0, 0x70, 0, 0, 0, 0x90, 0}}, {[]byte{0xFF, 0x70, 0, 0, 0}, {0xFF, 0x70, 0, 0, 0, 0x90, 0}},
		}},
		{"no card understands this", direct, Fault{Kind: Mute}, [][2][]byte{{nil, {0x3B, 0}}, {read, read}, {read, read}}},
		{"T=1", blocks, Fault{}, [][2][]byte{
			{nil, {0x3B, 0x80, 0x01, 0x81}},
			{[]byte{0, 0xC1, 1, 0xFE, 0x3E}, {0, 0xC1, 1, 0xFE, 0x3E, 0, 0xC1, 1, 0xFE, 0x3E}},
			{[]byte{0, 0x80}, {0, 0x80}}, // torn
			{[]byte{0, 0x80, 0, 0x80}, {0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80}},
		}},
		{"T=1 with a CRC", crcs, Fault{}, [][2][]byte{
			{nil, {0x3B, 0x80, 0x81, 0x41, 0x01, 0x41}},
			{[]byte{0, 0x80, 0, 0x80, 0x12}, {0, 0x80, 0, 0x80, 0x12, 0, 0x80, 0, 0x80, 0x12}},
		}},
		{"T=1, PPS for it", blocks, Fault{}, [][2][]byte{
			{nil, {0x3B, 0x80, 0x01, 0x81}}, {[]byte{0xFF, 0x01, 0xFE}, {0xFF, 0x01, 0xFE, 0xFF, 0x01, 0xFE}},
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, host := run(t, Config{})
				r.Insert(row.card)
				activate(r)
				for i, s := range row.steps {
					if i == 1 {
						r.Misbehave(row.fault)
					}
					expect(t, host, s[0], s[1])
				}
			})
		})
	}
}

// OFFN and CMDVCCN as a TDA8035 has them.
func TestLines(t *testing.T) {
	r := New(Config{})
	off := func(want pin.Level, when string) {
		t.Helper()
		if got := r.Lines().OFFN.Read(); got != want {
			t.Errorf("OFFN is %v %s", got, when)
		}
	}
	off(pin.Low, "in an empty slot")
	r.Insert(direct)
	off(pin.High, "with a card")
	r.Lines().CMDVCCN.Out(pin.Low)
	off(pin.High, "with a card that has power")
	r.Remove()
	off(pin.Low, "when it is pulled")
	r.Insert(direct)
	off(pin.Low, "though one is back: the fault stands")
	r.Lines().CMDVCCN.Out(pin.High)
	off(pin.High, "when the power was taken away")
	r.Remove()
	r.Lines().CMDVCCN.Out(pin.Low)
	r.Insert(direct)
	off(pin.Low, "when power was given to an empty slot")
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		r, host := run(t, Config{OnEvent: func(e Event) { got = append(got, fmt.Sprint(e.Kind, e.Warm)) }})
		r.Insert(direct)
		activate(r)
		expect(t, host, nil, direct.atr)
		r.Lines().RSTIN.Out(pin.Low)
		r.Lines().RSTIN.Out(pin.High)
		expect(t, host, nil, direct.atr)
		r.Lines().CMDVCCN.Out(pin.High)
		r.Remove()
		r.Remove() // of nothing
		want := []string{
			fmt.Sprint(Inserted, false), fmt.Sprint(PoweredOn, false), fmt.Sprint(PoweredOn, true),
			fmt.Sprint(PoweredOff, false), fmt.Sprint(Removed, false),
		}
		if !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
}

func TestWithoutPowerNothingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, host := run(t, Config{NoEcho: true})
		r.Insert(direct)
		r.Lines().RSTIN.Out(pin.High)
		expect(t, host, []byte{0, 0xB2, 1, 0x0C, 2}, nil)
		r.Lines().RSTIN.Out(pin.Low)
		r.Lines().CMDVCCN.Out(pin.Low)
		expect(t, host, []byte{0, 0xB2, 1, 0x0C, 2}, nil) // held in reset
		r.Lines().RSTIN.Out(pin.High)
		expect(t, host, nil, direct.atr)
		r.Lines().CMDVCCN.Out(pin.High)
		expect(t, host, []byte{0, 0xB2, 1, 0x0C, 2}, nil)
	})
}

func TestRunEndsWithItsPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- New(Config{}).Run(t.Context(), far) }()
		host.Close()
		if err := <-ended; err == nil {
			t.Error("a port that failed is no error")
		}
	})
}

// FuzzHost has a host that sends whatever comes, whole and byte by byte: the card says the
// same, and ends.
func FuzzHost(f *testing.F) {
	f.Add([]byte{0, 0xB2, 1, 0x0C, 2, 0, 0xD6, 0, 0, 1, 7}, uint8(0))
	f.Add([]byte{0xFF, 0x10, 0x13, 0xFC, 0, 0xB2, 1, 0x0C, 2}, uint8(1))
	f.Add([]byte{0, 0xC1, 1, 0xFE, 0x3E, 0, 0x20, 1, 5, 0x24}, uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, which uint8) {
		c := []Card{direct, inverse, blocks, crcs}[which%4]
		whole := said(t, c, [][]byte{b})
		var parts [][]byte
		for i := range b {
			parts = append(parts, b[i:i+1])
		}
		if got := said(t, c, parts); !bytes.Equal(got, whole) {
			t.Errorf("% X: whole % X, in parts % X", b, whole, got)
		}
	})
}

// said is what a card says after its answer to reset.
func said(t *testing.T, c Card, pieces [][]byte) []byte {
	r := New(Config{})
	r.out = make(chan []byte, 4096)
	d, err := r.begin(t.Context(), start{card: c})
	if err != nil || d == nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if err := d.feed(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	close(r.out)
	var all []byte
	for p := range r.out {
		all = append(all, p...)
	}
	return all
}

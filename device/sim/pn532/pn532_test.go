package pn532

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

	"posd/device/sim/card"
)

// chipCard answers with the length of what it got; it counts its activations.
type chipCard struct{ activated int }

func (c *chipCard) Reset() []byte {
	c.activated++
	return nil
}

func (c *chipCard) Exchange(b []byte) []byte { return []byte{byte(len(b)), 0x90, 0x00} }

var wake = []byte{0x55, 0x55, 0, 0, 0}

func command0(b ...byte) []byte {
	f := append([]byte{0, 0, 0xFF, byte(len(b) + 1), byte(255 - len(b)), 0xD4}, b...)
	check := 0 - total(f[5:])
	return append(f, check, 0)
}

func answer0(b ...byte) []byte {
	return append(slices.Clone(ackFrame), answerFrame(b[0]-1, b[1:])...)
}

var (
	samOn      = command0(0x14, 1)
	samAnswer  = answer0(0x15)
	once       = command0(0x32, 5, 0, 1, 1)
	onceAnswer = answer0(0x33)
)

// begin runs a module for one test and returns the host's end of its line.
func begin(t *testing.T, c Config, awake bool) (*Reader, net.Conn) {
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
	if awake {
		expect(t, host, slices.Concat(wake, samOn, once), slices.Concat(samAnswer, onceAnswer))
	}
	return r, host
}

// expect sends, and wants exactly that back within a second.
func expect(t *testing.T, host net.Conn, send, want []byte) {
	t.Helper()
	go host.Write(send)
	host.SetReadDeadline(time.Now().Add(time.Second))
	got, _ := io.ReadAll(host)
	if !bytes.Equal(got, want) {
		t.Errorf("to % X\ngot  % X\nwant % X", send, got, want)
	}
}

func TestCommands(t *testing.T) {
	list := command0(0x4A, 2, 0)
	listed := answer0(0x4B, 1, 1, 0, 4, 0x20, 4, 8, 0x50, 0x4F, 0x53, 5, 0x78, 0x80, 0x70, 2)
	syntax := append(slices.Clone(ackFrame), errorFrame...)
	for _, row := range []struct {
		name  string
		tags  []Tag
		sends [][]byte
		wants [][]byte
	}{
		{"line test", nil, [][]byte{command0(0, 0, 'h', 'i')}, [][]byte{answer0(1, 0, 'h', 'i')}},
		{"firmware", nil, [][]byte{command0(2)}, [][]byte{answer0(3, 0x32, 1, 6, 7)}},
		{"registers", nil, [][]byte{command0(8, 0x63, 2, 0x80), command0(6, 0x63, 2, 0x63, 3)}, [][]byte{answer0(9), answer0(7, 0x80, 0)}},
		{"unknown command", nil, [][]byte{command0(0x77)}, [][]byte{syntax}},
		{"command with too little", nil, [][]byte{command0(0x4A, 1)}, [][]byte{syntax}},
		{"nobody of type A", []Tag{CardB(&chipCard{})}, [][]byte{list}, [][]byte{answer0(0x4B, 0)}},
		{"type A", []Tag{CardA(&chipCard{})}, [][]byte{list}, [][]byte{listed}},
		{
			"type B",
			[]Tag{CardB(&chipCard{})},
			[][]byte{command0(0x4A, 1, 3, 0)},
			[][]byte{answer0(0x4B, 1, 1, 0x50, 0x50, 0x4F, 0x53, 0x44, 0, 0, 0, 0, 0, 0x81, 0x71, 1, 0)},
		},
		{"exchange without a target", nil, [][]byte{command0(0x40, 1, 0, 0x70, 0, 0)}, [][]byte{answer0(0x41, 0x27)}},
		{
			"exchange",
			[]Tag{CardA(&chipCard{})},
			[][]byte{list, command0(0x40, 1, 0, 0x70, 0, 0)},
			[][]byte{listed, answer0(0x41, 0, 4, 0x90, 0)},
		},
		{
			"exchange in blocks",
			[]Tag{CardA(&chipCard{})},
			[][]byte{list, command0(0x40, 0x41, 0, 0x70), command0(0x40, 1, 0, 0)},
			[][]byte{listed, answer0(0x41, 0), answer0(0x41, 0, 4, 0x90, 0)},
		},
		{
			"presence of a card",
			[]Tag{CardA(&chipCard{})},
			[][]byte{list, command0(0, 6), command0(0x42, 0xB2)},
			[][]byte{listed, answer0(1, 0), answer0(0x43, 0, 0xA2)},
		},
		{
			"field off ends a card's session",
			[]Tag{CardA(&chipCard{})},
			[][]byte{list, command0(0x32, 1, 0), command0(0x40, 1, 0, 0x70, 0, 0)},
			[][]byte{listed, answer0(0x33), answer0(0x41, 0x27)},
		},
		{
			"release too",
			[]Tag{CardA(&chipCard{})},
			[][]byte{list, command0(0x52, 0), command0(0, 6)},
			[][]byte{listed, answer0(0x53, 0), answer0(1, 0x27)},
		},
		{
			"asleep again", nil,
			[][]byte{command0(0x16, 0xF0), command0(2), slices.Concat(wake, samOn)},
			[][]byte{answer0(0x17, 0), nil, samAnswer},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, host := begin(t, Config{}, true)
				for _, tag := range row.tags {
					r.Insert(tag)
				}
				for i, send := range row.sends {
					expect(t, host, send, row.wants[i])
				}
			})
		})
	}
}

func TestFraming(t *testing.T) {
	firmware := answer0(3, 0x32, 1, 6, 7)
	broken := command0(2)
	broken[7]++
	nack := []byte{0, 0, 0xFF, 0xFF, 0, 0}
	extended := []byte{0, 0, 0xFF, 0xFF, 0xFF, 0, 2, 0xFE, 0xD4, 2, 0x2A, 0}
	for _, row := range []struct {
		name       string
		awake      bool
		send, want []byte
	}{
		{"asleep", false, samOn, nil},
		{"awake, but not by SAMConfiguration", false, slices.Concat(wake, command0(2)), nil},
		{"wake-up and SAMConfiguration", false, slices.Concat(wake, samOn), samAnswer},
		{"noise before the frame", true, slices.Concat([]byte{0x12, 0xFF}, command0(2)), firmware},
		{"extended frame for a short command", true, extended, firmware},
		{"damaged command", true, broken, nil},
		{"length beyond what is allowed", true, []byte{0, 0, 0xFF, 0xFF, 0xFF, 2, 0, 0xFE, 0}, nil},
		{"NACK: the answer again", true, slices.Concat(command0(2), nack), append(firmware, firmware[6:]...)},
		{"ACK of an answer", true, slices.Concat(command0(2), ackFrame), firmware},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, host := begin(t, Config{}, row.awake)
			t.Log(row.name)
			expect(t, host, row.send, row.want)
		})
	}
}

// As it starts, the chip looks for ever; a card, an ACK or another command ends that.
func TestLookingForEver(t *testing.T) {
	list := command0(0x4A, 1, 3, 0)
	for name, row := range map[string]struct {
		act  func(*Reader)
		send []byte
		want []byte
	}{
		"a card":          {func(r *Reader) { r.Insert(CardB(&chipCard{})) }, nil, answerFrame(0x4A, append([]byte{1}, CardB(nil).describe(1, true)...))},
		"another command": {func(*Reader) {}, command0(2), answer0(3, 0x32, 1, 6, 7)},
		"an ACK":          {func(*Reader) {}, ackFrame, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, host := begin(t, Config{}, false)
			expect(t, host, slices.Concat(wake, samOn, list), slices.Concat(samAnswer, ackFrame))
			row.act(r)
			t.Log(name)
			expect(t, host, row.send, row.want)
			if row.want == nil {
				r.Insert(CardB(&chipCard{}))
				expect(t, host, nil, nil)
			}
		})
	}
}

func TestAutoPollEndsInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, host := begin(t, Config{}, true)
		poll := command0(0x60, 3, 2, 0x20, 0x23) // 3 times 2 times 150 ms for each of two types
		expect(t, host, poll, ackFrame)
		expect(t, host, nil, answerFrame(0x60, []byte{0}))
		r.Insert(CardB(&chipCard{}))
		d := CardB(nil).describe(1, true)
		expect(t, host, poll, answer0(append([]byte{0x61, 1, 0x23, byte(len(d))}, d...)...))
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Event
		r, host := begin(t, Config{OnEvent: func(e Event) { got = append(got, e) }}, true)
		card := &chipCard{}
		for n, want := range []bool{true, true, false} {
			if r.Insert(CardA(card)) != want {
				t.Errorf("card %d: want room %v", n+1, want)
			}
		}
		r.Remove()
		r.Remove() // of nothing
		r.Insert(CardA(card))
		expect(t, host, command0(0x4A, 1, 0), append(slices.Clone(ackFrame), answerFrame(0x4A, append([]byte{1}, CardA(nil).describe(1, true)...))...))
		expect(t, host, command0(0x32, 1, 0), answer0(0x33))
		want := []Event{Inserted, Inserted, Removed, Inserted, Activated, FieldOff}
		if !slices.Equal(got, want) || card.activated != 1 {
			t.Errorf("events %v, want %v; activated %d times", got, want, card.activated)
		}
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

// FuzzInput feeds the same bytes whole and one at a time: the events are the same.
func FuzzInput(f *testing.F) {
	f.Add(slices.Concat(wake, samOn, ackFrame), true)
	f.Add([]byte{0, 0xFF, 0xFF, 0xFF, 0, 2, 0xFE, 0xD4, 2, 0x2A, 0}, false)
	f.Fuzz(func(t *testing.T, b []byte, asleep bool) {
		whole := drain(&input{buf: bytes.Clone(b), asleep: asleep})
		var parts []string
		in := input{asleep: asleep}
		for _, c := range b {
			in.buf = append(in.buf, c)
			parts = append(parts, drain(&in)...)
		}
		if !slices.Equal(whole, parts) {
			t.Errorf("% X: whole %q, in parts %q", b, whole, parts)
		}
		if len(in.buf) > maxLength+8 {
			t.Errorf("%d bytes are kept", len(in.buf))
		}
	})
}

func drain(in *input) (events []string) {
	for {
		e, c := in.next()
		if e == nothing {
			return events
		}
		events = append(events, fmt.Sprintf("%d %02X % X", e, c.code, c.data))
	}
}

// FuzzExecute gives the chip any command: it answers, waits, or sends an error frame.
func FuzzExecute(f *testing.F) {
	f.Add(byte(0x4A), []byte{2, 0}, byte(0x40), []byte{1, 0, 0x70, 0, 0})
	f.Add(byte(0x60), []byte{1, 1, 0x20}, byte(0), []byte{6})
	f.Fuzz(func(t *testing.T, code byte, data []byte, code2 byte, data2 []byte) {
		r := New(Config{})
		r.Insert(CardA(&chipCard{}))
		r.Insert(CardB(&chipCard{}))
		r.chip = powerUp()
		for _, c := range []command{{code, data}, {code2, data2}} {
			if got, done := r.execute(c, Fault{}, false); done && got != nil && len(*got) > max(maxBlock+1, len(c.data)) {
				t.Errorf("%02X % X: %d bytes", c.code, c.data, len(*got))
			}
		}
	})
}

var _ Chip = (*card.Card)(nil)

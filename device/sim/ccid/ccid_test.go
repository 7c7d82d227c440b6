package ccid

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
)

// card echoes a TPDU's length; it resets to two bytes.
type card struct{}

func (card) Reset() []byte            { return []byte{0x3B, 0x00} }
func (card) Transmit(b []byte) []byte { return []byte{byte(len(b)), 0x90, 0x00} }

// start runs a reader for one test and returns the host's end of its line.
func start(t *testing.T, c Config) (*Reader, net.Conn) {
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

func framed(b ...byte) []byte {
	f := append([]byte{0x03, 0x06}, b...)
	return append(f, check(f))
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
	status := framed(0x65, 0, 0, 0, 0, 0, 1, 0, 0, 0)
	on := framed(0x62, 0, 0, 0, 0, 0, 2, 1, 0, 0)
	xfr := framed(0x6F, 5, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0xB2, 1, 0x0C, 0)
	for _, row := range []struct {
		name     string
		card     bool
		commands [][]byte // the answer to the last one is looked at
		want     []byte
	}{
		{"status of an empty slot", false, [][]byte{status}, framed(0x81, 0, 0, 0, 0, 0, 1, 0x02, 0, 0)},
		{"status of a card without power", true, [][]byte{status}, framed(0x81, 0, 0, 0, 0, 0, 1, 0x01, 0, 0)},
		{"power on", true, [][]byte{on}, framed(0x80, 2, 0, 0, 0, 0, 2, 0x00, 0, 0, 0x3B, 0x00)},
		{"power on in an empty slot", false, [][]byte{on}, framed(0x80, 0, 0, 0, 0, 0, 2, 0x42, 0xFE, 0)},
		{"status of a card with power", true, [][]byte{on, status}, framed(0x81, 0, 0, 0, 0, 0, 1, 0x00, 0, 0)},
		{"transfer", true, [][]byte{on, xfr}, framed(0x80, 3, 0, 0, 0, 0, 3, 0x00, 0, 0, 5, 0x90, 0)},
		{"transfer without power", true, [][]byte{xfr}, framed(0x80, 0, 0, 0, 0, 0, 3, 0x41, 0xFE, 0)},
		{"power off", true, [][]byte{on, framed(0x63, 0, 0, 0, 0, 0, 4, 0, 0, 0)}, framed(0x81, 0, 0, 0, 0, 0, 4, 0x01, 0, 0)},
		{
			"parameters set and given back", true,
			[][]byte{framed(0x61, 5, 0, 0, 0, 0, 5, 0, 0, 0, 0x11, 0, 0, 10, 0), framed(0x6C, 0, 0, 0, 0, 0, 6, 0, 0, 0)},
			framed(0x82, 5, 0, 0, 0, 0, 6, 0x01, 0, 0, 0x11, 0, 0, 10, 0),
		},
		{
			"parameters of T=1, before the card has said anything", true,
			[][]byte{framed(0x61, 7, 0, 0, 0, 0, 5, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7)},
			framed(0x82, 7, 0, 0, 0, 0, 5, 0x01, 0, 1, 1, 2, 3, 4, 5, 6, 7),
		},
		{"parameters of T=1 for a card at T=0", true, [][]byte{on, framed(0x61, 7, 0, 0, 0, 0, 5, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7)}, framed(0x82, 0, 0, 0, 0, 0, 5, 0x40, 0x07, 0)},
		{"parameters of T=1 in the structure of T=0", true, [][]byte{framed(0x61, 5, 0, 0, 0, 0, 5, 1, 0, 0, 1, 2, 3, 4, 5)}, framed(0x82, 0, 0, 0, 0, 0, 5, 0x41, 0x0A, 0)},
		{"parameters of T=2", true, [][]byte{framed(0x61, 5, 0, 0, 0, 0, 5, 2, 0, 0, 1, 2, 3, 4, 5)}, framed(0x82, 0, 0, 0, 0, 0, 5, 0x41, 0x07, 0)},
		{"PPS is the card's", true, [][]byte{on, framed(0x6F, 4, 0, 0, 0, 0, 5, 0, 0, 0, 0xFF, 0x10, 0x13, 0xFC)}, framed(0x80, 4, 0, 0, 0, 0, 5, 0, 0, 0, 0xFF, 0x10, 0x13, 0xFC)},
		{"PPS for another protocol: the card is silent", true, [][]byte{on, framed(0x6F, 3, 0, 0, 0, 0, 5, 0, 0, 0, 0xFF, 0x01, 0xFE)}, framed(0x80, 0, 0, 0, 0, 0, 5, 0x40, 0xFE, 0)},
		{"unknown escape", true, [][]byte{framed(0x6B, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0x77)}, framed(0x83, 0, 0, 0, 0, 0, 5, 0x41, 0x0A, 0)},
		{"unknown command", true, [][]byte{framed(0x71, 0, 0, 0, 0, 0, 5, 0, 0, 0)}, framed(0x81, 0, 0, 0, 0, 0, 5, 0x41, 0x00, 0)},
		{"another slot", true, [][]byte{framed(0x65, 0, 0, 0, 0, 1, 5, 0, 0, 0)}, framed(0x81, 0, 0, 0, 0, 1, 5, 0x42, 0x05, 0)},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(Config{Profile: SEC1210})
				if row.card {
					r.Insert(card{})
				}
				var got []byte
				var in input
				for _, c := range row.commands {
					in.buf = append(in.buf, c...)
					e, cmd := in.next()
					if e != received {
						t.Fatalf("% X is no command", c)
					}
					got = r.execute(cmd, Fault{})
				}
				if !bytes.Equal(got, row.want) {
					t.Errorf("got  % X\nwant % X", got, row.want)
				}
			})
		})
	}
}

func TestFraming(t *testing.T) {
	status := framed(0x65, 0, 0, 0, 0, 0, 1, 0, 0, 0)
	empty := framed(0x81, 0, 0, 0, 0, 0, 1, 0x02, 0, 0)
	nak := []byte{0x03, 0x15, 0x16}
	broken := bytes.Clone(status)
	broken[12]++
	for _, row := range []struct {
		name       string
		profile    Profile
		send, want []byte
	}{
		{"echo, then answer", GemPC, status, slices.Concat(status, empty)},
		{"answer without echo", SEC1210, status, empty},
		{"noise before the frame", SEC1210, slices.Concat([]byte{0xFF, 0x00}, status), empty},
		{"damaged command", GemPC, broken, nak},
		{"length beyond what is allowed", GemPC, framed(0x65, 0xFF, 0xFF, 0, 0, 0, 1, 0, 0, 0), nak},
		{"two commands at once", SEC1210, slices.Concat(status, status), slices.Concat(empty, empty)},
		{"NAK: the answer again", SEC1210, slices.Concat(status, nak), slices.Concat(empty, empty)},
		{"NAK before any answer", SEC1210, nak, nil},
		{"damaged NAK", SEC1210, []byte{0x03, 0x15, 0x17}, nak},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, host := start(t, Config{Profile: row.profile})
			t.Log(row.name)
			expect(t, host, row.send, row.want)
		})
	}
}

// t1Card says that it speaks T=1, and echoes.
type t1Card struct{}

func (t1Card) Reset() []byte            { return []byte{0x3B, 0x80, 0x01, 0x81} }
func (t1Card) Transmit(b []byte) []byte { return b }

// A GemPC carries blocks once it has been told of T=1, a SEC1210 at once.
func TestBlocks(t *testing.T) {
	on := command{kind: iccPowerOn}
	xfr := command{kind: xfrBlock, data: []byte{0, 0xC0, 0, 0xC0}}
	set := command{kind: setParameters, params: [3]byte{1}, data: []byte{0x11, 0x10, 0, 0x45, 0, 0xFE, 0}}
	for _, row := range []struct {
		name     string
		profile  Profile
		commands []command
		code     byte // bError of the last
	}{
		{"gempc, not told", GemPC, []command{on, xfr}, 0xF6},
		{"gempc, told", GemPC, []command{on, set, xfr}, 0},
		{"gempc, told before a reset", GemPC, []command{on, set, on, xfr}, 0xF6},
		{"gempc, a second PPS is a block", GemPC, []command{on, {kind: xfrBlock, data: []byte{0xFF, 0x01, 0xFE}}, {kind: xfrBlock, data: []byte{0xFF, 0x01, 0xFE}}}, 0xF6},
		{"gempc, PPS and then told", GemPC, []command{on, {kind: xfrBlock, data: []byte{0xFF, 0x01, 0xFE}}, set, xfr}, 0},
		{"sec1210, not told", SEC1210, []command{on, xfr}, 0},
	} {
		r := New(Config{Profile: row.profile})
		r.Insert(t1Card{})
		var got []byte
		for _, c := range row.commands {
			got = r.execute(c, Fault{})
		}
		if got[10] != row.code || row.code == 0 && !bytes.Contains(got, xfr.data) {
			t.Errorf("%s: % X", row.name, got)
		}
	}
	for _, row := range []struct {
		atr  []byte
		want byte
	}{{nil, 0}, {[]byte{0x3B, 0x00}, 0}, {[]byte{0x3B, 0x80}, 0}, {[]byte{0x3B, 0x80, 0x01}, 1}, {[]byte{0x3B, 0xF0, 0, 0, 0, 0x81}, 1}} {
		if got := protocolOf(row.atr); got != row.want {
			t.Errorf("% X: T=%d", row.atr, got)
		}
	}
}

func TestSlotChanges(t *testing.T) {
	status := framed(0x65, 0, 0, 0, 0, 0, 1, 0, 0, 0)
	synctest.Test(t, func(t *testing.T) {
		r, host := start(t, Config{Profile: SEC1210})
		r.Insert(card{})
		r.Remove()
		r.Remove() // of nothing
		expect(t, host, nil, []byte{0x50, 0x03, 0x50, 0x02})
		hold := framed(0x6B, 3, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1)
		expect(t, host, hold, framed(0x83, 0, 0, 0, 0, 0, 1, 0x02, 0, 0))
		r.Insert(card{})
		expect(t, host, nil, nil)
		expect(t, host, status, slices.Concat([]byte{0x50, 0x03}, framed(0x81, 0, 0, 0, 0, 0, 1, 0x01, 0, 0)))
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		r, host := start(t, Config{OnEvent: func(e Event) { got = append(got, fmt.Sprint(e.Kind, e.Power)) }})
		r.Insert(card{})
		for _, c := range [][]byte{
			framed(0x62, 0, 0, 0, 0, 0, 2, 2, 0, 0), framed(0x63, 0, 0, 0, 0, 0, 3, 0, 0, 0), framed(0x63, 0, 0, 0, 0, 0, 4, 0, 0, 0),
		} {
			go host.Write(c)
			host.SetReadDeadline(time.Now().Add(time.Second))
			io.ReadAll(host)
		}
		r.Remove()
		want := []string{fmt.Sprint(Inserted, 0), fmt.Sprint(PoweredOn, 2), fmt.Sprint(PoweredOff, 0), fmt.Sprint(Removed, 0)}
		if !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
}

// pullingCard is pulled while it works.
type pullingCard struct {
	card
	reader *Reader
	by     Card // put in its place, if not nil
}

func (c *pullingCard) Transmit([]byte) []byte {
	c.reader.Remove()
	if c.by != nil {
		c.reader.Insert(c.by)
	}
	return []byte{0x90, 0x00}
}

func TestCardPulledWhileItWorksGivesNoAnswer(t *testing.T) {
	for _, by := range []Card{nil, card{}} {
		r := New(Config{})
		r.Insert(&pullingCard{reader: r, by: by})
		r.execute(command{kind: iccPowerOn}, Fault{})
		a := r.execute(command{kind: xfrBlock, data: make([]byte, 5)}, Fault{})
		if a[9]&failed == 0 || a[9]&0x03 == active {
			t.Errorf("answer % X", a)
		}
	}
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

// FuzzInput feeds the same bytes whole and one at a time: the events are the same, and
// each command is the frame that it came in.
func FuzzInput(f *testing.F) {
	f.Add(framed(0x65, 0, 0, 0, 0, 0, 1, 0, 0, 0))
	f.Add([]byte{0x03, 0x15, 0x16, 0x03, 0x03, 0x06, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := drain(t, &input{buf: bytes.Clone(b)})
		var parts []string
		var in input
		for _, c := range b {
			in.buf = append(in.buf, c)
			parts = append(parts, drain(t, &in)...)
		}
		if !slices.Equal(whole, parts) {
			t.Errorf("% X: whole %q, in parts %q", b, whole, parts)
		}
	})
}

func drain(t *testing.T, in *input) (events []string) {
	for {
		e, c := in.next()
		if e == nothing {
			return events
		}
		if e == received {
			again := answer(c.kind, c.slot, c.seq, c.params[0], c.params[1], c.params[2], c.data)
			if !bytes.Equal(again, c.frame) {
				t.Errorf("% X became % X", c.frame, again)
			}
		}
		events = append(events, fmt.Sprintf("%d % X", e, c.frame))
	}
}

package phoenix_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/gpio"
	"posd/device/link/linktest"
	"posd/device/reader/phoenix"
	"posd/device/serial"
	sim "posd/device/sim/phoenix"
	"posd/device/sim/pty"
)

var (
	readRecord = []byte{0x00, 0xB2, 0x01, 0x0C, 0x00}
	record     = []byte{1, 2, 3, 4, 5, 0x90, 0x00}
	selectFile = []byte{0x00, 0xA4, 0x04, 0x00, 0x02, 0x3F, 0x00, 0x00}
	selected   = append([]byte("0123456789"), 0x90, 0x00)
)

// session is what every row does: it returns the first error of it.
func session(ctx context.Context, r *phoenix.Reader) error {
	if err := r.WaitCard(ctx, true); err != nil {
		return err
	}
	if _, err := r.PowerOn(ctx); err != nil {
		return err
	}
	for _, x := range []struct{ command, want []byte }{{selectFile, selected}, {readRecord, record}} {
		got, err := r.Transmit(ctx, x.command)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, x.want) {
			return fmt.Errorf("got % X, want % X", got, x.want)
		}
	}
	return nil
}

// Behind a serial port and pins, in real time.
func TestOverAPseudoTerminal(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s := sim.New(sim.Config{})
	s.Insert(suiteCard{inverse: true})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, pair.Port) }()
	for range 2 { // an agent, and the one after it
		port, err := serial.Open(serial.Config{Path: pair.Path(), Baud: 9600, Parity: serial.EvenParity, StopBits: 2})
		if err != nil {
			t.Fatal(err)
		}
		lines := s.Lines()
		r, err := phoenix.New(port, phoenix.Config{Lines: phoenix.TDA8035(lines.CMDVCCN, lines.RSTIN, lines.OFFN)})
		if err != nil {
			t.Fatal(err)
		}
		if err := session(ctx, r); err != nil {
			t.Error(err)
		}
		r.Close()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The inverse convention is heard from TS, and the port is told to change its parity; where
// it looks at parity a driver that does not would get nothing but errors.
func TestConventions(t *testing.T) {
	for _, inverse := range []bool{false, true} {
		for _, checked := range []bool{false, true} {
			t.Run(fmt.Sprintf("inverse %v, parity looked at %v", inverse, checked), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var r *phoenix.Reader
					var s slot
					var u *uart
					if checked {
						r, s, u = rigUART(t, phoenix.Config{})
					} else {
						r, s = rig(t, phoenix.Config{})
					}
					s.Reader.Insert(suiteCard{inverse})
					if err := session(t.Context(), r); err != nil {
						t.Fatal(err)
					}
					if checked && (u.parity == serial.OddParity) != inverse {
						t.Errorf("parity %v", u.parity)
					}
					s.Reader.Remove() // and a card of the other convention after it
					s.Reader.Insert(suiteCard{!inverse})
					if err := session(t.Context(), r); err != nil {
						t.Errorf("the other convention: %v", err)
					}
				})
			})
		}
	}
}

// A character with wrong parity cannot be asked for again: it ends what it belongs to.
func TestWrongParity(t *testing.T) {
	for _, inverse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r, s, u := rigUART(t, phoenix.Config{})
			s.Reader.Insert(suiteCard{inverse})
			u.flip = 3 // the second interface byte: the warm reset mends that
			if err := session(t.Context(), r); err != nil {
				t.Errorf("in the answer to reset: %v", err)
			}
			u.flip = 6 // after the echo of the header
			if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrProtocol) {
				t.Errorf("in an answer: %v", err)
			}
			if err := session(t.Context(), r); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestCardThatMisbehaves has what only the simulator can do wrong.
func TestCardThatMisbehaves(t *testing.T) {
	for _, row := range []struct {
		name  string
		fault sim.Fault
		want  error // nil for a session that succeeds
		text  string
	}{
		{"data byte by byte", sim.Fault{Kind: sim.OneByOne}, nil, ""},
		{"NULL bytes that stretch a second to nearly three", sim.Fault{Kind: sim.Nulls, Delay: 900 * time.Millisecond}, nil, ""},
		{"an answer just in time", sim.Fault{Kind: sim.Late, Delay: 900 * time.Millisecond}, nil, ""},
		{"an answer too late", sim.Fault{Kind: sim.Late, Delay: 2 * time.Second}, device.ErrMute, ""},
		{"half an answer", sim.Fault{Kind: sim.DiesHalfway}, device.ErrMute, ""},
		{"silence after the header", sim.Fault{Kind: sim.Mute}, device.ErrMute, ""},
		{"an impossible procedure byte", sim.Fault{Kind: sim.Garble}, device.ErrProtocol, "procedure byte"},
		{"mute after the cold reset", sim.Fault{Kind: sim.MuteCold}, nil, ""},
		{"a bad answer to the cold reset", sim.Fault{Kind: sim.ShortATR, Times: 1}, nil, ""},
		{"TS of no convention, once", sim.Fault{Kind: sim.BadTS, Times: 1}, nil, ""},
		{"TS of no convention, warm too", sim.Fault{Kind: sim.BadTS, Times: 2}, device.ErrMute, "TS is heard as 3A"},
		{"mute after any reset", sim.Fault{Kind: sim.MuteAtReset}, device.ErrMute, "after a warm reset"},
		{"an answer to reset without its end", sim.Fault{Kind: sim.ShortATR}, device.ErrMute, "after 5 bytes"},
		{"a line that is cut", sim.Fault{Kind: sim.Silent}, device.ErrMute, "power on"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := rig(t, phoenix.Config{})
				s.Insert()
				s.Reader.Misbehave(row.fault)
				err := session(t.Context(), r)
				if !errors.Is(err, row.want) {
					t.Fatalf("got %v, want %v", err, row.want)
				}
				if err != nil && (!strings.Contains(err.Error(), row.text) || errors.Is(err, device.ErrTimeout)) {
					t.Errorf("%v: want %q in it, and no fault of the reader", err, row.text)
				}
				s.Reader.Misbehave(sim.Fault{})
				if err := session(t.Context(), r); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// The echo tells a dead line from a mute card.
func TestNoEchoIsTheLinesFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, phoenix.Config{})
		s.Insert()
		if err := session(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		s.Reader.Misbehave(sim.Fault{Kind: sim.Silent})
		if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrTimeout) || !strings.Contains(err.Error(), "no echo") {
			t.Errorf("got %v", err)
		}
	})
}

// The lines of a session, with their times: power on with reset low, at least 40 000 clock
// cycles, reset high; a warm reset keeps the power; power goes after reset.
func TestLinesOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, phoenix.Config{})
		s.Insert()
		var got []string
		begin := time.Now()
		spy := func(name string, p pin.PinIO) pin.PinIO {
			return spyPin{p, func(l pin.Level) {
				got = append(got, fmt.Sprintf("%v %s %v", time.Since(begin).Round(time.Millisecond), name, l))
			}}
		}
		lines := s.Lines()
		config := phoenix.Config{Lines: phoenix.TDA8035(spy("CMDVCCN", lines.CMDVCCN), spy("RSTIN", lines.RSTIN), lines.OFFN)}
		r.Close()
		port, err := linktest.Replay(strings.NewReader("< 3A 3B 00"))
		if err != nil {
			t.Fatal(err)
		}
		r, err = phoenix.New(port, config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.PowerOn(t.Context()); err == nil {
			t.Fatal("the replayed bytes were thrown away: there is no answer to reset")
		}
		want := []string{
			"0s RSTIN Low", "0s CMDVCCN High", // New
			"0s RSTIN Low", "0s CMDVCCN High", "0s CMDVCCN Low", "0s RSTIN Low", "12ms RSTIN High", // cold
			"12ms RSTIN Low", "23ms RSTIN High", // warm
			"23ms RSTIN Low", "23ms CMDVCCN High",
		}
		if !slices.Equal(got, want) {
			t.Errorf("lines went\n%q, want\n%q", got, want)
		}
	})
}

// spyPin tells of what it puts out.
type spyPin struct {
	pin.PinIO
	told func(pin.Level)
}

func (p spyPin) Out(l pin.Level) error {
	p.told(l)
	return p.PinIO.Out(l)
}

// TestOneFault runs a session over a line with one fault at every byte that the driver
// reads: it ends in time with an error that says so, or with the right bytes, and the next
// session is good unless the cable is pulled.
func TestOneFault(t *testing.T) {
	const lineBytes = 75 // more than a session reads
	for _, f := range []struct {
		name    string
		wrap    func(device.Port, int64) device.Port
		allowed []error
	}{
		{"one byte garbled", func(p device.Port, at int64) device.Port { return linktest.Garble(p, at, 1) }, []error{device.ErrMute, device.ErrTimeout, device.ErrProtocol}},
		{"one byte lost", func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 1) }, []error{device.ErrMute, device.ErrTimeout, device.ErrProtocol}},
		{"one byte twice", func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 1) }, []error{device.ErrMute, device.ErrTimeout, device.ErrProtocol}},
		{"a pause of a minute", func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, time.Minute) }, []error{device.ErrMute, device.ErrTimeout, device.ErrProtocol}},
		{"cable pulled", func(p device.Port, at int64) device.Port { return linktest.Cut(p, at) }, []error{device.ErrGone}},
	} {
		t.Run(f.name, func(t *testing.T) {
			for at := range int64(lineBytes) {
				synctest.Test(t, func(t *testing.T) { oneFault(t, at, f.wrap, f.allowed) })
			}
		})
	}
}

func oneFault(t *testing.T, at int64, wrap func(device.Port, int64) device.Port, allowed []error) {
	near, far := net.Pipe()
	s := sim.New(sim.Config{})
	s.Insert(suiteCard{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx, far)
	}()
	lines := s.Lines()
	r, err := phoenix.New(wrap(near, at), phoenix.Config{Lines: phoenix.TDA8035(lines.CMDVCCN, lines.RSTIN, lines.OFFN)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { r.Close(); cancel(); <-ended }()
	begin := time.Now()
	err = session(ctx, r)
	if took := time.Since(begin); took > 2*time.Minute {
		t.Errorf("at byte %d: it took %v", at, took)
	}
	if err == nil || wrongData(err) {
		return // an undetected fault in data: T=0 has no check, and no parity is on this line
	}
	if !slices.ContainsFunc(allowed, func(want error) bool { return errors.Is(err, want) }) {
		t.Errorf("at byte %d: %v, want one of %v", at, err, allowed)
	}
	if errors.Is(err, device.ErrGone) {
		return
	}
	<-time.After(2 * time.Minute) // the pause is over
	if err := session(ctx, r); err != nil {
		t.Errorf("at byte %d: afterwards: %v", at, err)
	}
}

func wrongData(err error) bool { return strings.HasPrefix(err.Error(), "got ") }

// countingCard counts what reaches it: GENERATE AC counts.
type countingCard struct{ commands int }

func (*countingCard) Reset() []byte { return devicetest.CardATR }
func (c *countingCard) Transmit([]byte) []byte {
	c.commands++
	return []byte{0x90, 0x00}
}

// A card must not do twice what it was asked once.
func TestNoCommandReachesTheCardTwice(t *testing.T) {
	for _, kind := range []sim.FaultKind{sim.Garble, sim.Mute, sim.Late, sim.DiesHalfway, sim.Nulls, sim.OneByOne} {
		synctest.Test(t, func(t *testing.T) {
			r, s := rig(t, phoenix.Config{})
			card := &countingCard{}
			s.Reader.Insert(card)
			if _, err := r.PowerOn(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Reader.Misbehave(sim.Fault{Kind: kind, Delay: 2 * time.Second})
			_, err := r.Transmit(t.Context(), []byte{0x80, 0xAE, 0x80, 0x00, 2, 1, 2})
			if card.commands > 1 {
				t.Errorf("fault %d: the card had the command %d times (%v)", kind, card.commands, err)
			}
		})
	}
}

// atrCard answers to reset with what it is.
type atrCard []byte

func (c atrCard) Reset() []byte        { return c }
func (atrCard) Transmit([]byte) []byte { return []byte{0x90, 0x00} }

func TestCardsThatAreRefused(t *testing.T) {
	for _, row := range []struct {
		name string
		atr  []byte
		want error
		text string
	}{
		{"wrong TCK", []byte{0x3B, 0x81, 0x01, 0x44, 0xC5}, device.ErrMute, "TCK"},
		{"too long", append([]byte{0x3B, 0x8F}, bytes.Repeat([]byte{0x80}, 40)...), device.ErrMute, "more than 33"},
		{"specific mode with times of its own", []byte{0x3B, 0x80, 0x10, 0x10}, device.ErrRefused, "TA2"},
		{"a protocol of its own", []byte{0x3B, 0x80, 0x0E, 0x8E}, device.ErrRefused, "T=14"},
		{"factors that are reserved", []byte{0x3B, 0x90, 0x71, 0x10, 0x00}, device.ErrRefused, "factors 71"},
		{"mute", nil, device.ErrMute, "after 0 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { refused(t, phoenix.Config{AnyCard: true}, row.atr, row.want, row.text) })
		})
	}
	// For payments there are more rules: see iso7816.ATR.EMV.
	synctest.Test(t, func(t *testing.T) {
		refused(t, phoenix.Config{}, []byte{0x3B, 0x80, 0x20, 0x00}, device.ErrMute, "not for EMV")
	})
}

func refused(t *testing.T, config phoenix.Config, atr []byte, want error, text string) {
	t.Helper()
	r, s := rig(t, config)
	s.Reader.Insert(atrCard(atr))
	_, err := r.PowerOn(t.Context())
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, want %v with %q", err, want, text)
	}
	if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrNoCard) {
		t.Errorf("transmit after it: %v", err)
	}
	if got := s.Lines().CMDVCCN.Read(); got != pin.High {
		t.Error("the card has its power still")
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	line, _ := linktest.Replay(strings.NewReader(""))
	full := func() phoenix.Lines {
		m := func(name string) *gpio.Memory { return gpio.NewMemory(name, nil) }
		return phoenix.TDA8035(m("CMDVCCN"), m("RSTIN"), m("OFFN"))
	}
	for _, row := range []struct {
		want string
		port device.Port
		edit func(*phoenix.Config)
	}{
		{"no port", nil, func(*phoenix.Config) {}},
		{"no power line", line, func(c *phoenix.Config) { c.Lines.Power.Pin = nil }},
		{"no reset line", line, func(c *phoenix.Config) { c.Lines.Reset.Pin = nil }},
		{"no card line", line, func(c *phoenix.Config) { c.Lines.Card.Pin = nil }},
		{"below zero", line, func(c *phoenix.Config) { c.Slack = -1 }},
	} {
		c := phoenix.Config{Lines: full()}
		row.edit(&c)
		if _, err := phoenix.New(row.port, c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v, want %q in it", err, row.want)
		}
	}
}

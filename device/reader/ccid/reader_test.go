package ccid_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/link/linktest"
	"posd/device/reader/ccid"
	"posd/device/serial"
	sim "posd/device/sim/ccid"
	"posd/device/sim/pty"
	"posd/device/sim/t1"
)

var (
	readRecord = []byte{0x00, 0xB2, 0x01, 0x0C, 0x00}
	record     = []byte{1, 2, 3, 4, 5, 0x90, 0x00}
)

// inserter puts the suite's card in, at T=0 or T=1.
type inserter interface{ Insert() }

// cards are the two protocols.
var cards = map[string]func(*testing.T, slot) inserter{
	"T=0": func(_ *testing.T, s slot) inserter { return s },
	"T=1": func(t *testing.T, s slot) inserter { return newSlotT1(t, s) },
}

// session is what every row does: it returns the first error of it.
func session(ctx context.Context, r *ccid.Reader) error {
	if err := r.WaitCard(ctx, true); err != nil {
		return err
	}
	atr, err := r.PowerOn(ctx)
	if err != nil {
		return err
	}
	if len(atr) < 6 || atr[0] != 0x3B {
		return errors.New("wrong answer to reset")
	}
	got, err := r.Transmit(ctx, readRecord)
	if err == nil && !bytes.Equal(got, record) {
		err = errors.New("wrong record")
	}
	return err
}

func TestOverAPseudoTerminal(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s := sim.New(sim.Config{})
	s.Insert(suiteCard{})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, pair.Port) }()
	for range 2 { // an agent, and the one after it
		port, err := serial.Open(serial.Config{Path: pair.Path(), Baud: 115200})
		if err != nil {
			t.Fatal(err)
		}
		r, err := ccid.New(port, ccid.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if name, err := r.Firmware(ctx); err != nil || name != "posd-sim-reader 1.0" {
			t.Errorf("firmware %q, %v", name, err)
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

// TestOneFault runs a session over a line with one fault at every byte that the driver
// reads. What is damaged must be found and mended, or end in an error that says so; a
// session that succeeds has the right bytes.
func TestOneFault(t *testing.T) {
	const lineBytes = 220 // more than a session reads
	faults := []struct {
		name    string
		wrap    func(device.Port, int64) device.Port
		mends   bool // always
		allowed []error
	}{
		{"one byte garbled", func(p device.Port, at int64) device.Port { return linktest.Garble(p, at, 1) }, false, []error{device.ErrTimeout, device.ErrProtocol}},
		{"one byte lost", func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 1) }, false, []error{device.ErrTimeout, device.ErrProtocol}},
		{"one byte twice", func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 1) }, false, []error{device.ErrTimeout, device.ErrProtocol}},
		{"a pause of two seconds", func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, 2*time.Second) }, true, nil},
		{"cable pulled", func(p device.Port, at int64) device.Port { return linktest.Cut(p, at) }, false, []error{device.ErrGone}},
	}
	for _, f := range faults {
		for name, insert := range cards {
			t.Run(f.name+" "+name, func(t *testing.T) {
				mended := 0
				for at := int64(0); at < lineBytes; at++ {
					synctest.Test(t, func(t *testing.T) {
						r, s := rig(t, ccid.GemPC, func(p device.Port) device.Port { return f.wrap(p, at) })
						insert(t, s).Insert()
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
						defer cancel()
						err := session(ctx, r)
						if err == nil {
							mended++
							return
						}
						if f.mends {
							t.Errorf("at byte %d: %v", at, err)
						}
						for _, want := range f.allowed {
							if errors.Is(err, want) && ctx.Err() == nil {
								return
							}
						}
						t.Errorf("at byte %d: %v, want one of %v", at, err, f.allowed)
					})
				}
				t.Logf("%d of %d mended or not met", mended, lineBytes)
			})
		}
	}
}

// TestReaderThatMisbehaves has what only the simulator can do wrong.
func TestReaderThatMisbehaves(t *testing.T) {
	for _, row := range []struct {
		name  string
		fault sim.Fault
		want  error // nil for a session that succeeds
		text  string
	}{
		{"answer delayed, in time", sim.Fault{Kind: sim.Late, Delay: 4 * time.Second}, nil, ""},
		{"one answer delayed beyond its time", sim.Fault{Kind: sim.Late, Times: 1, Delay: 6 * time.Second}, device.ErrTimeout, "IccPowerOn"},
		{"card asks for time with bytes", sim.Fault{Kind: sim.TimeRequests, Delay: 4 * time.Second}, nil, ""},
		{"card asks for time with messages", sim.Fault{Kind: sim.Extensions, Delay: 4 * time.Second}, nil, ""},
		{"no echo", sim.Fault{Kind: sim.NoEcho}, nil, ""},
		{"answers with another number", sim.Fault{Kind: sim.WrongSeq}, device.ErrProtocol, "no answer with number"},
		{"power-up fails once", sim.Fault{Kind: sim.PowerUpFails, Times: 1}, nil, ""},
		{"power-up fails at 5 V, works at 3 V", sim.Fault{Kind: sim.PowerUpFails, Times: 2}, nil, ""},
		{"power-up fails at every voltage", sim.Fault{Kind: sim.PowerUpFails}, device.ErrMute, "bError FE"},
		{"answer to reset is garbled once", sim.Fault{Kind: sim.PowerUpGarbled, Times: 1}, nil, ""},
		{"answer to reset is garbled four times", sim.Fault{Kind: sim.PowerUpGarbled, Times: 4}, nil, ""},
		{"answer to reset is garbled for good", sim.Fault{Kind: sim.PowerUpGarbled}, device.ErrMute, "TS C4"},
		{"one damaged answer", sim.Fault{Kind: sim.BadLRC, Times: 1}, nil, ""},
		{"four damaged answers", sim.Fault{Kind: sim.BadLRC, Times: 4}, device.ErrProtocol, "LRC is wrong, 4 times"},
		{"one answer without its end", sim.Fault{Kind: sim.ShortAnswer, Times: 1}, nil, ""},
		{"one command unanswered", sim.Fault{Kind: sim.Silent, Times: 1}, device.ErrTimeout, "IccPowerOn"},
	} {
		for name, insert := range cards {
			t.Run(row.name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r, s := rig(t, ccid.GemPC, plain)
					insert(t, s).Insert()
					if err := r.WaitCard(t.Context(), true); err != nil {
						t.Fatal(err)
					}
					s.Reader.Misbehave(row.fault)
					_, err := r.PowerOn(t.Context())
					if err == nil {
						var got []byte
						if got, err = r.Transmit(t.Context(), readRecord); err == nil && !bytes.Equal(got, record) {
							t.Errorf("record % X", got)
						}
					}
					if !errors.Is(err, row.want) {
						t.Fatalf("got %v, want %v", err, row.want)
					}
					if err != nil && !strings.Contains(err.Error(), row.text) {
						t.Errorf("%v: want %q in it", err, row.text)
					}
					s.Reader.Misbehave(sim.Fault{})
					if err := session(t.Context(), r); err != nil {
						t.Errorf("afterwards: %v", err)
					}
				})
			})
		}
	}
}

// A card must not do twice what it was asked once: GENERATE AC counts.
func TestNoCommandReachesTheCardTwice(t *testing.T) {
	for _, kind := range []sim.FaultKind{sim.BadLRC, sim.ShortAnswer, sim.Silent, sim.Late, sim.WrongSeq} {
		for name, seat := range map[string]func(*countingCard) sim.Card{
			"T=0": func(c *countingCard) sim.Card { return c },
			"T=1": func(c *countingCard) sim.Card {
				card, err := t1.New(t1.Config{Application: countingApplication{c}})
				if err != nil {
					t.Fatal(err)
				}
				return card
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				r, s := rig(t, ccid.GemPC, plain)
				card := &countingCard{}
				s.Reader.Insert(seat(card))
				if _, err := r.PowerOn(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.Reader.Misbehave(sim.Fault{Kind: kind, Times: 2, Delay: 6 * time.Second})
				_, err := r.Transmit(t.Context(), []byte{0x80, 0xAE, 0x80, 0x00})
				if card.commands > 1 {
					t.Errorf("%s, fault %d: the card had the command %d times (%v)", name, kind, card.commands, err)
				}
			})
		}
	}
}

type countingCard struct{ commands int }

func (*countingCard) Reset() []byte { return devicetest.CardATR }
func (c *countingCard) Transmit([]byte) []byte {
	c.commands++
	return []byte{0x90, 0x00}
}

type countingApplication struct{ *countingCard }

func (countingApplication) Reset()                           {}
func (c countingApplication) Exchange(command []byte) []byte { return c.Transmit(command) }

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
		{"T=1 without its waiting integers", []byte{0x3B, 0x81, 0x01, 0x44, 0xC4}, device.ErrMute, "TB3 is missing"},
		{"T=0 offered, but in specific mode with T=1", []byte{0x3B, 0x80, 0x90, 0x01, 0x01, 0x10}, device.ErrMute, "TA2 names T=1"},
		{"TS of no convention", []byte{0x03, 0x00}, device.ErrMute, "TS 03"},
		{"wrong TCK", []byte{0x3B, 0x81, 0x01, 0x44, 0xC5}, device.ErrMute, "TCK"},
		{"cut short", []byte{0x3B, 0x62, 0x00}, device.ErrMute, "ends in interface bytes"},
		{"too long", bytes.Repeat([]byte{0x3B}, 40), device.ErrMute, "40 bytes"},
		{"mute", nil, device.ErrMute, "does not answer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := rig(t, ccid.SEC1210, plain)
				s.Reader.Insert(atrCard(row.atr))
				_, err := r.PowerOn(t.Context())
				if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) {
					t.Fatalf("got %v, want %v with %q", err, row.want, row.text)
				}
				if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrNoCard) {
					t.Errorf("transmit after it: %v", err)
				}
			})
		})
	}
}

// The slot change is what WaitCard acts on: a poll would come minutes later.
func TestWaitCardHearsTheSlotChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rigWith(t, ccid.Config{PollTime: time.Hour, Unasked: true}, plain)
		done := make(chan error, 1)
		go func() { done <- r.WaitCard(t.Context(), true) }()
		<-time.After(time.Minute) // it has asked, and listens
		begin := time.Now()
		s.Insert()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("heard after %v", took)
		}
	})
}

// Notifications that the reader holds back are made up for by asking.
func TestWaitCardAsksAReaderThatDoesNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, ccid.GemPC, plain) // which holds its notices back, as the driver tells it
		done := make(chan error, 1)
		go func() { done <- r.WaitCard(t.Context(), true) }()
		<-time.After(time.Minute)
		begin := time.Now()
		s.Insert()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 250*time.Millisecond {
			t.Errorf("found after %v", took)
		}
	})
}

// TestRecordedSession replays a line byte for byte: it pins the frames themselves, on
// which driver and simulator could agree and both be wrong. UPDATE_GOLDEN=1 records it.
func TestRecordedSession(t *testing.T) {
	const wire = "testdata/session.wire"
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		recordSession(t, wire)
	}
	f, err := os.Open(wire)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line, err := linktest.Replay(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ccid.New(line, ccid.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := session(t.Context(), r); err != nil {
		t.Error(err)
	}
	if err := r.PowerOff(t.Context()); err != nil {
		t.Error(err)
	}
	if err := line.Done(); err != nil {
		t.Error(err)
	}
}

func recordSession(t *testing.T, wire string) {
	var out bytes.Buffer
	out.WriteString("# A session with a card at T=0 in a GemPC Twin serial: status, reset, parameters,\n# READ RECORD with 6C05 in between, power off. The reader echoes each command.\n")
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, ccid.GemPC, func(p device.Port) device.Port { return linktest.Record(p, &out) })
		s.Insert()
		if err := session(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := r.PowerOff(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.WriteFile(wire, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	line, _ := linktest.Replay(strings.NewReader(""))
	for _, row := range []struct {
		name string
		port device.Port
		c    ccid.Config
		want string
	}{
		{"no port", nil, ccid.Config{}, "no port"},
		{"unknown profile", line, ccid.Config{Profile: 9}, "profile 9"},
		{"negative time", line, ccid.Config{PollTime: -1}, "below zero"},
	} {
		if _, err := ccid.New(row.port, row.c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q in it", row.name, err, row.want)
		}
	}
	if _, err := ccid.ParseProfile("gemalto"); err == nil || !strings.Contains(err.Error(), `"gemalto"`) {
		t.Errorf("ParseProfile: %v", err)
	}
}

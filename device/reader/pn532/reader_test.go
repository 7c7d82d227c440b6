package pn532_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/link/linktest"
	"posd/device/reader/pn532"
	"posd/device/serial"
	sim "posd/device/sim/pn532"
	"posd/device/sim/pty"
)

var (
	readRecord = []byte{0x00, 0xB2, 0x01, 0x0C, 0x00}
	record     = []byte{1, 2, 3, 4, 5, 0x90, 0x00}
)

// session is what every row does: it returns the first error of it.
func session(ctx context.Context, r *pn532.Reader) error {
	if err := r.WaitCard(ctx, true); err != nil {
		return err
	}
	atr, err := r.PowerOn(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(atr, atrA) {
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
	s.Insert(sim.CardA(suiteCard{}))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, pair.Port) }()
	for range 2 { // an agent, and the one after it
		port, err := serial.Open(serial.Config{Path: pair.Path(), Baud: 115200})
		if err != nil {
			t.Fatal(err)
		}
		r, err := pn532.New(port, pn532.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if name, err := r.Firmware(ctx); err != nil || name != "PN532 1.6" {
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
	const lineBytes = 230 // more than a session reads
	noise := []error{device.ErrTimeout, device.ErrProtocol}
	faults := []struct {
		name    string
		wrap    func(device.Port, int64) device.Port
		mends   bool // always
		allowed []error
	}{
		{"one byte garbled", func(p device.Port, at int64) device.Port { return linktest.Garble(p, at, 1) }, true, nil},
		{"one byte lost", func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 1) }, false, noise},
		{"three bytes lost", func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 3) }, false, noise},
		{"all that follows lost for a while", func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 40) }, false, noise},
		{"one byte twice", func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 1) }, true, nil},
		{"an answer twice", func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 9) }, false, noise},
		{"a pause of 400 ms", func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, 400*time.Millisecond) }, true, nil},
		{"a pause of two seconds", func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, 2*time.Second) }, false, noise},
		{"cable pulled", func(p device.Port, at int64) device.Port { return linktest.Cut(p, at) }, false, []error{device.ErrGone}},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			mended := 0
			for at := int64(0); at < lineBytes; at++ {
				synctest.Test(t, func(t *testing.T) {
					r, s := rig(t, pn532.Config{}, func(p device.Port) device.Port { return f.wrap(p, at) })
					s.Insert()
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

// TestChipThatMisbehaves has what only the simulator can do wrong, from PowerOn on.
func TestChipThatMisbehaves(t *testing.T) {
	for _, row := range []struct {
		name  string
		fault sim.Fault
		want  error // nil for a session that succeeds
		text  string
	}{
		{"one command not acknowledged", sim.Fault{Kind: sim.NoACK, Times: 1}, nil, ""},
		{"nothing acknowledged", sim.Fault{Kind: sim.NoACK}, device.ErrTimeout, "3 tries"},
		{"answers delayed, in time", sim.Fault{Kind: sim.Late, Delay: 4 * time.Second}, nil, ""},
		{"an answer delayed beyond its time", sim.Fault{Kind: sim.Late, Times: 1, Delay: 11 * time.Second}, nil, ""},
		{"every answer delayed beyond its time", sim.Fault{Kind: sim.Late, Delay: 11 * time.Second}, device.ErrTimeout, "3 tries"},
		{"one damaged answer", sim.Fault{Kind: sim.BadDCS, Times: 1}, nil, ""},
		{"twelve damaged answers", sim.Fault{Kind: sim.BadDCS, Times: 12}, device.ErrProtocol, "damaged frame"},
		{"one answer without its end", sim.Fault{Kind: sim.ShortAnswer, Times: 1}, nil, ""},
		{"one command unanswered", sim.Fault{Kind: sim.Silent, Times: 1}, nil, ""},
		{"one answer to another command", sim.Fault{Kind: sim.WrongCode, Times: 1}, nil, ""},
		{"answers to other commands only", sim.Fault{Kind: sim.WrongCode}, device.ErrTimeout, "3 tries"},
		{"the answer before, once more", sim.Fault{Kind: sim.Previous, Times: 1}, nil, ""},
		{"error frame", sim.Fault{Kind: sim.ErrorFrame}, device.ErrRefused, "syntax error"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := rig(t, pn532.Config{}, plain)
				s.Insert()
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

// countingChip counts what it is asked.
type countingChip struct{ commands int }

func (*countingChip) Reset() []byte { return nil }

func (c *countingChip) Exchange([]byte) []byte {
	c.commands++
	return []byte{0x90, 0x00}
}

// A card must not do twice what it was asked once: GENERATE AC counts.
func TestNoCommandReachesTheCardTwice(t *testing.T) {
	for _, kind := range []sim.FaultKind{sim.BadDCS, sim.ShortAnswer, sim.Silent, sim.Late, sim.WrongCode, sim.NoACK, sim.Previous} {
		synctest.Test(t, func(t *testing.T) {
			r, s := rig(t, pn532.Config{}, plain)
			card := &countingChip{}
			s.Reader.Insert(sim.CardA(card))
			if _, err := r.PowerOn(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Reader.Misbehave(sim.Fault{Kind: kind, Times: 2, Delay: 11 * time.Second})
			_, err := r.Transmit(t.Context(), []byte{0x80, 0xAE, 0x80, 0x00})
			if card.commands > 1 {
				t.Errorf("fault %d: the card had the command %d times (%v)", kind, card.commands, err)
			}
		})
	}
}

// Every status of the chip becomes an error that names it; the card is in the field, so
// silence of the radio is a mute card.
func TestStatusBytes(t *testing.T) {
	for status := byte(0x01); status <= 0x3F; status++ {
		want := device.ErrRefused
		switch status {
		case 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0A, 0x0B, 0x13, 0x23, 0x2E:
			want = device.ErrMute
		case 0x27, 0x29, 0x2A, 0x2B:
			want = device.ErrNoCard
		}
		synctest.Test(t, func(t *testing.T) {
			r, s := rig(t, pn532.Config{}, plain)
			s.Insert()
			if err := session(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			s.Reader.Misbehave(sim.Fault{Kind: sim.Status, Code: status, Times: 1})
			if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, want) || !strings.Contains(err.Error(), "status") {
				t.Errorf("status %02X: %v, want %v", status, err, want)
			}
			if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrNoCard) {
				t.Errorf("status %02X: the session went on: %v", status, err)
			}
		})
	}
}

func TestTwoCardsAreTooMany(t *testing.T) {
	a, b := sim.CardA(suiteCard{}), sim.CardB(suiteCard{})
	for name, cards := range map[string][2]sim.Tag{"two of type A": {a, a}, "two of type B": {b, b}, "one of each": {a, b}} {
		synctest.Test(t, func(t *testing.T) {
			r, s := rig(t, pn532.Config{}, plain)
			s.Reader.Insert(cards[0])
			s.Reader.Insert(cards[1])
			if err := r.WaitCard(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			_, err := r.PowerOn(t.Context())
			if !errors.Is(err, pn532.ErrTwoCards) || !errors.Is(err, device.ErrRefused) {
				t.Errorf("%s: %v, want ErrTwoCards", name, err)
			}
			if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrNoCard) {
				t.Errorf("%s: one of them answered: %v", name, err)
			}
			s.Remove()
			s.Reader.Insert(a)
			if err := session(t.Context(), r); err != nil {
				t.Errorf("%s: one card after that: %v", name, err)
			}
		})
	}
}

func TestACardWithoutISO14443Part4IsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, pn532.Config{}, plain)
		s.Reader.Insert(sim.Tag{UID: []byte{1, 2, 3, 4}, Chip: suiteCard{}})
		if _, err := r.PowerOn(t.Context()); !errors.Is(err, device.ErrRefused) {
			t.Errorf("got %v", err)
		}
	})
}

// longChip answers as many bytes as the second parameter and P1 say.
type longChip struct{ got []byte }

func (*longChip) Reset() []byte { return nil }

func (c *longChip) Exchange(command []byte) []byte {
	c.got = command
	b := make([]byte, int(command[2])<<8|int(command[3]))
	for i := range b {
		b[i] = byte(i * 7)
	}
	return append(b, 0x90, 0x00)
}

// The longest APDUs go in one extended frame each way, or in blocks of any size; an
// answer without end, or longer than any, is not taken.
func TestLongAPDUs(t *testing.T) {
	command := append([]byte{0x00, 0xDA, 0x01, 0x00, 0xFF}, bytes.Repeat([]byte{0x5A}, 256)...)
	for _, row := range []struct{ ours, theirs int }{{0, 0}, {1, 1}, {261, 261}, {100, 17}, {252, 0}} {
		synctest.Test(t, func(t *testing.T) {
			r, chip := longRig(t, row.ours, row.theirs)
			got, err := r.Transmit(t.Context(), command)
			if err != nil || len(got) != 258 || got[255] != 0xF9 {
				t.Errorf("%v: %d bytes, %v", row, len(got), err)
			}
			if !bytes.Equal(chip.got, command) {
				t.Errorf("%v: the card got % X", row, chip.got)
			}
		})
	}
	for _, size := range []int{257, 258, 4000} {
		synctest.Test(t, func(t *testing.T) {
			r, _ := longRig(t, 0, 100)
			if got, err := r.Transmit(t.Context(), []byte{0, 0xCA, byte(size >> 8), byte(size), 0}); !errors.Is(err, device.ErrProtocol) {
				t.Errorf("an answer of %d bytes: %d bytes, %v", size, len(got), err)
			}
		})
	}
}

package pn532_test

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
	"posd/device/link/linktest"
	"posd/device/reader/pn532"
	sim "posd/device/sim/pn532"
)

// sessionChip knows how often it was activated.
type sessionChip struct {
	suiteCard
	activations int
}

func (c *sessionChip) Reset() []byte {
	c.activations++
	return nil
}

// Whoever asks whether the card is still there must not end its session.
func TestWaitCardKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, pn532.Config{}, plain)
		chip := &sessionChip{}
		s.Reader.Insert(sim.CardA(chip))
		if err := session(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		before := chip.activations
		if err := r.WaitCard(t.Context(), true); err != nil {
			t.Error(err)
		}
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := r.WaitCard(short, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waited for its removal: %v", err)
		}
		if chip.activations != before {
			t.Errorf("activated %d times meanwhile", chip.activations-before)
		}
		if _, err := r.Transmit(t.Context(), readRecord); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// The owner gives up while the card works: the late answer must not be taken for the one
// to the next command.
func TestCancelledInTheMiddleOfAnExchange(t *testing.T) {
	for _, gap := range []time.Duration{0, 30 * time.Millisecond, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			r, s := rig(t, pn532.Config{}, plain)
			s.Insert()
			if err := session(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			s.Reader.Misbehave(sim.Fault{Kind: sim.Late, Times: 1, Delay: 2 * time.Second})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if _, err := r.Transmit(ctx, []byte{0x80, 0xCA, 0x9F, 0x36, 0}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrNoCard) {
				t.Errorf("the session went on: %v", err)
			}
			<-time.After(gap)
			if err := session(t.Context(), r); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// As the chip starts it looks for a card for ever; the driver's look is finite, so that
// it hears of the end of ctx at once.
func TestWaitCardEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := rig(t, pn532.Config{PollTime: time.Minute}, plain)
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		time.AfterFunc(7*time.Second, cancel)
		if err := r.WaitCard(ctx, true); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("it took %v", took)
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
	r, err := pn532.New(line, pn532.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := recorded(t.Context(), r); err != nil {
		t.Error(err)
	}
	if err := line.Done(); err != nil {
		t.Error(err)
	}
}

func recorded(ctx context.Context, r *pn532.Reader) error {
	if _, err := r.Firmware(ctx); err != nil {
		return err
	}
	if err := session(ctx, r); err != nil {
		return err
	}
	if err := r.WaitCard(ctx, true); err != nil {
		return err
	}
	return r.PowerOff(ctx)
}

func recordSession(t *testing.T, wire string) {
	var out bytes.Buffer
	out.WriteString("# A session with a card of type A: wake-up and set-up, firmware, a look into the\n# field, activation, READ RECORD, presence check, field off.\n")
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, pn532.Config{}, func(p device.Port) device.Port { return linktest.Record(p, &out) })
		s.Insert()
		if err := recorded(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(wire, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A PN533 speaks almost the same, and is refused by name.
func TestAnotherChipIsRefused(t *testing.T) {
	wake := "> 55 55 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 FF 00 FF 00\n"
	line, err := linktest.Replay(strings.NewReader(wake +
		"> 00 00 FF 05 FB D4 14 01 14 01 02 00\n< 00 00 FF 00 FF 00 00 00 FF 02 FE D5 15 16 00\n" +
		"> 00 00 FF 03 FD D4 12 14 06 00\n< 00 00 FF 00 FF 00 00 00 FF 02 FE D5 13 18 00\n" +
		"> 00 00 FF 06 FA D4 32 05 00 01 01 F3 00\n< 00 00 FF 00 FF 00 00 00 FF 02 FE D5 33 F8 00\n" +
		"> 00 00 FF 02 FE D4 02 2A 00\n< 00 00 FF 00 FF 00 00 00 FF 06 FA D5 03 33 02 07 07 E5 00\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := pn532.New(line, pn532.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if name, err := r.Firmware(t.Context()); !errors.Is(err, device.ErrRefused) || !strings.Contains(err.Error(), "chip 33") {
		t.Errorf("firmware %q, %v", name, err)
	}
	if err := line.Done(); err != nil {
		t.Error(err)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	line, _ := linktest.Replay(strings.NewReader(""))
	for _, row := range []struct {
		name string
		port device.Port
		c    pn532.Config
		want string
	}{
		{"no port", nil, pn532.Config{}, "no port"},
		{"negative time", line, pn532.Config{PollTime: -1}, "below zero"},
		{"retries for ever", line, pn532.Config{Retries: 255}, "without end"},
		{"block too long", line, pn532.Config{BlockSize: 263}, "block size 263"},
	} {
		if _, err := pn532.New(row.port, row.c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q in it", row.name, err, row.want)
		}
	}
}

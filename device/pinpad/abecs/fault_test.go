package abecs_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"posd/device"
	"posd/device/link/linktest"
	"posd/device/pinpad/abecs"
	sim "posd/device/sim/abecs"
)

// classified are the errors by which a user can tell what became of a call.
var classified = []error{
	device.ErrGone, device.ErrTimeout, device.ErrProtocol, device.ErrRefused, device.ErrCancelled, device.ErrNoCard, device.ErrMute,
}

func isClassified(err error) bool {
	for _, want := range classified {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

// faults spoil the line once, each where the pad's bytes have come to an offset. gone says
// that nothing can work after it.
var faults = []struct {
	name string
	wrap func(p device.Port, at int64) device.Port
	gone bool
}{
	{"cut", linktest.Cut, true},
	{"one byte garbled", func(p device.Port, at int64) device.Port { return linktest.Garble(p, at, 1) }, false},
	{"five bytes garbled", func(p device.Port, at int64) device.Port { return linktest.Garble(p, at, 5) }, false},
	{"one byte lost", func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 1) }, false},
	{"nine bytes lost", func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 9) }, false},
	{"one byte twice", func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 1) }, false},
	{"an answer twice", func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 49) }, false},
	{"a second late", func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, time.Second) }, false},
	{"a minute late", func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, time.Minute) }, false},
}

// The first PIN entry is 61 bytes from the pad: EOT, then ACK and response for OPN, ACK and
// response for GPN. Wherever the line is spoiled, the PIN comes back whole, or an error that
// says what happened and nothing of what was on the line; and an entry after it works.
func TestFaultsOfTheLine(t *testing.T) {
	for _, f := range faults {
		for at := int64(0); at < 61; at++ {
			inBubble(t, fmt.Sprintf("%s at %d", f.name, at), func(t *testing.T, ctx context.Context) {
				driver, _ := connect(t, abecs.Config{}, sim.Config{Cardholder: func(sim.Entry) string { return "13579E" }},
					func(p device.Port) device.Port { return f.wrap(p, at) })
				block, err := driver.EnterPIN(ctx, request(t))
				if err != nil && !isClassified(err) {
					t.Errorf("EnterPIN: %v", err)
				}
				checkPIN(t, block, err)
				if f.gone {
					return
				}
				for range 3 { // the fault may be in this one, or come late into it, or take three EOTs a time
					pause(ctx, time.Minute)
					if block, err = driver.EnterPIN(ctx, request(t)); err == nil {
						break
					}
				}
				if err != nil {
					t.Fatalf("EnterPIN after it: %v", err)
				}
				checkPIN(t, block, err)
			})
		}
	}
}

// An APDU through a spoiled line comes back whole or not at all: never the answer to another.
// (A line that repeats an old answer after the pad's ACK cannot be told from a good one: answers
// have no number. A pad that repeats its own is in TestFaultsOfThePad.)
func TestFaultsDuringAPDUs(t *testing.T) {
	for _, f := range faults {
		if f.name == "an answer twice" {
			continue
		}
		for at := int64(0); at < 120; at += 3 {
			inBubble(t, fmt.Sprintf("%s at %d", f.name, at), func(t *testing.T, ctx context.Context) {
				driver, pad := connect(t, abecs.Config{}, sim.Config{}, func(p device.Port) device.Port { return f.wrap(p, at) })
				pad.Pad.Insert(counter{})
				reader := driver.Chip()
				for n := byte(0); n < 8; n++ {
					if n%4 == 0 {
						if _, err := reader.PowerOn(ctx); err != nil {
							continue
						}
					}
					got, err := reader.Transmit(ctx, []byte{0, 0xB2, n, 0x0C, 5})
					if err != nil && !isClassified(err) {
						t.Errorf("Transmit: %v", err)
					}
					if err == nil && (len(got) != 7 || got[0] != n) {
						t.Errorf("record %d: % X", n, got)
					}
				}
			})
		}
	}
}

// counter is a card whose record n begins with n.
type counter struct{ suiteCard }

func (counter) Exchange(apdu []byte) []byte { return []byte{apdu[2], 2, 3, 4, 5, 0x90, 0} }

// What the pad itself does wrong: each answer comes after one to another command, or so late
// that nobody waits for it any more.
func TestFaultsOfThePad(t *testing.T) {
	inBubble(t, "each answer twice", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		pad.Pad.Misbehave(sim.Twice)
		pad.Pad.Insert(counter{})
		if _, err := driver.Chip().PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
		for n := byte(0); n < 8; n++ {
			if got, err := driver.Chip().Transmit(ctx, []byte{0, 0xB2, n, 0x0C, 5}); err != nil || got[0] != n {
				t.Errorf("record %d: % X, %v", n, got, err)
			}
		}
	})
	inBubble(t, "answers to other commands", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{Cardholder: func(sim.Entry) string { return "13579E" }}, plain)
		pad.Pad.Misbehave(sim.Strays)
		block, err := driver.EnterPIN(ctx, request(t))
		if err != nil {
			t.Fatal(err)
		}
		checkPIN(t, block, err)
	})
	inBubble(t, "an answer that comes when nobody waits", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		if err := driver.Show(ctx, "A"); err != nil {
			t.Fatal(err)
		}
		pad.Pad.Misbehave(sim.LateAnswer)
		if err := driver.Show(ctx, "B"); !errors.Is(err, device.ErrTimeout) {
			t.Errorf("Show: %v", err)
		}
		pad.Pad.Misbehave(sim.None)
		pause(ctx, 2*sim.LateBy)
		for _, text := range []string{"C", "D"} {
			if err := driver.Show(ctx, text); err != nil || pad.Display() != text {
				t.Errorf("Show after it: %v, display %q", err, pad.Display())
			}
		}
	})
	inBubble(t, "NAK for ever", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		pad.Pad.Misbehave(sim.NAKs)
		if err := driver.Show(ctx, "A"); !errors.Is(err, device.ErrProtocol) || !strings.Contains(err.Error(), "3 tries") {
			t.Errorf("Show: %v", err)
		}
		pad.Pad.Misbehave(sim.None)
		if err := driver.Show(ctx, "B"); err != nil {
			t.Errorf("Show after it: %v", err)
		}
	})
	inBubble(t, "no EOT", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		pad.Pad.Misbehave(sim.NoEOT)
		begin := time.Now()
		if err := driver.Show(ctx, "A"); !errors.Is(err, device.ErrTimeout) || time.Since(begin) != 6*time.Second {
			t.Errorf("Show: %v after %v, want three times 2 s", err, time.Since(begin))
		}
	})
}

// checkPIN accepts the right PIN, or an error without secrets.
func checkPIN(t *testing.T, block device.PINBlock, err error) {
	t.Helper()
	req := request(t)
	if err == nil {
		if digits, _ := openBlock(t, working, req.PAN)(block); digits != "13579" {
			t.Errorf("block has %q", digits)
		}
		return
	}
	key := hex.EncodeToString(req.Key.Bytes)
	for _, secret := range []string{"6277000000000011", key, strings.ToUpper(key), "13579"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats a secret: %v", strings.ReplaceAll(err.Error(), secret, "###"))
		}
	}
}

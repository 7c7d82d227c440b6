package vfpad_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"posd/device"
	"posd/device/link/linktest"
	"posd/device/pinpad/vfpad"
	sim "posd/device/sim/vfpad"
	"posd/emv/keyblock"
)

func newAES(key []byte) (cipher.Block, error) { return aes.NewCipher(key) }

// classified are the errors by which a user can tell what became of a call.
var classified = []error{
	device.ErrGone, device.ErrTimeout, device.ErrProtocol, device.ErrRefused, device.ErrCancelled,
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
	{"an answer twice", func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 27) }, false},
	{"two seconds late", func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, 2*time.Second) }, false},
	{"a minute late", func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, time.Minute) }, false},
}

// One PIN entry is 36 bytes from the pad: ACK, 08 and EOT, then ACK and 71. Wherever
// the line is spoiled, the PIN comes back whole, or an error that says what happened and
// nothing of what was on the line; and the next entry works.
func TestFaultsOfTheLine(t *testing.T) {
	for _, f := range faults {
		for at := int64(0); at < 36; at++ {
			inBubble(t, fmt.Sprintf("%s at %d", f.name, at), func(t *testing.T, ctx context.Context) {
				driver, _ := connectWith(t, vfpad.Config{}, sim.Config{Cardholder: func(sim.Entry) string { return "13579E" }},
					func(p device.Port) device.Port { return f.wrap(p, at) })
				req := request(t)
				block, err := driver.EnterPIN(ctx, req)
				if err != nil && !isClassified(err) {
					t.Errorf("EnterPIN: %v", err)
				}
				checkPIN(t, block, err)
				if f.gone {
					return
				}
				pause(ctx, time.Minute)
				block, err = driver.EnterPIN(ctx, req)
				if err != nil { // once: the fault was in this one, or came late into it
					pause(ctx, time.Minute)
					block, err = driver.EnterPIN(ctx, req)
				}
				if err != nil {
					t.Fatalf("EnterPIN after it: %v", err)
				}
				checkPIN(t, block, err)
			})
		}
	}
}

// checkPIN accepts the right PIN, or an error without secrets.
func checkPIN(t *testing.T, block device.PINBlock, err error) {
	t.Helper()
	if err == nil {
		if digits, _ := openBlock(t, request(t).PAN)(block); digits != "13579" {
			t.Errorf("block has %q", digits)
		}
		return
	}
	for _, secret := range secrets(t) {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats a secret: %v", strings.ReplaceAll(err.Error(), secret, "###"))
		}
	}
}

// What the pad itself does wrong.
func TestFaultsOfThePad(t *testing.T) {
	for fault, name := range map[sim.Fault]string{
		sim.GarbledOnce: "one check byte is wrong", sim.LostACK: "an ACK is lost", sim.Twice: "each frame comes twice",
	} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			driver, far := connect(t, sim.Config{Cardholder: func(sim.Entry) string { return "13579E" }})
			far.Pad.Misbehave(fault)
			if err := driver.LoadKey(ctx, slot, tr31(t, protection, master, keyblock.UsageKeyEncryption)); err != nil {
				t.Errorf("LoadKey: %v", err)
			}
			for range 2 {
				block, err := driver.EnterPIN(ctx, request(t))
				if err != nil {
					t.Fatal(err)
				}
				checkPIN(t, block, err)
			}
		})
	}
}

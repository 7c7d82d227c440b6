package devicetest

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
)

// Pad is the far end of a PIN pad driver.
type Pad interface {
	Far
	// Press presses keys one after the other: digits, E for enter, C for clear, X for
	// cancel. The suite calls it when the driver waits for the pad.
	Press(keys string)
	// Display is what the pad shows now.
	Display() string
}

// PINPadRig is a driver with its pad, in which Request's key is loaded.
type PINPadRig struct {
	Driver  device.PINPad
	Far     Pad
	Request device.PINRequest // 4 to 12 digits, no bypass; the suite changes it by row
	// PIN gives the digits in a block, under the clear working key that the test knows.
	PIN func(block device.PINBlock) (string, error)
	// Slot and KeyBlock are a master key that the pad takes; without a KeyBlock it takes
	// none over the line, and says so.
	Slot     int
	KeyBlock string
	// NoBypass says that the protocol has no way to leave the PIN out: ENTER without digits
	// does nothing, whatever the request allows.
	NoBypass bool
}

// exchange is any message that the pad answers with a frame, not with a byte alone.
func (rig PINPadRig) exchange(ctx context.Context) error {
	if rig.KeyBlock == "" {
		return rig.Driver.Show(ctx, "EXCHANGE")
	}
	return rig.Driver.LoadKey(ctx, rig.Slot, rig.KeyBlock)
}

// PINPad is the conformance suite of a device.PINPad.
func PINPad(t *testing.T, open func(t *testing.T) PINPadRig) {
	pinEntry(t, open)
	pinRefusals(t, open)
	pinFaults(t, open)
}

func enter(ctx context.Context, rig PINPadRig) <-chan result[device.PINBlock] {
	return start(func() (device.PINBlock, error) { return rig.Driver.EnterPIN(ctx, rig.Request) })
}

func pinEntry(t *testing.T, open func(t *testing.T) PINPadRig) {
	for _, pin := range []string{"1234", "123456", "123456789012"} {
		row(t, "a PIN of "+pin+" comes back in its block", func(t *testing.T, ctx context.Context) {
			rig := open(t)
			done := enter(ctx, rig)
			rig.Far.Press(pin + "E")
			got := <-done
			must(t, "EnterPIN", got.err)
			if digits, err := rig.PIN(got.value); err != nil || digits != pin {
				t.Errorf("block has %q (%v), want %q", digits, err, pin)
			}
			if n := got.value.Digits; n != 0 && n != len(pin) {
				t.Errorf("told of %d digits, want %d or 0", n, len(pin))
			}
		})
	}
	row(t, "entry twice in a row", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		for _, pin := range []string{"1111", "2222"} {
			done := enter(ctx, rig)
			rig.Far.Press(pin + "E")
			got := <-done
			must(t, "EnterPIN", got.err)
			if digits, _ := rig.PIN(got.value); digits != pin {
				t.Errorf("block has %q, want %q", digits, pin)
			}
		}
	})
	row(t, "one line is shown", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		must(t, "Show", rig.Driver.Show(ctx, "APPROVED"))
		synctest.Wait()
		if got := rig.Far.Display(); !strings.Contains(got, "APPROVED") {
			t.Errorf("display has %q", got)
		}
		must(t, "Show nothing", rig.Driver.Show(ctx, ""))
		synctest.Wait()
		if got := rig.Far.Display(); strings.Contains(got, "APPROVED") {
			t.Errorf("display still has %q", got)
		}
	})
	row(t, "a master key is loaded", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		if rig.KeyBlock == "" {
			wantError(t, "LoadKey", rig.Driver.LoadKey(ctx, rig.Slot, ""), device.ErrRefused)
			return
		}
		must(t, "LoadKey", rig.Driver.LoadKey(ctx, rig.Slot, rig.KeyBlock))
	})
}

func pinRefusals(t *testing.T, open func(t *testing.T) PINPadRig) {
	row(t, "cancel key", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		done := enter(ctx, rig)
		rig.Far.Press("12X")
		wantError(t, "EnterPIN", (<-done).err, device.ErrCancelled)
	})
	row(t, "nobody presses a key", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		wantError(t, "EnterPIN", (<-enter(ctx, rig)).err, device.ErrCancelled, device.ErrTimeout)
	})
	row(t, "enter without digits where bypass is allowed", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		rig.Request.AllowBypass = true
		done := enter(ctx, rig)
		rig.Far.Press("E")
		if rig.NoBypass {
			rig.Far.Press("1234E")
			must(t, "EnterPIN", (<-done).err)
			return
		}
		wantError(t, "EnterPIN", (<-done).err, device.ErrBypassed)
	})
	row(t, "ctx ends in the middle of entry and the pad is free again", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		entry, cancel := context.WithCancel(ctx)
		done := enter(entry, rig)
		rig.Far.Press("12")
		cancel()
		wantError(t, "EnterPIN", (<-done).err, context.Canceled, device.ErrCancelled)
		again := enter(ctx, rig)
		rig.Far.Press("9876E")
		got := <-again
		must(t, "EnterPIN after the cancelled one", got.err)
		if digits, _ := rig.PIN(got.value); digits != "9876" {
			t.Errorf("block has %q: keys of the entry before are in it", digits)
		}
	})
	row(t, "a key block that is not one", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		if err := rig.Driver.LoadKey(ctx, rig.Slot, "B0000"); err == nil {
			t.Error("LoadKey took it")
		}
	})
}

func pinFaults(t *testing.T, open func(t *testing.T) PINPadRig) {
	row(t, "silence", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		rig.Far.Misbehave(Silent)
		begin := time.Now()
		wantError(t, "EnterPIN", (<-enter(ctx, rig)).err, device.ErrTimeout)
		wantError(t, "Show", rig.Driver.Show(ctx, "A"), device.ErrTimeout)
		if took := time.Since(begin); took > 5*time.Minute {
			t.Errorf("a silent pad was found after %v", took)
		}
	})
	row(t, "one garbled answer", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		rig.Far.Misbehave(GarbledOnce)
		must(t, "exchange", rig.exchange(ctx))
	})
	row(t, "garbled for ever, then good again", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		rig.Far.Misbehave(Garbled)
		wantError(t, "exchange", rig.exchange(ctx), device.ErrProtocol, device.ErrTimeout)
		rig.Far.Misbehave(None)
		must(t, "exchange", rig.exchange(ctx))
	})
	row(t, "unplugged in the middle of entry", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		done := enter(ctx, rig)
		rig.Far.Unplug()
		wantError(t, "EnterPIN", (<-done).err, device.ErrGone)
	})
	row(t, "closed", func(t *testing.T, ctx context.Context) {
		rig := open(t)
		must(t, "Close", rig.Driver.Close())
		wantError(t, "Show", rig.Driver.Show(ctx, "A"), device.ErrGone)
		wantError(t, "EnterPIN", (<-enter(ctx, rig)).err, device.ErrGone)
	})
}

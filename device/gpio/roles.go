package gpio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// active is the level that means yes.
func active(low bool) gpio.Level { return gpio.Level(!low) }

// Reset is the reset line of a module.
type Reset struct {
	Pin       gpio.PinOut
	ActiveLow bool // as most are
}

// Hold keeps the module in reset until Release.
func (r Reset) Hold() error { return r.Pin.Out(active(r.ActiveLow)) }

// Release lets the module run.
func (r Reset) Release() error { return r.Pin.Out(!active(r.ActiveLow)) }

// Pulse resets the module for that long. Whatever ends it, the module is released.
func (r Reset) Pulse(ctx context.Context, width time.Duration) error {
	if err := r.Hold(); err != nil {
		return err
	}
	return errors.Join(pause(ctx, width), r.Release())
}

// Power is the line that switches a module's supply.
type Power struct {
	Pin       gpio.PinOut
	ActiveLow bool
}

// On switches the supply on.
func (p Power) On() error { return p.Pin.Out(active(p.ActiveLow)) }

// Off switches the supply off.
func (p Power) Off() error { return p.Pin.Out(!active(p.ActiveLow)) }

// Cycle takes the power away for that long. Whatever ends it, the supply is on again.
func (p Power) Cycle(ctx context.Context, off time.Duration) error {
	if err := p.Off(); err != nil {
		return err
	}
	return errors.Join(pause(ctx, off), p.On())
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("gpio: pulse of %v cut short: %w", d, ctx.Err())
	}
}

// CardDetect is the switch in a card slot.
type CardDetect struct {
	Pin       gpio.PinIn
	Pull      gpio.Pull
	ActiveLow bool // a card closes the switch to ground
}

// Start makes the pin the input that Present and Wait read.
func (c CardDetect) Start() error { return c.Pin.In(c.Pull, gpio.BothEdges) }

// Present tells whether a card is in the slot.
func (c CardDetect) Present() bool { return c.Pin.Read() == active(c.ActiveLow) }

// look is how often a wait looks at ctx, and at the level in case an edge was lost.
const look = 100 * time.Millisecond

// Wait returns when a card is in the slot (or, with false, is not), or with ctx's error.
func (c CardDetect) Wait(ctx context.Context, present bool) error {
	for c.Present() != present {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("gpio: wait for card at %s: %w", c.Pin, err)
		}
		c.Pin.WaitForEdge(look)
	}
	return nil
}

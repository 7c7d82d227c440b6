package gpio

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Tamper watches a line that tells of an opened housing. The level counts, at the start
// above all, and so does an edge whose level did not last.
type Tamper struct {
	Pin       gpio.PinIn
	Pull      gpio.Pull
	ActiveLow bool // the switch pulls the line low when the housing opens
	// OnTamper is called once, by Start or Run, which return what it returns. It is required.
	OnTamper func(ctx context.Context) error

	tripped atomic.Bool
}

// valuer is a pin that can say that it cannot be read, as [Line] does. A line that cannot
// be read must not look like a closed housing.
type valuer interface {
	Value() (gpio.Level, error)
}

// Tripped tells whether the line was active since Start.
func (t *Tamper) Tripped() bool { return t.tripped.Load() }

// Start makes the pin an input, and tells at once of a line that is active: it is called at
// boot, before any host traffic. It returns what OnTamper returns.
func (t *Tamper) Start(ctx context.Context) error {
	switch {
	case t.Pin == nil:
		return errors.New("gpio: tamper: no pin")
	case t.OnTamper == nil:
		return fmt.Errorf("gpio: tamper at %s: nobody to tell", t.Pin)
	case t.tripped.Load():
		return nil
	}
	edge := gpio.RisingEdge
	if t.ActiveLow {
		edge = gpio.FallingEdge
	}
	if err := t.Pin.In(t.Pull, edge); err != nil {
		return fmt.Errorf("gpio: tamper: %w", err)
	}
	return t.look(ctx, 0)
}

// Run watches the line from [Tamper.Start] on, until it is active: then it calls OnTamper and
// returns what that returns. It ends with ctx too (nil), or when the line cannot be read. A
// Tamper that was tripped stays so, and Run returns at once.
func (t *Tamper) Run(ctx context.Context) error {
	for ctx.Err() == nil && !t.tripped.Load() {
		if err := t.look(ctx, look); err != nil {
			return err
		}
	}
	return nil
}

// look looks at the line, and then waits for an edge.
func (t *Tamper) look(ctx context.Context, wait time.Duration) error {
	active, err := t.active()
	switch {
	case err != nil:
		return fmt.Errorf("gpio: tamper: %w", err)
	case active || t.Pin.WaitForEdge(wait):
		t.tripped.Store(true)
		return t.OnTamper(ctx)
	}
	return nil
}

func (t *Tamper) active() (bool, error) {
	if v, ok := t.Pin.(valuer); ok {
		level, err := v.Value()
		return level == active(t.ActiveLow), err
	}
	return t.Pin.Read() == active(t.ActiveLow), nil
}

// Light is an LED.
type Light struct {
	Pin       gpio.PinOut
	ActiveLow bool
}

// Set switches the light.
func (l Light) Set(on bool) error { return l.Pin.Out(active(l.ActiveLow) == gpio.Level(on)) }

// Buzzer is a buzzer that makes its own tone while it has power: a line cannot choose the
// tone, and this package has no PWM.
type Buzzer struct {
	Pin       gpio.PinOut
	ActiveLow bool
}

// Tone sounds it at hz above 0, whatever its own tone is, and silences it at 0.
func (b Buzzer) Tone(hz int) error { return b.Pin.Out(active(b.ActiveLow) == gpio.Level(hz > 0)) }

// Beep sounds it for that long. Whatever ends it, the buzzer is silent.
func (b Buzzer) Beep(ctx context.Context, d time.Duration) error {
	if err := b.Tone(1); err != nil {
		return err
	}
	return errors.Join(pause(ctx, d), b.Tone(0))
}

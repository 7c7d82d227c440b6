package main

import (
	"context"
	"errors"
	"fmt"

	pgpio "periph.io/x/conn/v3/gpio"

	"posd/cmd/internal/drivers"
	"posd/device/gpio"
	"posd/store/keys"
	"posd/store/tamper"
	"posd/transport/control"
)

// The housing: a switch that tells that it was opened, and the latch in the store that
// does not forget it. While the latch is set nothing goes to the host and no payment
// begins; the keys are gone.

// openLatch reads the latch, before anything else happens.
func (a *agent) openLatch() (err error) {
	a.latch, err = tamper.Open(tamper.Config{DB: a.disk.DB, Now: a.world.now, Rand: a.world.rand, Erase: a.eraseSecrets})
	return err
}

// openSwitch takes the line of the switch, where the terminal has one, and looks at it
// at once: before a byte goes to the host.
func (a *agent) openSwitch(ctx context.Context) error {
	text := a.cfg.Devices.Tamper.or(drivers.None)
	if text == drivers.None {
		return nil
	}
	spec, err := gpio.ParseSpec(text)
	if err != nil {
		return fmt.Errorf("posd: devices.tamper: %w", err)
	}
	pin, err := gpio.Open(spec.Config)
	if err != nil {
		return fmt.Errorf("posd: devices.tamper: %w", err)
	}
	pull := pgpio.PullDown // the level at rest, where the switch is a contact
	if spec.Low {
		pull = pgpio.PullUp
	}
	a.housing = &gpio.Tamper{Pin: pin, Pull: pull, ActiveLow: spec.Low, OnTamper: a.tampered}
	return a.housing.Start(ctx)
}

// tampered is called once, when the housing opens. The keys are erased whatever the
// disk says.
func (a *agent) tampered(context.Context) error {
	a.world.log.Error("the housing was opened: keys are erased, the terminal is locked")
	if err := a.latch.Trip("switch " + a.cfg.Devices.Tamper.Text); err != nil {
		a.world.log.Error("tamper latch", "error", err)
	}
	return nil
}

// watchHousing watches the switch until ctx ends.
func (a *agent) watchHousing(ctx context.Context) error {
	if a.housing == nil {
		return nil
	}
	return a.housing.Run(ctx)
}

// runLink runs the line to the host from the moment at which there is something to say:
// the terminal is not locked, and has a master key.
func (a *agent) runLink(ctx context.Context) error {
	if !a.mayTalk() {
		a.world.log.Warn("nothing goes to the host yet", "locked", a.latch.Tripped(), "master_key", a.hasMaster())
	}
	select {
	case <-a.talk:
		return a.link.Run(ctx)
	case <-ctx.Done():
		return nil
	}
}

// mayTalk lets the link run, once, where nothing speaks against it; it tells whether the
// link was let run by this call.
func (a *agent) mayTalk() (first bool) {
	if a.latch.Tripped() || !a.hasMaster() {
		return false
	}
	a.talkOnce.Do(func() { close(a.talk); first = true })
	return first
}

func (a *agent) hasMaster() bool {
	for _, k := range a.keys.KCVs() {
		if k.Name == keys.Master {
			return k.KCV != ""
		}
	}
	return false
}

// locked is why no payment can begin, or nil.
func (a *agent) locked() error {
	if !a.latch.Tripped() {
		return nil
	}
	return fmt.Errorf("posd: %w", control.ErrLocked)
}

func (a *agent) housingSnapshot() control.Housing {
	s := a.latch.State()
	return control.Housing{
		Watched: a.housing != nil, Locked: s.Tripped, Since: s.At, Source: s.Source, Enrolled: s.Enrolled,
	}
}

// Enrol makes the first two technicians known.
func (b backend) Enrol(_ context.Context, one, two control.Technician) error {
	return invalid(b.a.latch.Enrol(credential(one), credential(two)))
}

// Unlock takes the latch back. The keys stay gone: they are loaded again as at first.
func (b backend) Unlock(_ context.Context, one, two control.Technician) error {
	if err := b.a.latch.Clear(credential(one), credential(two)); err != nil {
		return invalid(err)
	}
	b.a.world.log.Warn("unlocked by two technicians")
	return nil
}

func credential(t control.Technician) tamper.Credential {
	return tamper.Credential{Name: t.Name, Password: []byte(t.Password)}
}

// invalid marks what the technicians can put right themselves.
func invalid(err error) error {
	for _, theirs := range []error{tamper.ErrPassword, tamper.ErrTooSoon, tamper.ErrNotEnrolled, tamper.ErrEnrolled} {
		if errors.Is(err, theirs) {
			return fmt.Errorf("%w: %w", control.ErrInvalid, err)
		}
	}
	return err
}

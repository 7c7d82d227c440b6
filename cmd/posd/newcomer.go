package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"posd/transport/control"
)

// A newcomer is an agent that has nothing to show to its host: neither an enrolment nor
// files. It has its store, its keys, the PIN pad and the control socket, waits to be
// enrolled, and then starts anew as the agent.

// newcomer answers the control socket until then.
type newcomer struct{ backend }

// admitted are the operations that a newcomer knows.
func admitted(op string) error {
	switch op {
	case "snapshot", "enrol-terminal", "enrol", "unlock":
		return nil
	}
	return fmt.Errorf("posd: this terminal is not enrolled: posctl enrol: %w", control.ErrNotReady)
}

// Snapshot says who waits, and for what.
func (n newcomer) Snapshot(ctx context.Context) control.Snapshot {
	a := n.a
	s := control.Snapshot{
		Version: version(), Started: a.started, Now: a.world.now(), Serial: a.cfg.Terminal.Serial.Text, Lang: a.lang.String(),
		Terminal: a.cfg.Terminal.ID.Text, Merchant: a.cfg.Terminal.Merchant.Text, Name: a.cfg.Terminal.Name.Text,
		Link: control.Link{State: "down", Host: a.cfg.Host.Address.Text}, Keys: a.keySnapshot(), Devices: []control.Device{a.pad.snapshot()},
		Process: processSnapshot(), Housing: a.housingSnapshot(), Enrolment: a.enrolmentSnapshot(),
	}
	a.storeSnapshot(ctx, &s)
	s.Findings = append(s.Findings, a.enrolmentFindings()...)
	if h := s.Housing; h.Locked {
		s.Findings = append(s.Findings, control.Tampered.With(h.Source))
	}
	s.Findings = control.Visible(append(s.Findings, deviceFindings(s.Devices)...))
	return s
}

// EnrolTerminal uses an activation code. There is no till yet: the server calls it once at
// a time.
func (n newcomer) EnrolTerminal(ctx context.Context, act control.Activation) (control.Enrolment, error) {
	if err := n.a.locked(); err != nil {
		return control.Enrolment{}, err
	}
	return n.a.enrolTerminal(ctx, act)
}

// buildNewcomer takes the control socket.
func (a *agent) buildNewcomer() (err error) {
	a.fresh = true
	a.control, err = control.New(control.Config{
		Path: a.cfg.Control.Socket.Text, Backend: newcomer{backend{a}}, Gate: admitted, Log: a.world.log,
	})
	return err
}

// runNewcomer waits until the terminal is enrolled, and returns errAgain then.
func (a *agent) runNewcomer(ctx context.Context) error {
	a.world.log.Warn("this terminal is not enrolled: posctl enrol", "serial", a.cfg.Terminal.Serial.Text, "socket", a.cfg.Control.Socket.Text)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.watchHousing(ctx) })
	group.Go(func() error { return a.control.Run(ctx) })
	group.Go(func() error {
		select {
		case <-a.enrolled.again:
			return errAgain
		case <-ctx.Done():
			return nil
		}
	})
	err := group.Wait()
	a.pad.close()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, a.disk.Close())
}

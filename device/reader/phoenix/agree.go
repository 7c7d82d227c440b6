package phoenix

import (
	"context"
	"errors"
	"fmt"

	"posd/device"
	"posd/device/iso7816"
)

// errPPS says that a card did not answer to PPS as it should: it needs a cold reset, and
// is not asked again.
var errPPS = errors.New("card does not go along with PPS")

// agree sets the line as the answer to reset says, asks for more speed if the card offers
// it, and makes what carries APDUs in the card's protocol.
func (r *Reader) agree(ctx context.Context, atr iso7816.ATR, pps bool) error {
	if err := r.contacts.tuneParity(); err != nil {
		return err
	}
	protocol := atr.Protocols()[0]
	if protocol > 1 {
		return fmt.Errorf("%w: card begins with T=%d, T=0 or T=1 wanted", device.ErrRefused, protocol)
	}
	if atr.Implicit() {
		return fmt.Errorf("%w: TA2: parameters that the card does not tell", device.ErrRefused)
	}
	fiDi := atr.InForce()
	if err := r.setSpeed(fiDi); err != nil {
		return err
	}
	if wanted := atr.FiDi(); pps && r.canGo(atr, wanted) {
		var err error
		if fiDi, err = r.negotiate(ctx, atr, protocol, wanted); err != nil {
			return err
		}
	}
	wire, err := r.wire(atr, fiDi)
	if err != nil {
		return err
	}
	return r.speak(ctx, atr, protocol, wire)
}

// canGo tells whether PPS has anything to ask for.
func (r *Reader) canGo(atr iso7816.ATR, wanted byte) bool {
	speed, err := r.contacts.speed(wanted)
	_, specific := atr.Specific()
	return err == nil && !specific && r.contacts.tuner != nil && speed > r.config.Baud && speed <= r.config.MaxBaud
}

// negotiate makes PPS, and sets the speed that comes of it. ISO/IEC 7816-3, 9.
func (r *Reader) negotiate(ctx context.Context, atr iso7816.ATR, protocol int, wanted byte) (byte, error) {
	wire, err := r.wire(atr, iso7816.DefaultFiDi)
	if err != nil {
		return 0, err
	}
	fiDi, err := wire.PPS(ctx, protocol, wanted)
	switch {
	case errors.Is(err, device.ErrMute), errors.Is(err, device.ErrProtocol):
		return 0, fmt.Errorf("%w: %w", errPPS, err)
	case err != nil:
		return 0, err
	}
	return fiDi, r.setSpeed(fiDi)
}

func (r *Reader) setSpeed(fiDi byte) error {
	speed, err := r.contacts.speed(fiDi)
	if err != nil {
		return err
	}
	return r.contacts.tune(speed, r.contacts.odd)
}

// wire is the line with the card's times at these factors.
func (r *Reader) wire(atr iso7816.ATR, fiDi byte) (iso7816.Wire, error) {
	times, err := atr.Timing(r.config.ClockHz, fiDi)
	return times.Wire(r.contacts, atr.CRC(), r.config.Slack), err
}

// speak makes what carries APDUs; at T=1 that begins with the size of blocks.
func (r *Reader) speak(ctx context.Context, atr iso7816.ATR, protocol int, wire iso7816.Wire) error {
	if protocol == 0 {
		r.transmit = func(ctx context.Context, command []byte) ([]byte, error) {
			return iso7816.T0(ctx, command, wire.TPDU)
		}
		return nil
	}
	t1 := iso7816.NewT1(atr, wire.Block)
	r.transmit = t1.Transmit
	return t1.Start(ctx)
}

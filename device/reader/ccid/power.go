package ccid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/device/iso7816"
)

// voltages are bPowerSelect in the order of trial: 5 V, the same once more and cold, for
// a power-up that fails now and then; 3 V, 1.8 V. USB CCID 1.1, 6.1.1.
var voltages = []byte{1, 1, 2, 3}

// errUnfit is a card whose answer to reset came whole, and is none for a terminal. Other
// voltages do not change it.
var errUnfit = errors.New("card is not for payment terminals")

// PowerOn is that of device.Reader. The card's first protocol is used, without PPS.
func (r *Reader) PowerOn(ctx context.Context) ([]byte, error) {
	atr, err := r.reset(ctx)
	if err != nil {
		return nil, r.unpowered(ctx, err)
	}
	if err := r.speak(ctx, atr); err != nil {
		return nil, r.unpowered(ctx, err)
	}
	return atr.Raw, nil
}

// unpowered takes the power from a card that cannot be used, where the reader hears.
func (r *Reader) unpowered(ctx context.Context, err error) error {
	r.powered = false
	if errors.Is(err, device.ErrMute) || errors.Is(err, errUnfit) || errors.Is(err, iso7816.ErrDeactivate) {
		return errors.Join(err, r.PowerOff(ctx))
	}
	return err
}

// reset tries the voltages until one brings an answer to reset, and returns the error
// of the first if none does.
func (r *Reader) reset(ctx context.Context) (iso7816.ATR, error) {
	var first error
	for i, v := range voltages {
		if i > 0 {
			if err := r.PowerOff(ctx); err != nil {
				return iso7816.ATR{}, err
			}
		}
		atr, err := r.resetAt(ctx, v)
		switch {
		case err == nil, errors.Is(err, errUnfit):
			return atr, err
		case first == nil:
			first = err
		}
		if !errors.Is(err, device.ErrMute) { // gone, or a voltage that the reader has not
			if errors.Is(err, device.ErrRefused) {
				return iso7816.ATR{}, first
			}
			return iso7816.ATR{}, err
		}
	}
	return iso7816.ATR{}, first
}

// resetAt resets cold, and then warm, which PowerOn of a card with power is, if the answer
// came and is not good. EMV 4.4 Book 1, answer to reset: flow at the terminal; USB CCID
// 1.1, 6.1.1.
func (r *Reader) resetAt(ctx context.Context, voltage byte) (iso7816.ATR, error) {
	raw, err := r.powerOn(ctx, voltage)
	if err != nil {
		return iso7816.ATR{}, err
	}
	atr, cold := r.accept(raw, false)
	if cold == nil {
		return atr, nil
	}
	raw, err = r.powerOn(ctx, voltage)
	switch {
	case errors.Is(err, device.ErrMute):
		return iso7816.ATR{}, fmt.Errorf("%w (and nothing after a warm reset)", cold)
	case err != nil:
		return iso7816.ATR{}, err
	}
	if atr, err = r.accept(raw, true); err != nil {
		return iso7816.ATR{}, fmt.Errorf("%w (after a warm reset)", err)
	}
	return atr, nil
}

func (r *Reader) powerOn(ctx context.Context, voltage byte) (atr []byte, err error) {
	r.powered = false
	m, err := r.exchange(ctx, iccPowerOn, [3]byte{voltage}, nil)
	return m.data, err
}

// accept reads an answer to reset, and looks whether a terminal may use the card.
func (r *Reader) accept(raw []byte, warm bool) (iso7816.ATR, error) {
	atr, err := iso7816.ParseATR(raw)
	if err != nil || r.config.AnyATR {
		return atr, err
	}
	if err := atr.EMV(warm); err != nil {
		return iso7816.ATR{}, fmt.Errorf("ccid: %w: %w", errUnfit, err)
	}
	return atr, nil
}

// speak tells the reader how the card speaks, and makes what carries its APDUs.
func (r *Reader) speak(ctx context.Context, atr iso7816.ATR) error {
	times, err := atr.Timing(profiles[r.config.Profile].clockHz, atr.InForce())
	if err != nil {
		return fmt.Errorf("ccid: %w: %w", errUnfit, err)
	}
	switch t := atr.Protocols()[0]; t {
	case 0:
		return r.speakT0(ctx, atr, times)
	case 1:
		return r.speakT1(ctx, atr, times)
	default:
		return fmt.Errorf("ccid: %w: %w: card speaks T=%d, T=0 or T=1 wanted", errUnfit, device.ErrRefused, t)
	}
}

// grace is how much later than the card's last moment a reader may tell of its silence.
const grace = time.Second

func (r *Reader) speakT0(ctx context.Context, atr iso7816.ATR, times iso7816.Timing) error {
	inverse := byte(0x00)
	if atr.Inverse() {
		inverse = 0x02
	}
	p := []byte{atr.InForce(), inverse, atr.ExtraGuardTime(), atr.WaitingInteger(), 0x00}
	if err := r.setParameters(ctx, 0, p); err != nil {
		return err
	}
	r.cardTime = times.WorkWaiting + grace
	r.transmit = func(ctx context.Context, command []byte) ([]byte, error) {
		return iso7816.T0(ctx, command, func(ctx context.Context, tpdu []byte) ([]byte, error) {
			return r.transfer(ctx, tpdu, 0)
		})
	}
	r.powered = true
	return nil
}

func (r *Reader) speakT1(ctx context.Context, atr iso7816.ATR, times iso7816.Timing) error {
	bwi, cwi := atr.WaitingIntegers()
	checks := byte(0x10)
	if atr.CRC() {
		checks |= 0x01
	}
	if atr.Inverse() {
		checks |= 0x02
	}
	p := []byte{atr.InForce(), checks, atr.ExtraGuardTime(), byte(bwi<<4 | cwi), 0x00, byte(atr.IFSC()), 0x00}
	if err := r.setParameters(ctx, 1, p); err != nil {
		return err
	}
	session := iso7816.NewT1(atr, func(ctx context.Context, block []byte, bwts byte) ([]byte, error) {
		r.cardTime = times.Block(bwts) + grace
		if bwts <= 1 {
			bwts = 0 // no more than the parameters say
		}
		return r.transfer(ctx, block, bwts)
	})
	r.transmit = func(ctx context.Context, command []byte) ([]byte, error) {
		response, err := session.Transmit(ctx, command)
		if errors.Is(err, iso7816.ErrDeactivate) {
			return nil, r.unpowered(ctx, err)
		}
		return response, err
	}
	r.powered = true
	return session.Start(ctx)
}

// setParameters gives the reader the structure of that protocol. The reader speaks as the
// card does after reset, since no PPS was made, or as TA1 says for a card in specific mode.
// One that finds all that in the answer to reset by itself need not have the command.
// USB CCID 1.1, 6.1.7.
//
//	T=0  bmFindexDindex bmTCCKST0 bGuardTimeT0 bWaitingIntegerT0 bClockStop
//	T=1  bmFindexDindex bmTCCKST1 bGuardTimeT1 bmWaitingIntegersT1 bClockStop bIFSC bNadValue
func (r *Reader) setParameters(ctx context.Context, protocol byte, p []byte) error {
	m, err := r.exchange(ctx, setParameters, [3]byte{protocol}, p)
	if errors.Is(err, device.ErrRefused) && m.params[1] == notSupported {
		return nil
	}
	return err
}

// transfer carries a TPDU of T=0 or a block of T=1. bwi is so many block waiting times, 0
// for what the card's parameters say. USB CCID 1.1, 6.1.4.
func (r *Reader) transfer(ctx context.Context, data []byte, bwi byte) ([]byte, error) {
	m, err := r.exchange(ctx, xfrBlock, [3]byte{bwi}, data)
	if err == nil && !r.powered { // pulled, and put back, while it answered
		return nil, fmt.Errorf("ccid: transmit: %w: it was pulled", device.ErrNoCard)
	}
	return m.data, err
}

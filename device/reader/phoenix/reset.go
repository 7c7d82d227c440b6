package phoenix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/device/iso7816"
)

// Times of a reset, in clock cycles. ISO/IEC 7816-3, 6.2.2 (reset low for at least 400
// cycles, answer within 40 000); EMV 4.4 Book 1, reset of the ICC (low for 40 000 to 45 000).
const (
	resetLowCycles = 42_000
	answerCycles   = 40_000
)

// Times of an answer to reset, in etu. EMV 4.4 Book 1, 8.1: what a terminal takes is a
// little more than what a card may take.
const (
	maxGapETU    = 10_080 // between two characters
	maxAnswerETU = 20_160 // the whole of it
	maxATR       = 33
)

// PowerOn is that of device.Reader: one cold reset, and a warm one if that brings nothing
// good. A card that does not go along with PPS is reset once more, and left as it is.
func (r *Reader) PowerOn(ctx context.Context) ([]byte, error) {
	atr, err := r.start(ctx, true)
	if errors.Is(err, errPPS) {
		atr, err = r.start(ctx, false)
	}
	if err != nil {
		return nil, r.unpowered(err)
	}
	r.powered = true
	return atr.Raw, nil
}

func (r *Reader) start(ctx context.Context, pps bool) (iso7816.ATR, error) {
	atr, err := r.activate(ctx)
	if err == nil {
		err = r.agree(ctx, atr, pps)
	}
	return atr, err
}

// unpowered ends a PowerOn that failed.
func (r *Reader) unpowered(err error) error {
	pulled := !r.config.Lines.Card.Present()
	if off := r.off(); off != nil {
		return fmt.Errorf("phoenix: power on: %w", errors.Join(err, off))
	}
	switch {
	case errors.Is(err, device.ErrGone), errors.Is(err, device.ErrNoCard), errors.Is(err, context.Canceled):
	case pulled && !r.config.Lines.Card.Present():
		err = fmt.Errorf("%w: it was pulled: %v", device.ErrNoCard, err)
	case pulled:
		err = fmt.Errorf("%w: the front end switched it off, is it shorted: %v", device.ErrMute, err)
	case errors.Is(err, device.ErrMute):
		err = fmt.Errorf("%w: %v", device.ErrMute, err) // the card is silent, not the reader
	}
	return fmt.Errorf("phoenix: power on: %w", err)
}

// activate resets the card. ISO/IEC 7816-3, 6.2: reset low, supply, clock, reset high.
func (r *Reader) activate(ctx context.Context) (iso7816.ATR, error) {
	if err := r.off(); err != nil {
		return iso7816.ATR{}, err
	}
	if !r.config.Lines.Card.Present() {
		return iso7816.ATR{}, device.ErrNoCard
	}
	if err := r.config.Lines.Power.On(); err != nil {
		return iso7816.ATR{}, err
	}
	r.config.Lines.Card.Pin.WaitForEdge(0) // what moved before is no matter now
	var cold error
	for warm := range 2 {
		atr, err := r.reset(ctx)
		if err == nil && !r.config.AnyCard {
			err = atr.EMV(warm == 1)
		}
		if err == nil {
			return atr, nil
		}
		if warm == 0 {
			cold = err
		}
		if !errors.Is(err, device.ErrMute) || !r.config.Lines.Card.Present() {
			return iso7816.ATR{}, err
		}
	}
	return iso7816.ATR{}, fmt.Errorf("%w (and the same after a warm reset)", cold)
}

// reset holds the card in reset, lets go, and reads its answer. What is wrong with the
// answer is device.ErrMute.
func (r *Reader) reset(ctx context.Context) (iso7816.ATR, error) {
	if err := errors.Join(r.config.Lines.Reset.Hold(), r.contacts.reset()); err != nil {
		return iso7816.ATR{}, err
	}
	if err := pause(ctx, r.cycles(resetLowCycles)); err != nil {
		return iso7816.ATR{}, err
	}
	if err := r.contacts.discard(ctx); err != nil {
		return iso7816.ATR{}, err
	}
	if err := r.config.Lines.Reset.Release(); err != nil {
		return iso7816.ATR{}, err
	}
	raw, err := r.answer(ctx)
	switch {
	case err == nil:
		return iso7816.ParseATR(raw)
	case ctx.Err() == nil && (errors.Is(err, device.ErrTimeout) || errors.Is(err, device.ErrProtocol)):
		return iso7816.ATR{}, fmt.Errorf("%w: answer to reset after %d bytes: %v", device.ErrMute, len(raw), err)
	}
	return iso7816.ATR{}, err
}

func (r *Reader) cycles(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(r.config.ClockHz)
}

// answer reads an answer to reset to its end, which it tells itself.
func (r *Reader) answer(ctx context.Context) ([]byte, error) {
	c := r.contacts
	begin, cancel := context.WithTimeout(ctx, r.cycles(answerCycles)+c.bits(charBits)+r.config.Slack)
	defer cancel()
	ts, err := c.first(begin)
	if err != nil {
		return nil, err
	}
	whole, cancel := context.WithTimeout(ctx, c.bits(maxAnswerETU)+r.config.Slack)
	defer cancel()
	atr := []byte{ts}
	for missing(atr) > 0 {
		if len(atr) == maxATR {
			return atr, c.link.Garbled("more than %d bytes", maxATR)
		}
		b, err := within(whole, c.bits(maxGapETU)+r.config.Slack, c.next)
		if err != nil {
			return atr, err
		}
		atr = append(atr, b)
	}
	return atr, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("phoenix: %w", context.Cause(ctx))
	}
}

func within(ctx context.Context, d time.Duration, read func(context.Context) (byte, error)) (byte, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return read(ctx)
}

// missing is how many characters of an answer to reset are to come at least, by what is
// there of it: TS, T0 with the number of historical bytes, interface bytes as T0 and each
// TDi announce them, and TCK unless T=0 is all that is named. ISO/IEC 7816-3, 8.2.
func missing(atr []byte) int {
	if len(atr) < 2 {
		return 2 - len(atr)
	}
	at, y, check := 2, atr[1], 0
	for y&0xF0 != 0 {
		for bit := byte(0x10); bit < 0x80; bit <<= 1 {
			if y&bit != 0 {
				at++
			}
		}
		if y&0x80 == 0 {
			break
		}
		if at >= len(atr) {
			return at + 1 - len(atr)
		}
		y = atr[at]
		at++
		if y&0x0F != 0 {
			check = 1
		}
	}
	return at + int(atr[1]&0x0F) + check - len(atr)
}

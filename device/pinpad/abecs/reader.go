package abecs

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"posd/device"
	"posd/device/iso7816"
)

// Slots of CHP, and what it does there. Abecs 2.20, 3.3.2.
const (
	chipSlot        = '0'
	contactlessSlot = '9'

	powerOff = '0'
	powerOn  = '1'
	transmit = '2'
)

// maxAPDU bounds a command APDU: what a block has room for.
const maxAPDU = 497

// Slot is a reader of the box. Close closes the port of the whole box. One goroutine uses a
// Slot at a time.
type Slot struct {
	pad     *Pad
	id      byte
	powered atomic.Bool
	whole   bool // the card takes APDUs as they are, not as T=0 does
}

var _ device.Reader = (*Slot)(nil)

// Close closes the port of the whole box.
func (s *Slot) Close() error { return s.pad.Close() }

func (s *Slot) name() string {
	if s.id == contactlessSlot {
		return "antenna"
	}
	return "chip"
}

// WaitCard asks again and again (CEX), and keeps the line for [Config.PollTime] each time.
// At the antenna "absent" is that no card was found in that time.
func (s *Slot) WaitCard(ctx context.Context, present bool) error {
	for {
		is, err := s.look(ctx, present)
		if err == nil && is == present {
			return nil
		}
		if err == nil && s.id == contactlessSlot { // a card that stays: the answer came at once
			err = pause(ctx, s.pad.cfg.PollTime)
		}
		if ctx.Err() != nil && !errors.Is(err, device.ErrGone) {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("abecs: %s: wait for card: %w", s.name(), err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Options and events of CEX. Abecs 2.20, 3.3.1.
const (
	untilInserted = "001000"
	untilRemoved  = "002000"
	untilFound    = "000100"

	eventRemoved  = "91"
	eventInserted = "92"
	eventNobody   = "93"
	eventFound    = "94"
)

// look waits for the card to come (or to go), at most a while, and tells where it is.
func (s *Slot) look(ctx context.Context, present bool) (bool, error) {
	option := untilFound
	switch {
	case s.id == contactlessSlot:
	case present:
		option = untilInserted
	default:
		option = untilRemoved
	}
	poll := s.pad.cfg.PollTime
	block := appendParameter(nil, speCEXOPT, []byte(option)...)
	block = appendParameter(block, speTIMEOUT, byte(poll/time.Second))
	r, err := s.pad.do(ctx, poll+s.pad.cfg.AnswerTime, "CEX", block)
	switch {
	case errors.Is(err, device.ErrCancelled): // its time is over
		return s.id != contactlessSlot && !present, nil
	case err != nil:
		return false, err
	}
	event, err := r.find(ppEVENT)
	if err != nil {
		return false, err
	}
	switch string(event) {
	case eventInserted, eventFound:
		return true, nil
	case eventRemoved, eventNobody:
		if s.id == chipSlot {
			s.powered.Store(false)
		}
		return false, nil
	}
	return false, fmt.Errorf("%w: CEX: event %q", device.ErrProtocol, printable(event))
}

// PowerOn resets the card cold, at the antenna after the field was put on. The answer to
// reset of a contactless card is made up by the pad as PC/SC says.
func (s *Slot) PowerOn(ctx context.Context) ([]byte, error) {
	s.powered.Store(false)
	raw, err := s.operate(ctx, powerOn, nil)
	if err != nil {
		return nil, fmt.Errorf("abecs: %s: power on: %w", s.name(), err)
	}
	s.whole = s.id == contactlessSlot
	if !s.whole {
		atr, err := iso7816.ParseATR(raw)
		if err != nil {
			return nil, fmt.Errorf("abecs: %s: %w", s.name(), err)
		}
		s.whole = protocolOf(atr) != 0
	}
	s.powered.Store(true)
	return raw, nil
}

// protocolOf is what pad and card speak: what the card is bound to, or offers first.
func protocolOf(atr iso7816.ATR) int {
	if t, bound := atr.Specific(); bound {
		return t
	}
	return atr.Protocols()[0]
}

// Transmit carries one APDU. The pad does not deal with 61xx and 6Cxx: that is done here.
func (s *Slot) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if !s.powered.Load() {
		return nil, fmt.Errorf("abecs: %s: transmit: %w that was reset", s.name(), device.ErrNoCard)
	}
	var out []byte
	var err error
	if s.whole {
		out, err = iso7816.Whole(ctx, command, s.exchange)
	} else {
		out, err = iso7816.T0(ctx, command, s.exchange)
	}
	if err != nil {
		return nil, fmt.Errorf("abecs: %s: transmit: %w", s.name(), err)
	}
	return out, nil
}

func (s *Slot) exchange(ctx context.Context, apdu []byte) ([]byte, error) {
	return s.operate(ctx, transmit, apdu)
}

// PowerOff takes the power, or the field, away.
func (s *Slot) PowerOff(ctx context.Context) error {
	s.powered.Store(false)
	_, err := s.operate(ctx, powerOff, nil)
	if err != nil && !errors.Is(err, device.ErrNoCard) {
		return fmt.Errorf("abecs: %s: power off: %w", s.name(), err)
	}
	return nil
}

// operate is CHP: slot, operation, length and bytes out; length and bytes back.
func (s *Slot) operate(ctx context.Context, operation byte, apdu []byte) ([]byte, error) {
	if len(apdu) > maxAPDU {
		return nil, fmt.Errorf("APDU of %d bytes, at most %d", len(apdu), maxAPDU)
	}
	request := fmt.Appendf(make([]byte, 0, 5+2*len(apdu)), "%c%c%03d%X", s.id, operation, len(apdu), apdu)
	defer clear(request)
	r, err := s.pad.do(ctx, s.pad.cfg.ChipTime, "CHP", request)
	if err != nil {
		if errors.Is(err, device.ErrNoCard) || errors.Is(err, device.ErrMute) {
			s.powered.Store(false)
		}
		return nil, err
	}
	return readCHP(r.block(0))
}

func readCHP(b []byte) ([]byte, error) {
	if len(b) < 3 {
		return nil, fmt.Errorf("%w: CHP: answer of %d characters", device.ErrProtocol, len(b))
	}
	n, err := number(b[:3])
	if err != nil || len(b) != 3+2*n {
		return nil, fmt.Errorf("%w: CHP: %d characters are not what it tells", device.ErrProtocol, len(b))
	}
	out := make([]byte, n)
	if _, err := hex.Decode(out, b[3:]); err != nil {
		return nil, fmt.Errorf("%w: CHP: answer is not hexadecimal", device.ErrProtocol)
	}
	return out, nil
}

package pn532

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/device/iso7816"
	"posd/device/link"
	"posd/emv/apdu"
)

// ErrTwoCards is more than one card in the field: present one card only.
var ErrTwoCards = fmt.Errorf("%w: present one card only", device.ErrRefused)

// Config is a reader. Zero values stand for the usual ones.
type Config struct {
	// AnswerTime is the longest that the chip is waited for once it has acknowledged a
	// command, 10 s. The chip grants a card more time (WTX) without telling.
	AnswerTime time.Duration
	// PollTime is the pause between two looks into the field, 250 ms.
	PollTime time.Duration
	// Retries is how often the chip asks again for a card of a type before it says that
	// there is none, 1 (0 stands for it); 255 would be for ever and is refused.
	Retries byte
	// BlockSize is how much of an APDU goes in one frame, 262 bytes, so that any short
	// APDU fits. Less makes a chain of it, for a bridge that cannot carry long frames
	// (normal frames end at 252).
	BlockSize int
}

// maxBlock is what fits beside TFI, code and Tg. UM0701-02, 7.3.8.
const maxBlock = maxData - 1

// Reader is a driver; it is a device.Reader.
type Reader struct {
	config  Config
	link    *link.Link
	in      []byte // read, and no frame yet
	junk    bool   // bytes that are no frame were read since the command
	synced  bool   // the chip is awake and set up, and owes no answer
	powered bool   // target is active
	target  target
}

var _ device.Reader = (*Reader)(nil)

// New makes the driver of the chip at the port, and owns the port from then on. It does
// not speak yet: Firmware is a first question that wakes the chip.
func New(port device.Port, config Config) (*Reader, error) {
	switch {
	case port == nil:
		return nil, errors.New("pn532: new: no port")
	case config.AnswerTime < 0 || config.PollTime < 0:
		return nil, errors.New("pn532: new: a time is below zero")
	case config.Retries == 0xFF:
		return nil, errors.New("pn532: new: 255 retries are without end")
	case config.BlockSize < 0 || config.BlockSize > maxBlock:
		return nil, fmt.Errorf("pn532: new: block size %d, 1 to %d allowed", config.BlockSize, maxBlock)
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&config.AnswerTime, defaultWait}, {&config.PollTime, defaultPoll}} {
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	config.Retries = max(config.Retries, 1)
	if config.BlockSize == 0 {
		config.BlockSize = maxBlock
	}
	return &Reader{config: config, link: link.New("pn532", port), in: make([]byte, 0, maxFrame)}, nil
}

// Counters are those of the line.
func (r *Reader) Counters() link.Counters { return r.link.Counters() }

// Close closes the port. The field stays on until PowerOff, or the chip loses its power.
func (r *Reader) Close() error { return r.link.Close() }

// Firmware returns the chip and its version, "PN532 1.6". Another chip of the family is
// device.ErrRefused.
func (r *Reader) Firmware(ctx context.Context) (string, error) {
	b, err := r.ask(ctx, getFirmwareVersion)
	switch {
	case err != nil:
		return "", err
	case len(b) != 4:
		return "", r.link.Garbled("%s: %d bytes, want 4", getFirmwareVersion.name, len(b))
	case b[0] != 0x32:
		return "", fmt.Errorf("pn532: %s: %w: chip %02X is no PN532", getFirmwareVersion.name, device.ErrRefused, b[0])
	}
	return fmt.Sprintf("PN532 %d.%d", b[1], b[2]), nil
}

// WaitCard is that of device.Reader: a card is in the field, or none is. It looks again
// and again, a finite time each; a card that PowerOn has activated is asked whether it
// is still there, and keeps its session. Two cards are a card here, PowerOn refuses them.
func (r *Reader) WaitCard(ctx context.Context, present bool) error {
	for {
		found, err := r.found(ctx)
		switch {
		case err != nil:
			return r.ended(ctx, err)
		case found == present:
			return nil
		}
		if err := pause(ctx, r.config.PollTime); err != nil {
			return r.ended(ctx, err)
		}
	}
}

// found tells whether a card is in the field.
func (r *Reader) found(ctx context.Context) (bool, error) {
	if r.powered {
		still, err := r.present(ctx)
		if err != nil || still {
			return still, err
		}
		r.powered = false
	}
	a, b, err := r.sense(ctx)
	return len(a)+len(b) > 0, err
}

// presenceTime is more than the chip takes to give up a card that is gone, 0.7 s.
const presenceTime = 2 * time.Second

// present asks the active card whether it is still there. UM0701-02, 7.2.1. The end of
// ctx does not cut the question short, which would end the card's session.
func (r *Reader) present(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), presenceTime)
	defer cancel()
	b, err := r.ask(ctx, diagnose, testPresence)
	switch {
	case err != nil:
		return false, err
	case len(b) != 1:
		return false, r.link.Garbled("%s: %d bytes, want 1", diagnose.name, len(b))
	}
	return r.powered && b[0] == 0, nil // not powered: the line had to be set up anew
}

// ended gives ctx's own error where ctx is what ended a wait.
func (r *Reader) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, device.ErrGone) {
		return fmt.Errorf("pn532: wait for card: %w", ctx.Err())
	}
	return err
}

// pause waits, or fails with the error of ctx.
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

// fieldTime is how long the field is off for a card to forget all, and on before it is
// spoken to: 5.1 ms at least, both. EMV Contactless Book D (tRESET, tP).
const fieldTime = 10 * time.Millisecond

// resetField takes the power from what is in the field, and gives it back.
func (r *Reader) resetField(ctx context.Context) error {
	r.powered = false
	for _, state := range []byte{fieldOff, fieldOn} {
		if _, err := r.ask(ctx, rfConfiguration, itemField, state); err != nil {
			return err
		}
		if err := pause(ctx, fieldTime); err != nil {
			return fmt.Errorf("pn532: field: %w", err)
		}
	}
	return nil
}

// sense resets the field and activates what is in it, type B first: one of type A, where
// it is alone, is active afterwards.
func (r *Reader) sense(ctx context.Context) (a, b []target, err error) {
	if err := r.resetField(ctx); err != nil {
		return nil, nil, err
	}
	if b, err = r.list(ctx, typeB); err != nil {
		return nil, nil, err
	}
	a, err = r.list(ctx, typeA)
	return a, b, err
}

// list activates cards of one type. Those of an earlier call are released by it.
func (r *Reader) list(ctx context.Context, baud byte) ([]target, error) {
	data := []byte{maxTargets, baud}
	if baud == typeB {
		data = append(data, 0x00) // AFI: any application
	}
	answer, err := r.ask(ctx, inListPassiveTarget, data...)
	if err != nil {
		return nil, err
	}
	targets, err := parseTargets(baud, answer)
	if err != nil {
		return nil, r.link.Garbled("%s: %v", inListPassiveTarget.name, err)
	}
	return targets, nil
}

// PowerOn is that of device.Reader: it takes the field away and gives it back, activates
// the one card in it, and returns what the package's text says of the answer to reset.
// More than one card is ErrTwoCards.
func (r *Reader) PowerOn(ctx context.Context) ([]byte, error) {
	t, err := r.activate(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.check(); err != nil {
		off := r.PowerOff(ctx)
		return nil, errors.Join(fmt.Errorf("pn532: power on: %w", err), off)
	}
	r.target, r.powered = t, true
	return t.atr(), nil
}

// activate finds the only card.
func (r *Reader) activate(ctx context.Context) (target, error) {
	a, b, err := r.sense(ctx)
	switch {
	case err != nil:
		return target{}, err
	case len(a)+len(b) > 1:
		off := r.PowerOff(ctx)
		return target{}, errors.Join(fmt.Errorf("pn532: power on: %w (%d of type A, %d of type B)", ErrTwoCards, len(a), len(b)), off)
	case len(a) == 1:
		return a[0], nil
	case len(b) == 0:
		return target{}, fmt.Errorf("pn532: power on: %w in the field", device.ErrNoCard)
	}
	if err := r.resetField(ctx); err != nil { // the look for type A has released it
		return target{}, err
	}
	b, err = r.list(ctx, typeB)
	switch {
	case err != nil:
		return target{}, err
	case len(b) == 0:
		return target{}, fmt.Errorf("pn532: power on: %w: it was taken away", device.ErrNoCard)
	case len(b) > 1:
		return target{}, fmt.Errorf("pn532: power on: %w", ErrTwoCards)
	}
	return b[0], nil
}

// Transmit is that of device.Reader.
func (r *Reader) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if !r.powered {
		return nil, fmt.Errorf("pn532: transmit: %w that was activated", device.ErrNoCard)
	}
	return iso7816.Whole(ctx, command, r.carry)
}

// carry takes one APDU to the card in blocks, and brings its answer.
func (r *Reader) carry(ctx context.Context, command []byte) ([]byte, error) {
	for len(command) > r.config.BlockSize {
		if _, _, err := r.block(ctx, moreToCome, command[:r.config.BlockSize]); err != nil {
			return nil, err
		}
		command = command[r.config.BlockSize:]
	}
	status, answer, err := r.block(ctx, 0, command)
	if err != nil {
		return nil, err
	}
	return r.rest(ctx, status, answer)
}

// rest collects the blocks of an answer that came with MI. An empty block asks for more.
func (r *Reader) rest(ctx context.Context, status byte, answer []byte) ([]byte, error) {
	for status&moreToCome != 0 {
		s, data, err := r.block(ctx, 0, nil)
		switch {
		case err != nil:
			return nil, err
		case len(data) == 0, len(answer)+len(data) > apdu.MaxResponseData+2:
			r.powered = false
			return nil, r.link.Garbled("%s: chain of %d bytes goes on with %d", inDataExchange.name, len(answer), len(data))
		}
		status, answer = s, append(answer, data...)
	}
	return answer, nil
}

// block is one InDataExchange. It is never sent twice. A failure ends the session.
func (r *Reader) block(ctx context.Context, more byte, data []byte) (status byte, answer []byte, err error) {
	b, err := r.exchange(ctx, inDataExchange, append([]byte{r.target.number | more}, data...))
	switch {
	case err != nil:
		r.powered = false
		return 0, nil, err
	case len(b) == 0:
		r.powered = false
		return 0, nil, r.link.Garbled("%s: no status byte", inDataExchange.name)
	case b[0]&statusMask != 0:
		return 0, nil, r.failure(ctx, b[0])
	}
	return b[0], b[1:], nil
}

// failure ends the session, and finds out what a silent radio means: the field is reset,
// and a card that is seen then was mute.
func (r *Reader) failure(ctx context.Context, status byte) error {
	r.powered = false
	cause := device.ErrMute
	if radio(status) {
		there, err := r.found(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("pn532: %s: status %02X, and then: %w", inDataExchange.name, status, err)
		case !there:
			cause = device.ErrNoCard
		}
	}
	return statusError(inDataExchange, status, cause)
}

// PowerOff is that of device.Reader: the field goes off.
func (r *Reader) PowerOff(ctx context.Context) error {
	r.powered = false
	_, err := r.ask(ctx, rfConfiguration, itemField, fieldOff)
	return err
}

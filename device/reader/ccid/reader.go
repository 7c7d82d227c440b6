package ccid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/device/iso7816"
	"posd/device/link"
)

// Profile is what differs between readers.
type Profile uint8

const (
	GemPC   Profile = iota // GemPC Twin serial
	SEC1210                // Microchip SEC1110, SEC1210 and kin on a UART
)

// ParseProfile reads a profile's name as the configuration has it: gempc or sec1210.
func ParseProfile(name string) (Profile, error) {
	switch name {
	case "gempc":
		return GemPC, nil
	case "sec1210":
		return SEC1210, nil
	}
	return 0, fmt.Errorf("ccid: profile %q is neither gempc nor sec1210", name)
}

// Config is a reader. Zero times stand for the usual ones.
type Config struct {
	Profile Profile
	// AnswerTime is the longest silence in which an answer is waited for, 5 s. A reader
	// asks for time where a card takes longer.
	AnswerTime time.Duration
	// PollTime is how often the slot is asked while nothing is heard of it, 250 ms.
	PollTime time.Duration
}

// Reader is a driver; it is a device.Reader.
type Reader struct {
	config  Config
	link    *link.Link
	seq     byte
	synced  bool // stale input was thrown away
	present bool // as last heard
	changed bool // a slot change was heard
	powered bool // a card was reset, and nothing was heard since that ended it
}

var _ device.Reader = (*Reader)(nil)

// New makes the driver of the reader at the port, and owns the port from then on. It
// does not speak yet: Firmware is a first question that any reader answers.
func New(port device.Port, config Config) (*Reader, error) {
	switch {
	case port == nil:
		return nil, errors.New("ccid: new: no port")
	case config.Profile > SEC1210:
		return nil, fmt.Errorf("ccid: new: profile %d is unknown", config.Profile)
	case config.AnswerTime < 0 || config.PollTime < 0:
		return nil, errors.New("ccid: new: a time is below zero")
	}
	if config.AnswerTime == 0 {
		config.AnswerTime = defaultWait
	}
	if config.PollTime == 0 {
		config.PollTime = defaultPoll
	}
	return &Reader{config: config, link: link.New("ccid", port)}, nil
}

// Counters are those of the line.
func (r *Reader) Counters() link.Counters { return r.link.Counters() }

// Close closes the port. A card keeps its power until PowerOff or its removal.
func (r *Reader) Close() error { return r.link.Close() }

// Firmware returns what the reader calls itself.
func (r *Reader) Firmware(ctx context.Context) (string, error) {
	ask := byte(0x02)
	if r.config.Profile == SEC1210 {
		ask = 0x06
	}
	m, err := r.Escape(ctx, []byte{ask})
	if err != nil {
		return "", err
	}
	return printable(m), nil
}

// Escape exchanges bytes whose meaning is the reader's own.
func (r *Reader) Escape(ctx context.Context, data []byte) ([]byte, error) {
	m, err := r.exchange(ctx, escape, [3]byte{}, data)
	return m.data, err
}

func printable(b []byte) string {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c >= ' ' && c < 0x7F {
			out = append(out, c)
		}
	}
	return string(out)
}

// WaitCard is that of device.Reader: it takes notice of slot changes as they come, and
// asks where the reader does not tell.
func (r *Reader) WaitCard(ctx context.Context, present bool) error {
	for {
		if err := r.status(ctx); err != nil {
			return r.ended(ctx, err)
		}
		if r.present == present {
			return nil
		}
		if err := r.listen(ctx); err != nil {
			return r.ended(ctx, err)
		}
	}
}

// status asks for the slot's state, again after silence, for the question does nothing.
func (r *Reader) status(ctx context.Context) error {
	return r.link.Retry(ctx, maxResends, func(ctx context.Context) error {
		_, err := r.exchange(ctx, getSlotStatus, [3]byte{}, nil)
		return err
	})
}

// listen returns after a slot change, or when it is time to ask again.
func (r *Reader) listen(ctx context.Context) error {
	until, cancel := context.WithTimeout(ctx, r.config.PollTime)
	defer cancel()
	r.changed = false
	for range maxStray {
		_, err := r.next(until, r.config.PollTime)
		switch {
		case r.changed, until.Err() != nil && ctx.Err() == nil && errors.Is(err, device.ErrTimeout):
			return nil
		case errors.Is(err, errDamaged), errors.Is(err, errNakked):
		case err != nil:
			return err
		}
	}
	return nil
}

// ended gives ctx's own error where ctx is what ended a wait.
func (r *Reader) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, device.ErrGone) {
		return fmt.Errorf("ccid: wait for card: %w", ctx.Err())
	}
	return err
}

// voltages are bPowerSelect in the order of trial: 5 V, cold once more, 3 V, 1.8 V.
// USB CCID 1.1, 6.1.1.
var voltages = []byte{1, 1, 2, 3}

// PowerOn is that of device.Reader. A card that speaks T=1 only is device.ErrRefused.
func (r *Reader) PowerOn(ctx context.Context) ([]byte, error) {
	atr, err := r.reset(ctx)
	if err != nil {
		return nil, err
	}
	if !atr.Offers(0) {
		off := r.PowerOff(ctx)
		return nil, errors.Join(fmt.Errorf("ccid: %w: card speaks T=%d only, T=0 wanted", device.ErrRefused, atr.Protocols()[0]), off)
	}
	if err := r.setParameters(ctx, atr); err != nil {
		return nil, err
	}
	r.powered = true
	return atr.Raw, nil
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
		case err == nil:
			return atr, nil
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

func (r *Reader) resetAt(ctx context.Context, voltage byte) (iso7816.ATR, error) {
	r.powered = false
	m, err := r.exchange(ctx, iccPowerOn, [3]byte{voltage}, nil)
	if err != nil {
		return iso7816.ATR{}, err
	}
	return iso7816.ParseATR(m.data)
}

// setParameters tells the reader how the card speaks T=0: as after reset, since no PPS
// was made, or as TA1 says for a card in specific mode. A reader that finds it in the
// answer to reset by itself need not have the command. USB CCID 1.1, 6.1.7.
func (r *Reader) setParameters(ctx context.Context, atr iso7816.ATR) error {
	p := []byte{0x11, 0x00, atr.ExtraGuardTime(), atr.WaitingInteger(), 0x00}
	if _, specific := atr.Specific(); specific {
		p[0] = atr.FiDi()
	}
	if atr.Inverse() {
		p[1] = 0x02
	}
	m, err := r.exchange(ctx, setParameters, [3]byte{}, p)
	if errors.Is(err, device.ErrRefused) && m.params[1] == notSupported {
		return nil
	}
	return err
}

// Transmit is that of device.Reader.
func (r *Reader) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	if !r.powered {
		return nil, fmt.Errorf("ccid: transmit: %w that was reset", device.ErrNoCard)
	}
	return iso7816.T0(ctx, apdu, r.transfer)
}

func (r *Reader) transfer(ctx context.Context, tpdu []byte) ([]byte, error) {
	m, err := r.exchange(ctx, xfrBlock, [3]byte{}, tpdu)
	if err == nil && !r.powered { // pulled, and put back, while it answered
		return nil, fmt.Errorf("ccid: transmit: %w: it was pulled", device.ErrNoCard)
	}
	return m.data, err
}

// PowerOff is that of device.Reader.
func (r *Reader) PowerOff(ctx context.Context) error {
	r.powered = false
	_, err := r.exchange(ctx, iccPowerOff, [3]byte{}, nil)
	if errors.Is(err, device.ErrNoCard) {
		return nil
	}
	return err
}

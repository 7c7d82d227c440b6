package ccid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/device/link"
)

// Profile is what differs between readers.
type Profile uint8

const (
	GemPC   Profile = iota // GemPC Twin serial
	SEC1210                // Microchip SEC1110, SEC1210 and kin on a UART
)

// profiles are what is known of them. clockHz is what the public driver reckons the card's
// times with.
var profiles = [...]struct {
	name     string
	firmware []byte // Escape that asks for the firmware's name
	movement []byte // Escape for the notices of moved cards, see Config.Unasked
	clockHz  int
}{
	GemPC:   {"gempc", []byte{0x02}, []byte{0x01, 0x01, 0x01}, 4_000_000},
	SEC1210: {"sec1210", []byte{0x06}, nil, 4_800_000},
}

// ParseProfile reads a profile's name as the configuration has it: gempc or sec1210.
func ParseProfile(name string) (Profile, error) {
	for p, known := range profiles {
		if name == known.name {
			return Profile(p), nil
		}
	}
	return 0, fmt.Errorf("ccid: profile %q is neither gempc nor sec1210", name)
}

// Config is a reader. Zero times stand for the usual ones.
type Config struct {
	Profile Profile
	// AnswerTime is the longest silence in which an answer is waited for, 5 s, or what the
	// card's answer to reset gives it and a second where that is more. A reader asks for
	// time where a card takes longer.
	AnswerTime time.Duration
	// PollTime is how often the slot is asked while nothing is heard of it, 250 ms.
	PollTime time.Duration
	// Unasked leaves a GemPC to tell of a moved card whenever it likes. Without it Escape
	// 01 01 01 goes before the first command about the slot, see the package's text.
	Unasked bool
	// AnyATR takes cards that EMV has a terminal refuse, for the laboratory.
	AnyATR bool
}

// Reader is a driver; it is a device.Reader.
type Reader struct {
	config  Config
	link    *link.Link
	seq     byte
	synced  bool // stale input was thrown away
	begun   bool // the reader was told how to tell of moved cards
	present bool // as last heard
	changed bool // a slot change was heard
	powered bool // a card was reset, and nothing was heard since that ended it

	transmit func(ctx context.Context, command []byte) ([]byte, error) // of the card's protocol
	cardTime time.Duration                                             // for one exchange with the card
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
	m, err := r.Escape(ctx, profiles[r.config.Profile].firmware)
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
		case r.changed, ctx.Err() == nil && errors.Is(err, device.ErrTimeout):
			return nil // it is time, or what came was no whole notice: the slot is asked
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

// Transmit is that of device.Reader.
func (r *Reader) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if !r.powered {
		return nil, fmt.Errorf("ccid: transmit: %w that was reset", device.ErrNoCard)
	}
	return r.transmit(ctx, command)
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

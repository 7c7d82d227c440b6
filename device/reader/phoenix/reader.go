package phoenix

import (
	"context"
	"errors"
	"fmt"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device"
	"posd/device/gpio"
	"posd/device/link"
	"posd/device/serial"
)

// Lines are the pins of the front end.
type Lines struct {
	Power gpio.Power      // the card's supply and clock
	Reset gpio.Reset      // the card's RST contact
	Card  gpio.CardDetect // a card is there, and nothing is wrong with it
}

// TDA8035 are the lines of a TDA8035 or one of its kin: CMDVCCN low switches the card on,
// RSTIN is the card's RST contact, and OFFN (open drain, so pulled up) is high for a card.
func TDA8035(cmdvccn, rstin pin.PinOut, offn pin.PinIn) Lines {
	return Lines{
		Power: gpio.Power{Pin: cmdvccn, ActiveLow: true},
		Reset: gpio.Reset{Pin: rstin, ActiveLow: true},
		Card:  gpio.CardDetect{Pin: offn, Pull: pin.PullUp},
	}
}

// Values for zero fields of Config.
const (
	DefaultBaud    = 9600
	DefaultClockHz = 3_579_545
	DefaultMaxBaud = 115200
	DefaultSlack   = 250 * time.Millisecond
)

// Config is a slot. Lines are required.
type Config struct {
	Lines Lines
	// NoEcho is for circuits where the terminal does not hear itself.
	NoEcho bool
	// Baud is the port's speed as it was opened, 9600: 372 cycles of the card's clock.
	Baud int
	// ClockHz is the card's clock, 3 579 545.
	ClockHz int
	// MaxBaud is the highest speed that PPS asks for, 115200; one that is not above Baud
	// means that PPS is never made. A port that cannot change its speed makes none either.
	MaxBaud int
	// AnyCard takes cards whose answer to reset a payment terminal has to refuse, see
	// iso7816.ATR.EMV.
	AnyCard bool
	// Slack is what comes on top of every time that the card has, 250 ms.
	Slack time.Duration
}

// A tuner is a port that can change its line while it is open; *serial.Port is one.
type tuner interface {
	SetLine(baud int, parity serial.Parity) error
}

// Reader is a driver; it is a device.Reader.
type Reader struct {
	config   Config
	link     *link.Link
	contacts *contacts
	powered  bool
	transmit func(ctx context.Context, command []byte) ([]byte, error) // of the card's protocol
}

var _ device.Reader = (*Reader)(nil)

// New makes the driver of the slot at the port, and owns the port from then on. It takes
// the power from a card that is in it: the lines get their values before they become
// outputs.
func New(port device.Port, config Config) (*Reader, error) {
	config, err := config.withDefaults(port)
	if err != nil {
		return nil, fmt.Errorf("phoenix: new: %w", err)
	}
	l := link.New("phoenix", port)
	r := &Reader{config: config, link: l, contacts: newContacts(l, port, config)}
	if err := errors.Join(r.off(), config.Lines.Card.Start()); err != nil {
		return nil, fmt.Errorf("phoenix: new: %w", err)
	}
	return r, nil
}

func (c Config) withDefaults(port device.Port) (Config, error) {
	switch l := c.Lines; {
	case port == nil:
		return c, errors.New("no port")
	case l.Power.Pin == nil:
		return c, errors.New("no power line")
	case l.Reset.Pin == nil:
		return c, errors.New("no reset line")
	case l.Card.Pin == nil:
		return c, errors.New("no card line")
	case c.Baud < 0 || c.ClockHz < 0 || c.MaxBaud < 0 || c.Slack < 0:
		return c, errors.New("a number is below zero")
	}
	for _, v := range []struct {
		at    *int
		value int
	}{{&c.Baud, DefaultBaud}, {&c.ClockHz, DefaultClockHz}, {&c.MaxBaud, DefaultMaxBaud}} {
		if *v.at == 0 {
			*v.at = v.value
		}
	}
	if c.Slack == 0 {
		c.Slack = DefaultSlack
	}
	return c, nil
}

// Counters are those of the line.
func (r *Reader) Counters() link.Counters { return r.link.Counters() }

// Close closes the port, and takes the power from the card. A call that waits ends with
// device.ErrGone.
func (r *Reader) Close() error { return errors.Join(r.link.Close(), r.config.Lines.off()) }

// off takes the power away.
func (r *Reader) off() error {
	r.powered = false
	return r.config.Lines.off()
}

// off takes the power away: reset first, then the supply. ISO/IEC 7816-3, 6.4.
func (l Lines) off() error { return errors.Join(l.Reset.Hold(), l.Power.Off()) }

// poll is how often the slot is looked at.
const poll = 100 * time.Millisecond

// WaitCard is that of device.Reader. The line is heard all the while: an unplugged one is
// device.ErrGone.
func (r *Reader) WaitCard(ctx context.Context, present bool) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("phoenix: wait for card: %w", err)
	}
	quiet := time.Millisecond
	for {
		if err := r.link.Discard(ctx, quiet); err != nil {
			if ctx.Err() != nil && !errors.Is(err, device.ErrGone) {
				return fmt.Errorf("phoenix: wait for card: %w", ctx.Err())
			}
			if !errors.Is(err, device.ErrProtocol) { // noise of a card that is being moved
				return err
			}
		}
		if r.present() == present {
			return nil
		}
		quiet = poll
	}
}

// present tells whether a card is there. While the power is on, OFFN low may mean that one
// was there: the power is taken away, and then the line tells.
func (r *Reader) present() bool {
	if !r.config.Lines.Card.Present() && r.powered {
		_ = r.off() // a line that cannot be set is found by PowerOn
	}
	return r.config.Lines.Card.Present()
}

// PowerOff is that of device.Reader.
func (r *Reader) PowerOff(context.Context) error {
	if err := r.off(); err != nil {
		return fmt.Errorf("phoenix: power off: %w", err)
	}
	return nil
}

// Transmit is that of device.Reader.
func (r *Reader) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if err := r.stillThere(); err != nil {
		return nil, fmt.Errorf("phoenix: transmit: %w", err)
	}
	r.contacts.used = false
	response, err := r.transmit(ctx, command)
	if err != nil {
		return nil, r.failed(err)
	}
	return response, nil
}

// stillThere looks for traces of a card that was pulled, even if one is back.
func (r *Reader) stillThere() error {
	if !r.powered {
		return fmt.Errorf("%w that was reset", device.ErrNoCard)
	}
	if card := r.config.Lines.Card; !card.Present() || card.Pin.WaitForEdge(0) {
		return errors.Join(fmt.Errorf("%w: it was pulled", device.ErrNoCard), r.off())
	}
	return nil
}

// failed ends the session where bytes have gone to the card, and gives the error its cause:
// a pulled card is device.ErrNoCard, and one that is silent is mute, not the reader.
func (r *Reader) failed(err error) error {
	if !r.contacts.used {
		return err
	}
	pulled := !r.config.Lines.Card.Present()
	if off := r.off(); off != nil {
		return errors.Join(err, off)
	}
	switch {
	case errors.Is(err, device.ErrGone):
		return err
	case pulled && !r.config.Lines.Card.Present():
		return fmt.Errorf("phoenix: %w: it was pulled: %v", device.ErrNoCard, err)
	case pulled:
		return fmt.Errorf("phoenix: %w: pulled and put back, or the front end found a short: %v", device.ErrNoCard, err)
	case errors.Is(err, device.ErrMute):
		return fmt.Errorf("phoenix: %w: %v", device.ErrMute, err)
	}
	return err
}

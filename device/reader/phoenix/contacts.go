package phoenix

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"posd/device"
	"posd/device/iso7816"
	"posd/device/link"
	"posd/device/serial"
)

// contacts are the card's I/O contact as characters: convention and echo are dealt with.
// They are an iso7816.Bytes.
type contacts struct {
	link    *link.Link
	tuner   tuner // nil where the port cannot change its line
	config  Config
	baud    int  // as set
	odd     bool // parity, as set
	inverse bool
	checks  bool  // the port tells of wrong parity, as was seen
	used    bool  // something was sent
	spoiled error // of the echo of the last Write
}

func newContacts(l *link.Link, port device.Port, config Config) *contacts {
	c := &contacts{link: l, config: config, baud: config.Baud}
	c.tuner, _ = port.(tuner)
	return c
}

// reset makes the line that of a card after reset.
func (c *contacts) reset() error {
	c.inverse, c.checks, c.spoiled = false, false, nil
	return c.tune(c.config.Baud, false)
}

// tune sets speed and parity of the port, if they are not set so.
func (c *contacts) tune(baud int, odd bool) error {
	if baud == c.baud && odd == c.odd {
		return nil
	}
	if c.tuner == nil {
		return fmt.Errorf("phoenix: %w: the port can change neither speed nor parity", device.ErrRefused)
	}
	parity := serial.EvenParity
	if odd {
		parity = serial.OddParity
	}
	if err := c.tuner.SetLine(baud, parity); err != nil {
		return fmt.Errorf("phoenix: %w", err)
	}
	c.baud, c.odd = baud, odd
	return nil
}

// maxNoise bounds the characters with wrong parity before a reset.
const maxNoise = 1024

// discard throws away what is left of a session, and the noise of the supply.
func (c *contacts) discard(ctx context.Context) (err error) {
	for range maxNoise {
		if err = c.link.Discard(ctx, time.Millisecond); !errors.As(err, new(serial.ParityError)) {
			return err
		}
	}
	return err
}

// charBits is a character with its guard time, in etu.
const charBits = 12

// Write sends characters, and takes their echo off the line. An echo that differs is an
// error of the next Byte: the bytes are out, and it is for the protocol to mend that.
func (c *contacts) Write(ctx context.Context, p []byte) error {
	c.used = true
	until := time.Now().Add(c.bits(charBits*len(p)) + c.config.Slack)
	limited, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	raw := make([]byte, len(p))
	for i, b := range p {
		raw[i] = c.code(b)
	}
	if err := c.link.Write(limited, raw); err != nil || c.config.NoEcho {
		return err
	}
	for i, want := range raw {
		got, err := c.link.ByteWithin(ctx, time.Until(until))
		switch {
		case errors.Is(err, device.ErrTimeout):
			return fmt.Errorf("phoenix: no echo of %d of %d bytes, is the line broken: %w", len(raw)-i, len(raw), err)
		case errors.Is(err, device.ErrProtocol):
			c.spoiled = err
			return nil
		case err != nil:
			return err
		case got != want:
			c.spoiled = c.link.Garbled("echo %02X of %02X: card and terminal spoke at once, or the card did not understand", got, want)
			return nil
		}
	}
	return nil
}

// bits is the time of so many bits at the speed of now.
func (c *contacts) bits(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(c.baud)
}

// ByteWithin returns the card's next character. One with wrong parity is device.ErrProtocol.
func (c *contacts) ByteWithin(ctx context.Context, limit time.Duration) (byte, error) {
	if err := c.spoiled; err != nil {
		c.spoiled = nil
		return 0, err
	}
	b, err := c.link.ByteWithin(ctx, limit)
	if err != nil {
		return 0, err
	}
	return c.code(b), nil
}

// code turns a character into that of the line, or back.
func (c *contacts) code(b byte) byte {
	if c.inverse {
		return bits.Reverse8(^b)
	}
	return b
}

// Characters TS as a UART hears them. ISO/IEC 7816-3, 8.1.
const (
	tsDirect     = 0x3B
	rawTSInverse = 0x03 // 3F, inverted, lowest bit first; its parity bit is odd for the UART
)

// first reads TS, and knows the convention from it.
func (c *contacts) first(ctx context.Context) (byte, error) {
	b, err := c.link.Byte(ctx)
	var parity serial.ParityError
	switch {
	case errors.As(err, &parity) && parity.Byte == rawTSInverse:
		c.inverse, c.checks = true, true
	case err != nil:
		return 0, err
	case b == rawTSInverse: // from a port that does not look at parity
		c.inverse = true
	case b != tsDirect:
		return 0, c.link.Garbled("TS is heard as %02X, want 3B or 03", b)
	}
	return c.code(rawOf(b, parity)), nil
}

func rawOf(b byte, parity serial.ParityError) byte { return b | parity.Byte }

// next reads a character of the answer to reset. There the port still has even parity: of a
// card with the inverse convention each good character is an error to the UART, and each
// that it takes for good is not.
func (c *contacts) next(ctx context.Context) (byte, error) {
	b, err := c.link.Byte(ctx)
	if !c.checks {
		return c.code(b), err
	}
	var parity serial.ParityError
	switch {
	case errors.As(err, &parity):
		return c.code(parity.Byte), nil
	case err == nil:
		return 0, c.link.Garbled("parity error (character %02X)", c.code(b))
	}
	return 0, err
}

// tuneParity gives the port the parity of the card's convention, where it looks at parity.
func (c *contacts) tuneParity() error {
	if c.tuner == nil && !c.checks {
		return nil
	}
	return c.tune(c.baud, c.inverse)
}

// speed is the baud rate for factors as TA1 codes them: 11 is the port's own.
func (c *contacts) speed(fiDi byte) (int, error) {
	f, d, ok := iso7816.Factors(fiDi)
	if !ok {
		return 0, fmt.Errorf("phoenix: %w: transmission factors %02X are reserved", device.ErrRefused, fiDi)
	}
	return (c.config.Baud*372*d + f/2) / f, nil
}

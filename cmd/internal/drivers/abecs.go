package drivers

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"time"

	"posd/device"
	"posd/device/link"
	"posd/device/pinpad/abecs"
	"posd/device/serial"
)

// abecsLine is the line of every Abecs pad.
var abecsLine = serial.Config{Baud: 19200}

// parkTime is for leaving a pad in order.
const parkTime = time.Second

// parked leaves the pad in order when the last view of it is closed.
type parked struct{ *abecs.Pad }

func (p parked) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), parkTime)
	defer cancel()
	_ = p.Park(ctx, "") // a pad that is no more cannot be
	return p.Pad.Close()
}

// there asks the box what it is, which changes nothing.
func (p parked) there(ctx context.Context) error {
	_, err := p.Info(ctx)
	return err
}

// abecsBox is how a box is opened.
type abecsBox struct {
	line   serial.Config
	secure bool // the cable is enciphered
}

// settings is what two uses of one box must agree on.
func (b abecsBox) settings() string {
	if b.secure {
		return lineWords(b.line) + " secure"
	}
	return lineWords(b.line)
}

// cableKey is the RSA key under which boxes send the key of their cable. It is made when it
// is first wanted, which takes a slow processor some seconds, and kept until the program ends.
type cableKey struct {
	mu  sync.Mutex
	key *rsa.PrivateKey
}

func (c *cableKey) get() (*rsa.PrivateKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key != nil {
		return c.key, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, cableKeyBits)
	if err != nil {
		return nil, fmt.Errorf("drivers: key of the cable: %w", err)
	}
	c.key = key
	return key, nil
}

// cableKeyBits is what Abecs has. 2.20, 5.2.1.
const cableKeyBits = 2048

// useAbecs opens the box at a line, or finds it open, and says what it is.
func (s *Set) useAbecs(ctx context.Context, box abecsBox) (p parked, detail string, release func() error, err error) {
	p, release, err = s.abecs.use(ctx, maker[parked]{
		path: box.line.Path, settings: box.settings(), open: func(context.Context) (parked, error) { return s.newAbecs(box) },
		probe: func(ctx context.Context, p parked) error { return p.there(ctx) },
	})
	if err != nil {
		return p, "", nil, err
	}
	info, err := p.Info(ctx)
	if err != nil {
		return p, "", nil, errors.Join(err, release())
	}
	detail = info.String()
	if box.secure {
		detail += ", enciphered cable"
	}
	return p, detail, release, nil
}

func (s *Set) newAbecs(box abecsBox) (parked, error) {
	var config abecs.Config
	if box.secure {
		var err error
		if config.Key, err = s.cable.get(); err != nil {
			return parked{}, err
		}
	}
	port, err := serial.Open(box.line)
	if err != nil {
		return parked{}, err
	}
	pad, err := abecs.New(port, config)
	if err != nil {
		return parked{}, errors.Join(err, port.Close())
	}
	return parked{pad}, nil
}

// abecsPad is the PIN pad of a box, abecsSlot one of its readers. Closing one leaves the
// others.
type (
	abecsPad struct {
		parked
		release func() error
	}
	abecsSlot struct {
		*abecs.Slot
		box     parked
		release func() error
	}
)

// Close ends this use of the box.
func (p abecsPad) Close() error { return p.release() }

// Close ends this use of the box.
func (s abecsSlot) Close() error { return s.release() }

// Counters are those of the box's line.
func (s abecsSlot) Counters() link.Counters { return s.box.Counters() }

const abecsExample = "abecs:///dev/serial/by-id/…"

func (s *Set) abecsPINPad() Driver[device.PINPad] {
	d := Driver[device.PINPad]{Words: "dev.abecs", Example: abecsExample, Params: abecsParams}
	return byLine(d, abecsLine, func(p params) (func(context.Context) (Opened[device.PINPad], error), error) {
		_, err := p.oneOf("slot", "chip", "contactless") // the reader's, for the same URL serves both
		secure, err2 := p.on("secure")
		return func(ctx context.Context) (o Opened[device.PINPad], err error) {
			box, detail, release, err := s.useAbecs(ctx, abecsBox{p.line, secure})
			if err != nil {
				return o, err
			}
			return Opened[device.PINPad]{Device: abecsPad{box, release}, Detail: detail, Probe: box.there}, nil
		}, errors.Join(err, err2)
	})
}

// abecsParams are those of PIN pad and reader: one URL serves both.
var abecsParams = []Param{{"slot", "chip", "dev.abecs.slot"}, {"secure", "off", "dev.abecs.secure"}}

func (s *Set) abecsReader() Driver[device.Reader] {
	d := Driver[device.Reader]{Words: "dev.abecs", Example: abecsExample + "?slot=contactless", Params: abecsParams}
	return byLine(d, abecsLine, func(p params) (func(context.Context) (Opened[device.Reader], error), error) {
		slot, err := p.oneOf("slot", "chip", "contactless")
		secure, err2 := p.on("secure")
		return func(ctx context.Context) (o Opened[device.Reader], err error) {
			box, detail, release, err := s.useAbecs(ctx, abecsBox{p.line, secure})
			if err != nil {
				return o, err
			}
			view := abecsSlot{box.Chip(), box, release}
			if slot == "contactless" {
				view.Slot = box.Contactless()
			}
			return Opened[device.Reader]{Device: view, Detail: detail, Probe: box.there}, nil
		}, errors.Join(err, err2)
	})
}

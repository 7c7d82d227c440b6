package drivers

import (
	"context"
	"errors"
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

// useAbecs opens the box at a line, or finds it open, and says what it is.
func (s *Set) useAbecs(ctx context.Context, line serial.Config) (p parked, detail string, release func() error, err error) {
	p, release, err = s.abecs.use(ctx, maker[parked]{
		path: line.Path, settings: lineWords(line), open: func(context.Context) (parked, error) { return newAbecs(line) },
		probe: func(ctx context.Context, p parked) error { return p.there(ctx) },
	})
	if err != nil {
		return p, "", nil, err
	}
	info, err := p.Info(ctx)
	if err != nil {
		return p, "", nil, errors.Join(err, release())
	}
	return p, info.String(), release, nil
}

func newAbecs(line serial.Config) (parked, error) {
	port, err := serial.Open(line)
	if err != nil {
		return parked{}, err
	}
	pad, err := abecs.New(port, abecs.Config{})
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
	d := Driver[device.PINPad]{Words: "dev.abecs", Example: abecsExample, Params: []Param{abecsSlotParam}}
	return byLine(d, abecsLine, func(p params) (func(context.Context) (Opened[device.PINPad], error), error) {
		_, err := p.oneOf("slot", "chip", "contactless") // the reader's, for the same URL serves both
		return func(ctx context.Context) (o Opened[device.PINPad], err error) {
			box, detail, release, err := s.useAbecs(ctx, p.line)
			if err != nil {
				return o, err
			}
			return Opened[device.PINPad]{Device: abecsPad{box, release}, Detail: detail, Probe: box.there}, nil
		}, err
	})
}

var abecsSlotParam = Param{"slot", "chip", "dev.abecs.slot"}

func (s *Set) abecsReader() Driver[device.Reader] {
	d := Driver[device.Reader]{Words: "dev.abecs", Example: abecsExample + "?slot=contactless", Params: []Param{abecsSlotParam}}
	return byLine(d, abecsLine, func(p params) (func(context.Context) (Opened[device.Reader], error), error) {
		slot, err := p.oneOf("slot", "chip", "contactless")
		return func(ctx context.Context) (o Opened[device.Reader], err error) {
			box, detail, release, err := s.useAbecs(ctx, p.line)
			if err != nil {
				return o, err
			}
			view := abecsSlot{box.Chip(), box, release}
			if slot == "contactless" {
				view.Slot = box.Contactless()
			}
			return Opened[device.Reader]{Device: view, Detail: detail, Probe: box.there}, nil
		}, err
	})
}

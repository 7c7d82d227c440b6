package drivers

import (
	"context"
	"errors"
	"time"

	"posd/device"
	"posd/device/reader/ccid"
	"posd/device/reader/pn532"
	"posd/device/reader/vpcd"
	"posd/device/serial"
)

// firm is a reader that says what it is.
type firm interface {
	device.Reader
	Firmware(ctx context.Context) (string, error)
}

// greet asks a reader what it is, which is also how it is known to be there.
func greet(ctx context.Context, r firm) (Opened[device.Reader], error) {
	detail, err := r.Firmware(ctx)
	probe := func(ctx context.Context) error {
		_, err := r.Firmware(ctx)
		return err
	}
	return Opened[device.Reader]{Device: r, Detail: detail, Probe: probe}, err
}

func ccidReader() Driver[device.Reader] {
	d := Driver[device.Reader]{
		Words: "dev.ccid", Example: "ccid:///dev/serial/by-path/…?profile=gempc",
		Params: []Param{
			{"profile", "gempc", "dev.ccid.profile"},
			{"unasked", "off", "dev.ccid.unasked"},
			{"any", "off", "dev.reader.any"},
		},
	}
	return onLine(d, serial.Config{Baud: 115200, StopBits: 2, RTS: serial.Low}, func(p params) (attach[device.Reader], error) {
		profile, err1 := ccid.ParseProfile(p.text("profile"))
		unasked, err2 := p.on("unasked")
		anyCard, err3 := p.on("any")
		return func(ctx context.Context, port device.Port) (o Opened[device.Reader], err error) {
			r, err := ccid.New(port, ccid.Config{Profile: profile, Unasked: unasked, AnyATR: anyCard})
			if err != nil {
				return o, err
			}
			return greet(ctx, r)
		}, errors.Join(err1, err2, err3)
	})
}

func pn532Reader() Driver[device.Reader] {
	d := Driver[device.Reader]{
		Words: "dev.pn532", Example: "pn532:///dev/serial/by-path/…",
		Params: []Param{{"block", "262", "dev.pn532.block"}},
	}
	return onLine(d, serial.Config{Baud: 115200}, func(p params) (attach[device.Reader], error) {
		block, err := p.number("block", 16, 262)
		return func(ctx context.Context, port device.Port) (o Opened[device.Reader], err error) {
			r, err := pn532.New(port, pn532.Config{BlockSize: block})
			if err != nil {
				return o, err
			}
			return greet(ctx, r)
		}, err
	})
}

// vpcdReader has no serial line: its cards come over TCP.
func vpcdReader() Driver[device.Reader] {
	return Driver[device.Reader]{
		Words: "dev.vpcd", Example: "vpcd://127.0.0.1:35963",
		Params: []Param{{"role", "listen", "dev.vpcd.role"}},
		prepare: func(url string) (func(context.Context) (Opened[device.Reader], error), error) {
			if _, err := vpcd.ParseURL(url); err != nil {
				return nil, err
			}
			return func(context.Context) (o Opened[device.Reader], err error) {
				r, where, err := vpcd.Open(url, vpcd.Config{})
				if err != nil {
					return o, err
				}
				return Opened[device.Reader]{Device: r, Detail: where, Probe: glance(r)}, nil
			}, nil
		},
	}
}

// glanceTime is for a look at a reader that says nothing of itself.
const glanceTime = 50 * time.Millisecond

// glance probes by looking for a card: whether one is there does not matter.
func glance(r device.Reader) func(context.Context) error {
	return func(ctx context.Context) error {
		short, cancel := context.WithTimeout(ctx, glanceTime)
		defer cancel()
		err := r.WaitCard(short, true)
		if short.Err() != nil && ctx.Err() == nil && errors.Is(err, short.Err()) {
			return nil
		}
		return err
	}
}

package drivers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"posd/device"
	"posd/device/serial"
)

// None is the URL of a device that the terminal does not have.
const None = "none:"

// ErrSkipped says that the configuration wants to go without this device.
var ErrSkipped = errors.New("the configuration says none")

// Opened is a device that was opened.
type Opened[T any] struct {
	Device T
	Detail string                          // what it says of itself
	Probe  func(ctx context.Context) error // asks whether it is still there; changes nothing
}

// Driver turns a URL into a device.
type Driver[T any] struct {
	// Words say what the device is, for help texts.
	Words    string
	defaults serial.Config
	params   []string // the driver's own parameters in the URL
	open     func(ctx context.Context, port device.Port, url serial.URL) (Opened[T], error)
}

// Table is the drivers of one kind of device, by scheme.
type Table[T any] map[string]Driver[T]

// Schemes lists the schemes in order.
func (t Table[T]) Schemes() []string { return slices.Sorted(maps.Keys(t)) }

// parse finds the driver of a URL.
func (t Table[T]) parse(text string) (Driver[T], serial.URL, error) {
	scheme, _, _ := strings.Cut(text, ":")
	d, ok := t[scheme]
	if !ok {
		return d, serial.URL{}, fmt.Errorf("%.60q: no driver for scheme %.20q; there is %s, or %s for no device", text, scheme, strings.Join(t.Schemes(), ", "), None)
	}
	url, err := serial.ParseURL(text, d.defaults, d.params...)
	return d, url, err
}

// Check says what is wrong with a URL; nothing is touched.
func (t Table[T]) Check(text string) error {
	if text == None {
		return nil
	}
	_, _, err := t.parse(text)
	return err
}

// Open opens the device of a URL. Its port is closed with it.
func (t Table[T]) Open(ctx context.Context, text string) (o Opened[T], err error) {
	if text == None {
		return o, ErrSkipped
	}
	d, url, err := t.parse(text)
	if err != nil {
		return o, err
	}
	port, err := serial.Open(url.Config)
	if err != nil {
		return o, err
	}
	if o, err = d.open(ctx, port, url); err != nil {
		_ = port.Close() // the driver's error is the one that says something
	}
	return o, err
}

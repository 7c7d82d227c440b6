package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"posd/device"
	"posd/device/serial"
	"posd/ui/text"
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

// Param is a parameter of a driver's URLs, beside those of every serial line.
type Param struct {
	Name  string
	Usual string   // what holds without it, empty if that is nothing
	Words text.Key // what it is
}

// Driver turns a URL into a device.
type Driver[T io.Closer] struct {
	Words   text.Key // what the device is
	Example string   // a URL as people write it
	Line    string   // the serial line's usual setting, "115200 8N2"; empty where there is none
	Params  []Param
	prepare prepare[T]
}

// prepare reads a URL, and touches nothing. What it returns opens the device.
type prepare[T any] func(url string) (func(ctx context.Context) (Opened[T], error), error)

// Table is the drivers of one kind of device, by scheme.
type Table[T io.Closer] map[string]Driver[T]

// Schemes lists the schemes in order.
func (t Table[T]) Schemes() []string { return slices.Sorted(maps.Keys(t)) }

// Serves tells whether the table has a driver for the scheme of the URL.
func (t Table[T]) Serves(url string) bool {
	_, ok := t[Scheme(url)]
	return ok
}

// Scheme is what a URL begins with, up to its colon.
func Scheme(url string) string {
	scheme, _, _ := strings.Cut(url, ":")
	return scheme
}

// prepare finds the driver of a URL, and has it read it.
func (t Table[T]) prepare(url string) (func(context.Context) (Opened[T], error), error) {
	d, ok := t[Scheme(url)]
	if !ok {
		return nil, fmt.Errorf("%.60q: no driver for scheme %.20q; there is %s, or %s for no device", url, Scheme(url), strings.Join(t.Schemes(), ", "), None)
	}
	return d.prepare(url)
}

// Check says what is wrong with a URL; nothing is touched.
func (t Table[T]) Check(url string) error {
	if url == None {
		return nil
	}
	_, err := t.prepare(url)
	return err
}

// Open opens the device of a URL. Its port is closed with it.
func (t Table[T]) Open(ctx context.Context, url string) (Opened[T], error) {
	if url == None {
		return Opened[T]{}, ErrSkipped
	}
	open, err := t.prepare(url)
	if err != nil {
		return Opened[T]{}, err
	}
	o, err := open(ctx)
	if err != nil {
		return Opened[T]{}, err
	}
	return o, nil
}

// attach makes the driver of a device at an open port, which is its own if there is no
// error.
type attach[T any] func(ctx context.Context, port device.Port) (Opened[T], error)

// onLine is a device on a serial line of its own. read reads the driver's own parameters.
func onLine[T io.Closer](d Driver[T], line serial.Config, read func(params) (attach[T], error)) Driver[T] {
	return byLine(d, line, func(p params) (func(context.Context) (Opened[T], error), error) {
		attach, err := read(p)
		return func(ctx context.Context) (Opened[T], error) {
			port, err := serial.Open(p.line)
			if err != nil {
				return Opened[T]{}, err
			}
			o, err := attach(ctx, port)
			if err != nil {
				_ = port.Close() // the driver's error is the one that says something
			}
			return o, err
		}, err
	})
}

// byLine is a device whose URL names a serial line, which read's result opens itself.
func byLine[T io.Closer](d Driver[T], line serial.Config, read func(params) (func(context.Context) (Opened[T], error), error)) Driver[T] {
	d.Line = lineWords(line)
	d.prepare = func(text string) (func(context.Context) (Opened[T], error), error) {
		url, err := serial.ParseURL(text, line, names(d.Params)...)
		if err != nil {
			return nil, err
		}
		open, err := read(params{d.Params, url.Params, url.Config})
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", url.Scheme, text, err)
		}
		return open, nil
	}
	return d
}

func lineWords(c serial.Config) string {
	parity := map[serial.Parity]string{serial.NoParity: "N", serial.OddParity: "O", serial.EvenParity: "E"}
	return fmt.Sprintf("%d 8%s%d", c.Baud, parity[c.Parity], max(c.StopBits, 1))
}

func names(params []Param) []string {
	var out []string
	for _, p := range params {
		out = append(out, p.Name)
	}
	return out
}

// params are the driver's own parameters of one URL.
type params struct {
	known []Param
	given map[string]string
	line  serial.Config
}

// text is a parameter as it was given, or what holds without it.
func (p params) text(name string) string {
	if v, ok := p.given[name]; ok {
		return v
	}
	for _, k := range p.known {
		if k.Name == name {
			return k.Usual
		}
	}
	return ""
}

// number is a parameter from low to high.
func (p params) number(name string, low, high int) (int, error) {
	n, err := strconv.Atoi(p.text(name))
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s=%q: %d to %d wanted", name, p.text(name), low, high)
	}
	return n, nil
}

// oneOf is a parameter that is one of these words.
func (p params) oneOf(name string, words ...string) (string, error) {
	v := p.text(name)
	if !slices.Contains(words, v) {
		return "", fmt.Errorf("%s=%q is none of %s", name, v, strings.Join(words, ", "))
	}
	return v, nil
}

// on is a parameter that is on or off.
func (p params) on(name string) (bool, error) {
	v, err := p.oneOf(name, "on", "off")
	return v == "on", err
}

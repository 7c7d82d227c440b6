package serial

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Config is a line. Zero DataBits is 8 and zero StopBits is 1.
type Config struct {
	Path     string // absolute
	Baud     int    // bit/s, 50 to 4000000
	DataBits int    // 5 to 8
	Parity   Parity
	StopBits int // 1 or 2
	RTS, DTR Level
}

// Parity of each character.
type Parity uint8

const (
	NoParity Parity = iota
	OddParity
	EvenParity
)

// Level is what Open does to a modem line: Linux raises both when a port is opened.
// It is no error where the line does not exist.
type Level uint8

const (
	Leave Level = iota
	High
	Low
)

// check fills in what zero stands for, and names the first thing that is wrong.
func (c Config) check() (Config, error) {
	if c.DataBits == 0 {
		c.DataBits = 8
	}
	if c.StopBits == 0 {
		c.StopBits = 1
	}
	switch {
	case !path.IsAbs(c.Path):
		return c, fmt.Errorf("serial: path %q is not absolute", c.Path)
	case c.Baud < 50 || c.Baud > 4_000_000:
		return c, fmt.Errorf("serial: %s: baud rate %d, 50 to 4000000 wanted", c.Path, c.Baud)
	case c.DataBits < 5 || c.DataBits > 8:
		return c, fmt.Errorf("serial: %s: %d data bits, 5 to 8 wanted", c.Path, c.DataBits)
	case c.StopBits < 1 || c.StopBits > 2:
		return c, fmt.Errorf("serial: %s: %d stop bits, 1 or 2 wanted", c.Path, c.StopBits)
	case c.Parity > EvenParity, c.RTS > Low, c.DTR > Low:
		return c, fmt.Errorf("serial: %s: parity %d, RTS %d or DTR %d is none of the constants", c.Path, c.Parity, c.RTS, c.DTR)
	}
	return c, nil
}

// URL is a device on a serial line, as the configuration names it.
type URL struct {
	Scheme string // the driver
	Config Config
	Params map[string]string // the driver's own parameters, where given
}

// ParseURL reads scheme:///path?name=value&… with the parameters baud, data, parity
// (none, odd, even), stop, rts, dtr (on, off), and those of the driver that own names.
// What the URL does not say is as in defaults. An unknown or repeated parameter, a host,
// a fragment or a value out of range is an error that names it.
func ParseURL(text string, defaults Config, own ...string) (URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return URL{}, fmt.Errorf("serial: %w", err)
	}
	if u.Scheme == "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" {
		return URL{}, fmt.Errorf("serial: %q is not scheme:///path?name=value", text)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return URL{}, fmt.Errorf("serial: %q: %w", text, err)
	}
	out := URL{Scheme: u.Scheme, Config: defaults, Params: map[string]string{}}
	out.Config.Path = u.Path
	for _, name := range sortedKeys(query) {
		values := query[name]
		if len(values) != 1 {
			return URL{}, fmt.Errorf("serial: %q: parameter %q is given %d times", text, name, len(values))
		}
		if err := out.set(name, values[0], own); err != nil {
			return URL{}, fmt.Errorf("serial: %q: %w", text, err)
		}
	}
	if _, err := out.Config.check(); err != nil {
		return URL{}, err
	}
	return out, nil
}

func sortedKeys(q url.Values) []string {
	keys := make([]string, 0, len(q))
	for k := range q {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var (
	parities = map[string]Parity{"none": NoParity, "odd": OddParity, "even": EvenParity}
	levels   = map[string]Level{"on": High, "off": Low}
)

func (u *URL) set(name, value string, own []string) (err error) {
	c := &u.Config
	switch name {
	case "baud":
		c.Baud, err = number(name, value)
	case "data":
		c.DataBits, err = number(name, value)
	case "stop":
		c.StopBits, err = number(name, value)
	case "parity":
		c.Parity, err = oneOf(parities, name, value)
	case "rts":
		c.RTS, err = oneOf(levels, name, value)
	case "dtr":
		c.DTR, err = oneOf(levels, name, value)
	default:
		if !slices.Contains(own, name) {
			known := append([]string{"baud", "data", "parity", "stop", "rts", "dtr"}, own...)
			return fmt.Errorf("unknown parameter %q, known are %s", name, strings.Join(known, ", "))
		}
		u.Params[name] = value
	}
	return err
}

func number(name, value string) (int, error) {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s=%q is not a number above 0", name, value)
	}
	return int(n), nil
}

func oneOf[T any](values map[string]T, name, value string) (T, error) {
	v, ok := values[value]
	if !ok {
		var names []string
		for k := range values {
			names = append(names, k)
		}
		slices.Sort(names)
		return v, fmt.Errorf("%s=%q is none of %s", name, value, strings.Join(names, ", "))
	}
	return v, nil
}

package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"
	neturl "net/url"
	"strconv"
	"strings"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device"
	"posd/device/gpio"
	"posd/device/gpio/indicator"
)

// Lamps are the four lights and the beeper of a contactless reader. Its methods may be
// called by any goroutine.
type Lamps struct {
	panel *indicator.Panel
	lines []io.Closer
	stop  context.CancelFunc
	ended chan struct{} // closed when the panel plays no more
	err   error         // why; read after ended
}

// outPin is a line that can be put out and given back.
type outPin interface {
	pin.PinOut
	io.Closer
}

// takeLine takes a line of the kernel's.
func takeLine(c gpio.Config) (outPin, error) { return gpio.Open(c) }

// Show has an indication played from its beginning. It does not wait. Lines that cannot be
// set any more are device.ErrGone.
func (l *Lamps) Show(i indicator.Indication) error {
	if err := l.there(); err != nil {
		return err
	}
	return l.panel.Show(i)
}

func (l *Lamps) there() error {
	select {
	case <-l.ended:
		return errors.Join(device.ErrGone, l.err)
	default:
		return nil
	}
}

// Close switches all off, and gives the lines back.
func (l *Lamps) Close() error {
	l.stop()
	<-l.ended
	return l.giveBack()
}

// lampsConfig is what the URL says.
type lampsConfig struct {
	chip   string
	lights [4]int
	buzzer int // -1: none
	low    bool
}

func (s *Set) gpioLamps() Driver[*Lamps] {
	d := Driver[*Lamps]{
		Words: "dev.gpio", Example: "gpio:///dev/gpiochip0?lights=17,27,22,23&buzzer=24",
		Params: []Param{
			{"lights", "", "dev.gpio.lights"},
			{"buzzer", "", "dev.gpio.buzzer"},
			{"low", "off", "dev.gpio.low"},
		},
	}
	return byPath(d, func(path string, p params) (func(context.Context) (Opened[*Lamps], error), error) {
		c := lampsConfig{chip: path, buzzer: -1}
		var err1, err2, err3 error
		c.lights, err1 = p.lights()
		if p.text("buzzer") != "" {
			c.buzzer, err2 = p.number("buzzer", 0, 65535)
		}
		c.low, err3 = p.on("low")
		return func(context.Context) (Opened[*Lamps], error) { return s.openLamps(c) }, errors.Join(err1, err2, err3)
	})
}

// lights are the offsets of four lines, left to right.
func (p params) lights() (out [4]int, err error) {
	parts := strings.Split(p.text("lights"), ",")
	if len(parts) != len(out) {
		return out, fmt.Errorf("lights=%q: the offsets of four lines wanted, left to right, as in 17,27,22,23", p.text("lights"))
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return out, fmt.Errorf("lights=%q: %q is not a number up to 65535", p.text("lights"), part)
		}
		out[i] = int(n)
	}
	return out, nil
}

// openLamps takes the lines, dark and silent, and plays until Close.
func (s *Set) openLamps(c lampsConfig) (o Opened[*Lamps], err error) {
	l := &Lamps{ended: make(chan struct{})}
	config := indicator.Config{Patterns: indicator.EMV()}
	for i, offset := range c.lights {
		p, err := s.dark(l, c, offset)
		if err != nil {
			return o, errors.Join(err, l.giveBack())
		}
		config.Lights[i] = gpio.Light{Pin: p, ActiveLow: c.low}
	}
	what := "four lights"
	if c.buzzer >= 0 {
		p, err := s.dark(l, c, c.buzzer)
		if err != nil {
			return o, errors.Join(err, l.giveBack())
		}
		config.Beeper, what = gpio.Buzzer{Pin: p, ActiveLow: c.low}, "four lights, buzzer"
	}
	if err := l.play(config); err != nil {
		return o, errors.Join(err, l.giveBack())
	}
	probe := func(context.Context) error { return l.there() }
	return Opened[*Lamps]{Device: l, Detail: what + " on " + c.chip, Probe: probe}, nil
}

// NewLamps plays on pins that are the caller's, until Close.
func NewLamps(config indicator.Config) (*Lamps, error) {
	l := &Lamps{ended: make(chan struct{})}
	if err := l.play(config); err != nil {
		return nil, err
	}
	return l, nil
}

// play starts the panel.
func (l *Lamps) play(config indicator.Config) (err error) {
	if l.panel, err = indicator.New(config); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background()) // until Close
	l.stop = stop
	go func() {
		defer close(l.ended)
		l.err = l.panel.Run(ctx)
	}()
	return nil
}

// dark takes a line and puts out the level that means off.
func (s *Set) dark(l *Lamps, c lampsConfig, offset int) (outPin, error) {
	p, err := s.line(gpio.Config{Chip: c.chip, Offset: offset, Consumer: "posd lamps"})
	if err != nil {
		return nil, err
	}
	l.lines = append(l.lines, p)
	return p, gpio.Light{Pin: p, ActiveLow: c.low}.Set(false)
}

// giveBack closes the lines of lamps that play nothing.
func (l *Lamps) giveBack() (err error) {
	for _, line := range l.lines {
		err = errors.Join(err, line.Close())
	}
	return err
}

// Contactless tells whether the reader of a URL has its cards at an antenna.
func Contactless(url string) bool {
	switch Scheme(url) {
	case "pn532":
		return true
	case "abecs":
		u, err := neturl.Parse(url)
		return err == nil && u.Query().Get("slot") == "contactless"
	}
	return false
}

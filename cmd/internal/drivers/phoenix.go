package drivers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/cmd/internal/frontend"
	"posd/device"
	"posd/device/gpio"
	"posd/device/reader/phoenix"
	"posd/device/serial"
)

// contactPins names the lines of a front end.
type contactPins struct {
	chip                  string // a GPIO chip, or the socket of a simulated front end
	power, reset, present int    // offsets on the chip
}

func (c contactPins) String() string {
	if c.simulated() {
		return c.chip
	}
	return fmt.Sprintf("%s lines %d, %d, %d", c.chip, c.power, c.reset, c.present)
}

// openPins are the lines of a front end, taken.
type openPins struct {
	cmdvccn, rstin pin.PinOut
	offn           pin.PinIn
	close          func() error
}

// openContactPins takes lines of the kernel, or those behind a socket.
func openContactPins(c contactPins) (openPins, error) {
	if info, err := os.Stat(c.chip); err == nil && info.Mode()&os.ModeSocket != 0 {
		p, err := frontend.Dial(c.chip)
		if err != nil {
			return openPins{}, err
		}
		return openPins{p.CMDVCCN, p.RSTIN, p.OFFN, p.Close}, nil
	}
	var lines [3]*gpio.Line
	closeAll := func() (err error) {
		for _, l := range lines {
			if l != nil {
				err = errors.Join(err, l.Close())
			}
		}
		return err
	}
	for i, offset := range []int{c.power, c.reset, c.present} {
		l, err := gpio.Open(gpio.Config{Chip: c.chip, Offset: offset, Consumer: "posd phoenix"})
		if err != nil {
			return openPins{}, errors.Join(err, closeAll())
		}
		lines[i] = l
	}
	return openPins{lines[0], lines[1], lines[2], closeAll}, nil
}

func phoenixReader() Driver[device.Reader] {
	d := Driver[device.Reader]{
		Words: "dev.phoenix", Example: "phoenix:///dev/ttyS2?chip=gpiochip0&power=4&reset=5&present=6",
		Params: []Param{
			{"chip", "", "dev.phoenix.chip"},
			{"power", "", "dev.phoenix.power"},
			{"reset", "", "dev.phoenix.reset"},
			{"present", "", "dev.phoenix.present"},
			{"echo", "on", "dev.phoenix.echo"},
			{"clock", "3579545", "dev.phoenix.clock"},
			{"max", "115200", "dev.phoenix.max"},
			{"slack", "250ms", "dev.phoenix.slack"},
			{"any", "off", "dev.reader.any"},
		},
	}
	line := serial.Config{Baud: phoenix.DefaultBaud, Parity: serial.EvenParity, StopBits: 2}
	return onLine(d, line, func(p params) (attach[device.Reader], error) {
		where, err1 := readPins(p)
		config, err2 := phoenixConfig(p)
		return func(_ context.Context, port device.Port) (Opened[device.Reader], error) {
			return openPhoenix(port, where, config)
		}, errors.Join(err1, err2)
	})
}

// readPins wants the lines by name; of a socket there is no offset to know.
func readPins(p params) (c contactPins, err error) {
	c.chip = p.text("chip")
	if c.chip == "" {
		return c, errors.New("chip is missing: the GPIO chip of the front end's lines")
	}
	for _, row := range []struct {
		name string
		at   *int
	}{{"power", &c.power}, {"reset", &c.reset}, {"present", &c.present}} {
		if p.text(row.name) == "" && c.chip[0] == '/' && c.simulated() {
			continue
		}
		if *row.at, err = p.number(row.name, 0, 65535); err != nil {
			return c, err
		}
	}
	return c, nil
}

// simulated tells the socket of a simulator by its name, for it need not be there yet.
func (c contactPins) simulated() bool {
	return len(c.chip) > len(frontend.Suffix) && c.chip[len(c.chip)-len(frontend.Suffix):] == frontend.Suffix
}

func phoenixConfig(p params) (phoenix.Config, error) {
	echo, err1 := p.on("echo")
	anyCard, err2 := p.on("any")
	clock, err3 := p.number("clock", 1_000_000, 20_000_000)
	most, err4 := p.number("max", 0, 4_000_000)
	slack, err5 := time.ParseDuration(p.text("slack"))
	if err5 == nil && (slack <= 0 || slack > 10*time.Second) {
		err5 = fmt.Errorf("slack=%q: more than 0 and at most 10s wanted", p.text("slack"))
	}
	return phoenix.Config{
		Slack: slack, NoEcho: !echo, AnyCard: anyCard, Baud: p.line.Baud, ClockHz: clock, MaxBaud: max(most, 1),
	}, errors.Join(err1, err2, err3, err4, err5)
}

// wired is a reader whose lines are given back when it is closed.
type wired struct {
	*phoenix.Reader
	lines func() error
}

func (w wired) Close() error { return errors.Join(w.Reader.Close(), w.lines()) }

// openPhoenix has nobody to ask what it is: the circuit has no firmware.
func openPhoenix(port device.Port, where contactPins, config phoenix.Config) (o Opened[device.Reader], err error) {
	lines, err := openContactPins(where)
	if err != nil {
		return o, err
	}
	config.Lines = phoenix.TDA8035(lines.cmdvccn, lines.rstin, lines.offn)
	r, err := phoenix.New(port, config)
	if err != nil {
		return o, errors.Join(err, lines.close())
	}
	return Opened[device.Reader]{Device: wired{r, lines.close}, Detail: "TDA8035, " + where.String(), Probe: glance(r)}, nil
}

package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// Config names a line of a chip.
type Config struct {
	Chip     string // "gpiochip0", or a path
	Offset   int    // on the chip
	Consumer string // who gpioinfo(1) says has it; "posd" if empty
	// Debounce is how long a level must stand to count, in an input with edges; 0 is off.
	Debounce time.Duration
}

// ErrNoChip is the cause of an error of Open: the machine has no such chip.
var ErrNoChip = errors.New("there is no such chip")

// request is what the chip's library gives: a line that is ours.
type request interface {
	Reconfigure(options ...gpiocdev.LineConfigOption) error
	SetValue(value int) error
	Value() (int, error)
	Close() error
}

// Line is a line of a Linux GPIO chip; it is a gpio.PinIO.
type Line struct {
	config Config
	edges
	mu     sync.Mutex
	req    request
	output bool
	pull   gpio.Pull
}

var _ gpio.PinIO = (*Line)(nil)

// Open takes the line, and leaves it as it is. Close gives it back.
func Open(c Config) (*Line, error) {
	switch {
	case c.Chip == "":
		return nil, errors.New("gpio: open: no chip")
	case c.Offset < 0:
		return nil, fmt.Errorf("gpio: open %s: offset %d", c.Chip, c.Offset)
	case c.Debounce < 0:
		return nil, fmt.Errorf("gpio: open %s line %d: debounce %v", c.Chip, c.Offset, c.Debounce)
	}
	if c.Consumer == "" {
		c.Consumer = "posd"
	}
	l := &Line{config: c, edges: newEdges()}
	req, err := gpiocdev.RequestLine(c.Chip, c.Offset, gpiocdev.AsIs, gpiocdev.WithConsumer(c.Consumer),
		gpiocdev.WithEventHandler(func(gpiocdev.LineEvent) { l.seen() }))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("gpio: open %s: %w, %s: %w", l, ErrNoChip, chips(gpiocdev.Chips()), err)
	}
	if err != nil {
		return nil, fmt.Errorf("gpio: open %s: %w", l, err)
	}
	l.req = req
	return l, nil
}

// chips says which chips there are, for the person who has named another.
func chips(names []string) string {
	if len(names) == 0 {
		return "and no other on this machine (/dev/gpiochip*)"
	}
	return "but " + strings.Join(names, ", ")
}

// String names the line.
func (l *Line) String() string { return fmt.Sprintf("%s line %d", l.config.Chip, l.config.Offset) }

// Name is String.
func (l *Line) Name() string { return l.String() }

// Number is the offset on the chip.
func (l *Line) Number() int { return l.config.Offset }

// Function says what the line is: In, Out.
func (l *Line) Function() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.output {
		return string(gpio.OUT)
	}
	return string(gpio.IN)
}

// Close gives the line back to the kernel, which leaves its level as it is where the
// hardware can.
func (l *Line) Close() error {
	l.halt()
	if err := l.req.Close(); err != nil {
		return fmt.Errorf("gpio: close %s: %w", l, err)
	}
	return nil
}

// Halt ends a WaitForEdge.
func (l *Line) Halt() error {
	l.halt()
	return nil
}

var (
	biases = map[gpio.Pull]gpiocdev.LineConfigOption{
		gpio.Float:        gpiocdev.WithBiasDisabled,
		gpio.PullUp:       gpiocdev.WithPullUp,
		gpio.PullDown:     gpiocdev.WithPullDown,
		gpio.PullNoChange: gpiocdev.WithBiasAsIs,
	}
	edgeKinds = map[gpio.Edge]gpiocdev.LineConfigOption{
		gpio.NoEdge:      gpiocdev.WithoutEdges,
		gpio.RisingEdge:  gpiocdev.WithRisingEdge,
		gpio.FallingEdge: gpiocdev.WithFallingEdge,
		gpio.BothEdges:   gpiocdev.WithBothEdges,
	}
)

// In makes an input of the line, and forgets edges that were seen before.
func (l *Line) In(pull gpio.Pull, edge gpio.Edge) error {
	bias, ok := biases[pull]
	kind, ok2 := edgeKinds[edge]
	if !ok || !ok2 {
		return fmt.Errorf("gpio: %s: input with pull %v and edge %v", l, pull, edge)
	}
	options := []gpiocdev.LineConfigOption{gpiocdev.AsInput, bias, kind}
	if l.config.Debounce > 0 && edge != gpio.NoEdge {
		options = append(options, gpiocdev.WithDebounce(l.config.Debounce))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.halt()
	if err := l.req.Reconfigure(options...); err != nil {
		return fmt.Errorf("gpio: %s: make it an input: %w", l, err)
	}
	l.output, l.pull = false, pull
	l.forget()
	return nil
}

// Out makes an output of the line with that level from the first moment.
func (l *Line) Out(level gpio.Level) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.output {
		err = l.req.SetValue(value(level))
	} else {
		err = l.req.Reconfigure(gpiocdev.AsOutput(value(level)))
	}
	if err != nil {
		return fmt.Errorf("gpio: %s: set %v: %w", l, level, err)
	}
	l.output = true
	return nil
}

func value(level gpio.Level) int {
	if level {
		return 1
	}
	return 0
}

// Value is the level now, of an input or an output.
func (l *Line) Value() (gpio.Level, error) {
	v, err := l.req.Value()
	if err != nil {
		return gpio.Low, fmt.Errorf("gpio: %s: read: %w", l, err)
	}
	return v != 0, nil
}

// Read is Value, and Low where that fails: periph.io's interface has no error here.
func (l *Line) Read() gpio.Level {
	level, _ := l.Value()
	return level
}

// Pull is what In set.
func (l *Line) Pull() gpio.Pull {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pull
}

// DefaultPull is not known to Linux.
func (l *Line) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// PWM is not supported.
func (l *Line) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("gpio: %s: PWM: %w", l, errors.ErrUnsupported)
}

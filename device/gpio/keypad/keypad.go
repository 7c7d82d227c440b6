package keypad

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"

	"posd/device"
)

// Key is a key by its label: '0' to '9', and the others by constants.
type Key rune

const (
	Enter  Key = '\n'
	Cancel Key = 0x1B
	Clear  Key = '\b'
	Up     Key = '↑'
	Down   Key = '↓'
)

// Digit tells the digit of a key.
func (k Key) Digit() (d int, ok bool) { return int(k - '0'), '0' <= k && k <= '9' }

// Scanner tells which keys are down now. [Matrix] and [Buttons] are two.
type Scanner interface {
	// Start makes inputs and outputs of the lines.
	Start() error
	// Down returns the keys that are down.
	Down() ([]Key, error)
}

// Values for zero fields of Config.
const (
	DefaultPoll     = 10 * time.Millisecond
	DefaultDebounce = 30 * time.Millisecond
)

// Config is a keypad. Keys is required.
type Config struct {
	Keys     Scanner
	Poll     time.Duration // between two looks, 10 ms
	Debounce time.Duration // how long a key has to stand, down or up, 30 ms
}

// Pad is a keypad. One goroutine uses it at a time.
type Pad struct {
	config Config
	held   bool // the last key was not seen up yet
}

// New starts the lines of a keypad.
func New(config Config) (*Pad, error) {
	switch {
	case config.Keys == nil:
		return nil, errors.New("keypad: new: no keys")
	case config.Poll < 0 || config.Debounce < 0:
		return nil, errors.New("keypad: new: a time is below zero")
	}
	if config.Poll == 0 {
		config.Poll = DefaultPoll
	}
	if config.Debounce == 0 {
		config.Debounce = DefaultDebounce
	}
	if err := config.Keys.Start(); err != nil {
		return nil, fmt.Errorf("keypad: new: %w", err)
	}
	return &Pad{config: config, held: true}, nil // a key that hangs at the start is none
}

// Key returns the next key that is pressed, or ctx's error.
func (p *Pad) Key(ctx context.Context) (Key, error) {
	tick := time.NewTicker(p.config.Poll)
	defer tick.Stop()
	var seen Key // 0: none, or more than one
	var since time.Time
	for now := time.Now(); ; {
		down, err := p.config.Keys.Down()
		if err != nil {
			return 0, fmt.Errorf("keypad: %w", err)
		}
		key := only(down)
		if key != seen || len(down) > 1 {
			seen, since = key, now
		}
		if now.Sub(since) >= p.config.Debounce || since.IsZero() {
			switch {
			case len(down) == 0:
				p.held = false
			case key != 0 && !p.held:
				p.held = true
				return key, nil
			}
		}
		select {
		case now = <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("keypad: %w", ctx.Err())
		}
	}
}

func only(down []Key) Key {
	if len(down) == 1 {
		return down[0]
	}
	return 0
}

// PINRefused is the error of whoever asks a keypad for a PIN. It is a device.ErrRefused.
type PINRefused struct{}

// Error gives the reason.
func (PINRefused) Error() string {
	return "keypad: PIN entry refused: a keypad on GPIO lines is not a PCI PTS approved device, " +
		"its digits are in this computer's memory in clear; connect a PIN pad (vfpad:, abecs:)"
}

// Is tells that it is a device.ErrRefused.
func (PINRefused) Is(target error) bool { return target == device.ErrRefused }

// EnterPIN refuses, whatever is asked: see the package comment.
func (p *Pad) EnterPIN(context.Context, device.PINRequest) (device.PINBlock, error) {
	return device.PINBlock{}, PINRefused{}
}

// Limits of a keypad.
const (
	maxLines = 16
	settle   = 20 * time.Microsecond // of a line after its row was driven
)

// Matrix has a key where a row and a column cross. Rows are driven low one at a time, the
// others float; columns are pulled up. Keys[r][c] is 0 where there is none.
type Matrix struct {
	Rows    []gpio.PinIO
	Columns []gpio.PinIn
	Keys    [][]Key
}

// Start checks the shape, lets the rows float, and pulls the columns up.
func (m Matrix) Start() error {
	if err := m.check(); err != nil {
		return err
	}
	for _, row := range m.Rows {
		if err := row.In(gpio.Float, gpio.NoEdge); err != nil {
			return err
		}
	}
	for _, column := range m.Columns {
		if err := column.In(gpio.PullUp, gpio.NoEdge); err != nil {
			return err
		}
	}
	return nil
}

func (m Matrix) check() error {
	if n := len(m.Rows); n == 0 || n > maxLines {
		return fmt.Errorf("%d rows, 1 to %d wanted", n, maxLines)
	}
	if n := len(m.Columns); n == 0 || n > maxLines {
		return fmt.Errorf("%d columns, 1 to %d wanted", n, maxLines)
	}
	if len(m.Keys) != len(m.Rows) {
		return fmt.Errorf("keys of %d rows, there are %d", len(m.Keys), len(m.Rows))
	}
	for r, keys := range m.Keys {
		if len(keys) != len(m.Columns) {
			return fmt.Errorf("row %d has %d keys, there are %d columns", r+1, len(keys), len(m.Columns))
		}
	}
	return nil
}

// Down scans all rows. Every row floats when it returns, whatever happened.
func (m Matrix) Down() (down []Key, err error) {
	for r, row := range m.Rows {
		if err := row.Out(gpio.Low); err != nil {
			return nil, errors.Join(err, row.In(gpio.Float, gpio.NoEdge))
		}
		time.Sleep(settle)
		keys, err := m.row(r)
		if err = errors.Join(err, row.In(gpio.Float, gpio.NoEdge)); err != nil {
			return nil, err
		}
		down = append(down, keys...)
	}
	return down, nil
}

// row reads the columns while row r is driven.
func (m Matrix) row(r int) (down []Key, err error) {
	for c, column := range m.Columns {
		key := m.Keys[r][c]
		if key == 0 {
			continue
		}
		pressed, err := low(column)
		if err != nil {
			return nil, err
		}
		if pressed {
			down = append(down, key)
		}
	}
	return down, nil
}

// low reads a line; one that can say that it cannot be read is asked so.
func low(line gpio.PinIn) (bool, error) {
	if v, ok := line.(interface{ Value() (gpio.Level, error) }); ok {
		level, err := v.Value()
		return level == gpio.Low, err
	}
	return line.Read() == gpio.Low, nil
}

// Buttons have a line each, which they pull low.
type Buttons map[Key]gpio.PinIn

// Start pulls the lines up.
func (b Buttons) Start() error {
	if len(b) == 0 || len(b) > maxLines*maxLines {
		return fmt.Errorf("%d buttons", len(b))
	}
	for _, line := range b {
		if err := line.In(gpio.PullUp, gpio.NoEdge); err != nil {
			return err
		}
	}
	return nil
}

// Down reads all lines.
func (b Buttons) Down() (down []Key, err error) {
	for key, line := range b {
		pressed, err := low(line)
		if err != nil {
			return nil, err
		}
		if pressed {
			down = append(down, key)
		}
	}
	return down, nil
}

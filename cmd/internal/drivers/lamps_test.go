package drivers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device"
	"posd/device/gpio"
	"posd/device/gpio/indicator"
)

// board is a GPIO chip without hardware.
type board struct {
	mu     sync.Mutex
	levels map[int]pin.Level // of the lines that are out
	broken int               // a line that cannot be set; 0: none
	taken  int
	none   int // a line that cannot be taken
}

type boardLine struct {
	*gpio.Memory
	board  *board
	offset int
}

var errBroken = errors.New("no such device")

func (l boardLine) Out(level pin.Level) error {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	if l.board.broken == l.offset {
		return errBroken
	}
	l.board.levels[l.offset] = level
	return nil
}

func (l boardLine) Close() error {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	l.board.taken--
	return nil
}

func (b *board) take(c gpio.Config) (outPin, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.Chip != "/dev/gpiochip0" || c.Offset == b.none {
		return nil, errBroken
	}
	b.taken++
	return boardLine{gpio.NewMemory("", nil), b, c.Offset}, nil
}

// high are the lines that are high, in order.
func (b *board) high() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for offset, level := range b.levels {
		if level == pin.High {
			out = append(out, fmt.Sprint(offset))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func openBoard(t *testing.T, b *board, url string) (Opened[*Lamps], error) {
	t.Helper()
	b.levels = map[int]pin.Level{}
	s := New()
	s.line = b.take
	return s.Lamps().Open(t.Context(), url)
}

const lampsURL = "gpio:///dev/gpiochip0?lights=17,27,22,23&buzzer=24"

func TestLamps(t *testing.T) {
	for _, row := range []struct {
		name, url  string
		dark, read string // lines that are high: dark, and in the first moment of CardRead
	}{
		{"high is on", lampsURL, "", "17 24 27"},
		{"low is on", lampsURL + "&low=on", "17 22 23 24 27", "22 23"},
		{"silent", "gpio:///dev/gpiochip0?lights=17,27,22,23", "", "17 27"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b board
				o, err := openBoard(t, &b, row.url)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := b.high(); got != row.dark {
					t.Errorf("at first %q is high, want %q", got, row.dark)
				}
				if err := o.Device.Show(indicator.CardRead); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := b.high(); got != row.read {
					t.Errorf("card read: %q is high, want %q", got, row.read)
				}
				if err := o.Device.Close(); err != nil {
					t.Error(err)
				}
				if got := b.high(); got != row.dark || b.taken != 0 {
					t.Errorf("closed: %q is high, %d lines are taken", got, b.taken)
				}
			})
		})
	}
}

// A line that cannot be set any more is found by the probe, so that all are opened anew.
func TestLampsThatBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board{}
		o, err := openBoard(t, &b, lampsURL)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Probe(t.Context()); err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		b.broken = 22
		b.mu.Unlock()
		if err := o.Device.Show(indicator.Ready); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Millisecond)
		for _, err := range []error{o.Probe(t.Context()), o.Device.Show(indicator.Idle)} {
			if !errors.Is(err, device.ErrGone) || !errors.Is(err, errBroken) {
				t.Errorf("got %v", err)
			}
		}
		if err := o.Device.Close(); err != nil || b.taken != 0 {
			t.Errorf("%v, %d lines are taken", err, b.taken)
		}
	})
}

// What cannot be opened whole gives back what it took.
func TestLampsThatDoNotOpen(t *testing.T) {
	for _, b := range []*board{{none: 17}, {none: 23}, {none: 24}, {broken: 27}, {broken: 24}} {
		if _, err := openBoard(t, b, lampsURL); !errors.Is(err, errBroken) || b.taken != 0 {
			t.Errorf("none %d, broken %d: %v, %d lines are taken", b.none, b.broken, err, b.taken)
		}
	}
}

func TestLampsURLsThatCannotBe(t *testing.T) {
	table := New().Lamps()
	for url, want := range map[string]string{
		"gpio:///dev/gpiochip0":                                 `lights="": the offsets of four lines wanted`,
		"gpio:///dev/gpiochip0?lights=1,2,3":                    `lights="1,2,3": the offsets`,
		"gpio:///dev/gpiochip0?lights=1,2,3,x":                  `"x" is not a number up to 65535`,
		"gpio:///dev/gpiochip0?lights=1,2,3,70000":              `"70000" is not a number`,
		"gpio:///dev/gpiochip0?lights=1,2,3,4&buzzer=x":         `buzzer="x": 0 to 65535 wanted`,
		"gpio:///dev/gpiochip0?lights=1,2,3,4&low=yes":          `low="yes" is none of on, off`,
		"gpio:///dev/gpiochip0?lights=1,2,3,4&colour=red":       `unknown parameter "colour", known are lights`,
		"gpio:///dev/gpiochip0?lights=1,2,3,4&lights=1,2,3,4":   "given 2 times",
		"gpio:gpiochip0?lights=1,2,3,4":                         "not scheme:///path",
		"gpio://gpiochip0?lights=1,2,3,4":                       "not scheme:///path",
		"gpio:///dev/gpiochip0?lights=1,2,3,4&buzzer=4;lights=": "invalid semicolon",
	} {
		if err := table.Check(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

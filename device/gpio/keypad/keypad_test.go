package keypad_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device"
	"posd/device/gpio"
	"posd/device/gpio/keypad"
)

var telephone = [][]keypad.Key{
	{'1', '2', '3', keypad.Cancel},
	{'4', '5', '6', keypad.Clear},
	{'7', '8', '9', 0},
	{0, '0', 0, keypad.Enter},
}

// foil is a membrane without diodes: keys connect row and column lines.
type foil struct {
	keypad.Matrix
	rows []*gpio.Memory
	mu   sync.Mutex
	down [][2]int // row, column
}

// press sets the keys that are down.
func (f *foil) press(keys ...[2]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = keys
}

func newFoil() *foil {
	f := &foil{}
	f.Keys = telephone
	for range telephone {
		m := gpio.NewMemory("row", nil)
		f.rows = append(f.rows, m)
		f.Rows = append(f.Rows, m)
	}
	for c := range telephone[0] {
		f.Columns = append(f.Columns, column{gpio.NewMemory("column", nil), f, c})
	}
	return f
}

// column reads low where closed keys lead to a row that is driven low.
type column struct {
	*gpio.Memory
	foil *foil
	c    int
}

func (c column) Read() pin.Level {
	c.foil.mu.Lock()
	defer c.foil.mu.Unlock()
	rows, columns := map[int]bool{}, map[int]bool{c.c: true}
	for range c.foil.down { // as far as current finds its way
		for _, k := range c.foil.down {
			if rows[k[0]] || columns[k[1]] {
				rows[k[0]], columns[k[1]] = true, true
			}
		}
	}
	for r, m := range c.foil.rows {
		if rows[r] && m.Function() == string(pin.OUT) && m.Read() == pin.Low {
			return pin.Low
		}
	}
	return pin.High
}

// typed runs a script of presses, and returns the keys that the pad gave.
func typed(t *testing.T, f *foil, script func()) []keypad.Key {
	t.Helper()
	p, err := keypad.New(keypad.Config{Keys: f.Matrix})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var got []keypad.Key
	done := make(chan error)
	go func() {
		for {
			k, err := p.Key(ctx)
			if err != nil {
				done <- err
				return
			}
			got = append(got, k)
		}
	}()
	<-time.After(100 * time.Millisecond)
	script()
	<-time.After(100 * time.Millisecond)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended by %v", err)
	}
	return got
}

func TestMatrix(t *testing.T) {
	at := map[keypad.Key][2]int{}
	for r, row := range telephone {
		for c, k := range row {
			at[k] = [2]int{r, c}
		}
	}
	delete(at, 0)
	for _, row := range []struct {
		name string
		do   func(f *foil, hold func(d time.Duration, keys ...keypad.Key))
		want string
	}{
		{"an amount", func(_ *foil, hold func(time.Duration, ...keypad.Key)) {
			for _, k := range "1250" {
				hold(80*time.Millisecond, keypad.Key(k))
				hold(80 * time.Millisecond)
			}
			hold(time.Second, keypad.Enter)
		}, "1250\n"},
		{"a key that bounces", func(_ *foil, hold func(time.Duration, ...keypad.Key)) {
			for range 3 {
				hold(10*time.Millisecond, '5')
				hold(10 * time.Millisecond)
			}
			hold(100*time.Millisecond, '5')
			for range 3 {
				hold(10 * time.Millisecond)
				hold(10*time.Millisecond, '5')
			}
			hold(100 * time.Millisecond)
		}, "5"},
		{"too short", func(_ *foil, hold func(time.Duration, ...keypad.Key)) { hold(15*time.Millisecond, '5') }, ""},
		{"the same key twice", func(_ *foil, hold func(time.Duration, ...keypad.Key)) {
			hold(80*time.Millisecond, '8')
			hold(80 * time.Millisecond)
			hold(80*time.Millisecond, '8')
		}, "88"},
		{"two at once are none, nor what is left of them", func(_ *foil, hold func(time.Duration, ...keypad.Key)) {
			hold(80*time.Millisecond, '1', '2')
			hold(80 * time.Millisecond)
		}, ""},
		{"three that look like four", func(_ *foil, hold func(time.Duration, ...keypad.Key)) {
			hold(80*time.Millisecond, '1', '2', '4')
		}, ""},
		{"slid from key to key", func(_ *foil, hold func(time.Duration, ...keypad.Key)) {
			hold(80*time.Millisecond, '1')
			hold(80*time.Millisecond, '2')
		}, "1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFoil()
			got := typed(t, f, func() {
				row.do(f, func(d time.Duration, keys ...keypad.Key) {
					var down [][2]int
					for _, k := range keys {
						down = append(down, at[k])
					}
					f.press(down...)
					<-time.After(d)
				})
				f.press()
			})
			if string(got) != row.want {
				t.Errorf("%s: got %q, want %q", row.name, string(got), row.want)
			}
			for i, m := range f.rows {
				if m.Function() != string(pin.IN) {
					t.Errorf("%s: row %d does not float", row.name, i)
				}
			}
		})
	}
}

// A key that hangs when the terminal starts is not pressed.
func TestAKeyThatHangsAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFoil()
		f.press([2]int{1, 1})
		if got := typed(t, f, func() { <-time.After(time.Second) }); len(got) != 0 {
			t.Errorf("got %q", string(got))
		}
	})
}

func TestButtons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := map[keypad.Key]*gpio.Memory{}
		buttons := keypad.Buttons{}
		for _, k := range []keypad.Key{keypad.Up, keypad.Down, keypad.Enter} {
			lines[k] = gpio.NewMemory("button", nil)
			lines[k].Drive(pin.High)
			buttons[k] = lines[k]
		}
		p, err := keypad.New(keypad.Config{Keys: buttons})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { lines[keypad.Down].Drive(pin.Low) })
		begin := time.Now()
		k, err := p.Key(t.Context())
		if err != nil || k != keypad.Down || time.Since(begin) < time.Second+30*time.Millisecond {
			t.Errorf("key %q, %v after %v", k, err, time.Since(begin))
		}
		if _, ok := k.Digit(); ok {
			t.Error("an arrow is a digit")
		}
	})
}

func TestAKeypadTakesNoPIN(t *testing.T) {
	p, err := keypad.New(keypad.Config{Keys: newFoil().Matrix})
	if err != nil {
		t.Fatal(err)
	}
	block, err := p.EnterPIN(t.Context(), device.PINRequest{MinDigits: 4, MaxDigits: 12})
	var refused keypad.PINRefused
	if !errors.Is(err, device.ErrRefused) || !errors.As(err, &refused) || block != (device.PINBlock{}) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(err.Error(), "not a PCI PTS approved device") {
		t.Errorf("%v does not say why", err)
	}
}

// brokenLine is an input that cannot be read.
type brokenLine struct{ *gpio.Memory }

var errBroken = errors.New("no such device")

func (brokenLine) Value() (pin.Level, error) { return pin.Low, errBroken }

func TestALineThatFails(t *testing.T) {
	m := newFoil().Matrix
	m.Columns = slices.Clone(m.Columns)
	m.Columns[2] = brokenLine{gpio.NewMemory("column", nil)}
	for name, keys := range map[string]keypad.Scanner{
		"matrix": m, "buttons": keypad.Buttons{keypad.Up: brokenLine{gpio.NewMemory("button", nil)}},
	} {
		p, err := keypad.New(keypad.Config{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		if k, err := p.Key(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("%s: key %q, %v", name, k, err)
		}
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	f := newFoil()
	for want, c := range map[string]keypad.Config{
		"no keys":        {},
		"below zero":     {Keys: f.Matrix, Poll: -1},
		"0 rows":         {Keys: keypad.Matrix{}},
		"0 columns":      {Keys: keypad.Matrix{Rows: f.Rows}},
		"keys of 0 rows": {Keys: keypad.Matrix{Rows: f.Rows, Columns: f.Columns}},
		"row 1 has 1 keys": {Keys: keypad.Matrix{
			Rows: f.Rows, Columns: f.Columns, Keys: [][]keypad.Key{{'1'}, {'2'}, {'3'}, {'4'}},
		}},
		"0 buttons": {Keys: keypad.Buttons{}},
	} {
		if _, err := keypad.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

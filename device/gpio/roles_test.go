package gpio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"periph.io/x/conn/v3/gpio"

	"posd/device/devicetest"
)

// memoryWorld is the world around a Memory.
type memoryWorld struct {
	pin  *Memory
	seen []gpio.Level
}

func (w *memoryWorld) Drive(l gpio.Level)   { w.pin.Drive(l) }
func (w *memoryWorld) Levels() []gpio.Level { return w.seen }

// lineWorld is the kernel and the world around a Line.
type lineWorld struct {
	chip
	line    *Line
	seen    []gpio.Level
	watches bool
	output  bool
}

func (w *lineWorld) Levels() []gpio.Level { return w.seen }

func (w *lineWorld) Drive(l gpio.Level) {
	if w.output {
		return
	}
	if w.value != value(l) && w.watches {
		w.line.seen()
	}
	w.value = value(l)
}

func (w *lineWorld) Reconfigure(options ...gpiocdev.LineConfigOption) error {
	w.watches = false
	for _, o := range options {
		switch o := o.(type) {
		case gpiocdev.OutputOption: // direction and value are one request
			w.seen = append(w.seen, o[0] == 1)
			w.output = true
		case gpiocdev.InputOption:
			w.output = false
		case gpiocdev.LineEdge:
			w.watches = o == gpiocdev.WithBothEdges
		}
	}
	return w.chip.Reconfigure(options...)
}

func (w *lineWorld) SetValue(v int) error {
	w.seen = append(w.seen, v == 1)
	return w.chip.SetValue(v)
}

func TestConformance(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		devicetest.Pin(t, func(*testing.T) (gpio.PinIO, devicetest.World) {
			w := &memoryWorld{}
			w.pin = NewMemory("line", func(l gpio.Level) { w.seen = append(w.seen, l) })
			return w.pin, w
		})
	})
	t.Run("linux", func(t *testing.T) {
		devicetest.Pin(t, func(*testing.T) (gpio.PinIO, devicetest.World) {
			w := &lineWorld{}
			w.line = &Line{config: Config{Chip: "gpiochip0", Offset: 3}, edges: newEdges(), req: w}
			return w.line, w
		})
	})
}

func TestTamper(t *testing.T) {
	for _, row := range []struct {
		name  string
		low   bool
		boot  gpio.Level
		drive []gpio.Level // after a minute
		after time.Duration
	}{
		{"open at boot", false, gpio.High, nil, 0},
		{"open at boot, active low", true, gpio.Low, nil, 0},
		{"opened later", false, gpio.Low, []gpio.Level{gpio.High}, time.Minute},
		{"opened later, active low", true, gpio.High, []gpio.Level{gpio.Low}, time.Minute},
		{"opened and closed within a moment", false, gpio.Low, []gpio.Level{gpio.High, gpio.Low}, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			pin := NewMemory("tamper", nil)
			pin.Drive(row.boot)
			called, wanted := 0, errors.New("latched")
			w := &Tamper{Pin: pin, ActiveLow: row.low, Pull: gpio.PullNoChange, OnTamper: func(context.Context) error {
				called++
				return wanted
			}}
			time.AfterFunc(time.Minute, func() {
				for _, l := range row.drive {
					pin.Drive(l)
				}
			})
			begin := time.Now()
			err := w.Start(t.Context())
			if booted := w.Tripped(); booted != (row.after == 0) {
				t.Errorf("%s: tripped at boot: %v", row.name, booted)
			}
			if err == nil {
				err = w.Run(t.Context())
			}
			if err != wanted || time.Since(begin) != row.after || !w.Tripped() {
				t.Errorf("%s: %v after %v, tripped %v", row.name, err, time.Since(begin), w.Tripped())
			}
			pin.Drive(!row.boot)
			pin.Drive(row.boot)
			if err := errors.Join(w.Start(t.Context()), w.Run(t.Context())); err != nil || called != 1 {
				t.Errorf("%s: once more: %v, told %d times", row.name, err, called)
			}
		})
	}
}

func TestTamperThatStaysShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := NewMemory("tamper", nil)
		w := &Tamper{Pin: pin, OnTamper: func(context.Context) error { t.Error("told"); return nil }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := errors.Join(w.Start(ctx), w.Run(ctx)); err != nil || w.Tripped() {
			t.Errorf("run: %v, tripped %v", err, w.Tripped())
		}
	})
}

// A line that cannot be read is neither open nor shut.
func TestTamperLineThatFails(t *testing.T) {
	broken := errors.New("no such device")
	told := func(context.Context) error { t.Error("told"); return nil }
	for _, row := range []struct {
		tamper *Tamper
		want   string
	}{
		{&Tamper{Pin: line(&chip{err: broken}, 0), OnTamper: told}, "no such device"},
		{&Tamper{Pin: failsLater{line(&chip{}, 0), broken}, OnTamper: told, ActiveLow: true}, "no such device"},
		{&Tamper{OnTamper: told}, "no pin"},
		{&Tamper{Pin: NewMemory("tamper", nil)}, "nobody to tell"},
	} {
		if err := row.tamper.Start(t.Context()); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("got %v, want %q in it", err, row.want)
		}
	}
}

// failsLater becomes an input, and cannot be read then: Read says Low.
type failsLater struct {
	*Line
	err error
}

func (f failsLater) Value() (gpio.Level, error) { return gpio.Low, f.err }

func TestLightAndBuzzer(t *testing.T) {
	for _, low := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			begin := time.Now()
			pin := NewMemory("pin", func(l gpio.Level) { got = append(got, fmt.Sprintf("%v %v", time.Since(begin), l == active(low))) })
			light := Light{Pin: pin, ActiveLow: low}
			if err := errors.Join(light.Set(true), light.Set(false), Buzzer{Pin: pin, ActiveLow: low}.Beep(t.Context(), time.Second)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := (Buzzer{Pin: pin, ActiveLow: low}).Beep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
				t.Errorf("cut short: %v", err)
			}
			want := []string{"0s true", "0s false", "0s true", "1s false", "1s true", "1s false"}
			if !slices.Equal(got, want) {
				t.Errorf("active low %v: %q, want %q", low, got, want)
			}
		})
	}
}

func TestParseSpec(t *testing.T) {
	for text, want := range map[string]Spec{
		"gpiochip0/17":                      {Config: Config{Chip: "gpiochip0", Offset: 17}},
		"/dev/gpiochip1/0,low":              {Config: Config{Chip: "/dev/gpiochip1"}, Low: true},
		"gpiochip0/4,low,debounce=5ms":      {Config: Config{Chip: "gpiochip0", Offset: 4, Debounce: 5 * time.Millisecond}, Low: true},
		"gpiochip0/4,debounce=100ms,high":   {Config: Config{Chip: "gpiochip0", Offset: 4, Debounce: 100 * time.Millisecond}},
		"gpiochip0/5,low,":                  {Config: Config{Chip: "gpiochip0", Offset: 5}, Low: true},
		"/dev/gpio-by-name/front-panel/255": {Config: Config{Chip: "/dev/gpio-by-name/front-panel", Offset: 255}},
	} {
		got, err := ParseSpec(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                            "not CHIP/OFFSET",
		"17":                          "not CHIP/OFFSET",
		"/17":                         "not CHIP/OFFSET",
		"gpiochip0/x":                 `offset "x"`,
		"gpiochip0/-1":                `offset "-1"`,
		"gpiochip0/65536":             "65536",
		"gpiochip0/1,up":              `option "up"`,
		"gpiochip0/1,debounce=2s":     "0 to 1s",
		"gpiochip0/1,debounce=5":      "missing unit",
		"gpiochip0/1,low,debounce=-s": "invalid",
	} {
		if _, err := ParseSpec(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
}

func FuzzSpec(f *testing.F) {
	f.Add("gpiochip0/17,low,debounce=5ms")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSpec(text)
		if err != nil {
			return
		}
		if again, err := ParseSpec(s.String()); err != nil || again != s {
			t.Errorf("%q is %+v, and %q is %+v (%v)", text, s, s.String(), again, err)
		}
	})
}

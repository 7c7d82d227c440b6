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
)

// chip is the kernel's side of a line, which notes what it is asked.
type chip struct {
	asked []string
	value int
	err   error
}

func (c *chip) Reconfigure(options ...gpiocdev.LineConfigOption) error {
	for _, o := range options {
		c.asked = append(c.asked, fmt.Sprintf("%T %v", o, o))
		if out, ok := o.(gpiocdev.OutputOption); ok {
			c.value = out[0]
		}
	}
	return c.err
}

func (c *chip) SetValue(v int) error {
	c.asked = append(c.asked, fmt.Sprintf("SetValue %d", v))
	c.value = v
	return c.err
}
func (c *chip) Value() (int, error) { return c.value, c.err }
func (c *chip) Close() error        { return c.err }

func line(c *chip, debounce time.Duration) *Line {
	return &Line{config: Config{Chip: "gpiochip0", Offset: 3, Debounce: debounce}, edges: newEdges(), req: c}
}

func TestOutSetsLevelAndDirectionInOneRequest(t *testing.T) {
	c := &chip{}
	l := line(c, 0)
	for _, level := range []gpio.Level{gpio.High, gpio.Low, gpio.High} {
		if err := l.Out(level); err != nil {
			t.Fatal(err)
		}
		if got := l.Read(); got != level { // and reading leaves it an output
			t.Errorf("read %v, want %v", got, level)
		}
	}
	want := []string{"gpiocdev.OutputOption [1]", "SetValue 0", "SetValue 1"}
	if !slices.Equal(c.asked, want) {
		t.Errorf("asked %q, want %q", c.asked, want)
	}
	if l.Function() != "OUT" {
		t.Errorf("function %s", l.Function())
	}
}

func TestInAsksForEdgesWithDebounce(t *testing.T) {
	c := &chip{}
	l := line(c, 20*time.Millisecond)
	if err := l.In(gpio.PullUp, gpio.BothEdges); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(c.asked, "; ")
	for _, want := range []string{
		"InputOption",
		fmt.Sprintf("LineBias %d", gpiocdev.WithPullUp),
		fmt.Sprintf("LineEdge %d", gpiocdev.WithBothEdges),
		fmt.Sprintf("DebounceOption %d", 20*time.Millisecond),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("asked %s: want %s", got, want)
		}
	}
	if l.Pull() != gpio.PullUp || l.Function() != "IN" {
		t.Errorf("pull %v, function %s", l.Pull(), l.Function())
	}
	if err := l.In(gpio.PullUp, gpio.Edge(9)); err == nil {
		t.Error("edge 9 was taken")
	}
}

func TestLineThatFails(t *testing.T) {
	broken := errors.New("no such device")
	l := line(&chip{err: broken}, 0)
	_, readErr := l.Value()
	for what, err := range map[string]error{
		"In": l.In(gpio.Float, gpio.NoEdge), "Out": l.Out(gpio.High), "Value": readErr, "Close": l.Close(),
	} {
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "gpiochip0 line 3") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := l.PWM(0, 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("PWM: %v", err)
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	for _, row := range []struct {
		c    Config
		want string
	}{
		{Config{}, "no chip"},
		{Config{Chip: "gpiochip0", Offset: -1}, "offset -1"},
		{Config{Chip: "gpiochip0", Debounce: -1}, "debounce"},
		{Config{Chip: "gpiochip99", Offset: 3}, "gpiochip99 line 3"},
	} {
		if _, err := Open(row.c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: %v, want %q in it", row.c, err, row.want)
		}
	}
}

func TestWaitForEdge(t *testing.T) {
	for _, row := range []struct {
		name  string
		edge  gpio.Edge
		drive []gpio.Level
		want  bool
	}{
		{"rising", gpio.RisingEdge, []gpio.Level{gpio.High}, true},
		{"rising is not falling", gpio.FallingEdge, []gpio.Level{gpio.High}, false},
		{"falling", gpio.FallingEdge, []gpio.Level{gpio.High, gpio.Low}, true},
		{"same level is no edge", gpio.BothEdges, []gpio.Level{gpio.Low}, false},
		{"none asked for", gpio.NoEdge, []gpio.Level{gpio.High}, false},
	} {
		for _, before := range []bool{true, false} { // the wait, or the edge, comes first
			synctest.Test(t, func(t *testing.T) {
				m := NewMemory("switch", nil)
				m.In(gpio.Float, row.edge)
				drive := func() {
					for _, l := range row.drive {
						m.Drive(l)
					}
				}
				if before {
					drive()
				} else {
					go func() {
						<-time.After(time.Second)
						drive()
					}()
				}
				if got := m.WaitForEdge(2 * time.Second); got != row.want {
					t.Errorf("%s, edge first %v: %v", row.name, before, got)
				}
				if m.WaitForEdge(0) {
					t.Errorf("%s: one edge was seen twice", row.name)
				}
			})
		}
	}
}

func TestWaitForEdgeWithoutTimeoutEndsByHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory("switch", nil)
		m.In(gpio.Float, gpio.BothEdges)
		done := make(chan bool, 1)
		go func() { done <- m.WaitForEdge(-1) }()
		<-time.After(time.Hour)
		select {
		case <-done:
			t.Fatal("it did not wait")
		default:
		}
		m.Halt()
		if <-done {
			t.Error("halt is no edge")
		}
	})
}

func TestMemory(t *testing.T) {
	var out []gpio.Level
	m := NewMemory("reset", func(l gpio.Level) { out = append(out, l) })
	m.Out(gpio.High)
	if err := m.Drive(gpio.Low); err == nil || m.Read() != gpio.High {
		t.Errorf("an output was driven from outside: %v", err)
	}
	m.In(gpio.PullDown, gpio.NoEdge)
	if m.Read() != gpio.Low || m.Function() != "IN" {
		t.Errorf("pulled down: %v, %s", m.Read(), m.Function())
	}
	if !slices.Equal(out, []gpio.Level{gpio.High}) {
		t.Errorf("told of %v", out)
	}
}

func TestPulsesEndAsTheyBegan(t *testing.T) {
	for _, low := range []bool{true, false} {
		for _, short := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var at []string
				begin := time.Now()
				pin := NewMemory("pin", func(l gpio.Level) { at = append(at, fmt.Sprintf("%v %v", time.Since(begin), l)) })
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				end := 50 * time.Millisecond
				if short {
					end = 10 * time.Millisecond
					time.AfterFunc(end, cancel)
				}
				err := Reset{Pin: pin, ActiveLow: low}.Pulse(ctx, 50*time.Millisecond)
				if errors.Is(err, context.Canceled) != short {
					t.Errorf("pulse: %v", err)
				}
				want := []string{fmt.Sprintf("0s %v", active(low)), fmt.Sprintf("%v %v", end, !active(low))}
				if !slices.Equal(at, want) {
					t.Errorf("reset went %q, want %q", at, want)
				}
				if err := (Power{Pin: pin, ActiveLow: low}).Cycle(t.Context(), time.Second); err != nil || pin.Read() != active(low) {
					t.Errorf("power is %v after the cycle, %v", pin.Read(), err)
				}
			})
		}
	}
}

func TestCardDetect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := NewMemory("card", nil)
		pin.Drive(gpio.High)
		slot := CardDetect{Pin: pin, Pull: gpio.PullUp, ActiveLow: true}
		if err := slot.Start(); err != nil || slot.Present() {
			t.Fatalf("start %v, present %v", err, slot.Present())
		}
		begin := time.Now()
		go func() {
			<-time.After(1234 * time.Millisecond)
			pin.Drive(gpio.Low)
		}()
		if err := slot.Wait(t.Context(), true); err != nil || time.Since(begin) != 1234*time.Millisecond {
			t.Errorf("card after %v, %v", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := slot.Wait(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("card that stays: %v", err)
		}
	})
}

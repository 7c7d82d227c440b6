package indicator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device/gpio"
	"posd/device/gpio/indicator"
)

// panel writes down what can be seen and heard, and when it changes.
type panel struct {
	lit    [4]bool
	tone   int
	begin  time.Time
	before string
	got    []string
}

func (p *panel) note() {
	s := ""
	for _, on := range p.lit {
		s += map[bool]string{true: "*", false: "."}[on]
	}
	if p.tone > 0 {
		s += fmt.Sprintf(" %d Hz", p.tone)
	}
	if s != p.before {
		p.before = s
		p.got = append(p.got, fmt.Sprintf("%dms %s", time.Since(p.begin).Milliseconds(), s))
	}
}

// Tone comes last of each step: only then is the whole of it looked at.
func (p *panel) Tone(hz int) error {
	p.tone = hz
	p.note()
	return nil
}

func config(p *panel) indicator.Config {
	c := indicator.Config{Beeper: p, Patterns: indicator.EMV()}
	for i := range c.Lights {
		c.Lights[i] = gpio.Light{Pin: gpio.NewMemory("led", func(l pin.Level) { p.lit[i] = bool(l) })}
	}
	return c
}

// EMV Contactless Book A, user interface.
func TestIndications(t *testing.T) {
	for _, row := range []struct {
		show indicator.Indication
		want []string // in twelve seconds
	}{
		{indicator.NotReady, []string{"0ms ...."}},
		{indicator.Idle, []string{"0ms *...", "200ms ....", "5000ms *...", "5200ms ....", "10000ms *...", "10200ms ...."}},
		{indicator.Ready, []string{"0ms *...", "12000ms ...."}},
		{indicator.Reading, []string{"0ms *...", "12000ms ...."}},
		{indicator.CardRead, []string{"0ms **.. 1500 Hz", "125ms ***. 1500 Hz", "250ms **** 1500 Hz", "500ms ****", "1000ms ...."}},
		{indicator.Alert, []string{"0ms .... 750 Hz", "200ms ....", "400ms .... 750 Hz", "600ms ...."}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &panel{begin: time.Now()}
			shown, err := indicator.New(config(p))
			if err != nil {
				t.Fatal(err)
			}
			shown.Show(row.show)
			ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
			defer cancel()
			if err := shown.Run(ctx); err != nil {
				t.Error(err)
			}
			if !slices.Equal(p.got, row.want) {
				t.Errorf("%v: got %q, want %q", row.show, p.got, row.want)
			}
		})
	}
}

// What is shown next comes at once, in the middle of what is shown now.
func TestShowDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &panel{begin: time.Now()}
		shown, err := indicator.New(config(p))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- shown.Run(ctx) }()
		for _, next := range []indicator.Indication{indicator.Idle, indicator.Ready, indicator.CardRead, indicator.Ready} {
			shown.Show(indicator.Alert) // a Show that the next one overtakes is never seen
			shown.Show(next)
			<-time.After(300 * time.Millisecond)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []string{
			"0ms *...", "200ms ....", "300ms *...",
			"600ms **.. 1500 Hz", "725ms ***. 1500 Hz", "850ms **** 1500 Hz", "900ms *...", "1200ms ....",
		}
		if p.got[0] == "0ms ...." {
			p.got = p.got[1:] // what it showed before the first Show
		}
		if !slices.Equal(p.got, want) {
			t.Errorf("got %q, want %q", p.got, want)
		}
	})
}

// brokenPin is a line that cannot be set.
type brokenPin struct{ *gpio.Memory }

var errBroken = errors.New("no such device")

func (brokenPin) Out(pin.Level) error { return errBroken }

func TestALineThatFailsEndsRun(t *testing.T) {
	p := &panel{}
	c := config(p)
	c.Lights[1].Pin = brokenPin{gpio.NewMemory("led", nil)}
	shown, err := indicator.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := shown.Run(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	for want, edit := range map[string]func(*indicator.Config){
		"light 3 has no pin":   func(c *indicator.Config) { c.Lights[2].Pin = nil },
		"no pattern for alert": func(c *indicator.Config) { delete(c.Patterns, indicator.Alert) },
		"idle: 0 steps":        func(c *indicator.Config) { c.Patterns[indicator.Idle] = indicator.Pattern{} },
		"ready: step 1 has no end": func(c *indicator.Config) {
			c.Patterns[indicator.Ready] = indicator.Pattern{Steps: make([]indicator.Step, 2)}
		},
		"idle: step 1 has no end": func(c *indicator.Config) {
			c.Patterns[indicator.Idle] = indicator.Pattern{Steps: make([]indicator.Step, 1), Repeat: true}
		},
		"alert: step 1 cannot be": func(c *indicator.Config) {
			c.Patterns[indicator.Alert] = indicator.Pattern{Steps: []indicator.Step{{Lights: 0x10}}}
		},
		"card read: 65 steps, 1 to": func(c *indicator.Config) {
			c.Patterns[indicator.CardRead] = indicator.Pattern{Steps: make([]indicator.Step, 65)}
		},
	} {
		c := config(&panel{})
		edit(&c)
		if _, err := indicator.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	shown, err := indicator.New(config(&panel{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := shown.Show(99); err == nil {
		t.Error("indication 99 was taken")
	}
}

package indicator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"posd/device/gpio"
)

// Indication is what is shown.
type Indication uint8

const (
	NotReady  Indication = iota // no transaction can begin
	Idle                        // waits for an amount
	Ready                       // waits for a card
	Reading                     // a card is in the field, and shall stay there
	CardRead                    // the card can be taken away
	Alert                       // the card could not be read, or another way is wanted
	countKept                   // none: how many there are
)

// names are for errors and logs.
var names = [countKept]string{"not ready", "idle", "ready", "reading", "card read", "alert"}

// String names the indication.
func (i Indication) String() string {
	if i < countKept {
		return names[i]
	}
	return fmt.Sprintf("indication %d", uint8(i))
}

// Lights are the four, as a set; the left one is First.
type Lights uint8

const (
	First Lights = 1 << iota
	Second
	Third
	Fourth
	All = First | Second | Third | Fourth
)

// Step is one moment of a pattern. Hertz 0 is silence. A For of 0 stays until the next
// Show, and is the last step.
type Step struct {
	Lights Lights
	Hertz  int
	For    time.Duration
}

// Pattern is an indication as data. With Repeat its steps are played over and over;
// without it the lights and the tone go off after the last.
type Pattern struct {
	Steps  []Step
	Repeat bool
}

// EMV returns the patterns of EMV Contactless Book A, user interface: lights in a row.
func EMV() map[Indication]Pattern {
	return map[Indication]Pattern{
		NotReady: {Steps: []Step{{}}},
		Idle:     {Steps: []Step{{First, 0, 200 * time.Millisecond}, {0, 0, 4800 * time.Millisecond}}, Repeat: true},
		Ready:    {Steps: []Step{{First, 0, 0}}},
		Reading:  {Steps: []Step{{First, 0, 0}}},
		CardRead: {Steps: []Step{
			{First | Second, 1500, 125 * time.Millisecond},
			{First | Second | Third, 1500, 125 * time.Millisecond},
			{All, 1500, 250 * time.Millisecond},
			{All, 0, 500 * time.Millisecond},
		}},
		Alert: {Steps: []Step{
			{0, 750, 200 * time.Millisecond},
			{0, 0, 200 * time.Millisecond},
			{0, 750, 200 * time.Millisecond},
		}},
	}
}

// Beeper makes a tone. gpio.Buzzer is one, which has only its own.
type Beeper interface {
	// Tone sounds until the next call; 0 is silence.
	Tone(hz int) error
}

// Config is a panel. All but Beeper is required; Patterns may be [EMV].
type Config struct {
	Lights   [4]gpio.Light // left to right
	Beeper   Beeper        // nil: silent
	Patterns map[Indication]Pattern
}

// Panel plays indications.
type Panel struct {
	config Config
	mu     sync.Mutex
	wanted Indication
	change chan struct{} // one is enough: the last Show counts
}

// maxSteps bounds a pattern.
const maxSteps = 64

// New makes a panel that shows NotReady, from Run on.
func New(config Config) (*Panel, error) {
	for i, l := range config.Lights {
		if l.Pin == nil {
			return nil, fmt.Errorf("indicator: new: light %d has no pin", i+1)
		}
	}
	for i := range countKept {
		p, ok := config.Patterns[i]
		if !ok {
			return nil, fmt.Errorf("indicator: new: no pattern for %v", i)
		}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("indicator: new: %v: %w", i, err)
		}
	}
	return &Panel{config: config, change: make(chan struct{}, 1)}, nil
}

func (p Pattern) check() error {
	if len(p.Steps) == 0 || len(p.Steps) > maxSteps {
		return fmt.Errorf("%d steps, 1 to %d wanted", len(p.Steps), maxSteps)
	}
	for i, s := range p.Steps {
		last := i == len(p.Steps)-1
		switch {
		case s.For < 0, s.Hertz < 0, s.Lights > All:
			return fmt.Errorf("step %d cannot be", i+1)
		case s.For == 0 && (!last || p.Repeat):
			return fmt.Errorf("step %d has no end, and is not the last of a pattern that ends", i+1)
		}
	}
	return nil
}

// Show has Run play that indication from its beginning, in place of what it plays now. It
// does not wait.
func (p *Panel) Show(i Indication) error {
	if i >= countKept {
		return fmt.Errorf("indicator: show: %v is unknown", i)
	}
	p.mu.Lock()
	p.wanted = i
	p.mu.Unlock()
	select {
	case p.change <- struct{}{}:
	default:
	}
	return nil
}

// Run plays until ctx ends (nil) or a line fails. It leaves lights and tone off.
func (p *Panel) Run(ctx context.Context) (err error) {
	defer func() {
		if off := p.set(Step{}); off != nil && err == nil {
			err = off
		}
	}()
	for ctx.Err() == nil {
		p.mu.Lock()
		pattern := p.config.Patterns[p.wanted]
		p.mu.Unlock()
		if err := p.play(ctx, pattern); err != nil {
			return err
		}
	}
	return nil
}

// play returns after a Show, or when ctx ends.
func (p *Panel) play(ctx context.Context, pattern Pattern) error {
	for {
		for _, s := range pattern.Steps {
			if err := p.set(s); err != nil {
				return err
			}
			if p.wait(ctx, s.For) {
				return nil
			}
		}
		if !pattern.Repeat {
			break
		}
	}
	if err := p.set(Step{}); err != nil {
		return err
	}
	p.wait(ctx, 0)
	return nil
}

// wait lets a step last, for ever if d is 0; true: something came first.
func (p *Panel) wait(ctx context.Context, d time.Duration) bool {
	var end <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		end = timer.C
	}
	select {
	case <-end:
		return false
	case <-p.change:
	case <-ctx.Done():
	}
	return true
}

// set sets every light, and the tone, even if one fails.
func (p *Panel) set(s Step) error {
	var errs []error
	for i, l := range p.config.Lights {
		errs = append(errs, l.Set(s.Lights&(First<<i) != 0))
	}
	if p.config.Beeper != nil {
		errs = append(errs, p.config.Beeper.Tone(s.Hertz))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("indicator: %w", err)
	}
	return nil
}

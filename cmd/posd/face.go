package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"posd/cmd/internal/drivers"
	"posd/device"
	"posd/device/gpio/indicator"
	"posd/emv/payment"
	"posd/ui/prompt"
	"posd/ui/text"
)

// face shows messages: on the PIN pad, on the display and by the lights where there are any,
// in the snapshot, and in the log. But for now it belongs to the till.
type face struct {
	pad    *held[device.PINPad]
	screen screen
	lights lights
	log    *slog.Logger
	shown  time.Time // when the display got what it shows

	mu    sync.Mutex
	doing payment.Message
}

// newFace makes the face of the devices that there are.
func (a *agent) newFace() *face {
	antenna := drivers.Contactless(a.cfg.Devices.Reader.Text)
	if a.lamps.url != drivers.None && !antenna {
		a.world.log.Warn("the lights stay dark: the reader has no antenna at which they could ask for a card")
	}
	return &face{
		pad: a.pad, log: a.world.log,
		screen: screen{display: a.display, lang: a.lang, name: a.cfg.Terminal.Name.Text},
		lights: lights{lamps: a.lamps, antenna: antenna},
	}
}

// Times of what is only shown: a payment does not wait for it.
const (
	showWithin = time.Second     // for a display to take its text
	showFor    = 5 * time.Second // the last word of a payment
)

// Show shows one message. The pad speaks English: its character set is ASCII.
func (f *face) Show(ctx context.Context, msg payment.Message, args ...string) {
	f.mu.Lock()
	f.doing = msg
	f.mu.Unlock()
	f.log.Debug("display", "message", string(msg))
	f.screen.show(ctx, msg, args...)
	f.lights.show(ctx, msg)
	f.shown = time.Now()
	if msg == payment.EnterPIN {
		return // the pad shows its own prompt while digits are entered
	}
	dev, err := f.pad.get(ctx)
	if err != nil {
		return // the finding says so already
	}
	line := prompt.Line(msg, text.English, 16, args...)
	if err := f.pad.failed(dev.Show(ctx, line)); err != nil {
		f.log.Debug("display", "error", err)
	}
}

// idle forgets what was shown last. On the display it stays for a moment: see rest.
func (f *face) idle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doing = ""
}

// rest looks after display and lights while nothing is going on: they show that.
func (f *face) rest(ctx context.Context, locked bool) {
	f.screen.display.tend(ctx)
	f.lights.lamps.tend(ctx)
	f.lights.rest(ctx, locked)
	if time.Since(f.shown) >= showFor {
		f.screen.rest(ctx)
	}
}

func (f *face) now() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.doing)
}

// screen is the display for the customer. It says what the PIN pad says, in the terminal's
// language where it has the glyphs.
type screen struct {
	display *held[device.Display]
	lang    text.Lang
	name    string // shown while nothing is going on
	resting uint64 // the opening of the display since which it does; 0: it does not
}

func (s *screen) show(ctx context.Context, msg payment.Message, args ...string) {
	s.resting = 0
	s.write(ctx, func(d device.Display) []string { return s.words(d, msg, args) })
}

// rest shows the merchant's name, once for each opening.
func (s *screen) rest(ctx context.Context) {
	if s.resting > 0 && s.resting == s.display.opened() {
		return
	}
	done := s.write(ctx, func(d device.Display) []string {
		columns, rows := d.Size()
		lines := text.Wrap(s.name, columns)
		if !showable(d, lines) {
			return nil
		}
		return lines[:min(len(lines), rows)]
	})
	if done {
		s.resting = s.display.opened()
	}
}

func (s *screen) write(ctx context.Context, words func(device.Display) []string) bool {
	dev, err := s.display.soon(ctx)
	if err != nil {
		return false // there is none, or the finding says so
	}
	ctx, stop := context.WithTimeout(ctx, showWithin)
	defer stop()
	return s.display.failed(dev.Show(ctx, words(dev))) == nil
}

// words are the lines of a message, in English where the display lacks a glyph.
func (s *screen) words(d device.Display, msg payment.Message, args []string) []string {
	columns, rows := d.Size()
	for _, l := range []text.Lang{s.lang, text.English} {
		lines := prompt.Lines(msg, l, columns, args...)
		if len(lines) > rows {
			lines = []string{prompt.Line(msg, l, columns, args...)}
		}
		if l == text.English || showable(d, lines) {
			return lines
		}
	}
	return nil
}

// showable tells whether a display has every glyph of some lines.
func showable(d device.Display, lines []string) bool {
	for _, line := range lines {
		for _, r := range line {
			if !d.Has(r) {
				return false
			}
		}
	}
	return true
}

// lights are the EMV contactless indications. They ask for a card at the antenna, and tell
// how it fares there, so they follow the sale only where the reader of the configuration is
// one with an antenna: at a contact slot they would ask for a tap that nobody reads, and
// stay dark.
type lights struct {
	lamps   *held[*drivers.Lamps]
	antenna bool
	now     indicator.Indication
	since   uint64 // the opening of the lamps in which that is played
}

// indications are what the lights say of a message; what is not there leaves them as they are.
var indications = map[payment.Message]indicator.Indication{
	payment.InsertCard:    indicator.Ready,
	payment.EnterPIN:      indicator.Reading,
	payment.Processing:    indicator.Reading,
	payment.Connecting:    indicator.Reading,
	payment.RemoveCard:    indicator.CardRead,
	payment.ShowDeclined:  indicator.Alert,
	payment.Cancelled:     indicator.Alert,
	payment.OwedFirst:     indicator.Alert,
	payment.PrinterFailed: indicator.Alert,
	payment.ChipFailed:    indicator.Alert,
}

// show plays what the message calls for. The tone of success does not follow one of alert: a
// card is also taken away after a payment that failed.
func (l *lights) show(ctx context.Context, msg payment.Message) {
	next, ok := indications[msg]
	if !ok || next == indicator.CardRead && l.now == indicator.Alert {
		return
	}
	l.play(ctx, next)
}

// rest plays that nothing is going on.
func (l *lights) rest(ctx context.Context, locked bool) {
	next := indicator.Idle
	if locked {
		next = indicator.NotReady
	}
	l.play(ctx, next)
}

// play plays an indication, unless it is played already.
func (l *lights) play(ctx context.Context, i indicator.Indication) {
	if !l.antenna {
		i = indicator.NotReady
	}
	if i == l.now && l.since > 0 && l.since == l.lamps.opened() {
		return
	}
	lamps, err := l.lamps.soon(ctx)
	if err != nil {
		return // there are none, or the finding says so
	}
	if l.lamps.failed(lamps.Show(i)) == nil {
		l.now, l.since = i, l.lamps.opened()
	}
}

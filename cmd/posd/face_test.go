package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"posd/cmd/internal/drivers"
	"posd/device"
	"posd/device/display"
	"posd/device/gpio"
	"posd/device/gpio/indicator"
	"posd/emv/payment"
	"posd/ui/text"
)

// glass is a display that writes down what it shows.
type glass struct {
	cjk    bool
	shown  [][]string
	broken error
	closed int
}

func (g *glass) Size() (columns, rows int) { return 20, 2 }
func (g *glass) Has(r rune) bool           { return g.cjk || display.ASCII(r) }
func (g *glass) Refresh(ctx context.Context) error {
	return g.broken
}

func (g *glass) Show(ctx context.Context, lines []string) error {
	if g.broken == nil {
		g.shown = append(g.shown, slices.Clone(lines))
	}
	return g.broken
}

func (g *glass) Close() error {
	g.closed++
	return nil
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// faceWith is a face with a display and nothing else.
func faceWith(g *glass, lang text.Lang) *face {
	open := func(context.Context) (drivers.Opened[device.Display], error) {
		if g.broken != nil {
			return drivers.Opened[device.Display]{}, g.broken
		}
		return drivers.Opened[device.Display]{Device: g, Probe: g.Refresh}, nil
	}
	set := drivers.New()
	return &face{
		log: quiet(), pad: hold("pinpad", drivers.None, set.PINPads(), quiet()),
		screen: screen{display: &held[device.Display]{name: "display", open: open, log: quiet()}, lang: lang, name: "A SHOP"},
		lights: lights{lamps: hold("lamps", drivers.None, set.Lamps(), quiet())},
	}
}

// The display says what the PIN pad says, in a language that it has the glyphs of.
func TestDisplayShowsTheSale(t *testing.T) {
	for _, row := range []struct {
		name string
		cjk  bool
		lang text.Lang
		want [][]string
	}{
		{"Chinese", true, text.Chinese, [][]string{{"请插卡", "12.00"}, {"请输入密码", "12.00"}, {"交易成功"}}},
		{"Chinese without glyphs", false, text.Chinese, [][]string{{"Please insert card", "12.00"}, {"Enter PIN", "12.00"}, {"Approved"}}},
		{"English", true, text.English, [][]string{{"Please insert card", "12.00"}, {"Enter PIN", "12.00"}, {"Approved"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := &glass{cjk: row.cjk}
			f := faceWith(g, row.lang)
			f.Show(t.Context(), payment.InsertCard, "12.00")
			f.Show(t.Context(), payment.EnterPIN, "12.00")
			f.Show(t.Context(), payment.ShowApproved, "00")
			if !slices.EqualFunc(g.shown, row.want, slices.Equal) {
				t.Errorf("shown %q, want %q", g.shown, row.want)
			}
		})
	}
}

// The last word of a payment stays for a while; then the shop's name is shown, once, and
// again on a display that was opened anew.
func TestDisplayRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &glass{}
		f := faceWith(g, text.English)
		last := func() string { return g.shown[len(g.shown)-1][0] }
		f.Show(t.Context(), payment.ShowApproved, "00")
		f.idle()
		f.rest(t.Context(), false)
		if last() != "Approved" || f.now() != "" {
			t.Errorf("at once: %q", last())
		}
		<-time.After(showFor)
		for range 3 {
			f.rest(t.Context(), false)
		}
		if last() != "A SHOP" || len(g.shown) != 2 {
			t.Errorf("after a while: %q", g.shown)
		}
		g.broken = device.ErrGone
		f.rest(t.Context(), false)
		if s := f.screen.display.snapshot(); s.State != "failed" || g.closed != 1 {
			t.Errorf("pulled: %+v, closed %d times", s, g.closed)
		}
		g.broken = nil
		<-time.After(reopenMost)
		f.rest(t.Context(), false)
		if last() != "A SHOP" || len(g.shown) != 3 || f.screen.display.opened() != 2 {
			t.Errorf("plugged in again: %q", g.shown)
		}
	})
}

// A display that is not there costs a payment nothing: while its back-off lasts it is not
// even tried.
func TestDisplayThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &glass{broken: errors.New("no such file")}
		f := faceWith(g, text.English)
		tries := 0
		open := f.screen.display.open
		f.screen.display.open = func(ctx context.Context) (drivers.Opened[device.Display], error) {
			tries++
			return open(ctx)
		}
		for range 5 {
			f.Show(t.Context(), payment.Processing)
		}
		if tries != 1 {
			t.Errorf("tried %d times in one payment", tries)
		}
		if s := f.screen.display.snapshot(); s.State != "failed" || s.Why != "no such file" {
			t.Errorf("%+v", s)
		}
	})
}

// What the lights say of a sale, and that they say nothing at a contact slot.
func TestLightsFollowTheSale(t *testing.T) {
	for _, row := range []struct {
		name    string
		antenna bool
		shown   []payment.Message
		want    indicator.Indication
	}{
		{"waits for a card", true, []payment.Message{payment.InsertCard}, indicator.Ready},
		{"reads it", true, []payment.Message{payment.InsertCard, payment.Processing, payment.Connecting}, indicator.Reading},
		{"has read it", true, []payment.Message{payment.Connecting, payment.ShowApproved, payment.RemoveCard}, indicator.CardRead},
		{"no tone of success after one of alert", true, []payment.Message{payment.Connecting, payment.ShowDeclined, payment.RemoveCard}, indicator.Alert},
		{"a contact slot", false, []payment.Message{payment.InsertCard, payment.Processing}, indicator.NotReady},
	} {
		l := lights{lamps: drivenLamps(t), antenna: row.antenna}
		for _, msg := range row.shown {
			l.show(t.Context(), msg)
		}
		if l.now != row.want || l.since != 1 {
			t.Errorf("%s: %v, want %v", row.name, l.now, row.want)
		}
		for _, locked := range []bool{false, true} {
			want := indicator.Idle
			if locked || !row.antenna {
				want = indicator.NotReady
			}
			if l.rest(t.Context(), locked); l.now != want {
				t.Errorf("%s, then at rest, locked %v: %v, want %v", row.name, locked, l.now, want)
			}
		}
		l.lamps.close()
	}
}

// drivenLamps are lamps without hardware.
func drivenLamps(t *testing.T) *held[*drivers.Lamps] {
	t.Helper()
	return &held[*drivers.Lamps]{name: "lamps", log: quiet(), open: func(context.Context) (drivers.Opened[*drivers.Lamps], error) {
		config := indicator.Config{Patterns: indicator.EMV()}
		for i := range config.Lights {
			config.Lights[i] = gpio.Light{Pin: gpio.NewMemory("light", nil)}
		}
		l, err := drivers.NewLamps(config)
		return drivers.Opened[*drivers.Lamps]{Device: l}, err
	}}
}

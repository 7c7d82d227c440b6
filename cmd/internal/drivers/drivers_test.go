package drivers_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"posd/cmd/internal/drivers"
	"posd/cmd/internal/frontend"
	"posd/device"
	simabecs "posd/device/sim/abecs"
	"posd/device/sim/card"
	"posd/device/sim/cards"
	simccid "posd/device/sim/ccid"
	simescpos "posd/device/sim/escpos"
	simphoenix "posd/device/sim/phoenix"
	simpn532 "posd/device/sim/pn532"
	"posd/device/sim/pty"
	simvfpad "posd/device/sim/vfpad"
	simvpcd "posd/device/sim/vpcd"
)

// plug puts a simulator behind a pseudo-terminal and returns its path.
func plug(t *testing.T, run func(context.Context, device.Port) error) string {
	t.Helper()
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	background(t, func(ctx context.Context) error { return run(ctx, pair.Port) })
	return pair.Path()
}

// background runs f until the test ends.
func background(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func newCard(t *testing.T) *card.Card {
	t.Helper()
	p, err := cards.Load("union-rich")
	if err != nil {
		t.Fatal(err)
	}
	c, err := card.New(p, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var selectPSE = []byte("\x00\xA4\x04\x00\x0E1PAY.SYS.DDF01\x00")

// Every reader of the table, opened by its URL, takes a card to its directory.
func TestReaders(t *testing.T) {
	for _, row := range []struct {
		name   string
		url    func(t *testing.T) string
		detail string
	}{
		{"ccid", func(t *testing.T) string {
			r := simccid.New(simccid.Config{})
			r.Insert(newCard(t))
			return "ccid://" + plug(t, r.Run)
		}, "posd-sim-reader 1.0"},
		{"ccid that does not echo", func(t *testing.T) string {
			r := simccid.New(simccid.Config{Profile: simccid.SEC1210})
			r.Insert(newCard(t))
			return "ccid://" + plug(t, r.Run) + "?profile=sec1210"
		}, "posd-sim-reader 1.0"},
		{"phoenix", func(t *testing.T) string {
			r := simphoenix.New(simphoenix.Config{})
			r.Insert(newCard(t))
			return "phoenix://" + plug(t, r.Run) + "?slack=5s&chip=" + lines(t, r)
		}, "TDA8035"},
		{"phoenix without echo", func(t *testing.T) string {
			r := simphoenix.New(simphoenix.Config{NoEcho: true})
			r.Insert(newCard(t))
			return "phoenix://" + plug(t, r.Run) + "?slack=5s&echo=off&chip=" + lines(t, r)
		}, "TDA8035"},
		{"pn532", func(t *testing.T) string {
			r := simpn532.New(simpn532.Config{})
			r.Insert(simpn532.CardA(newCard(t)))
			return "pn532://" + plug(t, r.Run)
		}, "PN532 1.6"},
		{"abecs, chip", func(t *testing.T) string {
			pad := newAbecs(t)
			pad.Insert(newCard(t))
			return "abecs://" + plug(t, pad.Run)
		}, "POSD SIM PAD"},
		{"abecs, antenna", func(t *testing.T) string {
			pad := newAbecs(t)
			pad.Tap(newCard(t))
			return "abecs://" + plug(t, pad.Run) + "?slot=contactless"
		}, "POSD SIM PAD"},
		{"vpcd", func(t *testing.T) string {
			address := freePort(t)
			s := simvpcd.New(simvpcd.Accept(address))
			s.Insert(newCard(t))
			background(t, s.Run)
			return "vpcd://" + address + "?role=connect"
		}, "card at 127.0.0.1:"},
	} {
		t.Run(row.name, func(t *testing.T) {
			ctx, table := limited(t), drivers.New().Readers()
			url := row.url(t)
			if err := table.Check(url); err != nil {
				t.Fatal(err)
			}
			o, err := table.Open(ctx, url)
			if err != nil {
				t.Fatal(err)
			}
			defer o.Device.Close()
			if !strings.HasPrefix(o.Detail, row.detail) {
				t.Errorf("detail %q, want %q", o.Detail, row.detail)
			}
			pay(ctx, t, o)
		})
	}
}

// freePort is an address at which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func newAbecs(t *testing.T) *simabecs.Pad {
	t.Helper()
	pad, err := simabecs.New(simabecs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return pad
}

// Reader and PIN pad of one URL are one link to one box: the port can be opened once only.
// Closing one leaves the other; closing both parks the pad.
func TestAbecsBoxIsShared(t *testing.T) {
	pad, ctx, set := newAbecs(t), limited(t), drivers.New()
	pad.Insert(newCard(t))
	path := plug(t, pad.Run)
	reader, err := set.Readers().Open(ctx, "abecs://"+path+"?slot=chip")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := set.PINPads().Open(ctx, "abecs://"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := drivers.New().PINPads().Open(ctx, "abecs://"+path); err == nil {
		t.Error("the port was opened twice")
	}
	if _, err := set.PINPads().Open(ctx, "abecs://"+path+"?baud=9600"); !errors.Is(err, device.ErrRefused) {
		t.Errorf("another speed: %v, want %v", err, device.ErrRefused)
	}
	if _, err := reader.Device.PowerOn(ctx); err != nil {
		t.Error(err)
	}
	if err := keys.Device.Show(ctx, "12.00"); err != nil || !strings.Contains(pad.Display(), "12.00") {
		t.Errorf("display %q, %v", pad.Display(), err)
	}
	if err := reader.Device.Close(); err != nil {
		t.Error(err)
	}
	if err := keys.Probe(ctx); err != nil || pad.Parked() {
		t.Errorf("after the reader was closed: %v, parked %v", err, pad.Parked())
	}
	if err := keys.Device.Close(); err != nil || !pad.Parked() {
		t.Errorf("close: %v, parked %v", err, pad.Parked())
	}
}

// lines serves the pins of a slot at a socket, whose path is returned.
func lines(t *testing.T, r *simphoenix.Reader) string {
	t.Helper()
	pins := r.Lines()
	path := filepath.Join(t.TempDir(), "slot"+frontend.Suffix)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	background(t, func(ctx context.Context) error {
		return frontend.Serve(ctx, l, frontend.Lines{CMDVCCN: pins.CMDVCCN, RSTIN: pins.RSTIN, OFFN: pins.OFFN})
	})
	return path
}

func pay(ctx context.Context, t *testing.T, o drivers.Opened[device.Reader]) {
	t.Helper()
	if err := o.Device.WaitCard(ctx, true); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Device.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	answer, err := o.Device.Transmit(ctx, selectPSE)
	if err != nil || len(answer) < 4 || answer[0] != 0x6F || answer[len(answer)-2] != 0x90 {
		t.Fatalf("SELECT: % X, %v", answer, err)
	}
	if err := o.Probe(ctx); err != nil {
		t.Errorf("probe: %v", err)
	}
	if again, err := o.Device.Transmit(ctx, selectPSE); err != nil || !slices.Equal(again, answer) {
		t.Errorf("SELECT after the probe: % X, %v: the probe has changed something", again, err)
	}
	if err := o.Device.Close(); err != nil {
		t.Error(err)
	}
	if err := o.Probe(ctx); !errors.Is(err, device.ErrGone) {
		t.Errorf("probe of a closed one: %v, want %v", err, device.ErrGone)
	}
}

func TestPINPad(t *testing.T) {
	pad, err := simvfpad.New(simvfpad.Config{Protection: make([]byte, 16), Slots: map[int][]byte{0: []byte("a test master key"[:16])}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, url := limited(t), "vfpad://"+plug(t, pad.Run)+"?entry=z60&tracks=2"
	o, err := drivers.New().PINPads().Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Device.Close()
	if o.Detail != "PIN entry by Z60" {
		t.Errorf("detail %q", o.Detail)
	}
	if err := o.Device.Show(ctx, "HELLO"); err != nil {
		t.Fatal(err)
	}
	if err := o.Probe(ctx); err != nil {
		t.Error(err)
	}
	if got := pad.Display(); got != "HELLO" {
		t.Errorf("after the probe the pad shows %q", got)
	}
}

func TestPrinter(t *testing.T) {
	printer, err := simescpos.New(simescpos.Config{})
	if err != nil {
		t.Fatal(err)
	}
	printer.SetCoverOpen(true)
	ctx, url := limited(t), "escpos://"+plug(t, printer.Run)+"?columns=32"
	o, err := drivers.New().Printers().Open(ctx, url)
	if err != nil {
		t.Fatalf("a printer that wants something is there: %v", err)
	}
	defer o.Device.Close()
	if o.Detail != "ESC/POS, 32 columns" {
		t.Errorf("detail %q", o.Detail)
	}
	if err := o.Probe(ctx); !errors.Is(err, device.ErrCover) {
		t.Errorf("probe: %v, want %v", err, device.ErrCover)
	}
	printer.SetCoverOpen(false)
	if err := o.Probe(ctx); err != nil {
		t.Error(err)
	}
}

// A port on which nobody answers is closed again: else it could not be tried once more.
func TestFailedOpenGivesThePortBack(t *testing.T) {
	r := simccid.New(simccid.Config{})
	r.Misbehave(simccid.Fault{Kind: simccid.BadLRC})
	url, table := "ccid://"+plug(t, r.Run), drivers.New().Readers()
	if o, err := table.Open(limited(t), url); err == nil || o.Device != nil {
		t.Fatalf("opened: %v, %v", o.Device, err)
	}
	r.Misbehave(simccid.Fault{})
	o, err := table.Open(limited(t), url)
	if err != nil {
		t.Fatal(err)
	}
	o.Device.Close()
}

func TestSkipped(t *testing.T) {
	if _, err := drivers.New().Printers().Open(limited(t), drivers.None); !errors.Is(err, drivers.ErrSkipped) {
		t.Errorf("none: %v", err)
	}
}

func TestURLsThatCannotBe(t *testing.T) {
	set := drivers.New()
	readers, pads, printers, displays := set.Readers().Check, set.PINPads().Check, set.Printers().Check, set.Displays().Check
	for _, row := range []struct {
		url   string
		check func(string) error
		want  string
	}{
		{"usb:///dev/x", readers, `no driver for scheme "usb"; there is`},
		{"", readers, "no driver for scheme"},
		{"ccid", readers, "not scheme:///path"},
		{"ccid:///dev/x?profile=gemplus", readers, `profile "gemplus" is neither gempc nor sec1210`},
		{"ccid:///dev/x?color=red", readers, `unknown parameter "color", known are baud`},
		{"ccid:///dev/x?baud=fast", readers, `baud="fast" is not a number`},
		{"ccid://dev/x", readers, "not scheme:///path"},
		{"pn532:///dev/x?block=4", readers, `block="4": 16 to 262 wanted`},
		{"phoenix:///dev/x", readers, "chip is missing"},
		{"phoenix:///dev/x?chip=gpiochip0", readers, `power="": 0 to 65535 wanted`},
		{"phoenix:///dev/x?chip=gpiochip0&power=4&reset=5", readers, `present="": 0 to 65535 wanted`},
		{"phoenix:///dev/x?chip=gpiochip0&power=4&reset=-1&present=6", readers, `reset="-1": 0 to 65535 wanted`},
		{"phoenix:///dev/x?chip=gpiochip0&power=4&reset=5&present=6&slack=1h", readers, `slack="1h": more than 0 and at most 10s`},
		{"phoenix:///dev/x?chip=gpiochip0&power=4&reset=5&present=6&echo=loud", readers, `echo="loud" is none of on, off`},
		{"vpcd://8.8.8.8:35963", readers, "is not this machine"},
		{"vpcd://127.0.0.1?colour=red", readers, `unknown parameter "colour"`},
		{"abecs:///dev/x?slot=sam", readers, `slot="sam" is none of chip, contactless`},
		{"abecs:///dev/x?slot=sam", pads, `slot="sam" is none of chip, contactless`},
		{"vfpad:///dev/x?entry=Z99", pads, `entry message "Z99" is none of`},
		{"vfpad:///dev/x?tracks=3", pads, `tracks="3" is none of 12, 2`},
		{"ccid:///dev/x", pads, `no driver for scheme "ccid"`},
		{"escpos:///dev/x?columns=8", printers, `columns="8": 24 to 64 wanted`},
		{"escpos:///dev/x?confirm=maybe", printers, `confirm="maybe" is none of on, off`},
		{"abecs:///dev/x?secure=1", pads, `secure="1" is none of on, off`},
		{"vt:///dev/tty1?columns=0", displays, `columns="0": 1 to 512 wanted`},
		{"vt:///dev/tty1?cjk=1", displays, `cjk="1" is none of on, off`},
		{"vt://dev/tty1", displays, "not scheme:///path"},
		{"fb:///dev/fb0?ink=red", displays, `ink="red": six hexadecimal digits`},
		{"fb:///dev/fb0?ink=000000", displays, "ink and paper are both 000000"},
		{"pole:///dev/x?rows=0", displays, `rows="0": 1 to 255 wanted`},
		{"lcd:///dev/x", displays, `no driver for scheme "lcd"; there is fb, pole, vt`},
	} {
		err := row.check(row.url)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.url, err, row.want)
		}
	}
}

// The examples of the help are URLs that the tables take.
func TestExamples(t *testing.T) {
	set := drivers.New()
	check := func(scheme, example string, check func(string) error) {
		if err := check(example); err != nil || drivers.Scheme(example) != scheme {
			t.Errorf("%s: example %q: %v", scheme, example, err)
		}
	}
	for scheme, d := range set.Readers() {
		check(scheme, d.Example, set.Readers().Check)
	}
	for scheme, d := range set.PINPads() {
		check(scheme, d.Example, set.PINPads().Check)
	}
	for scheme, d := range set.Printers() {
		check(scheme, d.Example, set.Printers().Check)
	}
	for scheme, d := range set.Displays() {
		check(scheme, d.Example, set.Displays().Check)
	}
	for scheme, d := range set.Lamps() {
		check(scheme, d.Example, set.Lamps().Check)
	}
}

package drivers_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posd/cmd/internal/drivers"
	"posd/device"
	simpole "posd/device/sim/pole"
	"posd/device/sim/pty"
)

// A pole display of the table shows text, and shows it again after it had no power.
func TestPoleDisplay(t *testing.T) {
	seen := make(chan struct{}, 1)
	pole := simpole.New(func() {
		select {
		case seen <- struct{}{}:
		default:
		}
	})
	ctx := limited(t)
	await := func(want string) {
		t.Helper()
		for strings.TrimSpace(pole.Rows()[0]) != want {
			select {
			case <-seen:
			case <-ctx.Done():
				t.Fatalf("shows %q, want %q", pole.Rows(), want)
			}
		}
	}
	o, err := drivers.New().Displays().Open(ctx, "pole://"+plug(t, pole.Run)+"?baud=19200&columns=20")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Device.Close()
	if o.Detail != "pole display, never answers, 20 columns, 2 rows" {
		t.Errorf("detail %q", o.Detail)
	}
	if err := o.Device.Show(ctx, []string{"TOTAL 12.00"}); err != nil {
		t.Fatal(err)
	}
	await("TOTAL 12.00")
	pole.Take([]byte{0x1B, '@'}) // it had no power
	if err := o.Probe(ctx); err != nil {
		t.Fatal(err)
	}
	await("TOTAL 12.00")
	if err := o.Device.Close(); err != nil {
		t.Error(err)
	}
	if err := o.Probe(ctx); !errors.Is(err, device.ErrGone) {
		t.Errorf("probe of a closed one: %v", err)
	}
}

func TestTerminalDisplay(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	o, err := drivers.New().Displays().Open(limited(t), "vt://"+pair.Path()+"?columns=30&rows=4&cjk=on")
	if err != nil {
		t.Fatal(err)
	}
	if o.Detail != "terminal, 30 columns, 4 rows" || !o.Device.Has('请') {
		t.Errorf("detail %q", o.Detail)
	}
	if err := pair.Port.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if _, err := pair.Port.Read(b); err != nil || !strings.HasPrefix(string(b), "\x1b%G") {
		t.Errorf("%q, %v", b, err)
	}
	if err := o.Device.Close(); err != nil {
		t.Error(err)
	}
}

// A screen that is not there is an error with its path, and leaves no descriptor.
func TestDisplaysThatAreNotThere(t *testing.T) {
	before := descriptors(t)
	for _, url := range []string{"vt:///dev/null", "vt:///no/such/tty", "fb:///no/such/fb", "fb:///dev/null", "pole:///no/such/port"} {
		if o, err := drivers.New().Displays().Open(limited(t), url); err == nil || o.Device != nil {
			t.Errorf("%s was opened", url)
		} else if path := strings.SplitN(url, "//", 2)[1]; !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v does not name the path", url, err)
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// A machine without GPIO chips says that it has none.
func TestLampsWithoutAChip(t *testing.T) {
	_, err := drivers.New().Lamps().Open(limited(t), "gpio:///dev/gpiochip99?lights=1,2,3,4")
	if !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "/dev/gpiochip99 line 1: there is no such chip") {
		t.Errorf("got %v", err)
	}
}

func TestContactless(t *testing.T) {
	for url, want := range map[string]bool{
		"pn532:///dev/x": true, "abecs:///dev/x?slot=contactless": true, "abecs:///dev/x?slot=chip": false,
		"abecs:///dev/x": false, "ccid:///dev/x": false, "phoenix:///dev/x?chip=gpiochip0": false, "none:": false,
	} {
		if got := drivers.Contactless(url); got != want {
			t.Errorf("%s: %v, want %v", url, got, want)
		}
	}
}

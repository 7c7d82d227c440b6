package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"posd/cmd/internal/drivers"
	"posd/device"
	"posd/emv/kernel"
	"posd/transport/control"
	"posd/ui/receipt"
)

// Receipt and printer do not know each other, so their constants must mean the same.
func TestReceiptStylesAreThePrinters(t *testing.T) {
	sizes := map[receipt.Size]device.Size{receipt.Normal: device.Normal, receipt.Tall: device.Tall, receipt.Large: device.Large}
	for ours, theirs := range sizes {
		if device.Size(ours) != theirs {
			t.Errorf("size %d is %d at the printer", ours, theirs)
		}
	}
	aligns := map[receipt.Align]device.Align{receipt.Left: device.Left, receipt.Centre: device.Centre, receipt.Right: device.Right}
	for ours, theirs := range aligns {
		if device.Align(ours) != theirs {
			t.Errorf("place %d is %d at the printer", ours, theirs)
		}
	}
}

func TestSkew(t *testing.T) {
	newYear := time.Date(2027, 1, 1, 0, 0, 5, 0, time.UTC)
	for _, test := range []struct {
		host string
		now  time.Time
		want int64
	}{
		{"0801101112", time.Date(2026, 8, 1, 10, 11, 12, 0, time.UTC), 0},
		{"0801101612", time.Date(2026, 8, 1, 10, 11, 12, 0, time.UTC), 300},
		{"1231235955", newYear, -10},
		{"0101000005", newYear.Add(-10 * time.Second), 10},
		{"", newYear, 0},
		{"9999999999", newYear, 0},
	} {
		if got := skew(test.host, test.now); got != test.want {
			t.Errorf("host %q at %v: %d s, want %d", test.host, test.now, got, test.want)
		}
	}
}

func TestSerialNumberAndBCD(t *testing.T) {
	for in, want := range map[string]string{"": "        ", "A1": "      A1", "POSD00000001": "00000001"} {
		if got := string(serialNumber(in)); got != want {
			t.Errorf("serial number of %q is %q, want %q", in, got, want)
		}
	}
	if got := bcd(156, 2); got[0] != 0x01 || got[1] != 0x56 {
		t.Errorf("156 is % X", got)
	}
}

func TestChooseAsksNobody(t *testing.T) {
	f := &face{}
	i, err := f.Choose(t.Context(), []kernel.Candidate{{NeedsConsent: true}, {}})
	if i != 1 || err != nil {
		t.Errorf("chose %d, %v; want 1", i, err)
	}
	if _, err := f.Choose(t.Context(), []kernel.Candidate{{NeedsConsent: true}}); !errors.Is(err, kernel.ErrCancelled) {
		t.Errorf("with consent only: %v, want cancelled", err)
	}
}

type nothing struct{ closed int }

func (n *nothing) Close() error { n.closed++; return nil }

// A device that is gone is closed and opened anew on its next use; one that refused is
// kept.
func TestHeldDevice(t *testing.T) {
	times, dev := 0, &nothing{}
	h := &held[*nothing]{name: "thing", log: slog.New(slog.NewTextHandler(io.Discard, nil)), open: func(context.Context) (drivers.Opened[*nothing], error) {
		times++
		if times == 2 {
			return drivers.Opened[*nothing]{}, errors.New("not there yet")
		}
		return drivers.Opened[*nothing]{Device: dev, Detail: "fine"}, nil
	}}
	use := func() string {
		_, _ = h.get(t.Context())
		return h.snapshot().State
	}
	for range 2 {
		if state := use(); state != "loaded" || times != 1 {
			t.Fatalf("%s, opened %d times; want loaded, once", state, times)
		}
	}
	_ = h.failed(device.ErrRefused)
	if h.snapshot().State != "loaded" || dev.closed != 0 {
		t.Fatal("a refusal closed the device")
	}
	_ = h.failed(device.ErrGone)
	if s := h.snapshot(); s.State != "failed" || dev.closed != 1 || s.Why == "" {
		t.Fatalf("after it is gone: %+v, closed %d times", s, dev.closed)
	}
	for _, want := range []string{"failed", "loaded"} {
		if state := use(); state != want {
			t.Errorf("after it is gone: %s, want %s", state, want)
		}
	}
}

// A till that is at something says so, instead of queueing a second payment behind it.
func TestTillIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tl := &till{jobs: make(chan job)}
		if err := tl.do(t.Context(), func(context.Context) {}); !errors.Is(err, control.ErrBusy) {
			t.Errorf("got %v, want busy", err)
		}
	})
}

// The back-off of owed reversals doubles, and looking after the devices in between does
// not put it off.
func TestDebtsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var d debts
		d.fresh(1)
		var at []time.Duration
		for len(at) < 9 {
			select {
			case <-d.due():
				at = append(at, time.Since(began))
				d.again(1)
			case <-time.After(tendEvery):
			}
		}
		want := []time.Duration{1, 3, 7, 15, 31, 63, 123, 183, 243}
		for i := range want {
			if at[i] != want[i]*time.Second {
				t.Fatalf("tries at %v, want %v s", at, want)
			}
		}
		d.fresh(0)
		select {
		case <-d.due():
			t.Error("nothing is owed, but it is due")
		case <-time.After(time.Hour):
		}
	})
}

package main_test

import (
	"context"
	"sync"
	"testing"
	"time"

	simccid "posd/device/sim/ccid"
	"posd/transport/control"
)

// A pull is a cable that is pulled at a moment of a sale, and how the sale then ends.
type pull struct {
	name, device string
	at           string // powered: the card has just been reset; posted: the host has posted; idle
	journal      string // state of the sale in the journal; empty for nothing in it
	outcome      string
}

var pulls = []pull{
	{"the reader before the first cryptogram", "reader", "powered", "", "cancelled"},
	{"the reader after the host has posted", "reader", "posted", "reversed", "declined"},
	{"the printer after the host has posted", "printer", "posted", "completed", "approved"},
	{"the reader while nothing goes on", "reader", "idle", "completed", "approved"},
	{"the PIN pad while nothing goes on", "pinpad", "idle", "completed", "approved"},
}

// Cables are pulled a hundred times during traffic, and plugged in again under another
// name: no payment, no goroutine and no descriptor is lost, and posd is not restarted.
func TestUnplugAHundredTimes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	d := newDesk(t, ctx, 30*time.Second)
	must(t, d.Boot(ctx))
	d.sellAll(t, ctx, 0) // once through everything, so that what is opened once is open
	before := d.process(t, ctx)
	for round := 1; round <= 100/len(pulls); round++ {
		d.sellAll(t, ctx, round)
	}
	after := d.process(t, ctx)
	if after.Goroutines > before.Goroutines || after.Descriptors > before.Descriptors {
		t.Errorf("before %+v, after %+v", before, after)
	}
	t.Logf("before %+v, after %+v", before, after)
	d.holdsNoSecret(t)
}

func (d *desk) sellAll(t *testing.T, ctx context.Context, round int) {
	t.Helper()
	for _, p := range pulls {
		res := p.sell(t, ctx, d)
		if t.Failed() {
			t.Fatalf("round %d, %s: %+v", round, p.name, res)
		}
	}
}

// sell runs one sale with the pull in it, plugs the device in again, and audits.
func (p pull) sell(t *testing.T, ctx context.Context, d *desk) control.PayResult {
	t.Helper()
	var once sync.Once
	unplug := func() { once.Do(func() { must(t, d.Unplug(p.device)) }) }
	switch p.at {
	case "idle":
		unplug()
		must(t, d.Plug(p.device))
	case "powered":
		d.OnSlot(func(e simccid.Event) {
			if e.Kind == simccid.PoweredOn {
				go unplug() // the event comes from the far end, which this stops
			}
		})
	case "posted":
		d.OnRequest(func(mti uint16, _ uint32, _ string) {
			if mti == 0x0200 {
				unplug()
			}
		})
	}
	res, err := d.Pay(ctx, "union-rich", "1.00")
	d.OnSlot(nil)
	d.OnRequest(nil)
	if p.at != "idle" {
		unplug() // where the sale was faster
		must(t, d.Plug(p.device))
	}
	d.Reader.Remove()
	d.judge(t, ctx, p, res, err)
	return res
}

// judge compares how the sale ended. A card that went away before the first cryptogram
// is an error of the order, and nothing is in the journal.
func (d *desk) judge(t *testing.T, ctx context.Context, p pull, res control.PayResult, err error) {
	t.Helper()
	if p.journal == "" {
		if err == nil && res.Entry.ID != "" {
			t.Errorf("%s: the journal has %+v", p.name, res.Entry)
		}
		return
	}
	if err != nil || res.Outcome != p.outcome {
		t.Errorf("%s: %v, %s; want %s", p.name, err, res.Outcome, p.outcome)
		return
	}
	d.agree(t, ctx, p.journal)
}

func (d *desk) process(t *testing.T, ctx context.Context) control.Process {
	t.Helper()
	s, err := d.Client().Snapshot(ctx)
	must(t, err)
	return s.Process
}

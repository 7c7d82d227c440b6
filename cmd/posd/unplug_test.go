package main_test

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
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
	{"the reader while nothing goes on", "reader", "idle", "completed", "approved"},
	{"the printer after the host has posted", "printer", "posted", "completed", "approved"},
	{"the printer while nothing goes on", "printer", "idle", "completed", "approved"},
	{"the PIN pad after the host has posted", "pinpad", "posted", "completed", "approved"},
	{"the PIN pad while nothing goes on", "pinpad", "idle", "completed", "approved"},
}

// Each device's cable is pulled a hundred times during sales, at moments that matter and at
// any byte of what is said, and plugged in again under another name: no payment, no goroutine
// and no descriptor is lost, and posd is not restarted.
func TestUnplugAHundredTimes(t *testing.T) {
	times := 100
	if testing.Short() {
		times = 10
	}
	for _, device := range []string{"reader", "pinpad", "printer"} {
		t.Run(device, func(t *testing.T) {
			t.Parallel() // each has its own agent and its own desk
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			unplugOne(t, ctx, device, times)
		})
	}
}

func unplugOne(t *testing.T, ctx context.Context, device string, times int) {
	d := newDesk(t, ctx, 30*time.Second)
	must(t, d.Boot(ctx))
	hash := fnv.New64()
	hash.Write([]byte(device))
	random := rand.New(rand.NewPCG(1, hash.Sum64())) // the same points in each run
	for _, p := range pulls {
		if p.device == device { // so that what is opened once is open
			p.sell(t, ctx, d)
		}
	}
	traffic := d.saleOver(t, ctx, device)
	before := d.process(t, ctx)
	outcomes, missed := map[string]int{}, 0
	for n := range times {
		if p := pulls[n%len(pulls)]; p.device == device && n%2 == 0 {
			p.sell(t, ctx, d)
		} else {
			outcome, met := d.sellAt(t, ctx, device, 1+random.IntN(traffic))
			outcomes[outcome]++
			if !met {
				missed++
			}
		}
		if t.Failed() {
			t.Fatalf("pull %d", n+1)
		}
	}
	d.saleOver(t, ctx, device)
	after := d.process(t, ctx)
	if after.Goroutines > before.Goroutines || after.Descriptors > before.Descriptors {
		t.Errorf("before %+v, after %+v", before, after)
	}
	t.Logf("%d bytes a sale; pulled at any of them: %v; before %+v, after %+v", traffic, outcomes, before, after)
	if missed > times/10 {
		t.Errorf("%d of %d sales were over before the pull", missed, times)
	}
	d.holdsNoSecret(t)
}

// saleOver is a sale that nothing happens to; it returns what went over the device's cable.
func (d *desk) saleOver(t *testing.T, ctx context.Context, device string) int {
	t.Helper()
	must(t, d.Unplug(device))
	must(t, d.Plug(device))
	res, err := d.Pay(ctx, "union-rich", "1.00")
	if err != nil || res.Outcome != "approved" {
		t.Fatalf("%v, %+v", err, res)
	}
	d.Reader.Remove()
	d.agree(t, ctx, "completed")
	return d.Traffic(device)
}

// sellAt sells with the cable pulled after so many bytes, plugs it in again, and audits. How
// the sale ends depends on where that was; that both sides say the same of it does not. A
// printer ends no sale. met tells that the pull came before the sale was over.
func (d *desk) sellAt(t *testing.T, ctx context.Context, device string, at int) (outcome string, met bool) {
	t.Helper()
	must(t, d.Unplug(device))
	must(t, d.Plug(device))
	d.PullAfter(device, at)
	res, err := d.Pay(ctx, "union-rich", "1.00")
	met = d.Traffic(device) >= at
	must(t, d.Unplug(device))
	must(t, d.Plug(device))
	d.Reader.Remove()
	books, auditErr := d.Audit(ctx)
	must(t, auditErr)
	for _, diff := range books.Differences() {
		t.Errorf("%s pulled at byte %d: %s (the sale: %v, %+v)", device, at, diff, err, res)
	}
	if device == "printer" && (err != nil || res.Outcome != "approved") {
		t.Errorf("%s pulled at byte %d: %v, %s; a sale does not depend on it", device, at, err, res.Outcome)
	}
	if err != nil {
		return "error", met
	}
	return res.Outcome, met
}

// sell runs one sale with the pull in it, plugs the device in again, and audits.
func (p pull) sell(t *testing.T, ctx context.Context, d *desk) {
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

// process is what the agent costs. The question itself costs something, and the end of the
// one before it may: the least of some answers is without that.
func (d *desk) process(t *testing.T, ctx context.Context) control.Process {
	t.Helper()
	var least control.Process
	for n := range 20 {
		s, err := d.Client().Snapshot(ctx)
		must(t, err)
		if n == 0 {
			least = s.Process
		}
		least.Goroutines = min(least.Goroutines, s.Process.Goroutines)
		least.Descriptors = min(least.Descriptors, s.Process.Descriptors)
	}
	return least
}

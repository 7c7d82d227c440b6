package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"posd/emv/payment"
	"posd/transport/control"
)

// till is the goroutine that takes payments. Only it touches reader, PIN pad and
// printer, and only it changes the journal: whatever else wants one of them hands it a
// job.
type till struct {
	term *payment.Terminal
	face *face
	log  *slog.Logger
	jobs chan job                  // unbuffered: a job waits until the till is free
	wake chan struct{}             // capacity 1: the line to the host came up
	warm func(ctx context.Context) // opens the devices
	tend func(ctx context.Context) // looks after them
	// settleBatch goes on with a settlement that stopped, and begins one that is due.
	settleBatch func(ctx context.Context) error
	forwards    func() bool               // stored payments go up at once
	order       func(ctx context.Context) // does one job that the host asked for
	busy        *atomic.Bool              // set while a job runs
}

type job struct {
	run  func(ctx context.Context)
	done chan struct{}
}

// Back-off of owed reversals while the line is up but the host does not settle them.
const (
	debtWaitFirst = time.Second
	debtWaitMost  = time.Minute
)

// Run opens the devices, settles what the last run left, and then takes jobs until ctx
// ends. A job that has begun is finished first.
func (t *till) Run(ctx context.Context) error {
	t.warm(ctx)
	owed, err := t.term.Recover(ctx)
	if err != nil {
		return err
	}
	t.log.Info("recovered", "owed", owed)
	var debts debts
	debts.fresh(owed)
	var wipe <-chan time.Time // when what the last payment left in memory is wiped
	for {
		wipeStack()
		select {
		case <-ctx.Done():
			return nil
		case j := <-t.jobs:
			t.busy.Store(true)
			j.run(ctx)
			t.busy.Store(false)
			close(j.done)
			debts.fresh(t.owed(ctx, debts.owed))
			wipe = time.After(wipeAfter)
		case <-t.wake:
			debts.fresh(t.settle(ctx))
			wipe = time.After(wipeAfter)
		case <-debts.due():
			debts.again(t.settle(ctx))
			wipe = time.After(wipeAfter)
		case <-wipe:
			wipe = nil
			wipeMemory()
			t.log.Debug("memory wiped")
		case <-time.After(tendEvery):
			t.tend(ctx)
			t.order(ctx)
		}
		t.face.idle()
	}
}

// debts is when the owed reversals are to be tried again.
type debts struct {
	owed int
	wait time.Duration
	at   time.Time
}

// fresh begins the back-off anew: something has changed.
func (d *debts) fresh(owed int) { *d = debts{owed, debtWaitFirst, time.Now().Add(debtWaitFirst)} }

// again doubles it: they were tried, and some are still owed.
func (d *debts) again(owed int) {
	wait := min(2*d.wait, debtWaitMost)
	*d = debts{owed, wait, time.Now().Add(wait)}
}

// due fires when it is time, and never where nothing is owed.
func (d *debts) due() <-chan time.Time {
	if d.owed == 0 {
		return nil
	}
	return time.After(time.Until(d.at))
}

// owed asks the journal again what is to be told to the host; an error there keeps the old
// number, so that the till tries again later.
func (t *till) owed(ctx context.Context, before int) int {
	left := 0
	lists := []func(context.Context) ([]*payment.Record, error){t.term.Journal.Notices, t.term.Journal.Owed}
	if t.forwards() {
		lists = append(lists, t.term.Journal.Waiting)
	}
	for _, list := range lists {
		recs, err := list(ctx)
		if err != nil {
			t.log.Error("journal", "error", err)
			return max(before, 1)
		}
		left += len(recs)
	}
	return left
}

// settle tells the host what it is to be told, in the order of the message set: results of
// issuer scripts, reversals, stored payments; then a settlement that stopped. It returns
// how many are left.
func (t *till) settle(ctx context.Context) int {
	sends := []func(context.Context) (int, error){t.term.NotifyScripts, t.term.SettleDebts}
	if t.forwards() {
		sends = append(sends, t.term.Forward)
	}
	for _, send := range sends {
		left, err := send(ctx)
		if err != nil {
			t.log.Error("what is owed to the host", "error", err)
		}
		if err != nil || left > 0 {
			break
		}
	}
	if err := t.settleBatch(ctx); err != nil {
		t.log.Warn("settlement", "error", err)
		return max(t.owed(ctx, 1), 1)
	}
	t.order(ctx)
	return t.owed(ctx, 0)
}

// do has the till run f, and waits until it did. It says control.ErrBusy at once when
// the till is at something.
func (t *till) do(ctx context.Context, f func(ctx context.Context)) error {
	j := job{run: f, done: make(chan struct{})}
	select {
	case t.jobs <- j:
	case <-time.After(busyAfter):
		return control.ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
	<-j.done
	return nil
}

// busyAfter is how long a job waits for the till: longer than it looks after a device.
const busyAfter = 10 * time.Second

// linkUp tells the till that debts can be settled now.
func (t *till) linkUp() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

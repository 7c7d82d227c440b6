package main

import (
	"context"
	"log/slog"
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
	jobs chan job      // unbuffered: a job waits until the till is free
	wake chan struct{} // capacity 1: the line to the host came up
	warm func(ctx context.Context)
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
	wait := debtWaitFirst
	for {
		select {
		case <-ctx.Done():
			return nil
		case j := <-t.jobs:
			j.run(ctx)
			close(j.done)
			owed, wait = t.owed(ctx, owed), debtWaitFirst
		case <-t.wake:
			owed, wait = t.settle(ctx), debtWaitFirst
		case <-after(owed > 0, wait):
			owed, wait = t.settle(ctx), min(2*wait, debtWaitMost)
		}
		t.face.idle()
	}
}

// after is a timer where it is wanted, and never otherwise: an idle terminal does
// nothing.
func after(wanted bool, d time.Duration) <-chan time.Time {
	if !wanted {
		return nil
	}
	return time.After(d)
}

// owed asks the journal again; an error there keeps the old number, so that the till
// tries again later.
func (t *till) owed(ctx context.Context, before int) int {
	owed, err := t.term.Journal.Owed(ctx)
	if err != nil {
		t.log.Error("journal", "error", err)
		return max(before, 1)
	}
	return len(owed)
}

func (t *till) settle(ctx context.Context) int {
	left, err := t.term.SettleDebts(ctx)
	if err != nil {
		t.log.Error("owed reversals", "error", err)
		return max(left, 1)
	}
	return left
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

// busyAfter is how long a job waits for the till.
const busyAfter = 2 * time.Second

// linkUp tells the till that debts can be settled now.
func (t *till) linkUp() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

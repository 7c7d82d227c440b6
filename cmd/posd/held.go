package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"posd/cmd/internal/drivers"
	"posd/device"
	"posd/device/link"
	"posd/transport/control"
)

// held is one device, opened on first use and again after it is gone. The till owns it:
// only that goroutine opens, uses and closes it. Snapshots may be taken from anywhere, and
// never wait for the device.
type held[T io.Closer] struct {
	name, url string
	open      func(ctx context.Context) (drivers.Opened[T], error)
	log       *slog.Logger

	mu       sync.Mutex
	now      drivers.Opened[T]
	state    string // loaded, skipped, failed; empty before the first use
	why      string
	times    uint64        // opened
	retryAt  time.Time     // of a device that failed: not before
	retryAll time.Duration // the wait before it, doubled by each failure
}

// hold makes a device that is opened by its URL when it is needed.
func hold[T io.Closer](name, url string, table drivers.Table[T], log *slog.Logger) *held[T] {
	open := func(ctx context.Context) (drivers.Opened[T], error) { return table.Open(ctx, url) }
	return &held[T]{name: name, url: url, open: open, log: log}
}

// Times of supervision: how often an idle till looks after the devices, how long one may
// take to answer, and the back-off of one that failed.
const (
	tendEvery   = 5 * time.Second
	tendWithin  = 2 * time.Second
	reopenFirst = time.Second
	reopenMost  = time.Minute
)

// get returns the device, opened if need be.
func (h *held[T]) get(ctx context.Context) (T, error) {
	if dev, ok := h.loaded(); ok {
		return dev, nil
	}
	o, err := h.open(ctx) // without the lock: it may take seconds
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case errors.Is(err, drivers.ErrSkipped):
		h.state, h.why = "skipped", drivers.ErrSkipped.Error()
	case err != nil:
		h.fail(err)
	default:
		h.now, h.state, h.why, h.retryAll = o, "loaded", "", 0
		h.times++
		h.log.Info("device loaded", "device", h.name, "detail", o.Detail)
		return o.Device, nil
	}
	var none T
	return none, fmt.Errorf("posd: %s: %w", h.name, err)
}

// soon is get for a device that nobody waits for: while its back-off lasts, it is not tried.
func (h *held[T]) soon(ctx context.Context) (T, error) {
	h.mu.Lock()
	wait := h.state == "failed" && time.Now().Before(h.retryAt)
	why := h.why
	h.mu.Unlock()
	if wait {
		var none T
		return none, fmt.Errorf("posd: %s: %s", h.name, why)
	}
	return h.get(ctx)
}

// opened is how often the device was opened.
func (h *held[T]) opened() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times
}

func (h *held[T]) loaded() (T, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now.Device, h.state == "loaded"
}

// fail notes that the device is of no use now; h.mu is held. The same reason is logged
// once.
func (h *held[T]) fail(err error) {
	if h.state != "failed" || h.why != err.Error() {
		h.log.Warn("device failed", "device", h.name, "error", err)
	}
	h.state, h.why = "failed", err.Error()
	h.retryAll = min(max(2*h.retryAll, reopenFirst), reopenMost)
	h.retryAt = time.Now().Add(h.retryAll)
}

// tend looks after the device while the till is idle: one that is there is asked whether
// it still is, one that failed is opened again when its back-off is over.
func (h *held[T]) tend(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, tendWithin)
	defer stop()
	h.mu.Lock()
	state, probe, due := h.state, h.now.Probe, !time.Now().Before(h.retryAt)
	h.mu.Unlock()
	switch {
	case state == "loaded":
		_ = h.failed(probe(ctx)) // the snapshot has it
	case state == "failed" && due:
		_, _ = h.get(ctx) // the snapshot has it
	}
}

// failed notes how a call ended. A device that is gone, or that breaks its protocol, is
// closed, to be opened anew; one that wants paper, or its cover shut, is kept and says so
// until a call succeeds. It returns the error.
func (h *held[T]) failed(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.state != "loaded":
	case err == nil:
		h.why = ""
	case errors.Is(err, device.ErrPaper), errors.Is(err, device.ErrCover):
		h.why = err.Error()
	case errors.Is(err, device.ErrGone), errors.Is(err, device.ErrProtocol), errors.Is(err, device.ErrTimeout):
		h.fail(err)
		_ = h.now.Device.Close() // it is of no use any more
	}
	return err
}

// close closes the device if it is open.
func (h *held[T]) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == "loaded" {
		h.state = ""
		if err := h.now.Device.Close(); err != nil {
			h.log.Warn("close device", "device", h.name, "error", err)
		}
	}
}

// counted are drivers that count what happens on their line.
type counted interface{ Counters() link.Counters }

// snapshot says how the device is.
func (h *held[T]) snapshot() control.Device {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := control.Device{Name: h.name, URL: h.url, State: h.state, Why: h.why, Detail: h.now.Detail, Opened: h.times}
	if c, ok := any(h.now.Device).(counted); ok {
		n := c.Counters()
		out.Line = control.Line(n)
	}
	return out
}

// deviceSnapshots are those of all devices; what a terminal may well go without is there only
// if it has it.
func (a *agent) deviceSnapshots() []control.Device {
	out := []control.Device{a.reader.snapshot(), a.pad.snapshot(), a.printer.snapshot()}
	for _, d := range []control.Device{a.display.snapshot(), a.lamps.snapshot()} {
		if d.URL != drivers.None {
			out = append(out, d)
		}
	}
	return out
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"posd/device"
	"posd/transport/control"
)

// held is one device, opened on first use and again after it is gone. It keeps what
// the snapshot says of it: loaded, skipped (why) or failed (why).
type held[T io.Closer] struct {
	name, url string
	open      func(ctx context.Context) (T, string, error) // device, and what it says of itself
	log       *slog.Logger

	mu     sync.Mutex
	dev    T
	state  string // loaded, skipped, failed; empty before the first use
	why    string
	detail string
}

// errSkipped says that the configuration wants to go without this device.
var errSkipped = errors.New("the configuration says none")

// get returns the device, opened if need be.
func (h *held[T]) get(ctx context.Context) (T, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == "loaded" {
		return h.dev, nil
	}
	dev, detail, err := h.open(ctx)
	switch {
	case errors.Is(err, errSkipped):
		h.state, h.why = "skipped", errSkipped.Error()
	case err != nil:
		if h.state != "failed" || h.why != err.Error() {
			h.log.Warn("device failed", "device", h.name, "error", err)
		}
		h.state, h.why = "failed", err.Error()
	default:
		h.dev, h.state, h.why, h.detail = dev, "loaded", "", detail
		h.log.Info("device loaded", "device", h.name, "detail", detail)
		return dev, nil
	}
	return dev, fmt.Errorf("posd: %s: %w", h.name, err)
}

// failed notes how a call ended. A device that is gone, or that breaks its protocol, is
// closed, to be opened anew on the next use; one that wants paper, or its cover shut, is
// kept and says so until a call succeeds. It returns the error.
func (h *held[T]) failed(err error) error {
	if err == nil || errors.Is(err, device.ErrPaper) || errors.Is(err, device.ErrCover) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.why = ""
		if err != nil {
			h.why = err.Error()
		}
		return err
	}
	if errors.Is(err, device.ErrGone) || errors.Is(err, device.ErrProtocol) || errors.Is(err, device.ErrTimeout) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.state == "loaded" {
			h.state, h.why = "failed", err.Error()
			h.log.Warn("device failed", "device", h.name, "error", err)
			_ = h.dev.Close() // it is of no use any more; the next use opens it
		}
	}
	return err
}

// close closes the device if it is open.
func (h *held[T]) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == "loaded" {
		h.state = ""
		if err := h.dev.Close(); err != nil {
			h.log.Warn("close device", "device", h.name, "error", err)
		}
	}
}

// snapshot says how the device is.
func (h *held[T]) snapshot() control.Device {
	h.mu.Lock()
	defer h.mu.Unlock()
	return control.Device{Name: h.name, URL: h.url, State: h.state, Why: h.why, Detail: h.detail}
}

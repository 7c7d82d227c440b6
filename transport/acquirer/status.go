package acquirer

import (
	"context"
	"fmt"
	"time"
)

// Status is the link for a screen. Times are of the business clock.
type Status struct {
	State     State
	Host      string    // Config.Addr
	Since     time.Time // of the state
	LastEcho  time.Time // zero before the first
	RoundTrip time.Duration
	Requests  uint64 // sent, or at least begun
	Answers   uint64 // matched to a request, those with a wrong MAC included

	// Dropped counts frames that came and went nowhere: Late ones, whose request had
	// timed out; Duplicates of an answer; Foreign ones, that fit no request; and
	// Unreadable ones.
	Dropped    uint64
	Late       uint64
	Duplicates uint64
	Foreign    uint64
	Unreadable uint64

	SignOns    uint64 // that succeeded
	Reconnects uint64 // connections after the first
	LastError  string // why the link was down last; empty when it never was
}

// Status returns the link as it is now.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// WaitUp waits until the link is up, or ctx ends.
func (l *Link) WaitUp(ctx context.Context) error {
	for {
		l.mu.Lock()
		up, changed := l.status.State == Up, l.changed
		l.mu.Unlock()
		if up {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("acquirer: wait for link: %w", ctx.Err())
		}
	}
}

// ready returns the line once the link is up. Where it is down, the back-off ends at
// once. It gives up when an attempt to come up fails, and after the connection time-out.
func (l *Link) ready(ctx context.Context) (*line, error) {
	timer := time.NewTimer(l.cfg.ConnectTimeout)
	defer timer.Stop()
	l.mu.Lock()
	if l.status.State == Down {
		nudge(l.kick)
	}
	failures := l.failures
	for {
		s, n, failed, changed := l.status, l.line, l.failures > failures, l.changed
		l.mu.Unlock()
		switch {
		case s.State == Up && n != nil && n.cause() == nil:
			return n, nil
		case failed:
			return nil, fmt.Errorf("%w: %s", ErrDown, s.LastError)
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil, fmt.Errorf("%w: still %v after %v", ErrDown, s.State, l.cfg.ConnectTimeout)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrDown, ctx.Err())
		}
		l.mu.Lock()
	}
}

// move takes the machine one step. A move that is not in its table is a bug of this
// package, and is said so in the log.
func (l *Link) move(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.step(e)
}

// step is move with l.mu held.
func (l *Link) step(e event) {
	from := l.status.State
	to, ok := transition(from, e)
	if !ok {
		l.cfg.Log.Error("acquirer: no such move", "state", from.String(), "event", e.String())
		return
	}
	l.status.State, l.status.Since = to, l.cfg.Now()
	if e == signedOn {
		l.status.SignOns++
	}
	close(l.changed) // wakes everybody who waits
	l.changed = make(chan struct{})
	l.cfg.Log.Debug("acquirer: link", "state", to.String(), "event", e.String())
}

// down notes that a connection ended, or did not come about, and why.
func (l *Link) down(wasUp bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !wasUp {
		l.failures++
	}
	l.status.LastError = err.Error()
	l.step(lost)
	l.cfg.Log.Warn("acquirer: link is down", "error", err)
}

func (l *Link) setLine(n *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = n
	if n != nil {
		l.connections++
		l.status.Reconnects = l.connections - 1
	}
}

// count changes a counter of the status.
func (l *Link) count(add func(s *Status)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	add(&l.status)
}

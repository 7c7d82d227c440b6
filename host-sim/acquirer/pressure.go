package acquirer

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/time/rate"
)

// crowd is the connections that are open, by terminal, oldest first.
type crowd struct {
	limit int // of one terminal
	mu    sync.Mutex
	lines map[string][]*conn
}

// enter adds a connection. A terminal that has as many as it may loses its oldest: after a
// cable was pulled the old one is a ghost, and the new one is where the terminal is.
func (w *crowd) enter(c *conn) (ghost *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lines == nil {
		w.lines = map[string][]*conn{}
	}
	line := w.lines[c.peer.TID]
	if len(line) >= w.limit {
		ghost, line = line[0], line[1:]
	}
	w.lines[c.peer.TID] = append(slices.Clone(line), c)
	return ghost
}

func (w *crowd) leave(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := slices.DeleteFunc(w.lines[c.peer.TID], func(other *conn) bool { return other == c })
	if w.lines[c.peer.TID] = line; len(line) == 0 {
		delete(w.lines, c.peer.TID)
	}
}

// pace holds a connection that asks too fast, and one that comes while as many requests
// as the host works on are at the desk: it is read no further, so that the terminal's own
// line fills up, and nothing that was read is refused or lost, at a drain neither.
func (c *conn) pace(ctx context.Context) (done func(), err error) {
	if err := c.rate.Wait(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("acquirer: pace: %w", err)
	}
	c.work <- struct{}{}
	return func() { <-c.work }, nil
}

func newRate(l Limits) *rate.Limiter { return rate.NewLimiter(rate.Limit(l.PerSecond), 2*l.PerSecond) }

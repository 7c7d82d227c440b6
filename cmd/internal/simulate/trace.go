package simulate

import (
	"bytes"
	"fmt"
	"sync"
	"time"
)

// trace is what happened, in order, each line with the simulated time since the start.
type trace struct {
	mu    sync.Mutex
	began time.Time
	lines bytes.Buffer
}

func (t *trace) add(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(&t.lines, "%14.6f ", time.Since(t.began).Seconds())
	fmt.Fprintf(&t.lines, format, args...)
	t.lines.WriteByte('\n')
}

func (t *trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lines.String()
}

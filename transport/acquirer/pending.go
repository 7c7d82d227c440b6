package acquirer

import (
	"fmt"
	"time"

	"posd/transport/iso8583"
)

// ending is how a request stopped waiting.
type ending uint8

const (
	answered ending = iota + 1
	timedOut
)

// history remembers the last requests that stopped waiting, so that a frame that comes
// too late can be told from one that nobody asked for.
type history struct {
	keys    [4 * maxPending]iso8583.Key
	endings [4 * maxPending]ending
	next    int
}

func (h *history) add(k iso8583.Key, e ending) {
	h.keys[h.next], h.endings[h.next] = k, e
	h.next = (h.next + 1) % len(h.keys)
}

// find returns how the latest request with key k ended, 0 where none is remembered.
func (h *history) find(k iso8583.Key) ending {
	for i := range h.keys {
		at := (h.next - 1 - i + 2*len(h.keys)) % len(h.keys)
		if h.endings[at] != 0 && h.keys[at] == k {
			return h.endings[at]
		}
	}
	return 0
}

func (l *Link) settle(k iso8583.Key, e ending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled.add(k, e)
}

// dropReason says why a frame went nowhere.
type dropReason string

const (
	late       dropReason = "late"
	duplicate  dropReason = "duplicate"
	foreign    dropReason = "foreign"
	unreadable dropReason = "unreadable"
)

// unmatched counts a message that no request waits for.
func (l *Link) unmatched(k iso8583.Key) {
	l.mu.Lock()
	ended := l.settled.find(k)
	l.mu.Unlock()
	switch ended {
	case answered:
		l.drop(duplicate, k, nil)
	case timedOut:
		l.drop(late, k, nil)
	default:
		l.drop(foreign, k, nil)
	}
}

// drop counts and logs a frame that goes nowhere.
func (l *Link) drop(why dropReason, k iso8583.Key, cause error) {
	l.count(func(s *Status) {
		s.Dropped++
		switch why {
		case late:
			s.Late++
		case duplicate:
			s.Duplicates++
		case foreign:
			s.Foreign++
		case unreadable:
			s.Unreadable++
		}
	})
	l.cfg.Log.Warn("acquirer: frame dropped", "why", string(why), "request", fmt.Sprintf("%04X", k.MTI),
		"stan", k.STAN, "terminal", k.Terminal, "error", cause)
}

// roundTrip notes how long an answer took.
func (l *Link) roundTrip(d time.Duration) {
	l.count(func(s *Status) { s.RoundTrip = d })
}

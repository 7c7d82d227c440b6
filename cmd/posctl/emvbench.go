package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"posd/emv/replay"
	"posd/emv/replay/vector"
)

// benchFigures are of one session, on average.
type benchFigures struct {
	NS     int64 `json:"ns_per_session"`
	Allocs int64 `json:"allocs_per_session"`
	Bytes  int64 `json:"bytes_per_session"`
	Times  int   `json:"sessions"`
}

// benchSession plays a session n times in the kernel, after one time that counts for
// nothing. What other goroutines allocate meanwhile is counted as well; posctl has none.
func benchSession(ctx context.Context, s *replay.Session, n int) (benchFigures, error) {
	if err := s.Run(ctx); err != nil && !errors.Is(err, vector.ErrMute) && !errors.Is(err, vector.ErrOrder) {
		return benchFigures{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for range n {
		if err := s.Run(ctx); err != nil && ctx.Err() != nil {
			return benchFigures{}, err
		}
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	each := func(total uint64) int64 { return int64(total) / int64(n) }
	return benchFigures{
		NS: took.Nanoseconds() / int64(n), Times: n,
		Allocs: each(after.Mallocs - before.Mallocs), Bytes: each(after.TotalAlloc - before.TotalAlloc),
	}, nil
}

// benchTotal adds sessions up.
type benchTotal struct {
	sessions, ns, allocs int64
	slowest              int64
}

func (b *benchTotal) add(f benchFigures, n int) {
	b.sessions += int64(n)
	b.ns += f.NS * int64(n)
	b.allocs += f.Allocs * int64(n)
	b.slowest = max(b.slowest, f.NS)
}

// String is the average of all sessions.
func (b benchTotal) String() string {
	if b.sessions == 0 {
		return "no session"
	}
	return fmt.Sprintf("%d sessions, %d ns and %d allocations each on average, the slowest case %d ns",
		b.sessions, b.ns/b.sessions, b.allocs/b.sessions, b.slowest)
}

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// figures are what a row shows.
type figures struct {
	count         int64
	perSecond     float64
	p50, p99, max time.Duration
}

func (f figures) String() string {
	return fmt.Sprintf("%7.0f/s  p50 %-8v p99 %-8v max %-8v", f.perSecond,
		f.p50.Round(10*time.Microsecond), f.p99.Round(10*time.Microsecond), f.max.Round(10*time.Microsecond))
}

// measure lets each of n workers do its work again and again for a while. With a rate
// (works a second of all together) each work has its time, and waits for its place count.
func measure(ctx context.Context, n, rate int, lasting time.Duration, work func(worker int) error) (figures, error) {
	took := make([][]time.Duration, n)
	errs := make(chan error, n)
	begin := time.Now()
	var wait sync.WaitGroup
	for w := range n {
		wait.Go(func() {
			due, step := begin, time.Duration(0)
			if rate > 0 {
				step = time.Duration(n) * time.Second / time.Duration(rate)
				due = begin.Add(step * time.Duration(w) / time.Duration(n))
			}
			for ctx.Err() == nil && time.Since(begin) < lasting {
				if step > 0 && !until(ctx, due) {
					return
				}
				from := time.Now()
				if step > 0 {
					from = due
				}
				if err := work(w); err != nil {
					errs <- fmt.Errorf("worker %d: %w", w, err)
					return
				}
				took[w] = append(took[w], time.Since(from))
				due = due.Add(step)
			}
		})
	}
	wait.Wait()
	spent := time.Since(begin)
	select {
	case err := <-errs:
		return figures{}, err
	default:
	}
	all := slices.Concat(took...)
	if len(all) == 0 {
		return figures{}, fmt.Errorf("nothing was done in %v: %w", lasting, context.Cause(ctx))
	}
	slices.Sort(all)
	return figures{
		int64(len(all)), float64(len(all)) / spent.Seconds(),
		all[len(all)/2], all[min(len(all)-1, len(all)*99/100)], all[len(all)-1],
	}, nil
}

// until waits for a moment and tells whether it came before ctx ended.
func until(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

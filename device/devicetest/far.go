package devicetest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Fault is what the far end does wrong until it is told otherwise.
type Fault uint8

const (
	None        Fault = iota // behaves
	Silent                   // reads, and answers nothing
	GarbledOnce              // the next answer has a wrong check, those after it are good
	Garbled                  // every answer has a wrong check
)

// Far is what every far end can be told.
type Far interface {
	Misbehave(f Fault)
	// Unplug ends the line as a pulled cable does: the port that the driver has fails.
	Unplug()
}

// row runs one situation in a bubble of its own.
func row(t *testing.T, name string, f func(t *testing.T, ctx context.Context)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour) // a hang is a failure, not a wait
			defer cancel()
			f(t, ctx)
			if ctx.Err() != nil {
				t.Error("it took an hour")
			}
		})
	})
}

func wantError(t *testing.T, what string, got error, wants ...error) {
	t.Helper()
	for _, want := range wants {
		if errors.Is(got, want) {
			return
		}
	}
	t.Errorf("%s: got %v, want %v", what, got, wants)
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// start calls f in a goroutine, and returns when it waits for the far end (or is done).
// The result is on the channel.
func start[T any](f func() (T, error)) <-chan result[T] {
	c := make(chan result[T], 1)
	go func() {
		v, err := f()
		c <- result[T]{v, err}
	}()
	synctest.Wait()
	return c
}

type result[T any] struct {
	value T
	err   error
}

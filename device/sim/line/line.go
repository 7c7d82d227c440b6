package line

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"posd/device"
)

// Queue is what waits to be written, piece by piece.
type Queue chan []byte

// MaxQueue bounds a Queue.
const MaxQueue = 64

// NewQueue makes a queue for MaxQueue pieces.
func NewQueue() Queue { return make(Queue, MaxQueue) }

// Offer queues a piece, or drops it where the queue is full: nobody reads.
func (q Queue) Offer(b []byte) {
	select {
	case q <- b:
	default:
	}
}

// Send queues a piece, and waits for room until ctx ends. Nothing is no piece.
func (q Queue) Send(ctx context.Context, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	select {
	case q <- b:
		return nil
	case <-ctx.Done():
		return errors.New("host does not read")
	}
}

// Drop forgets what waits.
func (q Queue) Drop() {
	for len(q) > 0 {
		select {
		case <-q:
		default:
		}
	}
}

// Loops are what runs at a port. Name and Take are required.
type Loops struct {
	Name string // begins the error: "sim/ccid"
	// Take is given each piece that the host sent. The piece is wiped when it returns.
	Take func(ctx context.Context, piece []byte) error
	Out  Queue                           // nil: the device only listens
	Work func(ctx context.Context) error // what the device does by itself; nil: nothing
}

// Run runs the loops until ctx ends (nil) or one of them, or the port, fails. It closes
// nothing. What was not written by then is lost, and not there for the next port.
func (l Loops) Run(ctx context.Context, port device.Port) error {
	defer l.Out.Drop()
	g, run := errgroup.WithContext(ctx)
	stop := context.AfterFunc(run, func() { // a port that is closed is ended already
		_ = port.SetReadDeadline(time.Unix(1, 0))
		_ = port.SetWriteDeadline(time.Unix(1, 0))
	})
	defer stop()
	g.Go(func() error { return l.read(run, port) })
	g.Go(func() error { return l.write(run, port) })
	if l.Work != nil {
		g.Go(func() error { return l.Work(run) })
	}
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", l.Name, err)
	}
	return nil
}

// maxPiece is the most bytes of one read.
const maxPiece = 512

func (l Loops) read(ctx context.Context, port device.Port) error {
	b := make([]byte, maxPiece)
	for {
		n, err := port.Read(b)
		if n > 0 {
			failed := l.Take(ctx, b[:n])
			clear(b[:n])
			if failed != nil {
				return failed
			}
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
}

func (l Loops) write(ctx context.Context, port device.Port) error {
	for {
		select {
		case b := <-l.Out:
			if _, err := port.Write(b); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Into makes a Take that hands copies of the pieces to a goroutine.
func Into(in chan<- []byte) func(ctx context.Context, piece []byte) error {
	return func(ctx context.Context, piece []byte) error {
		select {
		case in <- append([]byte(nil), piece...):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

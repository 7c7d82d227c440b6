package vpcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"posd/device"
)

// Cards is where virtual cards come from.
type Cards interface {
	// Next returns the line of the next card. It ends with ctx's error where none came in
	// time, and with device.ErrGone where none can come any more.
	Next(ctx context.Context) (device.Port, error)
	Close() error
}

// Listener has cards connect to it. It is Cards.
type Listener struct {
	tcp *net.TCPListener
}

// Listen listens on a TCP address, "127.0.0.1:35963".
func Listen(address string) (*Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("vpcd: %w", err)
	}
	return &Listener{tcp: l.(*net.TCPListener)}, nil
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return l.tcp.Addr() }

// Close ends a Next that waits.
func (l *Listener) Close() error { return l.tcp.Close() }

// Next is that of Cards.
func (l *Listener) Next(ctx context.Context) (device.Port, error) {
	deadline, _ := ctx.Deadline()
	if err := l.tcp.SetDeadline(deadline); err != nil {
		return nil, fmt.Errorf("vpcd: accept: %w: %w", device.ErrGone, err)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = l.tcp.SetDeadline(time.Unix(1, 0)) // fails only on a closed one, whose calls end anyway
		close(ended)
	})
	conn, err := l.tcp.Accept()
	if !stop() {
		<-ended // else it could strike the deadline of the call after this one
	}
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, net.ErrClosed):
		return nil, fmt.Errorf("vpcd: accept: %w: %w", device.ErrGone, err)
	case timedOut(err):
		<-ctx.Done() // which is due
		return nil, fmt.Errorf("vpcd: accept: %w", ctx.Err())
	}
	return nil, fmt.Errorf("vpcd: accept: %w: %w", device.ErrGone, err)
}

func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// Dialer connects to a card that listens. It is Cards.
type Dialer struct {
	address string
	closed  chan struct{}
	once    sync.Once
}

// Times of a Dialer: for one try, and between two.
const (
	dialTime   = 2 * time.Second
	redialTime = 250 * time.Millisecond
)

// Dial makes the Dialer of a TCP address; it does not connect yet.
func Dial(address string) *Dialer { return &Dialer{address: address, closed: make(chan struct{})} }

// Close ends a Next that waits.
func (d *Dialer) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// Next is that of Cards: it tries until the card listens.
func (d *Dialer) Next(ctx context.Context) (device.Port, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-d.closed:
			cancel(device.ErrGone)
		case <-stop:
		}
	}()
	for {
		conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", d.address)
		if err == nil {
			return conn, nil
		}
		if pause(ctx, redialTime) != nil {
			return nil, fmt.Errorf("vpcd: connect to %s: %w", d.address, context.Cause(ctx))
		}
	}
}

// pause waits, or fails with the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// One is the card at the other end of a connection. The end of the connection is the end
// of all cards.
func One(conn device.Port) Cards { return &one{conn: conn} }

type one struct {
	mu   sync.Mutex
	conn device.Port // nil once it is given away
}

func (o *one) Next(context.Context) (device.Port, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn == nil {
		return nil, fmt.Errorf("vpcd: next card: %w: there was one connection only", device.ErrGone)
	}
	conn := o.conn
	o.conn = nil
	return conn, nil
}

func (o *one) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn == nil {
		return nil // its user closes it
	}
	conn := o.conn
	o.conn = nil
	return conn.Close()
}

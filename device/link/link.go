package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"posd/device"
)

// Limits of one line.
const (
	bufferSize = 1024
	maxDiscard = 64 << 10 // bytes of stale input after which the far end is babbling
)

// Link owns a port. One goroutine uses it at a time; Close and Counters may be called
// by any.
type Link struct {
	name     string
	port     device.Port
	buf      [bufferSize]byte
	unread   []byte // part of buf
	watch    *watch // of ByteWithin's ctx; nil: none
	counters counters
}

// New takes over the port. The name begins every error: "ccid", "vfpad".
func New(name string, port device.Port) *Link { return &Link{name: name, port: port} }

// Close closes the port; a call that waits ends with device.ErrGone.
func (l *Link) Close() error { return l.port.Close() }

// Write sends the whole frame, or fails: at the deadline of ctx with
// device.ErrTimeout, and then part of the frame may be out.
func (l *Link) Write(ctx context.Context, frame []byte) error {
	done, err := l.bind(ctx, l.port.SetWriteDeadline)
	if err != nil {
		return l.failed(ctx, "write", err)
	}
	n, err := l.port.Write(frame)
	done()
	l.counters.written.Add(uint64(max(n, 0)))
	if err == nil && n < len(frame) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return l.failed(ctx, fmt.Sprintf("write %d of %d bytes", n, len(frame)), err)
	}
	return nil
}

// Byte returns the next byte.
func (l *Link) Byte(ctx context.Context) (byte, error) {
	if err := l.fill(ctx); err != nil {
		return 0, l.failed(ctx, "read", err)
	}
	return l.take(), nil
}

// ByteWithin is Byte that waits no longer than limit. For protocols of single characters with
// a time for each: it costs less than a context for each does.
func (l *Link) ByteWithin(ctx context.Context, limit time.Duration) (byte, error) {
	if len(l.unread) > 0 {
		return l.take(), nil
	}
	if err := l.fillWithin(ctx, limit); err != nil {
		return 0, l.failed(ctx, "read", err)
	}
	return l.take(), nil
}

func (l *Link) take() byte {
	b := l.unread[0]
	l.unread = l.unread[1:]
	return b
}

// ReadFull fills p, or fails. What came before the failure is lost, as a torn frame is.
func (l *Link) ReadFull(ctx context.Context, p []byte) error {
	for n := 0; n < len(p); {
		if err := l.fill(ctx); err != nil {
			return l.failed(ctx, fmt.Sprintf("read %d of %d bytes", n, len(p)), err)
		}
		c := copy(p[n:], l.unread)
		l.unread = l.unread[c:]
		n += c
	}
	return nil
}

// Discard throws away what has come in, until the line is quiet for that long, which
// is what a request begins with where an answer carries no number: a late answer to
// the request before must not be taken for this one's. A line that does not become
// quiet is device.ErrProtocol.
func (l *Link) Discard(ctx context.Context, quiet time.Duration) error {
	for n := len(l.unread); n < maxDiscard; n += len(l.unread) {
		l.counters.discarded.Add(uint64(len(l.unread)))
		l.unread = nil
		pause, cancel := context.WithTimeout(ctx, quiet)
		err := l.fill(pause)
		cancel()
		switch {
		case err == nil:
		case ctx.Err() == nil && timedOut(err):
			return nil
		default:
			return l.failed(ctx, "discard", err)
		}
	}
	return l.Garbled("%d bytes without a pause", maxDiscard)
}

// fill has at least one byte in unread, or an error of the port.
func (l *Link) fill(ctx context.Context) error {
	if len(l.unread) > 0 {
		return nil
	}
	l.unwatch()
	done, err := l.bind(ctx, l.port.SetReadDeadline)
	if err != nil {
		return err
	}
	defer done()
	return l.read()
}

// read reads once.
func (l *Link) read() error {
	n, err := l.port.Read(l.buf[:])
	l.counters.read.Add(uint64(max(n, 0)))
	if n > 0 {
		l.unread = l.buf[:n] // an error beside bytes comes again at the next read
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// watch brings the read deadline forward when a ctx ends. It outlives the read for which it
// was made, so that the next one under the same ctx needs no other.
type watch struct {
	of    <-chan struct{} // ctx.Done
	stop  func() bool
	ended chan struct{}
}

// fillWithin is fill with a limit, under the watch of ctx.
func (l *Link) fillWithin(ctx context.Context, limit time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.watch == nil || l.watch.of != ctx.Done() {
		l.unwatch()
		l.watch = l.follow(ctx)
	}
	by := time.Now().Add(limit)
	deadline, bounded := ctx.Deadline()
	if bounded = bounded && deadline.Before(by); bounded {
		by = deadline
	}
	if err := l.port.SetReadDeadline(by); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // the watch may have struck before the deadline was set
	}
	err := l.read()
	if bounded && !time.Now().Before(deadline) {
		<-ctx.Done() // which is due: users of ctx.Err see what the port saw
	}
	return err
}

// follow begins a watch; nil where ctx never ends.
func (l *Link) follow(ctx context.Context) *watch {
	if ctx.Done() == nil {
		return nil
	}
	w := &watch{of: ctx.Done(), ended: make(chan struct{})}
	w.stop = context.AfterFunc(ctx, func() {
		_ = l.port.SetReadDeadline(past) // fails only on a closed port, whose calls end anyway
		close(w.ended)
	})
	return w
}

// unwatch ends a watch; after it, it cannot strike the deadline of another read.
func (l *Link) unwatch() {
	if w := l.watch; w != nil {
		l.watch = nil
		if !w.stop() {
			<-w.ended
		}
	}
}

var past = time.Unix(1, 0)

// bind gives a port's deadline that of ctx, and brings it forward when ctx ends. The
// caller calls done when its read or write is over.
func (l *Link) bind(ctx context.Context, set func(time.Time) error) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := set(deadline); err != nil {
		return nil, err
	}
	if ctx.Done() == nil {
		return func() {}, nil
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = set(past) // fails only on a closed port, whose calls end anyway
		close(ended)
	})
	return func() {
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			<-ctx.Done() // which is due: users of ctx.Err see what the port saw
		}
		if !stop() {
			<-ended // else it could strike the deadline of the call after this one
		}
	}, nil
}

// failed gives a port's error the meaning that users ask for.
func (l *Link) failed(ctx context.Context, verb string, err error) error {
	switch {
	case isGone(err):
		err = fmt.Errorf("%w: %w", device.ErrGone, err)
	case errors.Is(ctx.Err(), context.Canceled):
		err = context.Cause(ctx)
	case timedOut(err), errors.Is(err, io.ErrShortWrite), errors.Is(err, io.ErrNoProgress):
		l.counters.timeouts.Add(1)
		err = fmt.Errorf("%w: %w", device.ErrTimeout, err)
	}
	return fmt.Errorf("%s: %s: %w", l.name, verb, err)
}

func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// gone lists how a port says that nobody is at the other end any more: closed here, or
// unplugged there, as Linux reports it for ttys, pipes and sockets.
var gone = []error{
	device.ErrGone, io.EOF, io.ErrClosedPipe, fs.ErrClosed, os.ErrNoDeadline,
	syscall.EIO, syscall.ENXIO, syscall.ENODEV, syscall.EBADF, syscall.EPIPE,
	syscall.ECONNRESET, syscall.ECONNABORTED,
}

func isGone(err error) bool {
	for _, g := range gone {
		if errors.Is(err, g) {
			return true
		}
	}
	return false
}

// Garbled counts a bad frame and returns device.ErrProtocol with what was wrong.
func (l *Link) Garbled(format string, args ...any) error {
	l.counters.garbled.Add(1)
	return fmt.Errorf("%s: %w: %s", l.name, device.ErrProtocol, fmt.Sprintf(format, args...))
}

// Retry calls try until it succeeds, at most so many times. It tries again after
// device.ErrTimeout and device.ErrProtocol while ctx lasts; any other error is final.
func (l *Link) Retry(ctx context.Context, times int, try func(context.Context) error) error {
	for n := 1; ; n++ {
		err := try(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil, !errors.Is(err, device.ErrTimeout) && !errors.Is(err, device.ErrProtocol):
			return err
		case n >= times:
			if n == 1 {
				return err
			}
			return fmt.Errorf("%w (%d tries)", err, n)
		}
		l.counters.retries.Add(1)
	}
}

// LRC is the longitudinal redundancy check: all bytes exclusive-or.
func LRC(b ...byte) byte {
	var x byte
	for _, c := range b {
		x ^= c
	}
	return x
}

type counters struct {
	read, written, discarded, timeouts, garbled, retries atomic.Uint64
}

// Counters count since the Link was made. The first three are bytes.
type Counters struct {
	Read, Written, Discarded   uint64
	Timeouts, Garbled, Retries uint64
}

// Counters returns the counts of now.
func (l *Link) Counters() Counters {
	c := &l.counters
	return Counters{
		Read: c.read.Load(), Written: c.written.Load(), Discarded: c.discarded.Load(),
		Timeouts: c.timeouts.Load(), Garbled: c.garbled.Load(), Retries: c.retries.Load(),
	}
}

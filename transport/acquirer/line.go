package acquirer

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"posd/emv/payment"
	"posd/transport/iso8583"
)

// maxPending bounds the requests that wait for an answer at one time.
const maxPending = 16

// errBusy says that maxPending requests wait already, or one with the same key.
var errBusy = errors.New("too many requests at one time, or the same one twice")

// line is one connection with its reader and its writer.
type line struct {
	link *Link
	conn net.Conn
	out  chan *request
	dead chan struct{} // closed when the line is of no more use
	work sync.WaitGroup
	live atomic.Int64 // when something was heard last, in nanoseconds after start
	born time.Time

	mu      sync.Mutex
	why     error // of death
	pending map[iso8583.Key]*request
}

// A request's way: queued, then either taken by the writer or withdrawn by its owner.
const (
	queued int32 = iota
	taken
	withdrawn
)

// request is a frame with somebody who waits for its answer.
type request struct {
	key     iso8583.Key
	message iso8583.Message
	frame   []byte       // with its length; wiped by the writer
	mac     cipher.Block // verifies the answer; nil for none
	state   atomic.Int32
	sent    chan sent   // from the writer, one
	answer  chan answer // from the reader, one
}

// sent is how the writing of a request ended.
type sent struct {
	bytes int
	err   error
}

// answer is what the reader made of a frame. err is payment.ErrBadMAC or nil.
type answer struct {
	header  iso8583.Header
	message iso8583.Message
	err     error
	// doubtful is the frame of an answer whose MAC is wrong under the keys so far, while
	// others are on their way; nil for any other.
	doubtful []byte
}

func newLine(l *Link, conn net.Conn) *line {
	return &line{
		link: l, conn: conn, born: time.Now(), dead: make(chan struct{}),
		out: make(chan *request, maxPending), pending: make(map[iso8583.Key]*request),
	}
}

// start starts the reader and the writer; stop ends them.
func (n *line) start() {
	n.work.Go(n.read)
	n.work.Go(n.write)
}

// stop closes the line and waits for its goroutines. It returns what brought it down.
func (n *line) stop(err error) error {
	n.fail(err)
	n.work.Wait()
	return n.cause()
}

// fail ends the line; the first reason stays.
func (n *line) fail(err error) {
	n.mu.Lock()
	first := n.why == nil
	if first {
		n.why = err
	}
	n.mu.Unlock()
	if first {
		close(n.dead)
		n.conn.Close()
	}
}

func (n *line) cause() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.why
}

// heard notes that the other end is alive.
func (n *line) heard() { n.live.Store(int64(time.Since(n.born))) }

// untilEcho returns how long the line may still be silent.
func (n *line) untilEcho() time.Duration {
	silence := time.Since(n.born) - time.Duration(n.live.Load())
	return n.link.cfg.EchoInterval - silence
}

// write is the writer: it takes one request after the other.
func (n *line) write() {
	for {
		select {
		case <-n.dead:
			return
		case r := <-n.out:
			if !r.state.CompareAndSwap(queued, taken) {
				continue
			}
			size, err := n.send(r.frame)
			r.sent <- sent{size, err}
			if err != nil {
				n.fail(fmt.Errorf("acquirer: write: %w", err))
				return
			}
		}
	}
}

// send writes a frame in one piece and wipes it.
func (n *line) send(frame []byte) (int, error) {
	defer clear(frame)
	if err := n.conn.SetWriteDeadline(time.Now().Add(n.link.cfg.ConnectTimeout)); err != nil {
		return 0, err
	}
	return n.conn.Write(frame)
}

// read is the reader: it ends when the stream ends or has lost its place.
func (n *line) read() {
	buf := make([]byte, iso8583.MaxFrame)
	wipeStack() // it is large from now on: one that grows later leaves a copy behind
	for {
		frame, err := iso8583.ReadFrame(n.conn, buf)
		if err != nil {
			clear(buf)
			n.fail(fmt.Errorf("acquirer: read: %w", err))
			return
		}
		n.heard()
		n.receive(frame)
		clear(frame)
		wipeStack()
	}
}

// receive gives a frame to the request that it answers, or drops it.
func (n *line) receive(frame []byte) {
	header, message, err := n.link.cfg.Dialect.Parse(frame)
	if err != nil {
		n.link.drop(unreadable, iso8583.Key{}, err)
		return
	}
	r := n.take(message)
	if r == nil {
		n.link.unmatched(message.Key())
		return
	}
	a := answer{header: header, message: message, err: n.link.verify(frame, r, message)}
	if a.err != nil && n.link.signingOn() {
		a.doubtful = bytes.Clone(frame)
	}
	r.answer <- a
}

// take returns the request that the message answers and forgets it, or nil.
func (n *line) take(m iso8583.Message) *request {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.pending[m.Key()]
	if r == nil {
		r = n.numberless(m)
	}
	if r == nil || !answers(r.message, m) {
		return nil
	}
	delete(n.pending, r.key)
	n.link.settle(r.key, answered)
	return r
}

// numberless returns the request that a management answer without field 11 may belong to:
// some hosts leave it out of a list. It must be the only one of its function.
func (n *line) numberless(m iso8583.Message) *request {
	answer, ok := m.(*iso8583.NetworkResponse)
	if !ok || answer.STAN != 0 {
		return nil
	}
	var found *request
	for key, r := range n.pending {
		if key.Terminal != answer.Terminal || !answers(r.message, answer) {
			continue
		}
		if found != nil {
			return nil
		}
		found = r
	}
	return found
}

// idle tells that no request waits for its answer.
func (n *line) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pending) == 0
}

// add makes r wait for its answer.
func (n *line) add(r *request) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.why != nil:
		return fmt.Errorf("%w: %w", ErrDown, n.why)
	case len(n.pending) >= maxPending || n.pending[r.key] != nil:
		return errBusy
	}
	n.pending[r.key] = r
	return nil
}

// giveUp forgets r, unless its answer has just come.
func (n *line) giveUp(r *request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pending[r.key] == r {
		delete(n.pending, r.key)
		n.link.settle(r.key, timedOut)
	}
}

// exchange sends a request and waits for its answer. Errors wrap payment.ErrNotSent
// where no byte of it left, payment.ErrNoAnswer otherwise.
func (n *line) exchange(ctx context.Context, r *request) (answer, error) {
	if err := n.add(r); err != nil {
		clear(r.frame)
		return answer{}, fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	defer n.giveUp(r)
	select {
	case n.out <- r:
	case <-n.dead: // the writer is stuck and what it left has filled the queue
	}
	ctx, cancel := context.WithTimeout(ctx, n.link.cfg.AnswerTimeout)
	defer cancel()
	began := time.Now()
	var failed error
	select {
	case a := <-r.answer:
		n.link.roundTrip(time.Since(began))
		return n.link.resolve(ctx, n, a), nil
	case <-ctx.Done():
		failed = ctx.Err()
	case <-n.dead:
		failed = n.cause()
	}
	a, err := n.outcome(r, failed)
	return n.link.resolve(ctx, n, a), err
}

// outcome says what a request that was not answered may have done. An answer that came
// at the last moment counts.
func (n *line) outcome(r *request, failed error) (answer, error) {
	if r.state.CompareAndSwap(queued, withdrawn) {
		clear(r.frame)
		return answer{}, fmt.Errorf("%w: %w", payment.ErrNotSent, failed)
	}
	select {
	case a := <-r.answer:
		return a, nil
	default:
	}
	// One byte is enough for doubt. With TLS, none means that not one record went out
	// whole: what the host cannot open it has not heard.
	if w, known := n.written(r); known && w.err != nil && w.bytes == 0 {
		return answer{}, fmt.Errorf("%w: %w", payment.ErrNotSent, w.err)
	}
	return answer{}, fmt.Errorf("%w: %w", payment.ErrNoAnswer, failed)
}

// written returns how the writing of r ended. On a dead line it waits for the writer,
// whose connection is closed and whose deadline runs; otherwise the writer may be at it
// for long, and then nothing is known.
func (n *line) written(r *request) (w sent, known bool) {
	select {
	case <-n.dead:
		return <-r.sent, true
	default:
	}
	select {
	case w = <-r.sent:
		return w, true
	default:
		return sent{}, false
	}
}

package acquirer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"posd/host-sim/fault"
	"posd/transport/iso8583"
)

// lingering is how long a closing connection waits for the other side to have read
// everything: closing with unread input resets the connection, and a reset throws
// away answers that are on their way.
const lingering = 2 * time.Second

var (
	errDraining   = errors.New("the host stops")
	errDisconnect = errors.New("disconnected by a fault")
)

// conn is one connection: run reads, posts and queues answers, write sends them.
type conn struct {
	cfg     Config
	tls     *tls.Conn
	peer    Peer
	log     *slog.Logger
	rate    *rate.Limiter
	work    chan struct{} // see [Listener]
	out     chan []byte
	ended   chan struct{}  // closed when nothing more is read
	delayed sync.WaitGroup // answers that a fault holds back
	held    [][]byte       // answers that wait for the next one to go before them
}

func newConn(cfg Config, work chan struct{}, c *tls.Conn, p Peer, log *slog.Logger) *conn {
	return &conn{
		cfg: cfg, tls: c, peer: p, log: log, rate: newRate(cfg.Limits), work: work,
		out: make(chan []byte, cfg.Limits.Pending), ended: make(chan struct{}),
	}
}

// run reads until the connection or ctx ends, has everything written that was
// answered, and tells why it ended.
func (c *conn) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, c.drain)
	defer stop()
	var writer sync.WaitGroup
	writer.Go(c.write)
	why := c.read(ctx)
	c.release()
	close(c.ended)
	c.delayed.Wait()
	close(c.out)
	writer.Wait()
	if !errors.Is(why, errDisconnect) {
		c.finish()
	}
	return why
}

// drain ends the reading of an idle connection; a request that was read is answered
// first. What has not ended after the time for draining is cut off.
func (c *conn) drain() {
	c.tls.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection has ended already
	time.AfterFunc(c.cfg.Limits.Drain, func() { c.tls.NetConn().Close() })
}

func (c *conn) read(ctx context.Context) error {
	var buf []byte
	for {
		// The deadline first and ctx second: a drain in between sets its own deadline.
		if err := c.tls.SetReadDeadline(time.Now().Add(c.cfg.Limits.Idle)); err != nil {
			return fmt.Errorf("acquirer: set deadline: %w", err)
		}
		if ctx.Err() != nil {
			return errDraining
		}
		frame, err := iso8583.ReadFrame(c.tls, buf)
		if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			return errDraining
		}
		if err != nil {
			return err
		}
		buf = frame
		// The transaction is not cut short by the end of the host.
		if err := c.handle(context.WithoutCancel(ctx), frame); err != nil {
			return err
		}
	}
}

// handle has one frame posted and answered, and lets faults strike in between.
func (c *conn) handle(ctx context.Context, frame []byte) error {
	done, err := c.pace(ctx)
	if err != nil {
		return err
	}
	reply, err := c.cfg.Desk.Answer(ctx, c.peer, frame)
	done()
	if err != nil {
		return err
	}
	if c.cfg.OnRequest != nil && reply.MTI != 0 {
		c.cfg.OnRequest(reply.MTI, reply.STAN, reply.TID)
	}
	return c.send(reply)
}

func (c *conn) send(reply Reply) error {
	copies, delay, hold := 1, time.Duration(0), false
	for _, f := range c.cfg.Faults.Next(reply.MTI, reply.Function) {
		c.log.Warn("fault strikes", "fault", f.String(), "tid", reply.TID, "stan", reply.STAN)
		switch f.Action {
		case fault.Drop:
			copies = 0
		case fault.Duplicate:
			copies *= 2
		case fault.Delay:
			delay += f.Delay
		case fault.Garble:
			reply.Frame = garble(reply.Frame)
		case fault.WrongMAC:
			reply.Frame = spoilMAC(reply.Frame)
		case fault.Reorder:
			hold = true
		case fault.Disconnect:
			c.tls.NetConn().Close()
			return errDisconnect
		}
	}
	if hold && len(reply.Frame) > 0 {
		c.held = append(c.held, reply.Frame)
		return nil
	}
	for range copies {
		c.queue(reply.Frame, delay)
	}
	c.release()
	return nil
}

// release sends the answers that were held back, after the one that overtook them, or at
// the end of the connection.
func (c *conn) release() {
	for _, frame := range c.held {
		c.queue(frame, 0)
	}
	c.held = nil
}

// queue gives an answer to the writer, now or after a delay; the end of the
// connection ends the delay.
func (c *conn) queue(frame []byte, delay time.Duration) {
	if delay == 0 {
		c.out <- frame
		return
	}
	c.delayed.Go(func() {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.ended:
		}
		c.out <- frame
	})
}

// write sends what is queued until the queue is closed. After an error it takes and
// drops the rest, so that nobody waits for it, and ends the reading.
func (c *conn) write() {
	var failed error
	for frame := range c.out {
		if failed != nil {
			continue
		}
		c.tls.SetWriteDeadline(time.Now().Add(c.cfg.Limits.Write)) //nolint:errcheck // the write tells
		if failed = iso8583.WriteFrame(c.tls, frame); failed != nil {
			c.log.Warn("answer not written", "err", failed)
			c.tls.NetConn().Close()
		}
	}
}

// finish says that nothing more comes and waits until the other side knows.
func (c *conn) finish() {
	if err := c.tls.CloseWrite(); err != nil {
		return
	}
	raw := c.tls.NetConn()
	if half, ok := raw.(*net.TCPConn); ok {
		half.CloseWrite() //nolint:errcheck // the read below tells
	}
	raw.SetReadDeadline(time.Now().Add(lingering))  //nolint:errcheck // the read tells
	io.Copy(io.Discard, io.LimitReader(raw, 1<<20)) //nolint:errcheck // end or deadline, both end it
}

// bodyOffset is where the message type starts in a frame without its length: after
// TPDU and application header.
const bodyOffset = 11

// garble spoils the message from its type on and leaves length and header alone.
func garble(frame []byte) []byte {
	out := slices.Clone(frame)
	for i := bodyOffset; i < len(out); i += 3 {
		out[i] ^= 0xFF
	}
	return out
}

// spoilMAC changes the last byte, which is the end of field 64 where there is one.
func spoilMAC(frame []byte) []byte {
	out := slices.Clone(frame)
	if len(out) > 0 {
		out[len(out)-1] ^= 0x01
	}
	return out
}

// Spoil does to an answer what the faults say that change it: nil is left by Drop and
// Disconnect.
func Spoil(frame []byte, faults []fault.Fault) []byte {
	for _, f := range faults {
		switch f.Action {
		case fault.Drop, fault.Disconnect:
			return nil
		case fault.Garble:
			frame = garble(frame)
		case fault.WrongMAC:
			frame = spoilMAC(frame)
		}
	}
	return frame
}

package acquirer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// ErrDown says that there is no connection, or none that is signed on.
var ErrDown = errors.New("link is down")

// Link is the terminal's connection to its host. Any number of goroutines may use it.
type Link struct {
	cfg  Config
	dial func(context.Context) (net.Conn, error)
	kick chan struct{} // ends a back-off
	anew chan struct{} // wants a new sign-on
	echo chan struct{} // wants an echo now, to see whether the line is alive

	mu          sync.Mutex
	status      Status
	changed     chan struct{} // closed and replaced at each change of state
	failures    uint64        // attempts to come up that failed
	connections uint64
	line        *line  // nil without a connection
	stan        uint32 // of management messages; never a key for money
	settled     history
}

// New checks the configuration; it starts nothing.
func New(cfg Config) (*Link, error) {
	cfg.defaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Link{
		cfg: cfg, dial: cfg.dialer(),
		kick: make(chan struct{}, 1), anew: make(chan struct{}, 1), echo: make(chan struct{}, 1),
		status:  Status{Since: cfg.Now(), Host: cfg.Addr},
		changed: make(chan struct{}),
	}, nil
}

// Run keeps the link up until ctx ends, and then returns ctx's error. It may be called
// once.
func (l *Link) Run(ctx context.Context) error {
	backOff := l.cfg.BackOff
	for {
		wasUp, err := l.session(ctx)
		l.down(wasUp, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if wasUp {
			backOff = l.cfg.BackOff
		}
		if err := l.wait(ctx, l.jitter(backOff)); err != nil {
			return err
		}
		backOff = min(2*backOff, l.cfg.BackOffMax)
	}
}

// Kick ends the back-off, where one runs; where the link is up, it signs on anew. It is
// for a technician who has just loaded a master key or put the cable in.
func (l *Link) Kick() {
	nudge(l.kick)
	nudge(l.anew)
}

// SignOn asks for a new sign-on where the link is up; it does not wait for it.
func (l *Link) SignOn() { nudge(l.anew) }

// nudge notes a wish; wishes that nobody has seen yet are one.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// session is one connection from dial to loss. Its error says what ended it.
func (l *Link) session(ctx context.Context) (wasUp bool, err error) {
	l.move(dial)
	drain(l.kick)
	n, err := l.connect(ctx)
	if err != nil {
		return false, err
	}
	n.start()
	defer func() { // whatever brought the line down first is the better reason
		if cause := n.stop(err); cause != nil {
			err = cause
		}
		l.setLine(nil)
	}()
	l.setLine(n)
	l.move(connected)
	return l.serve(ctx, n)
}

func (l *Link) connect(ctx context.Context) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.ConnectTimeout)
	defer cancel()
	conn, err := l.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("acquirer: connect: %w", err)
	}
	return newLine(l, conn), nil
}

// serve signs on and stays until the line is lost.
func (l *Link) serve(ctx context.Context, n *line) (wasUp bool, err error) {
	drain(l.anew)
	if err := l.signOn(ctx, n); err != nil {
		return false, err
	}
	drain(l.echo)
	for {
		idle := time.NewTimer(n.untilEcho())
		err := l.next(ctx, n, idle.C)
		idle.Stop()
		if err != nil {
			return true, err
		}
	}
}

// next waits for the next thing to do on a line that is up, and does it.
func (l *Link) next(ctx context.Context, n *line, idle <-chan time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-n.dead:
		return n.cause()
	case <-l.anew:
		drain(l.kick)
		l.move(rekey)
		return l.signOn(ctx, n)
	case <-l.echo:
		return l.sendEcho(ctx, n)
	case <-idle:
		switch {
		case n.untilEcho() > 0:
			return nil
		case l.due(n):
			l.move(rekey)
			return l.signOn(ctx, n)
		}
		return l.sendEcho(ctx, n)
	}
}

// due tells that the working keys are to be changed and that nobody would notice.
func (l *Link) due(n *line) bool {
	keys, ok := l.cfg.Keys.(Rotation)
	if !ok || !n.idle() || !l.cfg.Idle() {
		return false
	}
	why := keys.Due(l.cfg.Now())
	if why != "" {
		l.cfg.Log.Info("acquirer: working keys are changed", "why", why)
	}
	return why != ""
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// wait is the back-off.
func (l *Link) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	case <-l.kick:
	}
	return nil
}

// jitter returns a duration between half of d and d, so that terminals that lost their
// host together do not come back together. Without randomness it returns d.
func (l *Link) jitter(d time.Duration) time.Duration {
	var b [8]byte
	if _, err := io.ReadFull(l.cfg.Rand, b[:]); err != nil {
		l.cfg.Log.Error("acquirer: jitter", "error", err)
		return d
	}
	half := int64(d / 2)
	return d - time.Duration(binary.BigEndian.Uint64(b[:])>>1%uint64(half+1))
}

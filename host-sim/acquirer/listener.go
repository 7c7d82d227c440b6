package acquirer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"posd/host-sim/fault"
)

// Limits bound what terminals can make the host hold. A zero field takes the default.
type Limits struct {
	Connections int           // at one time; 16384
	PerTerminal int           // connections of one terminal, the oldest goes; 4
	PerSecond   int           // requests of one connection, twice as many at once; 50
	Working     int           // requests that are at the desk at one time; 1024
	Pending     int           // answers that wait for one connection; 16
	Idle        time.Duration // without a message before a connection is closed; 15 minutes
	Handshake   time.Duration // for TLS; 10 seconds
	Write       time.Duration // for one answer; 10 seconds
	Drain       time.Duration // from the stop to the last forced close; 10 seconds
}

func (l Limits) withDefaults() Limits {
	or(&l.Connections, 16384)
	or(&l.PerTerminal, 4)
	or(&l.PerSecond, 50)
	or(&l.Working, 1024)
	or(&l.Pending, 16)
	or(&l.Idle, 15*time.Minute)
	or(&l.Handshake, 10*time.Second)
	or(&l.Write, 10*time.Second)
	or(&l.Drain, 10*time.Second)
	return l
}

func or[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Peer is who speaks on a connection, as its certificate says.
type Peer struct {
	TID string // common name
	SN  string // serial number attribute
}

// Reply is the answer to one message.
type Reply struct {
	MTI      uint16 // of the request
	Function uint16 // field 60.3 of the request, 0 for one without
	STAN     uint32
	TID      string // as the message names it
	Frame    []byte // whole answer without length; empty for none
}

// Answerer posts what a frame asks for and answers. An error means that the frame
// cannot be answered, and ends the connection.
type Answerer interface {
	Answer(ctx context.Context, from Peer, frame []byte) (Reply, error)
}

// Config is what a listener needs. All fields but OnRequest and Limits are required.
type Config struct {
	TLS    *tls.Config // with certificate, ClientCAs and RequireAndVerifyClientCert
	Desk   Answerer
	Faults *fault.Script
	Log    *slog.Logger
	Limits Limits
	// OnRequest, where set, is called after a request was posted and before its
	// answer is written. The connection waits for it.
	OnRequest func(mti uint16, stan uint32, tid string)
}

// Listener serves terminals.
type Listener struct {
	cfg   Config
	crowd crowd
	work  chan struct{} // a slot for each request at the desk
}

// NewListener checks the configuration.
func NewListener(cfg Config) (*Listener, error) {
	switch {
	case cfg.TLS == nil || cfg.TLS.ClientAuth != tls.RequireAndVerifyClientCert:
		return nil, errors.New("acquirer: new listener: TLS must require and verify client certificates")
	case cfg.TLS.MinVersion < tls.VersionTLS13:
		return nil, errors.New("acquirer: new listener: TLS 1.3 is the least")
	case cfg.Desk == nil || cfg.Faults == nil || cfg.Log == nil:
		return nil, errors.New("acquirer: new listener: Desk, Faults and Log are required")
	}
	cfg.Limits = cfg.Limits.withDefaults()
	return &Listener{cfg: cfg, crowd: crowd{limit: cfg.Limits.PerTerminal}, work: make(chan struct{}, cfg.Limits.Working)}, nil
}

// Serve accepts connections from ln until ctx ends; then it stops accepting, lets
// each connection answer what it has read, flushes, closes, and returns nil. It owns
// ln. Any other end is an error.
func (l *Listener) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	slots := make(chan struct{}, l.cfg.Limits.Connections)
	for {
		raw, err := ln.Accept()
		if ctx.Err() != nil {
			closeQuietly(raw)
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("acquirer: accept: %w", err)
		}
		if err != nil {
			l.breathe(ctx, err)
			continue
		}
		select {
		case slots <- struct{}{}:
			conns.Go(func() {
				defer func() { <-slots }()
				l.serve(ctx, raw)
			})
		default:
			l.cfg.Log.Warn("connection refused: too many", "from", raw.RemoteAddr().String(), "limit", cap(slots))
			raw.Close()
		}
	}
}

// breathing is how long the listener waits when it can take no connection, most likely
// for want of file descriptors.
const breathing = 100 * time.Millisecond

// breathe waits for others to finish: an error of one accept is no reason to stop.
func (l *Listener) breathe(ctx context.Context, err error) {
	l.cfg.Log.Error("accept failed", "err", err)
	timer := time.NewTimer(breathing)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func closeQuietly(c net.Conn) {
	if c != nil {
		c.Close()
	}
}

// serve runs one connection from handshake to close.
func (l *Listener) serve(ctx context.Context, raw net.Conn) {
	defer raw.Close()
	log := l.cfg.Log.With("from", raw.RemoteAddr().String())
	tlsConn := tls.Server(raw, l.cfg.TLS)
	shake, cancel := context.WithTimeout(ctx, l.cfg.Limits.Handshake)
	defer cancel()
	if err := tlsConn.HandshakeContext(shake); err != nil {
		log.Warn("handshake failed", "err", err)
		return
	}
	subject := tlsConn.ConnectionState().PeerCertificates[0].Subject
	c := newConn(l.cfg, l.work, tlsConn, Peer{TID: subject.CommonName, SN: subject.SerialNumber}, log.With("cert", subject.CommonName))
	if ghost := l.crowd.enter(c); ghost != nil {
		ghost.log.Warn("replaced by a newer connection of the same terminal", "limit", l.cfg.Limits.PerTerminal)
		ghost.tls.NetConn().Close()
	}
	defer l.crowd.leave(c)
	c.log.Info("connected")
	c.log.Info("disconnected", "why", c.run(ctx))
}

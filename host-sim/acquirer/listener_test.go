package acquirer

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"posd/host-sim/fault"
)

// starved is a listener that is out of file descriptors a few times, and then waits.
type starved struct {
	times  int
	closed chan struct{}
}

func (s *starved) Accept() (net.Conn, error) {
	if s.times > 0 {
		s.times--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	<-s.closed
	return nil, net.ErrClosed
}

func (s *starved) Close() error {
	close(s.closed)
	return nil
}

func (s *starved) Addr() net.Addr { return &net.TCPAddr{} }

type nobody struct{}

func (nobody) Answer(context.Context, Peer, []byte) (Reply, error) { return Reply{}, nil }

func listenerConfig() Config {
	return Config{
		TLS:  &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13},
		Desk: nobody{}, Faults: new(fault.Script), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func TestServeOutlivesAWantOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := NewListener(listenerConfig())
		if err != nil {
			t.Fatal(err)
		}
		ln := &starved{times: 3, closed: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		started, ended := time.Now(), make(chan error, 1)
		go func() { ended <- l.Serve(ctx, ln) }()
		synctest.Wait()
		time.AfterFunc(time.Second, cancel)
		if err := <-ended; err != nil || ln.times != 0 {
			t.Errorf("Serve = %v with %d errors left", err, ln.times)
		}
		if got := time.Since(started); got != time.Second {
			t.Errorf("it ended after %v, want one second", got)
		}
	})
}

func TestListenerConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"no TLS": func(c *Config) { c.TLS = nil },
		"certificates optional": func(c *Config) {
			c.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS13}
		},
		"TLS 1.2": func(c *Config) {
			c.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
		},
		"no desk":   func(c *Config) { c.Desk = nil },
		"no faults": func(c *Config) { c.Faults = nil },
		"no log":    func(c *Config) { c.Log = nil },
	} {
		cfg := listenerConfig()
		spoil(&cfg)
		if _, err := NewListener(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

package acquirer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
)

// wiped is a connection that clears a buffer before it reads into it, as io.Reader allows.
// Package crypto/tls opens what it receives in place, in a buffer that it keeps: without
// this the last answer, card number included, stands there until the next comes.
type wiped struct{ net.Conn }

// Read reads into b, all of which is zero before.
func (c wiped) Read(b []byte) (int, error) {
	clear(b)
	return c.Conn.Read(b)
}

// dialTLS connects to Addr, with the TLS of config.
func (c *Config) dialTLS(ctx context.Context, config *tls.Config) (net.Conn, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(wiped{raw}, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// serverName is the name that the host's certificate is to have where TLS names none.
func (c *Config) serverName() (string, error) {
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return "", fmt.Errorf("acquirer: config: Addr: %w", err)
	}
	return host, nil
}

// stackBytes is more than reading one message takes of a goroutine's stack.
const stackBytes = 16 << 10

// wipeStack clears the part of the stack that the functions before it have used: what
// they had in their variables stands there until others use it.
//
//go:noinline
func wipeStack() {
	var below [stackBytes]byte
	clear(below[:])
	runtime.KeepAlive(&below)
}

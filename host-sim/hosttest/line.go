package hosttest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"posd/transport/iso8583"
)

// patience bounds every wait of a test; a test that reaches it has failed.
const patience = 30 * time.Second

// Identity is what a terminal is known by on the wire, all PEM.
type Identity struct{ Cert, Key, CA []byte }

// Conn is a mutual-TLS connection to a host. It is a [Line].
type Conn struct{ *tls.Conn }

// Dial connects and shakes hands.
func Dial(ctx context.Context, address string, id Identity, now func() time.Time) (*Conn, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(id.CA) {
		return nil, errors.New("hosttest: no CA certificate")
	}
	cfg := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13, Time: now}
	if id.Cert != nil {
		pair, err := tls.X509KeyPair(id.Cert, id.Key)
		if err != nil {
			return nil, fmt.Errorf("hosttest: identity: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	raw, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("hosttest: dial: %w", err)
	}
	c := &Conn{raw.(*tls.Conn)}
	return c, c.SetDeadline(time.Now().Add(patience))
}

// Put writes one frame.
func (c *Conn) Put(frame []byte) error { return iso8583.WriteFrame(c, frame) }

// Get reads one frame.
func (c *Conn) Get() ([]byte, error) { return iso8583.ReadFrame(c, nil) }

// Exchange writes a frame and reads the next that comes.
func (c *Conn) Exchange(frame []byte) ([]byte, error) {
	if err := c.Put(frame); err != nil {
		return nil, err
	}
	return c.Get()
}

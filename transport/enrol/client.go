package enrol

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"posd/emv/keyblock/remote"
)

var (
	// ErrHost says that who answers is not the host that was pinned.
	ErrHost = errors.New("not the host of the pinned authority")
	// ErrAnswer says that the host's answer is not for this request.
	ErrAnswer = errors.New("answer does not fit the request")
)

// Refusal is the host's no: Code is one of refused, locked, expired, used, request,
// terminal, busy, failed.
type Refusal struct {
	Code  string
	Title string
}

// Error is the host's sentence.
func (r *Refusal) Error() string { return "host refuses: " + r.Code + ": " + r.Title }

// Config is what a client needs. Host, Now, and CA or Fingerprint are required.
type Config struct {
	Host        string           // host:port
	CA          []byte           // the authority's certificate, PEM; or
	Fingerprint [32]byte         // SHA-256 of it
	Now         func() time.Time // business clock, for the dates of certificates
	// Dial replaces net.Dialer where set.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Limits.
const (
	maxAnswer = 256 << 10
	timeout   = 30 * time.Second
)

// Client talks to a host's enrolment listener, one connection a request.
type Client struct {
	cfg  Config
	name string // of the host, for its certificate
	pin  [32]byte
}

// New checks the configuration.
func New(cfg Config) (*Client, error) {
	name, _, err := net.SplitHostPort(cfg.Host)
	if err != nil {
		return nil, fmt.Errorf("enrol: new client: host: %w", err)
	}
	if cfg.Now == nil {
		return nil, errors.New("enrol: new client: Now is missing")
	}
	c := &Client{cfg: cfg, name: name, pin: cfg.Fingerprint}
	if len(cfg.CA) > 0 {
		block, _ := pem.Decode(cfg.CA)
		if block == nil {
			return nil, errors.New("enrol: new client: CA is no PEM certificate")
		}
		if c.pin = sha256.Sum256(block.Bytes); cfg.Fingerprint != [32]byte{} && c.pin != cfg.Fingerprint {
			return nil, fmt.Errorf("enrol: new client: CA is not the certificate of the fingerprint: %w", ErrHost)
		}
	}
	if c.pin == [32]byte{} {
		return nil, errors.New("enrol: new client: CA or Fingerprint is missing: an enrolment with anybody's host gives anybody's keys")
	}
	return c, nil
}

// Enrol uses an activation code. Errors: [Refusal], [ErrHost], [ErrAnswer], and those of
// the network, after which the same identity may ask again.
func (c *Client) Enrol(ctx context.Context, id *Identity, code string) (Answer, error) {
	csr, err := id.csr()
	if err != nil {
		return Answer{}, err
	}
	transport, err := id.transportPEM()
	if err != nil {
		return Answer{}, err
	}
	out, err := c.ask(ctx, nil, http.MethodPost, "/v1/enrol", enrolRequest{id.serial, code, csr, transport, id.nonce})
	if err != nil {
		return Answer{}, err
	}
	a, err := out.certified(id)
	if err != nil {
		return Answer{}, err
	}
	if out.MasterKey == nil {
		return Answer{}, fmt.Errorf("enrol: no master key: %w", ErrAnswer)
	}
	a.Context = remote.Context{Serial: id.serial, Terminal: a.Record.Terminal, Merchant: a.Record.Merchant, Nonce: id.nonce}
	a.Delivery = remote.Delivery{Wrapped: out.MasterKey.Wrapped, Block: out.MasterKey.Block, Signature: out.MasterKey.Signature}
	a.KCV = out.MasterKey.KCV
	return a, nil
}

// Renew asks for the next certificate, with the present one. Errors: as Enrol.
func (c *Client) Renew(ctx context.Context, present tls.Certificate, next *Identity) (Answer, error) {
	csr, err := next.csr()
	if err != nil {
		return Answer{}, err
	}
	out, err := c.ask(ctx, &present, http.MethodPost, "/v1/renew", renewRequest{csr})
	if err != nil {
		return Answer{}, err
	}
	return out.certified(next)
}

// Record asks what the host holds of this terminal: Record and Parameters of the answer.
// Errors: as Enrol.
func (c *Client) Record(ctx context.Context, present tls.Certificate) (Answer, error) {
	out, err := c.ask(ctx, &present, http.MethodGet, "/v1/record", nil)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Record: out.Record, Parameters: out.Parameters}, nil
}

// RenewAt is when to ask for the next certificate: when three quarters of its time are
// over, so that a host that is down for months is no reason to stop.
func RenewAt(cert *x509.Certificate) time.Time {
	return cert.NotBefore.Add(cert.NotAfter.Sub(cert.NotBefore) / 4 * 3)
}

// ask sends a request and reads the answer, with the certificates of the connection.
func (c *Client) ask(ctx context.Context, own *tls.Certificate, method, path string, in any) (answered, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return answered{}, fmt.Errorf("enrol: %s: %w", path, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+c.cfg.Host+path, body)
	if err != nil {
		return answered{}, fmt.Errorf("enrol: %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	out := answered{now: c.cfg.Now()}
	transport := &http.Transport{
		TLSClientConfig: c.tls(own, &out), DialContext: c.cfg.Dial, DisableKeepAlives: true,
		TLSHandshakeTimeout: timeout, MaxResponseHeaderBytes: 8 << 10,
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answered{}, fmt.Errorf("enrol: %s: %w", path, err)
	}
	defer resp.Body.Close()
	return out, out.read(path, resp)
}

// tls trusts one authority. The standard check is replaced, not left out: the authority is
// found by its fingerprint among what the host sends, or in the file.
func (c *Client) tls(own *tls.Certificate, out *answered) *tls.Config {
	cfg := &tls.Config{
		ServerName: c.name, MinVersion: tls.VersionTLS13, Time: c.cfg.Now, NextProtos: []string{"http/1.1"},
		InsecureSkipVerify: true, // VerifyConnection checks more, see there
		VerifyConnection: func(state tls.ConnectionState) (err error) {
			out.authority, err = c.verify(state)
			return err
		},
	}
	if own != nil {
		cfg.Certificates = []tls.Certificate{*own}
	}
	return cfg
}

// verify finds the pinned authority and holds the host's certificate against it: chain,
// dates, name, use.
func (c *Client) verify(state tls.ConnectionState) (*x509.Certificate, error) {
	candidates := state.PeerCertificates
	if block, _ := pem.Decode(c.cfg.CA); block != nil {
		if ca, err := x509.ParseCertificate(block.Bytes); err == nil {
			candidates = append(candidates[:len(candidates):len(candidates)], ca)
		}
	}
	for _, ca := range candidates {
		if sha256.Sum256(ca.Raw) != c.pin || !ca.IsCA {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(ca)
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: roots, DNSName: c.name, CurrentTime: c.cfg.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if err != nil {
			return nil, fmt.Errorf("enrol: %w: %w", ErrHost, err)
		}
		return ca, nil
	}
	return nil, fmt.Errorf("enrol: %w: its authority is another one", ErrHost)
}

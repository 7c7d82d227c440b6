package acquirer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posd/emv/payment"
)

// authority makes certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{cert, key, pool}
}

func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// end stops a link whose listener still runs: start's stop waits for the host too.
func (r *rig) end(t *testing.T, closeListener func()) {
	t.Helper()
	closeListener()
	r.stop()
}

func TestOverTLS(t *testing.T) {
	defer goleak.VerifyNone(t)
	ca := newAuthority(t)
	h := newHost()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "host")}, ClientCAs: ca.pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	})
	if err != nil {
		t.Fatal(err)
	}
	accept(h, listener)
	r := start(t, h, func(c *Config) {
		c.Dial, c.Addr = nil, listener.Addr().String()
		c.TLS = &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(t, "00000001")}}
	})
	defer r.end(t, func() { listener.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for stan := uint32(1); stan <= 3; stan++ {
		answer, err := r.Authorize(ctx, sale(t, stan))
		if err != nil || answer.Code != "00" {
			t.Fatalf("sale %d: %+v, %v", stan, answer, err)
		}
	}
	rec := sale(t, 3).Record
	rec.Reversal = &payment.Debt{Reason: payment.NoAnswer}
	if answer, err := r.Reverse(ctx, rec); err != nil || answer.Code != "00" {
		t.Errorf("reversal: %+v, %v", answer, err)
	}
	if s := r.Status(); s.Host != listener.Addr().String() || s.Answers != 5 || s.RoundTrip <= 0 {
		t.Errorf("status %+v", s)
	}
}

// accept serves a listener until it is closed.
func accept(h *host, listener net.Listener) {
	h.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			h.work.Go(func() { h.serve(conn) })
		}
	})
}

// TestWrongPartners: no request, no sign-on even, reaches a host that cannot prove who
// it is, that speaks an old TLS, or that does not accept the terminal's certificate.
func TestWrongPartners(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.issue(t, "host")
	mine := &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(t, "00000001")}}
	for _, row := range []struct {
		name   string
		server *tls.Config
		want   string
	}{
		{"host of another authority", &tls.Config{Certificates: []tls.Certificate{other.issue(t, "host")}}, "certificate signed by unknown authority"},
		{"TLS 1.2", &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}, "protocol version"},
		{"host that wants another terminal", &tls.Config{
			Certificates: []tls.Certificate{good}, ClientCAs: other.pool, ClientAuth: tls.RequireAndVerifyClientCert,
		}, ""}, // alert, broken pipe or reset: TLS 1.3 tells the client after its handshake
	} {
		t.Run(row.name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			h := newHost()
			listener, err := tls.Listen("tcp", "127.0.0.1:0", row.server)
			if err != nil {
				t.Fatal(err)
			}
			accept(h, listener)
			r := start(t, h, func(c *Config) { c.Dial, c.Addr, c.TLS = nil, listener.Addr().String(), mine })
			defer r.end(t, func() { listener.Close() })
			_, err = r.Authorize(t.Context(), sale(t, 1))
			if !errors.Is(err, payment.ErrNotSent) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want ErrNotSent with %q", err, row.want)
			}
			if n := len(h.got); n != 0 {
				t.Errorf("the host read %d requests", n)
			}
		})
	}
}

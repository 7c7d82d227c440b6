package enrolment

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/hsm"
)

// Store is the database: [db.DB].
type Store interface {
	Update(ctx context.Context, fn func(db.Tx) error) error
	View(ctx context.Context, fn func(db.Tx) error) error
}

// Config is what a server needs. All but CodeLife is required.
type Config struct {
	DB       Store
	Module   *hsm.Module
	CA       *estate.CA
	Hosts    []string // names and addresses in the listener's certificate
	Now      func() time.Time
	Rand     io.Reader // activation codes
	Log      *slog.Logger
	CodeLife time.Duration // of an activation code; 0 is DefaultCodeLife
}

// Limits.
const (
	DefaultCodeLife = 72 * time.Hour
	MaxTries        = 5 // wrong codes for a serial number; then the code is void
	maxAtOnce       = 16
	ioTimeout       = 20 * time.Second
	drainTimeout    = 5 * time.Second
	maxHeader       = 8 << 10
)

// Server enrols terminals.
type Server struct {
	cfg    Config
	atOnce chan struct{}
}

// New checks the configuration.
func New(cfg Config) (*Server, error) {
	for _, row := range []struct {
		name    string
		missing bool
	}{
		{"DB", cfg.DB == nil},
		{"Module", cfg.Module == nil},
		{"CA", cfg.CA == nil},
		{"Hosts", len(cfg.Hosts) == 0},
		{"Now", cfg.Now == nil},
		{"Rand", cfg.Rand == nil},
		{"Log", cfg.Log == nil},
	} {
		if row.missing {
			return nil, fmt.Errorf("enrolment: new server: %s is required", row.name)
		}
	}
	if cfg.CodeLife == 0 {
		cfg.CodeLife = DefaultCodeLife
	}
	return &Server{cfg: cfg, atOnce: make(chan struct{}, maxAtOnce)}, nil
}

// Serve takes TLS connections from ln until ctx ends; then it answers what it has read, and
// returns nil.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	secure, err := s.tls()
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: s.Handler(), TLSConfig: secure, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, IdleTimeout: ioTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(ln, "", "") }()
	select {
	case err := <-ended:
		return fmt.Errorf("enrolment: serve: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close()
	}
	<-ended
	return nil
}

// tls is TLS 1.3 with a certificate of the authority, which is sent with it, so that a
// terminal can find the authority by its fingerprint. Client certificates are asked for,
// and have to be the authority's where they come: a new terminal has none.
func (s *Server) tls() (*tls.Config, error) {
	own := &ownCertificate{server: s}
	if _, err := own.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{
		GetCertificate: own.get, ClientCAs: s.cfg.CA.Pool(), ClientAuth: tls.VerifyClientCertIfGiven,
		MinVersion: tls.VersionTLS13, Time: s.cfg.Now, NextProtos: []string{"http/1.1"},
	}, nil
}

// ownCertificate is the listener's, issued again in time: a host runs for years.
type ownCertificate struct {
	server *Server
	mu     sync.Mutex
	cert   *tls.Certificate
	until  time.Time
}

func (o *ownCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.server.cfg.Now()
	if o.cert != nil && now.Before(o.until) {
		return o.cert, nil
	}
	id, err := o.server.cfg.CA.IssueServer(o.server.cfg.Hosts, now)
	if err != nil {
		return nil, err
	}
	cert, err := id.TLS()
	if err != nil {
		return nil, err
	}
	o.until = cert.Leaf.NotBefore.Add(cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore) / 2)
	cert.Certificate = append(cert.Certificate, o.server.cfg.CA.Certificate())
	o.cert = &cert
	return o.cert, nil
}

// Handler serves the three paths. It looks at the request's TLS state.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/enrol", s.serve(s.enrol))
	mux.Handle("POST /v1/renew", s.serve(s.renew))
	mux.Handle("GET /v1/record", s.serve(s.record))
	return mux
}

// serve runs one request, bounded in number and size, and writes answer or problem.
func (s *Server) serve(fn func(*http.Request) (answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.atOnce <- struct{}{}:
			defer func() { <-s.atOnce }()
		default:
			errBusy.write(w)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		out, err := fn(r)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		s.cfg.Log.Info("enrolment", "path", r.URL.Path, "sn", out.Record.Serial, "tid", out.Record.Terminal)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if err := json.NewEncoder(w).Encode(out); err != nil {
			s.cfg.Log.Warn("enrolment: answer not written", "error", err.Error())
		}
	})
}

// refuse tells the terminal the problem, and the log the rest; no code is in either.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := errFailed
	if !errors.As(err, &p) && errors.Is(err, estate.ErrRequest) {
		p = errRequest
	}
	s.cfg.Log.Warn("enrolment refused", "path", r.URL.Path, "from", r.RemoteAddr, "code", p.code, "why", err.Error())
	p.write(w)
}

// read decodes a body strictly.
func read(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more than one value", errRequest)
	}
	return nil
}

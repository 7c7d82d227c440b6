package hostsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"posd/emv"
	"posd/host-sim/acquirer"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/fault"
	"posd/host-sim/hsm"
	"posd/host-sim/issuer"
)

// Config is what a host needs. DB, HostKeyFile, CADir, Log, Now and Rand are required;
// [InDir] fills in the paths.
type Config struct {
	Listen      string           // host:port; port 0 takes a free one; empty: for reports and enrolment only
	DB          string           // path of the database, made where missing, or postgres://…; see db.Open
	HostKeyFile string           // master key of the security module, made where missing, mode 0600
	CADir       string           // folder of the certificate authority, made where missing
	Hosts       []string         // names and addresses in the host's certificate; default localhost, 127.0.0.1, ::1
	Log         *slog.Logger     // no card number, PIN or key reaches it
	Now         func() time.Time // business clock; its location is the terminals' local time
	Rand        io.Reader        // keys, nonces, authorisation codes: crypto/rand.Reader
	Currency    emv.Currency     // of merchants and cards that name none; default CNY
	Node        int              // number of this host, 0 to 99, in its reference numbers
	AcquirerID  string           // field 32; default 48020000
	Names       acquirer.Names   // field 44; defaults 01020000 and 48020000
	Limits      acquirer.Limits  // zero fields take the defaults
	// TerminalLife is how long certificates of terminals hold; 0 is five years.
	TerminalLife time.Duration
	Faults       []fault.Fault // to begin with; see AddFault
	// OnRequest, where set, is called after a request was read and posted, and before
	// its answer is written; the connection waits for it. mti is that of the request:
	// 0x0200, 0x0400, 0x0800, 0x0820.
	OnRequest func(mti uint16, stan uint32, tid string)
}

// InDir returns a configuration whose files are in folder dir: host.db, master.key and
// ca. The folder is made where missing.
func InDir(dir string) (Config, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Config{}, fmt.Errorf("hostsim: data folder: %w", err)
	}
	return Config{
		DB:          filepath.Join(dir, "host.db"),
		HostKeyFile: filepath.Join(dir, "master.key"),
		CADir:       filepath.Join(dir, "ca"),
	}, nil
}

func (c *Config) check() error {
	for _, row := range []struct {
		name    string
		missing bool
	}{
		{"DB", c.DB == ""},
		{"HostKeyFile", c.HostKeyFile == ""},
		{"CADir", c.CADir == ""},
		{"Log", c.Log == nil},
		{"Now", c.Now == nil},
		{"Rand", c.Rand == nil},
	} {
		if row.missing {
			return fmt.Errorf("hostsim: configuration: %s is required", row.name)
		}
	}
	return nil
}

func (c *Config) setDefaults() {
	if len(c.Hosts) == 0 {
		c.Hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	if c.Currency == 0 {
		c.Currency = emv.CNY
	}
	setDefault(&c.AcquirerID, "48020000")
	setDefault(&c.Names.Issuer, "01020000")
	setDefault(&c.Names.Acquirer, "48020000")
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// Host is one host. Close ends it, after Run.
type Host struct {
	cfg      Config
	db       *db.DB
	hsm      *hsm.Module
	ca       *estate.CA
	faults   *fault.Script
	desk     *acquirer.Desk
	listener *acquirer.Listener
	ln       net.Listener
}

// New opens database, keys and certificate authority, making what is missing, and
// listens: [Host.Addr] is known, and terminals that connect wait for [Host.Run].
func New(cfg Config) (_ *Host, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	h := &Host{cfg: cfg, faults: new(fault.Script)}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if err := h.faults.Add(cfg.Faults...); err != nil {
		return nil, err
	}
	if err := h.openStores(); err != nil {
		return nil, err
	}
	if err := h.openListener(); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Host) openStores() error {
	master, err := hsm.OpenMaster(h.cfg.HostKeyFile, h.cfg.Rand)
	if err != nil {
		return err
	}
	if h.hsm, err = hsm.New(master, h.cfg.Rand); err != nil {
		return err
	}
	if h.ca, err = estate.OpenCA(h.cfg.CADir, "posd host CA", h.cfg.Now()); err != nil {
		return err
	}
	h.ca.TerminalLife = h.cfg.TerminalLife
	h.db, err = db.Open(context.Background(), h.cfg.DB)
	return err
}

func (h *Host) openDesk() (err error) {
	h.desk, err = acquirer.NewDesk(acquirer.DeskConfig{
		DB: h.db, Module: h.hsm, Issuer: issuer.Issuer{Module: h.hsm}, Now: h.cfg.Now, Rand: h.cfg.Rand, Log: h.cfg.Log,
		Node: h.cfg.Node, AcquirerID: h.cfg.AcquirerID, Names: h.cfg.Names,
	})
	return err
}

func (h *Host) openListener() (err error) {
	if err := h.openDesk(); err != nil {
		return err
	}
	secure, err := h.tls()
	if err != nil {
		return err
	}
	h.listener, err = acquirer.NewListener(acquirer.Config{
		TLS: secure, Desk: h.desk, Faults: h.faults, Log: h.cfg.Log, Limits: h.cfg.Limits, OnRequest: h.cfg.OnRequest,
	})
	if err != nil {
		return err
	}
	if h.cfg.Listen == "" {
		return nil
	}
	if h.ln, err = net.Listen("tcp", h.cfg.Listen); err != nil {
		return fmt.Errorf("hostsim: listen: %w", err)
	}
	return nil
}

// tls is TLS 1.3 with a fresh certificate of the host, and with terminals' certificates
// of the host's own authority only. Both sides judge dates by the business clock.
func (h *Host) tls() (*tls.Config, error) {
	id, err := h.ca.IssueServer(h.cfg.Hosts, h.cfg.Now())
	if err != nil {
		return nil, err
	}
	cert, err := id.TLS()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientCAs:    h.ca.Pool(),
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS13,
		Time:         h.cfg.Now,
	}, nil
}

// Addr is where the host listens; nil for one that does not.
func (h *Host) Addr() net.Addr {
	if h.ln == nil {
		return nil
	}
	return h.ln.Addr()
}

// CA returns the certificate (PEM) that terminals check the host's with.
func (h *Host) CA() []byte { return h.ca.PEM() }

// Run serves until ctx ends; then it stops accepting, answers what it has read, flushes,
// closes, and returns nil. It runs once.
func (h *Host) Run(ctx context.Context) error {
	if h.ln == nil {
		return errors.New("hostsim: run: no address to listen on")
	}
	h.cfg.Log.Info("listening", "address", h.Addr().String())
	defer h.cfg.Log.Info("stopped")
	defer h.startLinks(ctx)()
	return h.listener.Serve(ctx, h.ln)
}

// Close closes listener and database. Call it after Run has returned.
func (h *Host) Close() (err error) {
	if h.ln != nil {
		if err = h.ln.Close(); errors.Is(err, net.ErrClosed) {
			err = nil
		}
	}
	if h.db != nil {
		err = errors.Join(err, h.db.Close())
	}
	return err
}

// AddFault adds scripted faults, also while the host runs. See package fault.
func (h *Host) AddFault(faults ...fault.Fault) error { return h.faults.Add(faults...) }

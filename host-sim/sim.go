package hostsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"posd/emv"
	"posd/emv/keyblock"
	"posd/host-sim/acquirer"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/fault"
	"posd/host-sim/hsm"
)

// TemplateConfig is what every simulated host of a run begins with. All fields are
// required.
type TemplateConfig struct {
	Dir  string // an existing folder, best in memory (/dev/shm); nothing is left there
	Seed Seed
	Now  time.Time // when merchants and cards are added
	Rand io.Reader // keys and nonces
}

// Template is a host's database made ready once, to begin many simulated hosts with.
// Safe for concurrent use.
type Template struct {
	image     []byte // of the database's file
	master    []byte // of the security module
	currency  emv.Currency
	terminals []SimTerminal
}

// SimTerminal is a terminal of a simulated host, with its master key in clear.
type SimTerminal struct {
	TID, MID, SN string
	TMK          []byte
	KCV          keyblock.KCV
}

// Peer is who speaks, as the certificate would say.
type Peer = acquirer.Peer

// Reply is the answer to one message: Frame is without its length.
type Reply = acquirer.Reply

// SimConfig is what a simulated host needs. All fields but Node and Faults are required.
type SimConfig struct {
	Path   string           // of the database's file, which [Template.Start] makes anew
	Now    func() time.Time // business clock
	Rand   io.Reader        // keys, nonces, authorisation codes: a seeded one makes runs alike
	Log    *slog.Logger
	Node   int
	Faults []fault.Fault
}

// Sim is a host inside the process: a desk over a database that is never flushed, without
// listener, TLS, certificate authority or files of keys. All questions of [Host] may be
// asked; Run and AddTerminal are not for it. Everything that it does follows from
// messages, Now and Rand.
type Sim struct {
	*Host
	master []byte
}

// NewTemplate makes a database with everything that the seed names.
func NewTemplate(ctx context.Context, c TemplateConfig) (_ *Template, err error) {
	if c.Dir == "" || c.Now.IsZero() || c.Rand == nil {
		return nil, errors.New("hostsim: template: Dir, Now and Rand are required")
	}
	t := &Template{master: make([]byte, 32), currency: emv.CNY}
	if _, err := io.ReadFull(c.Rand, t.master); err != nil {
		return nil, fmt.Errorf("hostsim: template: %w", err)
	}
	dir, err := os.MkdirTemp(c.Dir, "template-")
	if err != nil {
		return nil, fmt.Errorf("hostsim: template: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "host.db")
	s, err := startSim(ctx, t, SimConfig{Path: path, Now: func() time.Time { return c.Now }, Rand: c.Rand, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(t.fill(ctx, s, c.Seed), s.Close()); err != nil {
		return nil, err
	}
	t.image, err = os.ReadFile(path)
	return t, err
}

func (t *Template) fill(ctx context.Context, s *Sim, seed Seed) error {
	if err := s.applyBooks(ctx, seed); err != nil {
		return err
	}
	for i, row := range seed.Terminals {
		added, err := s.addSimTerminal(ctx, row)
		if err != nil {
			return fmt.Errorf("hostsim: template: terminal %d: %w", i+1, err)
		}
		t.terminals = append(t.terminals, added)
	}
	return nil
}

func (s *Sim) addSimTerminal(ctx context.Context, row SeedTerminal) (t SimTerminal, err error) {
	tmk, err := s.hsm.NewKey(hsm.TMK, 16)
	if err != nil {
		return t, err
	}
	t = SimTerminal{TID: row.TID, MID: row.MID, SN: row.SN}
	if t.TMK, t.KCV, _, err = s.hsm.ExportTMK(tmk, bytes.Repeat([]byte{0x3B}, 16)); err != nil {
		return t, err
	}
	return t, s.db.Update(ctx, func(tx db.Tx) error {
		_, err := estate.AddTerminal(ctx, tx, estate.Terminal{TID: row.TID, MID: row.MID, SN: row.SN, TMK: tmk})
		return err
	})
}

// Terminals returns the terminals of the seed, in its order.
func (t *Template) Terminals() []SimTerminal { return append([]SimTerminal(nil), t.terminals...) }

// Start writes the template's database to c.Path and starts a host on it.
func (t *Template) Start(ctx context.Context, c SimConfig) (*Sim, error) {
	if err := os.WriteFile(c.Path, t.image, 0o600); err != nil {
		return nil, fmt.Errorf("hostsim: start simulated host: %w", err)
	}
	return startSim(ctx, t, c)
}

func startSim(ctx context.Context, t *Template, c SimConfig) (*Sim, error) {
	cfg := Config{DB: c.Path, Now: c.Now, Rand: c.Rand, Log: c.Log, Node: c.Node, Currency: t.currency, Faults: c.Faults, HostKeyFile: "-", CADir: "-"}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	s := &Sim{&Host{cfg: cfg, faults: new(fault.Script)}, t.master}
	if err := s.faults.Add(cfg.Faults...); err != nil {
		return nil, err
	}
	return s, s.open(ctx)
}

func (s *Sim) open(ctx context.Context) (err error) {
	if s.hsm, err = hsm.New(s.master, s.cfg.Rand); err != nil {
		return err
	}
	if s.db, err = db.OpenVolatile(ctx, s.cfg.DB); err != nil {
		return err
	}
	if err := s.openDesk(); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// Restart ends the host and starts it again on the same database: what it had in memory is
// gone, what it had committed is there.
func (s *Sim) Restart(ctx context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	return s.open(ctx)
}

// Answer posts what a frame (without its length) asks for and answers it, and lets the
// faults of the script strike that change an answer's bytes; Drop and Disconnect return no
// frame. Delay, Duplicate and Reorder are the simulated network's business. An error says
// that the frame cannot be answered.
func (s *Sim) Answer(ctx context.Context, from Peer, frame []byte) (Reply, error) {
	reply, err := s.desk.Answer(ctx, from, frame)
	if err != nil {
		return Reply{}, err
	}
	reply.Frame = acquirer.Spoil(reply.Frame, s.faults.Next(reply.MTI, reply.Function))
	return reply, nil
}

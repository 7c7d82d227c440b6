package hostsim

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

const (
	testTID = "POSD0001"
	testMID = "104403154110001"
)

// running is a host that serves on loopback, seeded with the default seed.
type running struct {
	testing.TB
	*Host
	cfg  Config
	term *hosttest.Terminal
	id   hosttest.Identity
	rich *hosttest.Card
	log  *safeBuffer
	stop func() error
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func testConfig(t testing.TB, dir string, log io.Writer) Config {
	t.Helper()
	cfg, err := InDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if name := dbtest.Name(t); db.IsURL(name) {
		cfg.DB = name
	}
	cfg.Listen, cfg.Now, cfg.Rand = "127.0.0.1:0", time.Now, rand.Reader
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	return cfg
}

// boot starts a host. change may alter its configuration before.
func boot(t testing.TB, change ...func(*Config)) *running {
	t.Helper()
	r := &running{TB: t, log: new(safeBuffer), rich: hosttest.NewCard("6277000000000011", "123456")}
	r.cfg = testConfig(t, t.TempDir(), r.log)
	for _, fn := range change {
		fn(&r.cfg)
	}
	r.open()
	seed, err := ParseSeed("seed.yaml", DefaultSeed)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := r.Apply(t.Context(), seed)
	if err != nil || len(fresh) != 1 {
		t.Fatalf("seed: %v, %d enrolments", err, len(fresh))
	}
	e := fresh[0]
	r.term = &hosttest.Terminal{TID: e.TID, MID: e.MID, TMK: e.TMK}
	r.id = hosttest.Identity{Cert: e.Cert, Key: e.Key, CA: e.CA}
	return r
}

// open starts the host on what is on disk.
func (r *running) open() {
	r.Helper()
	h, err := New(r.cfg)
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	r.Host = h
	r.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-ended, h.Close())
	})
	stop := r.stop
	r.Cleanup(func() {
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

func (r *running) dial() *hosttest.Conn {
	r.Helper()
	return r.dialAs(r.id)
}

func (r *running) dialAs(id hosttest.Identity) *hosttest.Conn {
	r.Helper()
	c, err := hosttest.Dial(r.Context(), r.Addr().String(), id, nil)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { c.Close() })
	return c
}

// signedOn connects and signs on.
func (r *running) signedOn() *hosttest.Conn {
	r.Helper()
	c := r.dial()
	resp, err := r.term.Manage(c, iso8583.SignOnDouble)
	if err != nil || resp.Code != "00" {
		r.Fatalf("sign-on: %+v, %v", resp, err)
	}
	return c
}

func (r *running) want(c hosttest.Line, m iso8583.Message, code string) {
	r.Helper()
	if got, err := r.term.Code(c, m); got != code || err != nil {
		r.Errorf("code = %s, %v; want %s; log:\n%s", got, err, code, r.log)
	}
}

// available returns what the rich card may still spend.
func (r *running) available() int64 {
	r.Helper()
	balances, err := r.Balances(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	for _, b := range balances {
		if b.Masked == r.rich.PAN.Masked() {
			return b.Available
		}
	}
	r.Fatal("no such card")
	return 0
}

func (r *running) states() string {
	r.Helper()
	rows, err := r.Transactions(context.Background(), testTID)
	if err != nil {
		r.Fatal(err)
	}
	var out []string
	for _, t := range rows {
		out = append(out, fmt.Sprintf("%s %d %s %s", t.Kind, t.Amount, t.State, t.Code))
	}
	return strings.Join(out, ", ")
}

func (r *running) booksBalance() {
	r.Helper()
	if trial, err := r.TrialBalance(context.Background()); err != nil || !trial.OK() {
		r.Errorf("trial balance = %+v, %v", trial, err)
	}
}

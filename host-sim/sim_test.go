package hostsim

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

// memory is a folder in memory where there is one.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "hostsim-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// source is randomness that a seed repeats.
type source struct{ *rand.ChaCha8 }

func newSource(seed byte) source { return source{rand.NewChaCha8([32]byte{seed})} }

func newTemplate(t testing.TB, dir string) *Template {
	t.Helper()
	seed, err := ParseSeed("seed.yaml", DefaultSeed)
	if err != nil {
		t.Fatal(err)
	}
	template, err := NewTemplate(t.Context(), TemplateConfig{Dir: dir, Seed: seed, Now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Rand: newSource(1)})
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// simLine is a line without a wire.
type simLine struct {
	testing.TB
	*Sim
	peer   Peer
	frames []byte // hash of all that went over it
}

func (l *simLine) Exchange(frame []byte) ([]byte, error) {
	reply, err := l.Answer(l.Context(), l.peer, frame)
	h := sha256.Sum256(append(l.frames, reply.Frame...))
	l.frames = h[:]
	return reply.Frame, err
}

// simulate runs some payments on a fresh host, restarts it in between, and returns a hash
// of all answers, and the audit.
func simulate(t testing.TB, template *Template, path string, seed byte) (string, Audit) {
	t.Helper()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	sim, err := template.Start(t.Context(), SimConfig{Path: path, Now: func() time.Time { return now }, Rand: newSource(seed), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	row := template.Terminals()[0]
	line := &simLine{TB: t, Sim: sim, peer: Peer{TID: row.TID, SN: row.SN}}
	term := &hosttest.Terminal{TID: row.TID, MID: row.MID, TMK: row.TMK}
	if resp, err := term.Manage(line, iso8583.SignOnDouble); err != nil || resp.Code != "00" {
		t.Fatalf("sign-on: %+v, %v", resp, err)
	}
	card := hosttest.NewCard("6277000000000011", "123456")
	for i := range 5 {
		now = now.Add(time.Minute)
		m := term.Sale(card, int64(100+i))
		first, err := line.Exchange(term.Seal(m))
		if err != nil {
			t.Fatal(err)
		}
		if err := sim.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		again, err := line.Exchange(term.Seal(m))
		if err != nil || !bytes.Equal(first, again) {
			t.Errorf("after a restart: another answer (%v)", err)
		}
	}
	a, err := sim.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", line.frames), a
}

// TestSimulatedHost: the same seed gives the same bytes, a restart forgets nothing, and
// the audit adds up.
func TestSimulatedHost(t *testing.T) {
	dir := memory(t)
	template := newTemplate(t, dir)
	first, audit := simulate(t, template, filepath.Join(dir, "a.db"), 7)
	for i := range 3 {
		if again, _ := simulate(t, template, filepath.Join(dir, fmt.Sprint(i, ".db")), 7); again != first {
			t.Error("the same seed, another trace")
		}
	}
	if other, _ := simulate(t, template, filepath.Join(dir, "b.db"), 8); other == first {
		t.Error("another seed, the same trace")
	}
	moved := int64(0)
	for _, p := range audit.Payments {
		moved += p.Moved
	}
	if len(audit.Payments) != 5 || moved != 510 || audit.Repeated != 5 || !audit.Trial.OK() || audit.Merchants[0].Balance != 510 {
		t.Errorf("audit = %+v", audit)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "template-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// BenchmarkSimulatedHost is the price of a fresh host.
func BenchmarkSimulatedHost(b *testing.B) {
	dir := memory(b)
	template := newTemplate(b, dir)
	path := filepath.Join(dir, "bench.db")
	for b.Loop() {
		s, err := template.Start(b.Context(), SimConfig{Path: path, Now: time.Now, Rand: newSource(1), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

func benchmarkSale(b *testing.B, template *Template, dir string) {
	s, err := template.Start(b.Context(), SimConfig{Path: filepath.Join(dir, "sale.db"), Now: time.Now, Rand: newSource(1), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	row := template.Terminals()[0]
	line := &simLine{TB: b, Sim: s, peer: Peer{TID: row.TID, SN: row.SN}}
	term := &hosttest.Terminal{TID: row.TID, MID: row.MID, TMK: row.TMK}
	if _, err := term.Manage(line, iso8583.SignOnDouble); err != nil {
		b.Fatal(err)
	}
	card := hosttest.NewCard("6277000000000011", "123456")
	for b.Loop() {
		if code, err := term.Code(line, term.Sale(card, 1)); err != nil || code != "00" {
			b.Fatal(code, err)
		}
	}
}

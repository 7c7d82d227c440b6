package simulate

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"posd/device/sim/card"
	"posd/emv/payment"
	hostsim "posd/host-sim"
)

// Config is one run.
type Config struct {
	Scene  *Scene
	Seed   uint64
	Orders int // 0 is 20
	Bug    Bug // none in the zero value
}

// Report is what a run came to.
type Report struct {
	Seed     uint64
	Failures []string // empty: all books agree, all invariants held
	Trace    string
	Span     time.Duration // simulated
	Stats    Stats
}

// Stats counts what happened, so that a run which tests nothing is seen.
type Stats struct {
	Orders, Approved, Declined, Cancelled, Errors int
	Cuts, Reversed                                int
	Settled, Unbalanced                           int                          // batches
	Kinds                                         [payment.OfflineChip + 1]int // completed payments
}

// Add adds the counts of another run.
func (s *Stats) Add(o Stats) {
	s.Orders += o.Orders
	s.Approved += o.Approved
	s.Declined += o.Declined
	s.Cancelled += o.Cancelled
	s.Errors += o.Errors
	s.Cuts += o.Cuts
	s.Reversed += o.Reversed
	s.Settled += o.Settled
	s.Unbalanced += o.Unbalanced
	for k, n := range o.Kinds {
		s.Kinds[k] += n
	}
}

// world is one run.
type world struct {
	cfg   Config
	seed  uint64
	ctx   context.Context
	dir   string
	trace *trace
	log   *slog.Logger
	limit int // of the journal

	host       *hostsim.Sim
	network    *network
	cards      []*card.Card
	current    int               // the card of the order
	settled    []*payment.Record // of closed batches, as last read
	everything bool              // all payments go up at each settlement

	orders, disk, power, clock   *dice
	holder, padDice, paperDice   *dice
	storeRand, linkRand, payRand io.Reader

	mu       sync.Mutex
	sky      weather
	full     time.Time // until then the disk is full
	skew     time.Duration
	over     bool
	slips    map[payment.ID][]payment.State
	failures []string
	stats    Stats
	books    books
}

// Run plays one seed. It must be called inside a bubble of testing/synctest.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if cfg.Orders == 0 {
		cfg.Orders = 20
	}
	dir, err := os.MkdirTemp(cfg.Scene.dir, "run-")
	if err != nil {
		return Report{}, fmt.Errorf("simulate: %w", err)
	}
	defer os.RemoveAll(dir)
	w, err := newWorld(ctx, cfg, dir)
	if err != nil {
		return Report{}, fmt.Errorf("simulate: seed %d: %w", cfg.Seed, err)
	}
	began := time.Now()
	w.play()
	w.end()
	return Report{cfg.Seed, w.failures, w.trace.String(), time.Since(began), w.stats}, nil
}

func newWorld(ctx context.Context, cfg Config, dir string) (_ *world, err error) {
	seed := cfg.Seed
	w := &world{
		cfg: cfg, seed: seed, ctx: ctx, dir: dir, trace: &trace{began: time.Now()}, log: slog.New(slog.DiscardHandler),
		orders: roll(seed, "orders"), disk: roll(seed, "disk"), power: roll(seed, "power"), clock: roll(seed, "clock"),
		holder: roll(seed, "holder"), padDice: roll(seed, "pad"), paperDice: roll(seed, "paper"),
		storeRand: random(seed, "store"), linkRand: random(seed, "link"), payRand: random(seed, "payment"),
		slips: map[payment.ID][]payment.State{}, limit: 60,
	}
	w.sky = forecast(roll(seed, "weather"))
	w.everything = w.orders.hits(0.5)
	if err := cfg.Scene.lay(dir); err != nil {
		return nil, err
	}
	for _, p := range cfg.Scene.profiles {
		c, err := card.New(p, random(seed, "card"))
		if err != nil {
			return nil, err
		}
		w.cards = append(w.cards, c)
	}
	w.network = newNetwork(w, hostsim.Peer{TID: tid, SN: serial})
	base := time.Now()
	w.host, err = cfg.Scene.host.Start(ctx, hostsim.SimConfig{
		Path: dir + "/host.db", Rand: random(seed, "host"), Log: w.log,
		Now: func() time.Time { return noon.Add(time.Since(base)) },
	})
	return w, err
}

// now is the terminal's business clock.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return noon.Add(time.Since(w.trace.began) + w.skew)
}

// note adds a line to the trace. The name of the run's folder differs from run to run.
func (w *world) note(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), w.dir, "")
	w.trace.add("%s", strings.ReplaceAll(text, "\n", "; "))
}

// fail notes an invariant that does not hold.
func (w *world) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note("WRONG: %s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, text)
}

func (w *world) weather() weather {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sky
}

func (w *world) diskFull() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Before(w.full)
}

// calm ends all faults.
func (w *world) calm() {
	w.note("calm")
	w.mu.Lock()
	w.sky, w.full, w.skew = weather{}, time.Time{}, 0
	w.mu.Unlock()
	w.network.repair()
}

// end stops host and network.
func (w *world) end() {
	w.network.mu.Lock()
	w.over = true
	w.network.cutOff(time.Hour)
	w.network.mu.Unlock()
	w.network.work.Wait()
	if err := w.host.Close(); err != nil {
		w.fail("host: close: %v", err)
	}
}

// printed keeps a slip.
func (w *world) printed(rec *payment.Record) {
	w.mu.Lock()
	w.slips[rec.ID] = append(w.slips[rec.ID], rec.State)
	w.mu.Unlock()
	if rec.State == payment.Completed {
		w.checkSlip(rec)
	}
}

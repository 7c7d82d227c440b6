package rig

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"posd/device/sim/card"
	"posd/device/sim/cards"
	simccid "posd/device/sim/ccid"
	simescpos "posd/device/sim/escpos"
	simvfpad "posd/device/sim/vfpad"
	hostsim "posd/host-sim"
	"posd/transport/control"
)

// Who the terminal is, at the host and in its configuration.
const (
	TID          = "POSD0001"
	MID          = "104403154110001"
	MerchantName = "南湖便利店"
	Serial       = "SIM00000001"
)

// Opening balances of the cards, in fen.
var openings = map[string]int64{
	"union-rich": 1_000_000,
	"union-poor": 500,
	"union-cda":  1_000_000,
	"signature":  1_000_000,
}

// Config is what a rig is made of. Dir and Posd are required.
type Config struct {
	Dir           string // a folder of the rig's own
	Posd          string // path of the agent's program
	Lang          string // of the receipts
	AnswerTimeout time.Duration
	LogLevel      string
	TerminalLife  time.Duration // of terminals' certificates; 0 is the host's default
	AgentLog      io.Writer     // a copy of the agent's log; nil for none
	HostLog       io.Writer     // nil for none
	Cards         []TestCard    // beside those of device/sim/cards
	// Hostsim is the host's program: with it the host serves in a process of its own, Rig.Server,
	// and Rig.Host only looks into its folder. Empty: it runs in this process.
	Hostsim string
}

// TestCard is a card of the rig's own: its file (see device/sim/card), and what is on its
// account, in fen.
type TestCard struct {
	Name, File string
	Opening    int64
}

// Rig is the desk. Close ends everything on it.
type Rig struct {
	cfg     Config
	Host    *hostsim.Host
	Reader  *simccid.Reader
	Pad     *simvfpad.Pad
	Printer *simescpos.Printer
	Agent   *Agent
	Server  *Agent // the host's process; nil where Host serves

	address  string // of the host
	keyBlock string
	loaded   bool // the key was loaded once
	cables   map[string]*cable
	decks    map[string]*card.Card
	stop     context.CancelFunc
	group    *errgroup.Group

	mu        sync.Mutex
	current   string        // the card in the slot, by name
	putBack   time.Duration // after which it is put back; 0 for never
	onRequest func(mti uint16, stan uint32, tid string)
	onSlot    func(simccid.Event)
}

// Start sets up host and devices; the agent is started by Boot.
func Start(ctx context.Context, cfg Config) (*Rig, error) {
	r := &Rig{cfg: cfg, cables: map[string]*cable{}, decks: map[string]*card.Card{}}
	if r.cfg.AgentLog == nil {
		r.cfg.AgentLog = io.Discard
	}
	if r.cfg.HostLog == nil {
		r.cfg.HostLog = io.Discard
	}
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.group, ctx = errgroup.WithContext(ctx)
	for _, step := range []func(context.Context) error{r.startHost, r.enrol, r.startDevices, r.serve} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, r.writeConfig()
}

func (r *Rig) answerTimeout() time.Duration {
	if r.cfg.AnswerTimeout == 0 {
		return 2 * time.Second
	}
	return r.cfg.AnswerTimeout
}

func (r *Rig) startHost(ctx context.Context) error {
	cfg, err := hostsim.InDir(filepath.Join(r.cfg.Dir, "host"))
	if err != nil {
		return err
	}
	if cfg.Listen = "127.0.0.1:0"; r.cfg.Hostsim != "" {
		cfg.Listen = ""
	}
	cfg.Log = slog.New(slog.NewTextHandler(r.cfg.HostLog, nil))
	cfg.Now, cfg.Rand = time.Now, rand.Reader
	cfg.OnRequest, cfg.TerminalLife = r.requested, r.cfg.TerminalLife
	if r.Host, err = hostsim.New(cfg); err != nil {
		return err
	}
	if r.cfg.Hostsim == "" {
		r.address = r.Host.Addr().String()
		r.group.Go(func() error { return r.Host.Run(ctx) })
	}
	return nil
}

// OnRequest has f called after the host has posted a request and before it answers.
func (r *Rig) OnRequest(f func(mti uint16, stan uint32, tid string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onRequest = f
}

// OnSlot has f told what happens in the reader's slot.
func (r *Rig) OnSlot(f func(simccid.Event)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onSlot = f
}

func (r *Rig) requested(mti uint16, stan uint32, tid string) {
	r.mu.Lock()
	f := r.onRequest
	r.mu.Unlock()
	if f != nil {
		f(mti, stan, tid)
	}
}

// enrol makes merchant, terminal and cards known to the host, and writes what the
// terminal is given.
func (r *Rig) enrol(ctx context.Context) error {
	if err := r.Host.AddMerchant(ctx, MID, MerchantName); err != nil {
		return err
	}
	enrolment, err := r.Host.AddTerminal(ctx, TID, MID, Serial, nil)
	if err != nil {
		return err
	}
	r.keyBlock = enrolment.Block
	folder := filepath.Join(r.cfg.Dir, "agent")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("rig: %w", err)
	}
	if err := enrolment.Write(folder); err != nil {
		return err
	}
	r.Pad, err = newPad(enrolment.KBPK, r.typePIN)
	if err != nil {
		return err
	}
	return r.openAccounts(ctx)
}

func (r *Rig) openAccounts(ctx context.Context) error {
	keyed := map[byte]bool{}
	profiles, err := r.profiles()
	if err != nil {
		return err
	}
	for name, p := range profiles {
		if !keyed[p.DKI] {
			keyed[p.DKI] = true
			if err := r.Host.AddIssuerKey(ctx, p.PAN.Reveal()[:6], int(p.DKI), p.IMK[:], p.ARPCMethod); err != nil {
				return err
			}
		}
		account := hostsim.Account{
			PAN: p.PAN, PSN: max(p.PANSequence, 0), Expiry: fmt.Sprintf("%02X%02X", p.Expiry[0], p.Expiry[1]),
			PIN: p.PIN, Opening: r.opening(name),
		}
		if err := r.Host.AddAccount(ctx, account); err != nil {
			return err
		}
		if r.decks[name], err = card.New(p, rand.Reader); err != nil {
			return err
		}
	}
	return nil
}

// profiles reads the cards' files.
func (r *Rig) profiles() (map[string]*card.Profile, error) {
	out := map[string]*card.Profile{}
	for name := range openings {
		p, err := cards.Load(name)
		if err != nil {
			return nil, err
		}
		out[name] = p
	}
	for _, own := range r.cfg.Cards {
		p, err := cards.Parse(own.Name+".card", []byte(own.File))
		if err != nil {
			return nil, err
		}
		out[own.Name] = p
	}
	return out, nil
}

func (r *Rig) opening(name string) int64 {
	for _, own := range r.cfg.Cards {
		if own.Name == name {
			return own.Opening
		}
	}
	return openings[name]
}

// slotEvent plays the cardholder, who takes the card when its power is off.
func (r *Rig) slotEvent(e simccid.Event) {
	r.mu.Lock()
	f := r.onSlot
	r.mu.Unlock()
	if f != nil {
		f(e)
	}
	if e.Kind != simccid.PoweredOff {
		return
	}
	r.Reader.Remove()
	r.mu.Lock()
	name, after := r.current, r.putBack
	r.mu.Unlock()
	if after > 0 {
		time.AfterFunc(after, func() { r.Reader.Insert(r.decks[name]) })
	}
}

// PutBack has the cardholder put the card back some time after each payment, for people
// who try things; 0 ends that.
func (r *Rig) PutBack(after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.putBack = after
}

func (r *Rig) inSlot() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// Insert puts a card of device/sim/cards into the slot.
func (r *Rig) Insert(name string) {
	r.mu.Lock()
	r.current = name
	r.mu.Unlock()
	r.Reader.Insert(r.decks[name])
}

// typePIN is what the cardholder types: the PIN of the card in the slot.
func (r *Rig) typePIN() string {
	deck := r.decks[r.inSlot()]
	if deck == nil {
		return ""
	}
	return deck.Profile().PIN
}

// Boot starts the agent and returns when it takes payments: store open, line up and
// signed on. The first time it loads the master key as a technician would.
func (r *Rig) Boot(ctx context.Context, env ...string) error {
	if err := r.Launch(env...); err != nil {
		return err
	}
	if err := r.Agent.Await(ctx, "recovered"); err != nil {
		return err
	}
	if !r.loaded {
		if err := r.LoadKey(ctx); err != nil {
			return err
		}
	}
	return r.Agent.Await(ctx, "signed on")
}

// LoadKey loads the master key into agent and PIN pad, as a technician would.
func (r *Rig) LoadKey(ctx context.Context) error {
	if _, err := r.Client().LoadKey(ctx, r.keyBlock); err != nil {
		return fmt.Errorf("rig: load the master key: %w; the agent's log:\n%s", err, r.Agent.Log())
	}
	r.loaded = true
	return nil
}

// Launch starts the agent and does not wait.
func (r *Rig) Launch(env ...string) (err error) {
	r.Agent, err = start(r.cfg.Posd, []string{"-config", r.ConfigPath()}, env, r.cfg.AgentLog)
	return err
}

// Client talks to the agent.
func (r *Rig) Client() *control.Client { return control.At(r.Socket()) }

// Pay inserts the card and orders a sale.
func (r *Rig) Pay(ctx context.Context, card, amount string) (control.PayResult, error) {
	r.Insert(card)
	return r.Client().Pay(ctx, control.PayRequest{Amount: amount, Who: control.Person{Number: "01"}, Lang: r.lang()})
}

// Close stops the agent, then devices and host.
func (r *Rig) Close() error {
	var errs []error
	if r.Agent != nil {
		r.Agent.Kill()
	}
	if r.Server != nil {
		r.Server.Kill()
	}
	r.stop()
	for name := range r.cables {
		errs = append(errs, r.Unplug(name))
	}
	errs = append(errs, r.group.Wait())
	if r.Host != nil {
		errs = append(errs, r.Host.Close())
	}
	return errors.Join(errs...)
}

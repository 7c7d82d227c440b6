package simulate

import (
	"context"
	"errors"
	"sync"
	"time"

	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store"
	"posd/store/archive"
	"posd/store/journal"
	"posd/store/keys"
	"posd/store/spool"
	"posd/store/wal"
	"posd/transport/acquirer"
)

// Times of the simulated terminal.
const (
	answerTimeout = 60 * time.Second
	echoInterval  = 15 * time.Minute
)

// Errors of the simulated disk.
var (
	errPower = errors.New("the power is gone")
	errDisk  = errors.New("input/output error")
)

// powerCut is the panic that ends everything that a terminal does.
type powerCut struct{ at string }

// life is a terminal from power-on to power-off. The disk outlives it.
type life struct {
	w      *world
	ctx    context.Context
	off    context.CancelFunc
	disk   *dice
	power  *dice
	linked chan error // Run of the link has ended
	wake   chan struct{}

	mu   sync.Mutex
	dead string // why; empty while the power is on

	db       *store.DB
	log      *wal.Log
	archive  *archive.Archive
	settler  *batch.Settler
	spool    *spool.Spool
	owes     bool // something may be owed to the host
	journal  *journal.Journal
	keys     *keys.Keys
	link     *acquirer.Link
	terminal *payment.Terminal
	slot     *slot
}

// cut takes the power away. What runs now finds out at its next step.
func (l *life) cut(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead == "" {
		l.dead = why
		l.w.note("power: cut %s", why)
		l.off()
	}
}

func (l *life) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead != ""
}

// alive stops the goroutine of the payments where the power is gone.
func (l *life) alive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead != "" {
		panic(powerCut{l.dead})
	}
}

// pause lets simulated time go by.
func (l *life) pause(d time.Duration) {
	_ = wait(l.ctx, d) // alive says why it ended
	l.alive()
}

// at is payment.Config.At.
func (l *life) at(p payment.Point) {
	if l.power.hits(l.w.weather().power) {
		l.cut("at " + string(p))
	}
	l.alive()
}

// turnOn boots the terminal: store, journal, keys, link, as cmd/posd does.
func (w *world) turnOn() (*life, error) {
	l := &life{w: w, disk: w.disk, power: w.power, linked: make(chan error, 1), wake: make(chan struct{}, 1)}
	l.ctx, l.off = context.WithCancel(w.ctx)
	w.note("power: on")
	if err := l.open(); err != nil {
		l.off()
		return nil, err
	}
	if err := l.build(); err != nil {
		l.off()
		return nil, errors.Join(err, l.close())
	}
	go func() { l.linked <- l.link.Run(l.ctx) }()
	return l, nil
}

// turnOff ends a life: what was in memory is gone, the file stays as it is.
func (l *life) turnOff() {
	l.cut("switched off")
	<-l.linked
	if err := l.close(); err != nil {
		l.w.note("store: close: %v", err)
	}
}

// lives runs f until the power goes; it tells whether f came to its end.
func (l *life) lives(f func()) (ended bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(powerCut); !ok {
				panic(r)
			}
		}
	}()
	f()
	return true
}

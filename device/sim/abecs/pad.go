package abecs

import (
	"context"
	"crypto/cipher"
	"fmt"
	"io"
	"sync"
	"time"

	"posd/device"
	"posd/device/sim/keypad"
	"posd/device/sim/line"
	"posd/emv/dukpt"
)

// Times of the application. Abecs 2.20, 6.5.
const (
	keyTime     = time.Minute // without a key during PIN entry
	antennaTime = 2 * time.Minute
)

// Card is a card as the pad sees it. The pad calls one card from one goroutine at a time.
type Card interface {
	// Reset resets the card and returns its answer to reset; nil is a mute card. At the
	// antenna it is the answer that the pad makes up.
	Reset() []byte
	// Exchange takes a command APDU and returns data and status word; nil is a card that
	// died. A card may leave 61xx and 6Cxx to the reader.
	Exchange(apdu []byte) []byte
}

// TPDUs is a card that speaks T=0 as well: in the chip slot the pad asks it that way, if its
// answer to reset offers T=0 first, and leaves 61xx and 6Cxx to its user.
type TPDUs interface {
	// Transmit takes one T=0 TPDU and returns data and status word; nil is a card that died.
	Transmit(tpdu []byte) []byte
}

// Entry is what a cardholder sees when a PIN is asked for.
type Entry = keypad.Entry

// Config is a pad. Nothing in it is required.
type Config struct {
	// MasterKeys are TDES keys of 16 bytes for PINs, by slot 0 to 99.
	MasterKeys map[int][]byte
	// Cardholder, where set, is called when an entry begins and returns the keys to press, as
	// for Press; an empty string presses none. It must not call the Pad.
	Cardholder func(Entry) string
	// Random makes session keys; without it the pad does not do secure communication.
	Random io.Reader
	// NoAntenna makes a pad without contactless reader.
	NoAntenna bool
	// Notifies are sent (NTM) when a command begins to wait for somebody.
	Notifies []string
}

// Fault is a way to misbehave.
type Fault uint8

const (
	None        Fault = iota
	Silent            // reads, and answers nothing
	GarbledOnce       // the next packet has a wrong CRC
	Garbled           // every packet has one
	NAKs              // every packet is answered by NAK
	NoEOT             // CAN is obeyed and not answered
	LateAnswer        // each response comes LateBy after its time
	Strays            // each response comes after one to another command
	Twice             // each response comes twice, as after a NAK that was none
)

// LateBy is how late a response is with LateAnswer: after a driver has given up.
const LateBy = 5 * time.Minute

// Pad is a PIN pad. Its methods may be called from any goroutine.
type Pad struct {
	config Config
	out    line.Queue

	mu      sync.Mutex
	in      input
	last    []byte // the response, for NAK
	waiting *waiting
	session cipher.Block
	shown   string
	fault   Fault
	dukpt   map[int]*dukpt.Device
	chip    socket
	antenna socket
	parked  bool
}

// waiting is a command that waits for somebody.
type waiting struct {
	timer *time.Timer
	check func() bool    // the world has changed: is it over?
	key   func(key byte) // a key was pressed; nil where keys do nothing
	end   func()         // what there is to wipe; may be nil
}

// New checks the keys and makes a pad.
func New(config Config) (*Pad, error) {
	for slot, key := range config.MasterKeys {
		if slot < 0 || slot > 99 || len(key) != 16 {
			return nil, fmt.Errorf("sim/abecs: new: key of %d bytes in slot %d: 16 in 0 to 99 wanted", len(key), slot)
		}
	}
	return &Pad{config: config, out: line.NewQueue(), dukpt: map[int]*dukpt.Device{}}, nil
}

// Run speaks on the port until ctx ends (nil) or the port fails. It closes nothing.
func (p *Pad) Run(ctx context.Context, port device.Port) error {
	defer p.reset()
	return line.Loops{Name: "sim/abecs", Take: p.hear, Out: p.out}.Run(ctx, port)
}

func (p *Pad) hear(_ context.Context, piece []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range piece {
		p.take(c)
	}
	return nil
}

// reset ends what is going on, as taking the power away does.
func (p *Pad) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abort()
	if p.in.timer != nil {
		p.in.timer.Stop()
	}
	p.in, p.last, p.session, p.shown = input{}, nil, nil, ""
	p.chip.powered, p.antenna.powered = false, false
	p.out.Drop()
}

// Restart is a pad that loses its power for a moment.
func (p *Pad) Restart() { p.reset() }

// Inject puts an initial TDES DUKPT key for PINs into a slot 0 to 99.
func (p *Pad) Inject(slot int, initial dukpt.Key, ksn dukpt.KSN) error {
	if slot < 0 || slot > 99 {
		return fmt.Errorf("sim/abecs: inject: slot %d, 0 to 99 wanted", slot)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dukpt[slot] = dukpt.NewDevice(initial, ksn)
	return nil
}

// Misbehave does so until it is told otherwise.
func (p *Pad) Misbehave(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Display is what the display shows, lines parted by line feeds. PIN digits are stars.
func (p *Pad) Display() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown
}

// Parked tells that the last word was CLO.
func (p *Pad) Parked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.parked
}

// Waiting tells whether a command waits for somebody.
func (p *Pad) Waiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting != nil
}

// Insert puts a card into the chip slot, in the place of any other.
func (p *Pad) Insert(card Card) { p.place(&p.chip, card) }

// Remove pulls the card out of the chip slot.
func (p *Pad) Remove() { p.place(&p.chip, nil) }

// Tap holds cards to the antenna; none takes them away.
func (p *Pad) Tap(cards ...Card) {
	var first Card
	if len(cards) > 0 {
		first = cards[0]
	}
	p.place(&p.antenna, first)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.antenna.several = len(cards) > 1
}

func (p *Pad) place(s *socket, card Card) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*s = socket{card: card}
	if w := p.waiting; w != nil && w.check() {
		p.finish(w)
	}
}

// Press presses keys one after the other: digits, E for enter, C for clear, X for cancel.
func (p *Pad) Press(keys string) error {
	if err := keypad.Check(keys); err != nil {
		return fmt.Errorf("sim/abecs: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range len(keys) {
		if w := p.waiting; w != nil && w.key != nil {
			w.key(keys[i])
		}
	}
	return nil
}

// wait has a command wait, after its notifications. The caller has the lock.
func (p *Pad) wait(w *waiting, limit time.Duration, late func()) {
	for _, text := range p.config.Notifies {
		p.transmitLast(encode(p.sealed(fmt.Appendf(nil, "NTM000%03d%-32.32s", 32, text))))
	}
	p.waiting = w
	if limit == 0 {
		return
	}
	w.timer = time.AfterFunc(limit, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.waiting == w {
			p.finish(w)
			late()
		}
	})
}

// finish forgets a command that waits.
func (p *Pad) finish(w *waiting) {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.end != nil {
		w.end()
	}
	if p.waiting == w {
		p.waiting = nil
	}
}

// abort ends a command that waits, without a response. Abecs 2.20, 2.2.2.3.
func (p *Pad) abort() {
	if p.waiting != nil {
		p.finish(p.waiting)
		p.shown = ""
	}
}

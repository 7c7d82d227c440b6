package phoenix

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device"
	"posd/device/gpio"
	"posd/device/sim/line"
)

// Config is a slot. Nothing in it is required.
type Config struct {
	NoEcho bool // transmitter and receiver are parted: the host does not hear itself
	// OnEvent, where set, is told what happens in the slot, by the goroutine in which it
	// happens. It may call the Reader's methods.
	OnEvent func(Event)
}

// Event is something that happened in the slot.
type Event struct {
	Kind EventKind
	Warm bool // of PoweredOn: reset, with the power kept
}

// EventKind says what happened.
type EventKind uint8

const (
	Inserted EventKind = iota + 1
	Removed
	PoweredOn  // a card was reset, and answers
	PoweredOff // power was taken from a card that had it
)

// FaultKind is a way to misbehave.
type FaultKind uint8

const (
	Behave      FaultKind = iota
	Silent                // the line is cut: no echo, no answer
	Mute                  // the card does not answer, and is silent until the next reset
	Garble                // a bit of the answer's first character is wrong
	OneByOne              // every byte of data has its own (inverted) ACK
	Nulls                 // three NULL bytes before the answer, with Delay after each
	Late                  // the answer comes after Delay
	DiesHalfway           // the first half of the answer comes, then silence
	MuteCold              // cold resets bring nothing, warm ones work
	MuteAtReset           // no reset brings anything
	BadTS                 // the answer to reset begins with neither 3B nor 3F
	ShortATR              // the answer to reset lacks its last character
	PPSMute               // no answer to PPS
	PPSWrong              // PPS answered with another protocol
	PPSDeclined           // PPS answered without the speed that was proposed
)

// answerFaults are those that strike the answer to a TPDU.
var answerFaults = []FaultKind{Mute, Garble, OneByOne, Nulls, Late, DiesHalfway}

// Fault is misbehaviour. Times is on how many occasions (of its kind), 0 is for ever.
type Fault struct {
	Kind  FaultKind
	Times int
	Delay time.Duration
}

// Lines are the front end's pins, as the terminal has them.
type Lines struct {
	CMDVCCN pin.PinIO // terminal's output: low switches the card on
	RSTIN   pin.PinIO // terminal's output: the card's RST contact
	OFFN    pin.PinIO // terminal's input: high for a card, low for none or a fault
}

// Reader is one slot. Its methods may be called from any goroutine.
type Reader struct {
	config            Config
	lines             Lines
	off               *gpio.Memory
	out               line.Queue
	kick              chan struct{} // a reset began a dialogue, or ended one
	running           atomic.Bool
	mu                sync.Mutex
	card              Card
	fault             Fault
	enabled, released bool // CMDVCCN is low; RSTIN is high
	tripped           bool // OFFN is held low until CMDVCCN goes high
	warm              bool // the card had its reset since it has power
	epoch             int  // of power and reset
	starting          *start
	inverse           bool
	rate, agreed      byte // of PPS, before it holds
}

// start is a reset that waits to be answered.
type start struct {
	card  Card
	epoch int
	warm  bool
}

// kinds are the faults that strike this reset.
func (s start) kinds() []FaultKind {
	if s.warm {
		return []FaultKind{MuteAtReset, BadTS, ShortATR}
	}
	return []FaultKind{MuteAtReset, BadTS, ShortATR, MuteCold}
}

// New makes an empty slot without power.
func New(config Config) *Reader {
	r := &Reader{config: config, out: line.NewQueue(), kick: make(chan struct{}, 1), rate: 0x11}
	r.off = gpio.NewMemory("OFFN", nil)
	r.lines = Lines{
		CMDVCCN: gpio.NewMemory("CMDVCCN", func(l pin.Level) { r.power(!bool(l)) }),
		RSTIN:   gpio.NewMemory("RSTIN", func(l pin.Level) { r.reset(bool(l)) }),
		OFFN:    r.off,
	}
	return r
}

// Lines returns the pins.
func (r *Reader) Lines() Lines { return r.lines }

// Insert puts a card in the slot, in place of one that is there.
func (r *Reader) Insert(card Card) {
	r.mu.Lock()
	if r.card != nil {
		r.gone()
	}
	r.card = card
	r.showOff()
	r.mu.Unlock()
	r.tell(Event{Kind: Inserted})
}

// Remove pulls the card; in an empty slot it does nothing.
func (r *Reader) Remove() {
	r.mu.Lock()
	there := r.card != nil
	if there {
		r.gone()
	}
	r.mu.Unlock()
	if there {
		r.tell(Event{Kind: Removed})
	}
}

// gone takes the card out. The caller has the lock.
func (r *Reader) gone() {
	r.card = nil
	r.tripped = r.tripped || r.enabled
	r.stop()
	r.showOff()
}

// stop ends what the card is doing. The caller has the lock.
func (r *Reader) stop() {
	r.epoch++
	r.starting = nil
	r.wake()
}

// showOff sets OFFN. The caller has the lock.
func (r *Reader) showOff() {
	_ = r.off.Drive(pin.Level(r.card != nil && !r.tripped)) // fails only on an output, which OFFN is not
}

// Misbehave does so until it is told otherwise; the zero Fault behaves.
func (r *Reader) Misbehave(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

// Wants tells how the card's characters are now: its convention is inverse (then its even
// parity is odd on the line), and TA1's coding of the speed, 11 after a reset.
func (r *Reader) Wants() (inverse bool, fidi byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inverse, r.rate
}

// settle has the speed that was agreed hold, from the host's next character on.
func (r *Reader) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.agreed != 0 {
		r.rate, r.agreed = r.agreed, 0
	}
}

// agree notes a speed.
func (r *Reader) agree(fidi byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.agreed = fidi
}

func (r *Reader) setLine(inverse bool, fidi byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inverse, r.rate, r.agreed = inverse, fidi, 0
}

// power is CMDVCCN.
func (r *Reader) power(on bool) {
	r.mu.Lock()
	was := r.enabled
	r.enabled, r.warm = on, false
	if on && r.card == nil {
		r.tripped = true
	}
	if !on {
		r.tripped = false
	}
	if on != was {
		r.stop()
		r.begins()
	}
	r.showOff()
	had := was && !on && r.card != nil
	r.mu.Unlock()
	if had {
		r.tell(Event{Kind: PoweredOff})
	}
}

// reset is RSTIN: its rising edge has the card answer.
func (r *Reader) reset(high bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if high == r.released {
		return
	}
	r.released = high
	r.stop()
	r.begins()
}

// begins has the card answer, if it has what it needs. The caller has the lock.
func (r *Reader) begins() {
	if r.enabled && r.released && !r.tripped && r.card != nil {
		r.starting = &start{card: r.card, epoch: r.epoch, warm: r.warm}
		r.inverse, r.rate, r.agreed = false, 0x11, 0
		r.warm = true
		r.wake()
	}
}

func (r *Reader) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// current tells whether no reset came since that one.
func (r *Reader) current(epoch int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch == epoch
}

// peek is the fault that is set.
func (r *Reader) peek() Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fault
}

// take uses up one occasion of the fault, if it is one of those kinds.
func (r *Reader) take(kinds ...FaultKind) Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.fault
	if !slices.Contains(kinds, f.Kind) {
		return Fault{}
	}
	switch f.Times {
	case 0:
	case 1:
		r.fault = Fault{}
	default:
		r.fault.Times--
	}
	return f
}

func (r *Reader) tell(e Event) {
	if r.config.OnEvent != nil {
		r.config.OnEvent(e)
	}
}

// Run speaks on the port until ctx ends (nil) or the port fails. It closes nothing.
func (r *Reader) Run(ctx context.Context, port device.Port) error {
	r.running.Store(true)
	defer r.running.Store(false)
	in := make(chan []byte, 64)
	return line.Loops{
		Name: "sim/phoenix", Out: r.out,
		Take: func(ctx context.Context, b []byte) error { return r.hear(ctx, b, in) },
		Work: func(ctx context.Context) error { return r.serve(ctx, in) },
	}.Run(ctx, port)
}

// hear lets the host hear itself, whatever the card is at: that is the line's doing.
func (r *Reader) hear(ctx context.Context, piece []byte, in chan<- []byte) error {
	if r.peek().Kind == Silent {
		return nil
	}
	return r.pass(ctx, append([]byte(nil), piece...), in)
}

func (r *Reader) pass(ctx context.Context, b []byte, in chan<- []byte) error {
	r.settle()
	if !r.config.NoEcho {
		if err := r.out.Send(ctx, b); err != nil {
			return err
		}
	}
	select {
	case in <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serve runs one dialogue after another.
func (r *Reader) serve(ctx context.Context, in <-chan []byte) (err error) {
	var d *dialogue
	for err == nil {
		select {
		case <-r.kick:
			d, err = r.restart(ctx, d)
		case b := <-in:
			if d != nil && r.current(d.epoch) {
				err = d.feed(ctx, b)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// restart takes up a reset that waits, and drops a dialogue that one has ended.
func (r *Reader) restart(ctx context.Context, d *dialogue) (*dialogue, error) {
	r.mu.Lock()
	s := r.starting
	r.starting = nil
	r.mu.Unlock()
	switch {
	case s != nil && r.peek().Kind != Silent:
		return r.begin(ctx, *s)
	case d != nil && !r.current(d.epoch):
		return nil, nil
	}
	return d, nil
}

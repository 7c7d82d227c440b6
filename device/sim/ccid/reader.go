package ccid

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"posd/device"
	"posd/device/sim/line"
)

// Profile is what differs between readers.
type Profile uint8

const (
	GemPC   Profile = iota // GemPC Twin serial: echoes each command
	SEC1210                // no echo
)

// Config is a reader. Nothing in it is required.
type Config struct {
	Profile Profile
	// OnEvent, where set, is told what happens in the slot, by the goroutine in which it
	// happens. It may call the Reader's methods.
	OnEvent func(Event)
}

// Event is something that happened in the slot.
type Event struct {
	Kind  EventKind
	Power byte // of PoweredOn: bPowerSelect, 1 is 5 V, 2 is 3 V, 3 is 1.8 V
}

// EventKind says what happened.
type EventKind uint8

const (
	Inserted EventKind = iota + 1
	Removed
	PoweredOn  // a card was reset and answered
	PoweredOff // power was taken from a card that had it
)

// FaultKind is a way to misbehave.
type FaultKind uint8

const (
	Behave         FaultKind = iota
	Silent                   // reads, and answers nothing
	BadLRC                   // the answer's check is wrong
	NoEcho                   // a reader that should echo does not
	WrongSeq                 // the answer carries another sequence number
	Late                     // the answer comes after Delay
	TimeRequests             // three bytes 81, each after Delay, then the answer
	Extensions               // three answers "more time", each after Delay, then the answer
	PowerUpFails             // power-up finds a mute card
	ShortAnswer              // the last two bytes of the answer are lost
	PowerUpGarbled           // power-up finds an answer to reset with a wrong first character
)

// Fault is misbehaviour. Times is for how many commands (of PowerUpFails and
// PowerUpGarbled: power-ups), 0 is for ever.
type Fault struct {
	Kind  FaultKind
	Times int
	Delay time.Duration
}

// Reader is a reader with one slot. Its methods may be called from any goroutine.
type Reader struct {
	config  Config
	out     line.Queue
	running atomic.Bool

	mu         sync.Mutex
	card       Card
	insertion  int // counts, so that another card in the slot is noticed
	powered    bool
	fault      Fault
	held       bool   // notifications go before the next answer only
	pending    []byte // held ones
	last       []byte // the last answer, for a NAK
	protocol   byte   // of the card in the slot, as its answer to reset says
	fresh      bool   // nothing was transferred since the reset
	set        byte   // protocol as the host has set it
	parameters []byte // 5 bytes of T=0 or 7 of T=1
}

// New makes a reader with an empty slot.
func New(config Config) *Reader {
	return &Reader{config: config, out: line.NewQueue()}
}

// Insert puts a card in the slot, in place of one that is there.
func (r *Reader) Insert(card Card) {
	r.mu.Lock()
	r.card, r.powered = card, false
	r.insertion++
	r.notify(0x03)
	r.mu.Unlock()
	r.tell(Event{Kind: Inserted})
}

// Remove pulls the card; in an empty slot it does nothing.
func (r *Reader) Remove() {
	r.mu.Lock()
	if r.card == nil {
		r.mu.Unlock()
		return
	}
	r.card, r.powered = nil, false
	r.notify(0x02)
	r.mu.Unlock()
	r.tell(Event{Kind: Removed})
}

// Misbehave does so until it is told otherwise; the zero Fault behaves.
func (r *Reader) Misbehave(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

func (r *Reader) tell(e Event) {
	if r.config.OnEvent != nil {
		r.config.OnEvent(e)
	}
}

// notify sends, or holds, a slot change. The caller has the lock.
func (r *Reader) notify(state byte) {
	switch {
	case !r.running.Load() || r.fault.Kind == Silent:
	case r.held && len(r.pending) < line.MaxQueue:
		r.pending = append(r.pending, 0x50, state)
	case !r.held:
		r.out.Offer([]byte{0x50, state})
	}
}

// Run speaks on the port until ctx ends (nil) or the port fails. It closes nothing.
func (r *Reader) Run(ctx context.Context, port device.Port) error {
	r.running.Store(true)
	defer r.running.Store(false)
	in := make(chan []byte)
	return line.Loops{
		Name: "sim/ccid", Take: line.Into(in), Out: r.out,
		Work: func(ctx context.Context) error { return r.serve(ctx, in) },
	}.Run(ctx, port)
}

func (r *Reader) serve(ctx context.Context, in <-chan []byte) error {
	var frames input
	for {
		select {
		case b := <-in:
			frames.buf = append(frames.buf, b...)
		case <-ctx.Done():
			return ctx.Err()
		}
		for {
			e, c := frames.next()
			if e == nothing {
				break
			}
			if err := r.react(ctx, e, c); err != nil {
				return err
			}
		}
	}
}

// react answers one frame, or misbehaves.
func (r *Reader) react(ctx context.Context, e event, c command) error {
	f := r.takeFault(e, c)
	if f.Kind == Silent {
		return nil
	}
	switch e {
	case spoiled:
		return r.out.Send(ctx, []byte{syn, nak, syn ^ nak})
	case nakked:
		r.mu.Lock()
		last := r.last
		r.mu.Unlock()
		return r.out.Send(ctx, spoil(f, last))
	}
	if r.config.Profile == GemPC && f.Kind != NoEcho {
		if err := r.out.Send(ctx, c.frame); err != nil {
			return err
		}
	}
	if err := r.delay(ctx, f, c); err != nil {
		return err
	}
	a := r.execute(c, f)
	r.mu.Lock()
	before := r.pending
	r.pending, r.last = nil, a
	r.mu.Unlock()
	return r.out.Send(ctx, append(before, spoil(f, a)...))
}

// takeFault uses up one of the times of the fault, if this is a time for it.
func (r *Reader) takeFault(e event, c command) Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.fault
	if (f.Kind == PowerUpFails || f.Kind == PowerUpGarbled) && (e != received || c.kind != iccPowerOn) {
		return Fault{}
	}
	if f.Times == 1 {
		r.fault = Fault{}
	} else if f.Times > 1 {
		r.fault.Times--
	}
	return f
}

func (r *Reader) delay(ctx context.Context, f Fault, c command) error {
	var between []byte
	times := 3
	switch f.Kind {
	case Late:
		times = 1
	case TimeRequests:
		between = []byte{0x81}
	case Extensions:
		between = answer(dataBlock, c.slot, c.seq, 0x80, 1, 0, nil)
	default:
		return nil
	}
	for range times {
		select {
		case <-time.After(f.Delay):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := r.out.Send(ctx, between); err != nil {
			return err
		}
	}
	return nil
}

// spoil returns a copy of the frame with what the fault does to it.
func spoil(f Fault, frame []byte) []byte {
	b := append([]byte(nil), frame...)
	if len(b) < 2+headerSize+1 {
		return b
	}
	switch f.Kind {
	case BadLRC:
		b[len(b)-1] ^= 0xFF
	case WrongSeq:
		b[8] ^= 0x55
		b[len(b)-1] ^= 0x55
	case ShortAnswer:
		b = b[:len(b)-2]
	}
	return b
}

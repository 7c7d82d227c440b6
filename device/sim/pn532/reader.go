package pn532

import (
	"context"
	"sync"
	"time"

	"posd/device"
	"posd/device/sim/line"
)

// Config is a reader. Nothing in it is required.
type Config struct {
	// BlockSize is the most bytes of a card's answer in one frame, 262 where it is 0; the
	// rest follows with MI.
	BlockSize int
	// OnEvent, where set, is told what happens in the field, by the goroutine in which it
	// happens. It may call the Reader's methods.
	OnEvent func(Event)
}

// Event is something that happened in the field.
type Event uint8

const (
	Inserted  Event = iota + 1
	Removed         // all cards
	Activated       // one card
	FieldOff        // by the host
)

// FaultKind is a way to misbehave.
type FaultKind uint8

const (
	Behave      FaultKind = iota
	Silent                // reads, and answers nothing
	NoACK                 // answers without acknowledging
	BadDCS                // the answer's check is wrong
	ShortAnswer           // the last two bytes of the answer are lost
	WrongCode             // the answer is one to another command
	Previous              // the answer before comes once more before the answer
	ErrorFrame            // an error frame in place of the answer
	Late                  // the answer comes after Delay, aborted or not
	Status                // an exchange with a card ends with status Code, and it is not asked
)

// Fault is misbehaviour. Times is for how many commands (of Status: exchanges), 0 is for
// ever.
type Fault struct {
	Kind  FaultKind
	Times int
	Delay time.Duration
	Code  byte
}

// MaxTags is how many cards the field holds.
const MaxTags = 2

// Reader is a module with its antenna. Its methods may be called from any goroutine.
type Reader struct {
	config Config
	out    line.Queue
	near   chan struct{} // a tag was inserted

	mu    sync.Mutex
	tags  []*tag
	fault Fault
	last  []byte // the last answer, for a NACK

	chip chip // of the goroutine that serves
}

// tag is a card in the field.
type tag struct {
	Tag
	gone   bool // taken away
	number byte // Tg, while it is active
	mute   bool // its chip has died
}

// New makes a module with nothing in its field.
func New(config Config) *Reader {
	if config.BlockSize <= 0 || config.BlockSize > maxBlock {
		config.BlockSize = maxBlock
	}
	return &Reader{config: config, out: line.NewQueue(), near: make(chan struct{}, 1)}
}

// Insert brings a card near, beside one that is there. It tells whether there was room.
func (r *Reader) Insert(t Tag) bool {
	r.mu.Lock()
	if len(r.tags) == MaxTags {
		r.mu.Unlock()
		return false
	}
	r.tags = append(r.tags, &tag{Tag: t})
	r.mu.Unlock()
	select {
	case r.near <- struct{}{}:
	default:
	}
	r.tell(Inserted)
	return true
}

// Remove takes all cards away; where there is none it does nothing.
func (r *Reader) Remove() {
	r.mu.Lock()
	there := len(r.tags) > 0
	for _, t := range r.tags {
		t.gone = true
	}
	r.tags = nil
	r.mu.Unlock()
	if there {
		r.tell(Removed)
	}
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

// Run speaks on the port until ctx ends (nil) or the port fails. It closes nothing. The
// module has just got its power.
func (r *Reader) Run(ctx context.Context, port device.Port) error {
	in := make(chan []byte)
	return line.Loops{
		Name: "sim/pn532", Take: line.Into(in), Out: r.out,
		Work: func(ctx context.Context) error { return r.serve(ctx, in) },
	}.Run(ctx, port)
}

func (r *Reader) serve(ctx context.Context, in <-chan []byte) error {
	r.chip = powerUp()
	frames := input{asleep: true}
	for {
		var end <-chan time.Time
		if r.chip.pending != nil && !r.chip.until.IsZero() {
			end = time.After(time.Until(r.chip.until))
		}
		var err error
		select {
		case b := <-in:
			frames.buf = append(frames.buf, b...)
			err = r.drain(ctx, &frames)
		case <-r.near:
			err = r.resume(ctx, false)
		case <-end:
			err = r.resume(ctx, true)
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// drain deals with all whole frames that have come in.
func (r *Reader) drain(ctx context.Context, frames *input) error {
	for {
		e, c := frames.next()
		if e == nothing {
			return nil
		}
		if err := r.react(ctx, e, c); err != nil {
			return err
		}
		if r.chip.asleep {
			frames.asleep, r.chip.asleep = true, false
		}
	}
}

// react deals with one frame, or misbehaves.
func (r *Reader) react(ctx context.Context, e event, c command) error {
	f := r.takeFault(e, c)
	if f.Kind == Silent || e == spoiled {
		return nil
	}
	switch {
	case e == nacked:
		return r.out.Send(ctx, spoil(f, r.previous()))
	case e == acked:
		r.chip.pending = nil
		return nil
	case !r.chip.hears(c):
		return nil
	case f.Kind != NoACK:
		if err := r.out.Send(ctx, ackFrame); err != nil {
			return err
		}
	}
	r.chip.pending = nil
	if f.Kind == ErrorFrame {
		return r.answer(ctx, f, errorFrame)
	}
	return r.work(ctx, c, f, false)
}

// resume looks again at a command that waits for a card.
func (r *Reader) resume(ctx context.Context, over bool) error {
	if r.chip.pending == nil {
		return nil
	}
	c := *r.chip.pending
	return r.work(ctx, c, Fault{}, over)
}

// work does a command, and answers unless it waits for a card.
func (r *Reader) work(ctx context.Context, c command, f Fault, over bool) error {
	if f.Kind == Late {
		select {
		case <-time.After(f.Delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	data, done := r.execute(c, f, over)
	switch {
	case !done:
		return nil
	case data == nil:
		return r.answer(ctx, f, errorFrame)
	}
	return r.answer(ctx, f, answerFrame(c.code, *data))
}

func (r *Reader) answer(ctx context.Context, f Fault, frame []byte) error {
	before := r.previous()
	r.mu.Lock()
	r.last = frame
	r.mu.Unlock()
	if f.Kind == Previous {
		if err := r.out.Send(ctx, before); err != nil {
			return err
		}
	}
	return r.out.Send(ctx, spoil(f, frame))
}

func (r *Reader) previous() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// takeFault uses up one of the times of the fault, if this is a time for it.
func (r *Reader) takeFault(e event, c command) Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.fault
	if e != received && e != nacked || f.Kind == Status && (e != received || c.code != inDataExchange) {
		return Fault{}
	}
	if f.Times == 1 {
		r.fault = Fault{}
	} else if f.Times > 1 {
		r.fault.Times--
	}
	return f
}

// spoil returns a copy of the frame with what the fault does to it.
func spoil(f Fault, frame []byte) []byte {
	b := append([]byte(nil), frame...)
	if len(b) < 9 {
		return b
	}
	switch f.Kind {
	case BadDCS:
		b[len(b)-2] ^= 0xFF
	case ShortAnswer:
		b = b[:len(b)-2]
	case WrongCode:
		b[6] ^= 0x80 // in a normal frame; its check is made good
		b[len(b)-2] ^= 0x80
	}
	return b
}

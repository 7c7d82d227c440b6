package vfpad

import (
	"context"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"posd/device"
	"posd/device/sim/keypad"
	"posd/device/sim/line"
	"posd/emv/dukpt"
)

// Times of the protocol. UIC PP791, "Message format" and "Message Z62".
const (
	ackTime   = 5 * time.Second
	entryTime = 270 * time.Second
	sends     = 3 // of one frame
)

// idleText is what the display shows when nobody asks for anything.
const idleText = "PIN PAD"

// Entry is what a cardholder sees when a PIN is asked for.
type Entry = keypad.Entry

// Config is a pad.
type Config struct {
	// Protection is the key block protection key: 16 or 24 bytes (TR-31 version B), or 16,
	// 24 or 32 (version D).
	Protection []byte
	// Slots are master keys that are in the pad already: slot 0 to 9, TDES, 16 or 24 bytes.
	Slots map[int][]byte
	// AESSlots are AES master keys of 16 bytes: a working key of 16 bytes under one of them
	// makes blocks of format 4.
	AESSlots map[int][]byte
	// Random fills blocks of format 4; without it they are filled with zeros.
	Random io.Reader
	// Format4 are the two digits by which 71 tells a block of format 4; default "04".
	Format4 string
	// Verifone has the pad answer Z60 and Z62 with DUKPT by 73, as VeriFone's do, not 71.
	Verifone bool
	// WholeKSN has the pad leave the F on the left of a key serial number.
	WholeKSN bool
	// OnSwipeRequest is a message after which, and only then, a swipe is reported, such as
	// Q1. Without it each swipe is, while the reader is on.
	OnSwipeRequest string
	// Cardholder, where set, is called when an entry begins and returns the keys to press,
	// as for Press; an empty string presses none. It must not call the Pad.
	Cardholder func(Entry) string
	// EntryTime is how long the pad waits for a cardholder; default 270 s.
	EntryTime time.Duration
}

// Fault is a way to misbehave.
type Fault uint8

const (
	None        Fault = iota
	Silent            // reads, and answers nothing
	GarbledOnce       // the next frame has a wrong check byte
	Garbled           // every frame has one
	NAKs              // every frame is answered by NAK
	LateAnswer        // frame 71 comes LateBy after the last key
	LostACK           // the next good frame is obeyed, and its ACK is lost
	Twice             // every frame is sent twice, as after an ACK that was lost
)

// LateBy is how late frame 71 is with LateAnswer: after a driver has given up.
const LateBy = 2 * time.Minute

// Pad is a PIN pad. Its methods may be called from any goroutine.
type Pad struct {
	config Config
	out    line.Queue

	mu       sync.Mutex
	slots    map[int][]byte
	selected int // -1 before any 08
	aes      map[int][]byte
	sets     [2]*dukpt.Device // initial keys
	set      int              // by 96
	baud     byte             // code of 13
	prompted bool             // Z2 or Z3 was shown, so that Z60 may follow
	stripe   byte             // flag of Q4
	asked    bool             // for a swipe, by Config.OnSwipeRequest
	message  []byte           // of a MAC that goes on
	next     int              // number of its next frame
	shown    string
	fault    Fault
	naks     int    // in a row, of frames that came in garbled
	entry    *entry // nil: none is going on
	sent     *sent  // nil: nothing waits for an ACK
}

// sent is a frame that waits for its ACK.
type sent struct {
	frame []byte
	times int
	timer *time.Timer
	done  func() // what the ACK does
}

// New checks the keys and makes a pad.
func New(config Config) (*Pad, error) {
	if n := len(config.Protection); n != 16 && n != 24 && n != 32 {
		return nil, fmt.Errorf("sim/vfpad: new: Protection of %d bytes, 16, 24 or 32 wanted", n)
	}
	for slot, key := range config.Slots {
		if slot < 0 || slot > 9 || len(key) != 16 && len(key) != 24 {
			return nil, fmt.Errorf("sim/vfpad: new: key of %d bytes in slot %d: 16 or 24 in 0 to 9 wanted", len(key), slot)
		}
	}
	for slot, key := range config.AESSlots {
		if slot < 0 || slot > 9 || len(key) != 16 || config.Slots[slot] != nil {
			return nil, fmt.Errorf("sim/vfpad: new: AES key of %d bytes in slot %d: 16 in a free one of 0 to 9 wanted", len(key), slot)
		}
	}
	if config.EntryTime == 0 {
		config.EntryTime = entryTime
	}
	if config.Format4 == "" {
		config.Format4 = "04"
	}
	p := &Pad{
		config: config, out: line.NewQueue(), shown: idleText,
		slots: maps.Clone(config.Slots), aes: maps.Clone(config.AESSlots), selected: -1, stripe: stripeOff,
	}
	if p.slots == nil {
		p.slots = map[int][]byte{}
	}
	return p, nil
}

// Run speaks on the port until ctx ends (nil) or the port fails. It closes nothing.
func (p *Pad) Run(ctx context.Context, port device.Port) error {
	defer p.reset()
	var in input
	return line.Loops{Name: "sim/vfpad", Out: p.out, Take: func(_ context.Context, piece []byte) error {
		for _, c := range piece {
			if e := in.add(c); e.kind != nothing {
				p.react(e)
			}
		}
		return nil
	}}.Run(ctx, port)
}

// reset ends what is going on, as taking the power away does.
func (p *Pad) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	p.endEntry()
	p.forgetMAC()
	p.shown, p.naks, p.prompted, p.asked, p.stripe = idleText, 0, false, false, stripeOff
	p.out.Drop()
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

// Loaded tells whether a master key is in the slot.
func (p *Pad) Loaded(slot int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slots[slot] != nil
}

// Inject puts an initial TDES DUKPT key into key set 0 or 1, as an injection room does.
func (p *Pad) Inject(set int, initial dukpt.Key, ksn dukpt.KSN) error {
	if set != 0 && set != 1 {
		return fmt.Errorf("sim/vfpad: inject: key set %d, 0 or 1 wanted", set)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sets[set] = dukpt.NewDevice(initial, ksn)
	return nil
}

// Baud is the rate to which frame 13 has set the line, or 0.
func (p *Pad) Baud() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bauds[p.baud]
}

// Entering tells whether the pad waits for a PIN.
func (p *Pad) Entering() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entry != nil
}

// Press presses keys one after the other: digits, E for enter, C for clear, X for cancel.
// Without an entry going on they do nothing.
func (p *Pad) Press(keys string) error {
	if err := keypad.Check(keys); err != nil {
		return fmt.Errorf("sim/vfpad: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range len(keys) {
		p.press(keys[i])
	}
	return nil
}

// Type types digits; the error is that of Press.
func (p *Pad) Type(digits string) error { return p.Press(digits) }

// PressEnter presses enter.
func (p *Pad) PressEnter() { _ = p.Press("E") } // a key that there is

// PressCancel presses cancel.
func (p *Pad) PressCancel() { _ = p.Press("X") } // a key that there is

package abecs

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/device/link"
	"posd/emv"
)

// Config is what may differ between pads and shops. Zero values are the defaults.
type Config struct {
	AnswerTime time.Duration // for what needs no cardholder and no card; default 10 s
	EntryTime  time.Duration // for a whole PIN entry; default 2 min (a pad ends one after 1 min without a key)
	ChipTime   time.Duration // for what a card does; default 30 s
	PollTime   time.Duration // how long one wait for a card keeps the line, in whole seconds; default 1 s
	// Key, where set, has everything after OPN enciphered (secure communication): an RSA key
	// of 2048 bits, made up at each start or kept.
	Key *rsa.PrivateKey
	// Notify, where set, is told what the pad wants the merchant to see. It must not call the
	// Pad.
	Notify func(text string)
}

// Pad is the whole box at the end of a port. It is a device.PINPad with a display; [Pad.Chip]
// and [Pad.Contactless] are its readers. Any goroutine may use it: the views share the line,
// one command after the other.
type Pad struct {
	link        *link.Link
	cfg         Config
	line        chan struct{} // who may speak
	settled     bool          // the pad waits for a command
	open        bool          // OPN was sent, and the pad knows it
	session     *session      // nil: in clear
	chip        Slot
	contactless Slot
}

// What a Pad is.
var (
	_ device.PINPad   = (*Pad)(nil)
	_ device.DUKPTPad = (*Pad)(nil)
)

// New takes over the port. It sends nothing: the first call opens the pad.
func New(port device.Port, cfg Config) (*Pad, error) {
	switch {
	case port == nil:
		return nil, errors.New("abecs: new: Port is missing")
	case cfg.AnswerTime < 0 || cfg.EntryTime < 0 || cfg.ChipTime < 0:
		return nil, errors.New("abecs: new: a time is below zero")
	case cfg.PollTime < 0 || cfg.PollTime > 255*time.Second || cfg.PollTime%time.Second != 0:
		return nil, fmt.Errorf("abecs: new: PollTime %v, 1 to 255 whole seconds wanted", cfg.PollTime)
	case cfg.Key != nil && cfg.Key.Size() != modulusSize:
		return nil, fmt.Errorf("abecs: new: Key of %d bits, %d wanted", 8*cfg.Key.Size(), 8*modulusSize)
	}
	cfg.AnswerTime = cmp.Or(cfg.AnswerTime, 10*time.Second)
	cfg.EntryTime = cmp.Or(cfg.EntryTime, 2*time.Minute)
	cfg.ChipTime = cmp.Or(cfg.ChipTime, 30*time.Second)
	cfg.PollTime = cmp.Or(cfg.PollTime, time.Second)
	p := &Pad{link: link.New("abecs", port), cfg: cfg, line: make(chan struct{}, 1)}
	p.chip = Slot{pad: p, id: chipSlot}
	p.contactless = Slot{pad: p, id: contactlessSlot}
	return p, nil
}

// Close closes the port, for all views: what goes on ends with device.ErrGone. A pad that
// should be left in order is parked before ([Pad.Park]).
func (p *Pad) Close() error { return p.link.Close() }

// Counters tell of the line's health.
func (p *Pad) Counters() link.Counters { return p.link.Counters() }

// Chip is the reader of the contact slot. A card is reset anew after a line that failed.
func (p *Pad) Chip() *Slot { return &p.chip }

// Contactless is the reader at the antenna.
func (p *Pad) Contactless() *Slot { return &p.contactless }

// Info is what a pad says of itself.
type Info struct {
	Manufacturer  string
	Model         string // name; memory
	Contactless   bool
	Software      string // operating system
	Specification string // of Abecs, as in 2.20
	Manager       string // version and date of its application
	Serial        string
}

// String is one line for a screen.
func (i Info) String() string {
	return fmt.Sprintf("%s %s, Abecs %s, %s", i.Manufacturer, i.Model, i.Specification, i.Manager)
}

// Info asks the pad what it is (GIN).
func (p *Pad) Info(ctx context.Context) (Info, error) {
	r, err := p.do(ctx, p.cfg.AnswerTime, "GIN", []byte("00"))
	if err == nil && len(r.block(0)) < 100 {
		err = fmt.Errorf("%w: GIN: %d characters, 100 wanted", device.ErrProtocol, len(r.block(0)))
	}
	if err != nil {
		return Info{}, fmt.Errorf("abecs: info: %w", err)
	}
	b := r.block(0)
	return Info{
		Manufacturer: printable(b[:20]), Model: printable(b[20:39]), Contactless: b[39] == 'C',
		Software: printable(b[40:60]), Specification: printable(b[60:64]), Manager: printable(b[64:80]),
		Serial: printable(b[80:100]),
	}, nil
}

// Show shows a text on two lines of 16 characters (DSP); without a text the display is blank.
func (p *Pad) Show(ctx context.Context, line string) error {
	if _, err := p.do(ctx, p.cfg.AnswerTime, "DSP", twoLines(line)); err != nil {
		return fmt.Errorf("abecs: show: %w", err)
	}
	return nil
}

// RemoveCard takes the power from the chip, shows the text in turn with the pad's own words
// until the card is out, and leaves it shown (RMC). Without a card it returns at once.
func (p *Pad) RemoveCard(ctx context.Context, text string) error {
	p.chip.powered.Store(false)
	if _, err := p.do(ctx, forever, "RMC", twoLines(text)); err != nil {
		return fmt.Errorf("abecs: remove card: %w", err)
	}
	return nil
}

// forever is how long a card may stay in; the ctx of the caller ends it.
const forever = 24 * time.Hour

// Park leaves the pad with a text, its card and antenna off and its session ended (CLO). The
// next call opens it again.
func (p *Pad) Park(ctx context.Context, text string) error {
	_, err := p.do(ctx, p.cfg.AnswerTime, "CLO", twoLines(text))
	if err == nil {
		err = p.take(ctx)
	}
	if err != nil {
		return fmt.Errorf("abecs: park: %w", err)
	}
	defer p.give()
	p.open, p.session = false, nil
	return nil
}

// LoadKey refuses: keys of these pads come from the factory.
func (p *Pad) LoadKey(context.Context, int, string) error {
	return fmt.Errorf("abecs: load key: %w: the protocol has no message for it, keys are injected by the maker", device.ErrRefused)
}

// Methods of GPN.
const (
	masterSession = '1'
	dukptMethod   = '3'
)

// EnterPIN has a PIN entered (GPN) under a working key of 16 bytes. Slot is 0 to 99. The
// protocol has no PIN that is left out: AllowBypass has no effect. Errors: device.ErrCancelled
// (cancel key, or no key in a minute), device.ErrRefused with the pad's reason, ctx's error
// after the entry was cancelled at the pad, and those of a line.
func (p *Pad) EnterPIN(ctx context.Context, req device.PINRequest) (device.PINBlock, error) {
	if len(req.Key.Bytes) != 16 {
		return device.PINBlock{}, fmt.Errorf("abecs: enter PIN: working key of %d bytes, 16 wanted", len(req.Key.Bytes))
	}
	block, _, err := p.enter(ctx, entry{masterSession, req.Slot, req.Key.Bytes, req.PAN, req.MinDigits, req.MaxDigits, req.Prompt})
	if err != nil {
		return device.PINBlock{}, fmt.Errorf("abecs: enter PIN: %w", err)
	}
	return device.PINBlock{Block: block}, nil
}

// EnterDUKPT has a PIN entered under a key that is used once; KeySet is 0 to 99. Errors as in
// EnterPIN.
func (p *Pad) EnterDUKPT(ctx context.Context, req device.DUKPTRequest) (device.SealedPIN, error) {
	block, ksn, err := p.enter(ctx, entry{dukptMethod, req.KeySet, make([]byte, 16), req.PAN, req.MinDigits, req.MaxDigits, req.Prompt})
	if err != nil {
		return device.SealedPIN{}, fmt.Errorf("abecs: enter PIN: %w", err)
	}
	return device.SealedPIN{Block: block[:], KSN: ksn[:]}, nil
}

// entry is what GPN asks.
type entry struct {
	method      byte
	key         int
	working     []byte
	pan         emv.PAN
	least, most int
	prompt      string
}

func (p *Pad) enter(ctx context.Context, e entry) (block [8]byte, ksn [10]byte, err error) {
	request, err := e.block()
	defer clear(request)
	if err != nil {
		return block, ksn, err
	}
	r, err := p.do(ctx, p.cfg.EntryTime, "GPN", request)
	if errors.Is(err, errStopped) {
		err = fmt.Errorf("%w: no PIN in %v", device.ErrCancelled, p.cfg.EntryTime)
	}
	if err != nil {
		return block, ksn, err
	}
	return readPIN(r.block(0))
}

// block is method, key, working key, card number, one entry, lengths and prompt. Abecs 2.20,
// 3.3.11.
func (e entry) block() ([]byte, error) {
	switch {
	case e.pan.IsZero():
		return nil, errors.New("no card number")
	case e.key < 0 || e.key > 99:
		return nil, fmt.Errorf("key slot %d, 0 to 99 wanted", e.key)
	case e.least < 4 || e.least > e.most || e.most > 12:
		return nil, fmt.Errorf("PIN of %d to %d digits, 4 to 12 wanted", e.least, e.most)
	}
	b := fmt.Appendf(make([]byte, 0, 128), "%c%02d%032X%02d", e.method, e.key, e.working, e.pan.Len())
	b = e.pan.Append(b)
	for range 19 - e.pan.Len() {
		b = append(b, ' ')
	}
	b = fmt.Appendf(b, "1%02d%02d", e.least, e.most)
	return append(b, twoLines(e.prompt)...), nil
}

// readPIN reads block and key serial number.
func readPIN(b []byte) (block [8]byte, ksn [10]byte, err error) {
	if len(b) != 36 {
		return block, ksn, fmt.Errorf("%w: GPN: %d characters, 36 wanted", device.ErrProtocol, len(b))
	}
	if _, err := hex.Decode(block[:], b[:16]); err != nil {
		return block, ksn, fmt.Errorf("%w: GPN: block is not hexadecimal", device.ErrProtocol)
	}
	if _, err := hex.Decode(ksn[:], b[16:]); err != nil {
		return [8]byte{}, ksn, fmt.Errorf("%w: GPN: serial number is not hexadecimal", device.ErrProtocol)
	}
	return block, ksn, nil
}

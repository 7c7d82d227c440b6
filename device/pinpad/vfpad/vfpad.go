package vfpad

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/device/link"
	"posd/emv/keyblock"
)

// Limits of one exchange.
const (
	tries     = 3
	maxStrays = 8        // frames that nobody asked for, while one is waited for
	maxNoise  = 2 * 1024 // bytes outside of frames
	drainTime = 20 * time.Millisecond
)

// Config is what may differ between pads and shops. Zero values are the defaults.
type Config struct {
	AckTime   time.Duration // for a handshake or the rest of a frame; default 2 s
	EntryTime time.Duration // for the cardholder; default 60 s
}

// Pad is a PIN pad at the end of a port. It implements device.PINPad; one goroutine uses
// it at a time, and any may call Close.
type Pad struct {
	link *link.Link
	cfg  Config
	// unsettled says that an exchange broke off, so that something of it may still come.
	unsettled bool
}

var _ device.PINPad = (*Pad)(nil)

// New takes over the port. It sends nothing: the first call does.
func New(port device.Port, cfg Config) (*Pad, error) {
	if port == nil {
		return nil, errors.New("vfpad: new: Port is missing")
	}
	if cfg.AckTime < 0 || cfg.EntryTime < 0 {
		return nil, fmt.Errorf("vfpad: new: AckTime %v, EntryTime %v: negative", cfg.AckTime, cfg.EntryTime)
	}
	if cfg.AckTime == 0 {
		cfg.AckTime = 2 * time.Second
	}
	if cfg.EntryTime == 0 {
		cfg.EntryTime = time.Minute
	}
	return &Pad{link: link.New("vfpad", port), cfg: cfg}, nil
}

// Close closes the port. An entry that is going on ends with device.ErrGone.
func (p *Pad) Close() error { return p.link.Close() }

// Counters tell of the line's health.
func (p *Pad) Counters() link.Counters { return p.link.Counters() }

// EnterPIN selects the master key and has a PIN entered. Errors: device.ErrBypassed,
// device.ErrCancelled (cancel key, or nobody pressed a key in time), device.ErrRefused
// with the pad's reason, ctx's error after the entry was cancelled at the pad, and those
// of a line.
func (p *Pad) EnterPIN(ctx context.Context, req device.PINRequest) (device.PINBlock, error) {
	request, err := entryFrame(req)
	defer clear(request)
	if err != nil {
		return device.PINBlock{}, fmt.Errorf("vfpad: enter PIN: %w", err)
	}
	if err := p.selectKey(ctx, req.Slot); err != nil {
		return device.PINBlock{}, fmt.Errorf("vfpad: enter PIN: select master key %d: %w", req.Slot, err)
	}
	block, err := p.entry(ctx, request, req)
	if err != nil {
		return device.PINBlock{}, fmt.Errorf("vfpad: enter PIN: %w", err)
	}
	return block, nil
}

// entry sends Z62 and waits for 71. However it breaks off, the pad is told to stop.
func (p *Pad) entry(ctx context.Context, request []byte, req device.PINRequest) (device.PINBlock, error) {
	limit, cancel := context.WithTimeout(ctx, p.cfg.EntryTime)
	defer cancel()
	err := p.send(limit, request)
	var answer []byte
	if err == nil {
		answer, err = p.receive(limit, "71")
		defer clear(answer)
	}
	switch {
	case errors.Is(err, errEOT):
		return device.PINBlock{}, fmt.Errorf("%w: cancel key, or no key in the pad's time", device.ErrCancelled)
	case errors.Is(err, device.ErrGone), errors.Is(err, device.ErrRefused):
		return device.PINBlock{}, err
	case err != nil:
		return device.PINBlock{}, p.breakOff(ctx, limit, err)
	}
	if err := p.control(ctx, ack); err != nil {
		return device.PINBlock{}, err
	}
	return readBlock(answer, req)
}

// breakOff cancels at the pad and says why the entry ended. What a pad sent before its
// answer to 72 is thrown away on the way to it.
func (p *Pad) breakOff(ctx, limit context.Context, cause error) error {
	_, err := p.handshake(context.WithoutCancel(ctx), mustFrame(stx, "72"))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limit.Err() == nil:
		return cause
	case err != nil:
		return err // the entry was over its time, and the pad does not answer
	}
	return fmt.Errorf("%w: no PIN in %v", device.ErrCancelled, p.cfg.EntryTime)
}

// Show shows one line, 64 characters at most; an empty line returns the pad to idle.
func (p *Pad) Show(ctx context.Context, line string) error {
	message := "Z1"
	if line != "" {
		line = printable(line)
		message = "Z2\x1A" + line[:min(len(line), maxShown)]
	}
	if err := p.send(ctx, mustFrame(stx, message)); err != nil {
		return fmt.Errorf("vfpad: show: %w", err)
	}
	return nil
}

// LoadKey stores a master key in a slot from 0 to 9. The pad has to have the key block's
// protection key. device.ErrRefused tells the pad's reason.
func (p *Pad) LoadKey(ctx context.Context, slot int, block string) error {
	if _, _, err := keyblock.ParseHeader(block); err != nil {
		return fmt.Errorf("vfpad: load key: %w", err)
	}
	request, err := frame{si, fmt.Appendf(nil, "02%d%s", slot, block)}.append(nil)
	if err == nil && (slot < 0 || slot > 9) {
		err = errors.New("0 to 9 wanted")
	}
	if err == nil {
		err = p.load(ctx, request)
	}
	if err != nil {
		return fmt.Errorf("vfpad: load key into slot %d: %w", slot, err)
	}
	return nil
}

// load has the pad echo the key block, and confirms it only if the echo is right.
func (p *Pad) load(ctx context.Context, request []byte) error {
	if err := p.send(ctx, request); err != nil {
		return err
	}
	echo, err := p.answer(ctx, "02")
	if errors.Is(err, errEOT) {
		return fmt.Errorf("%w: format of the request", device.ErrRefused)
	} else if err != nil {
		return err
	}
	want := request[1 : len(request)-2]
	switch {
	case len(echo) == 4 && echo[2] == '?':
		p.unsettled = true // some pads end with EOT, some do not
		if err := p.control(ctx, ack); err != nil {
			return err
		}
		return refused(loadErrors, echo[3])
	case !bytes.Equal(echo, want):
		if err := p.control(ctx, eot); err != nil {
			return err
		}
		return p.link.Garbled("the pad's echo of the key block differs")
	}
	if err := p.control(ctx, ack); err != nil {
		return err
	}
	return p.ended(ctx)
}

// CheckKey tells whether a master key is in the slot.
func (p *Pad) CheckKey(ctx context.Context, slot int) (loaded bool, err error) {
	if slot < 0 || slot > 9 {
		return false, fmt.Errorf("vfpad: check key: slot %d, 0 to 9 wanted", slot)
	}
	data, err := p.query(ctx, fmt.Sprintf("04%d", slot))
	if err == nil && (len(data) < 3 || data[2] != 'F' && data[2] != '0') {
		err = p.link.Garbled("frame 04 of %d bytes has another form", len(data))
	}
	if err != nil {
		return false, fmt.Errorf("vfpad: check key %d: %w", slot, err)
	}
	return data[2] == 'F', nil
}

// selectKey is 08. A pad that has only EOT for an answer is content.
func (p *Pad) selectKey(ctx context.Context, slot int) error {
	data, err := p.query(ctx, fmt.Sprintf("08%d", slot))
	switch {
	case errors.Is(err, errEOT):
		return nil
	case err != nil:
		return err
	case len(data) != 3 || data[2] != '0':
		return fmt.Errorf("%w: the pad does not have this slot", device.ErrRefused)
	}
	return nil
}

// query is an administrative request with its answer, to the EOT that ends it.
func (p *Pad) query(ctx context.Context, message string) ([]byte, error) {
	if err := p.send(ctx, mustFrame(si, message)); err != nil {
		return nil, err
	}
	data, err := p.answer(ctx, message[:2])
	if err != nil {
		return nil, err
	}
	if err := p.control(ctx, ack); err != nil {
		return nil, err
	}
	return data, p.ended(ctx)
}

// ended waits for the EOT after an administrative exchange.
func (p *Pad) ended(ctx context.Context) error {
	_, err := p.answer(ctx, "")
	if errors.Is(err, errEOT) {
		return nil
	}
	return err
}

func mustFrame(start byte, data string) []byte {
	b, err := frame{start, []byte(data)}.append(nil)
	if err != nil {
		panic(fmt.Sprintf("vfpad: a frame of our own: %v", err))
	}
	return b
}

package vfpad

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"posd/device"
	"posd/device/link"
)

// Limits of one exchange.
const (
	tries     = 3
	maxStrays = 8        // frames that nobody asked for, while one is waited for
	maxNoise  = 2 * 1024 // bytes outside of frames
	drainTime = 20 * time.Millisecond
)

// Entry is the message by which the pad is asked for a PIN.
type Entry uint8

const (
	EntryZ62 Entry = iota // prompts, lengths and a PIN that may be left out come with it
	EntryZ60              // the prompt is shown by Z2 before it; 4 to 12 digits
	Entry70               // the pad has its own words, and shows the amount; 4 to 12 digits
)

// ParseEntry reads a message's name as the configuration has it: z62, z60 or 70.
func ParseEntry(name string) (Entry, error) {
	for e, known := range []string{"z62", "z60", "70"} {
		if strings.EqualFold(name, known) {
			return Entry(e), nil
		}
	}
	return 0, fmt.Errorf("vfpad: entry message %q is none of z62, z60, 70", name)
}

// Config is what may differ between pads and shops. Zero values are the defaults.
type Config struct {
	AckTime   time.Duration // for a handshake or the rest of a frame; default 5 s
	EntryTime time.Duration // for the cardholder; default 60 s
	Entry     Entry
	// PINPrompt is the number of a prompt of the pad's own, 1 to 999, that is shown before
	// Z60; 0 shows the request's. There are pads that take Z60 after no other.
	PINPrompt int
	// Format4 are the two digits by which 71 tells a block of format 4; default "04".
	Format4 string
	// OneTrack has the pad send track 2 alone.
	OneTrack bool
	// Swipe is a message that asks for the swipe after Q4 has switched the reader on: "Q1",
	// "Q9" (the pad shows its own prompt), or none for pads that report each swipe.
	Swipe string
}

// Pad is a PIN pad at the end of a port. One goroutine uses it at a time, and any may call
// Close.
type Pad struct {
	link *link.Link
	cfg  Config
	// unsettled says that an exchange broke off, so that something of it may still come.
	unsettled bool
}

// What a Pad is.
var (
	_ device.PINPad       = (*Pad)(nil)
	_ device.DUKPTPad     = (*Pad)(nil)
	_ device.Format4Pad   = (*Pad)(nil)
	_ device.MACPad       = (*Pad)(nil)
	_ device.StripeReader = (*Pad)(nil)
)

// New takes over the port. It sends nothing: the first call does.
func New(port device.Port, cfg Config) (*Pad, error) {
	switch {
	case port == nil:
		return nil, errors.New("vfpad: new: Port is missing")
	case cfg.AckTime < 0 || cfg.EntryTime < 0:
		return nil, fmt.Errorf("vfpad: new: AckTime %v, EntryTime %v: negative", cfg.AckTime, cfg.EntryTime)
	case cfg.Entry > Entry70:
		return nil, fmt.Errorf("vfpad: new: Entry %d is unknown", cfg.Entry)
	case cfg.PINPrompt < 0 || cfg.PINPrompt > 999:
		return nil, fmt.Errorf("vfpad: new: PINPrompt %d, 0 to 999 wanted", cfg.PINPrompt)
	case cfg.Format4 != "" && len(cfg.Format4) != 2:
		return nil, fmt.Errorf("vfpad: new: Format4 %q, two digits wanted", cfg.Format4)
	case cfg.Swipe != "" && checkData([]byte(cfg.Swipe)) != nil:
		return nil, fmt.Errorf("vfpad: new: Swipe %q is no message", cfg.Swipe)
	}
	if cfg.AckTime == 0 {
		cfg.AckTime = 5 * time.Second
	}
	if cfg.EntryTime == 0 {
		cfg.EntryTime = time.Minute
	}
	if cfg.Format4 == "" {
		cfg.Format4 = "04"
	}
	return &Pad{link: link.New("vfpad", port), cfg: cfg}, nil
}

// Close closes the port. An entry that is going on ends with device.ErrGone.
func (p *Pad) Close() error { return p.link.Close() }

// Counters tell of the line's health.
func (p *Pad) Counters() link.Counters { return p.link.Counters() }

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

// ShowLines shows 1 to 7 lines, of which a pad cuts off what is too long for it.
func (p *Pad) ShowLines(ctx context.Context, lines ...string) error {
	if len(lines) < 1 || len(lines) > 7 {
		return fmt.Errorf("vfpad: show: %d lines, 1 to 7 wanted", len(lines))
	}
	clean := make([]string, len(lines))
	for i, line := range lines {
		line = printable(line)
		clean[i] = line[:min(len(line), maxPrompt)]
	}
	message := fmt.Sprintf("Z3%d\x1A%s", len(lines), strings.Join(clean, "\x1C"))
	if err := p.send(ctx, mustFrame(stx, message)); err != nil {
		return fmt.Errorf("vfpad: show: %w", err)
	}
	return nil
}

// Cancel ends whatever the pad does, and tells whether it did something: an idle pad
// answers 72 by ACK, one that waits for a cardholder by EOT.
func (p *Pad) Cancel(ctx context.Context) (busy bool, err error) {
	answer, err := p.handshake(ctx, mustFrame(stx, "72"))
	if err != nil {
		return false, fmt.Errorf("vfpad: cancel: %w", err)
	}
	return answer == eot, nil
}

func mustFrame(start byte, data string) []byte {
	b, err := frame{start, []byte(data)}.append(nil)
	if err != nil {
		panic(fmt.Sprintf("vfpad: a frame of our own: %v", err))
	}
	return b
}

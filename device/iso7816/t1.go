package iso7816

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/emv/apdu"
)

// Limits of T=1. ISO/IEC 7816-3, 11.6.2.3 (rule 7.4): three tries, then resynchronise;
// three tries of that, then reset or deactivate.
const (
	maxTries  = 3
	maxBlocks = 1200 // for one command: 261 bytes out and 258 back one at a time, with errors
)

// ErrDeactivate says that a card has to lose its power: it and the terminal no longer
// agree on where they are, or it stopped answering. It comes beside device.ErrMute or
// device.ErrProtocol.
var ErrDeactivate = errors.New("card to be deactivated")

// Blocks carries one block of T=1 to the card, NAD to EDC, and returns the card's next,
// as it came. The card has bwts block waiting times for it: 1, or what it asked for by
// S(WTX request). Silence, and a block that the line itself found damaged, are
// device.ErrMute, and asked for again; any other error ends the session.
type Blocks func(ctx context.Context, block []byte, bwts byte) ([]byte, error)

// T1 is a session at T=1 with one card, from its reset on. One goroutine uses it at a
// time. ISO/IEC 7816-3:2006, 11; EMV Contact Interface Specification (4.4 Book 1), T=1.
//
// A card gets each whole command once. Damage on the line is mended by R-blocks, and then
// by S(RESYNCH request); if that worked the command goes out again only where its last
// block never did, for a card must not count a GENERATE AC twice. A card that aborts a
// chain has its answer, and the session ends, as EMV wants it.
type T1 struct {
	carry Blocks
	atr   ATR
	crc   bool
	ifsc  int   // of the card
	ifsd  int   // of the terminal: what the card may send
	ns    byte  // N(S) of the next I-block to the card
	nr    byte  // N(S) that the card's next I-block has to have
	ended error // why no block can be sent any more
	buf   [maxBlock]byte
}

// NewT1 makes a session, and sends nothing.
func NewT1(atr ATR, carry Blocks) *T1 {
	return &T1{carry: carry, atr: atr, crc: atr.CRC(), ifsc: atr.IFSC(), ifsd: initialIFS}
}

// Start tells the card that the terminal takes blocks with 254 bytes of information. It
// is the first thing that a session sends. EMV Contact Interface Specification, T=1:
// S(IFS request) right after the answer to reset.
func (t *T1) Start(ctx context.Context) error {
	if err := t.announce(ctx); err != nil {
		return fmt.Errorf("iso7816: T=1: %w", t.end(err))
	}
	return nil
}

func (t *T1) announce(ctx context.Context) error {
	_, err := t.ask(ctx, block{pcb: sIFS, inf: []byte{maxIFS}})
	if err == nil {
		t.ifsd = maxIFS
	}
	return err
}

// Transmit carries one APDU (encoded, short), and returns the response APDU; 61xx and
// 6Cxx are dealt with, as in [Whole]. A command that is none is an error and sends
// nothing. After an error with ErrDeactivate, or of the line, the session is over.
func (t *T1) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	return Whole(ctx, command, t.command)
}

// command carries one command as it is. A session that ended stays ended.
func (t *T1) command(ctx context.Context, command []byte) ([]byte, error) {
	if t.ended != nil {
		return nil, fmt.Errorf("T=1: session is over: %w", t.ended)
	}
	x := exchange{T1: t, command: command, until: time.Now().Add(maxPatience)}
	x.restart()
	err := x.run(ctx)
	switch {
	case errors.Is(err, errResynchronised):
		return nil, fmt.Errorf("T=1: %w", err)
	case err != nil:
		return nil, fmt.Errorf("T=1: %w", t.end(err))
	}
	return x.in, nil
}

func (t *T1) end(err error) error {
	t.ended = err
	return err
}

// send carries one block and reads the answer. A block that is none is errNoBlock.
func (t *T1) send(ctx context.Context, b block, bwts byte) (block, error) {
	raw, err := t.carry(ctx, b.append(t.buf[:0], t.crc), bwts)
	if err != nil {
		if errors.Is(err, device.ErrMute) {
			return block{}, errNoBlock{code: rOther, cause: err}
		}
		return block{}, err
	}
	got, err := parseBlock(raw, t.crc)
	switch {
	case errors.Is(err, errEDC):
		return block{}, errNoBlock{code: rEDC, cause: fmt.Errorf("%w: %w", device.ErrProtocol, err)}
	case err != nil:
		return block{}, wrong("%v", err)
	case len(got.inf) > t.ifsd:
		return block{}, wrong("%v with %d bytes, at most %d allowed", got, len(got.inf), t.ifsd)
	}
	return got, nil
}

// errNoBlock is what a good block has not come instead of: code is what an R-block says.
type errNoBlock struct {
	code  byte
	cause error
}

func (e errNoBlock) Error() string { return e.cause.Error() }
func (e errNoBlock) Unwrap() error { return e.cause }

// wrong is a block that came undamaged and cannot be.
func wrong(format string, args ...any) error {
	return errNoBlock{code: rOther, cause: fmt.Errorf("%w: %s", device.ErrProtocol, fmt.Sprintf(format, args...))}
}

// ask sends an S-block that wants an answer, three times at most, and returns it.
// ISO/IEC 7816-3, 11.6.2.3 (rules 4, 6 and 7.3).
func (t *T1) ask(ctx context.Context, request block) (answer block, err error) {
	for range maxTries {
		answer, err = t.send(ctx, request, 1)
		switch {
		case err == nil && answer.answers(request):
			return answer, nil
		case err == nil:
			err = wrong("%v to %v", answer, request)
		case !errors.As(err, new(errNoBlock)):
			return block{}, err
		}
	}
	return block{}, fmt.Errorf("%w: %v, %d times: %w", ErrDeactivate, request, maxTries, err)
}

// answers tells the S-block that answers a request: of its kind, with the same value.
func (b block) answers(request block) bool {
	return b.pcb == request.pcb|sAnswer && string(b.inf) == string(request.inf)
}

// errResynchronised leaves the session usable, and the command's fate unknown.
var errResynchronised = errors.New("resynchronised, and the command may have been done")

// resynchronise begins anew, in both directions, with the sizes of the answer to reset.
// ISO/IEC 7816-3, 11.6.2.3 (rules 6.1 to 6.4).
func (t *T1) resynchronise(ctx context.Context) error {
	if _, err := t.ask(ctx, block{pcb: sResynch}); err != nil {
		return err
	}
	t.ns, t.nr, t.ifsc, t.ifsd = 0, 0, t.atr.IFSC(), initialIFS
	return t.announce(ctx)
}

// maxResponse is data and status word of a short APDU.
const maxResponse = apdu.MaxResponseData + 2

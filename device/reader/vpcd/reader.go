package vpcd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"posd/device"
	"posd/device/iso7816"
	"posd/device/link"
)

// Times. Those that are not of the Config are short: a card that is there answers at once
// when it is not working.
const (
	defaultWait = 30 * time.Second
	defaultPoll = 250 * time.Millisecond
	aliveTime   = 2 * time.Second        // for the question whether the card is still there
	comingTime  = 250 * time.Millisecond // for a card on its way when PowerOn finds none
	nextTime    = 10 * time.Millisecond  // for one that waits its turn
)

// Config is a reader. Zero times stand for the usual ones.
type Config struct {
	// AnswerTime is how long a card may take for an APDU, 30 s: behind it may be a real
	// card somewhere else.
	AnswerTime time.Duration
	// PollTime is how often a card is asked whether it is still there while its removal
	// is waited for, 250 ms.
	PollTime time.Duration
}

// Reader is a driver; it is a device.Reader.
type Reader struct {
	config  Config
	cards   Cards
	powered bool

	mu     sync.Mutex // Close comes from anywhere
	line   *link.Link // of the card that is in; nil if none is
	closed bool
	past   link.Counters // of lines that are no more
}

var _ device.Reader = (*Reader)(nil)

// New makes the driver, and owns the cards from then on. It does not wait for one.
func New(cards Cards, config Config) (*Reader, error) {
	switch {
	case cards == nil:
		return nil, errors.New("vpcd: new: no cards")
	case config.AnswerTime < 0 || config.PollTime < 0:
		return nil, errors.New("vpcd: new: a time is below zero")
	}
	if config.AnswerTime == 0 {
		config.AnswerTime = defaultWait
	}
	if config.PollTime == 0 {
		config.PollTime = defaultPoll
	}
	return &Reader{config: config, cards: cards}, nil
}

// Counters are those of all lines that there were.
func (r *Reader) Counters() link.Counters {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.line == nil {
		return r.past
	}
	return add(r.past, r.line.Counters())
}

func add(a, b link.Counters) link.Counters {
	a.Read += b.Read
	a.Written += b.Written
	a.Discarded += b.Discarded
	a.Timeouts += b.Timeouts
	a.Garbled += b.Garbled
	a.Retries += b.Retries
	return a
}

// Close ends all: a call that waits ends with device.ErrGone, and the card that is in
// loses its connection.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var err error
	if r.line != nil {
		err = r.line.Close()
	}
	return errors.Join(err, r.cards.Close())
}

// in returns the line of the card that is in, nil if none is.
func (r *Reader) in() (*link.Link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("vpcd: %w: it was closed", device.ErrGone)
	}
	return r.line, nil
}

// connect waits for a card, unless one is in.
func (r *Reader) connect(ctx context.Context) error {
	if line, err := r.in(); err != nil || line != nil {
		return err
	}
	port, err := r.cards.Next(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = port.Close() // nobody uses it
		return fmt.Errorf("vpcd: %w: it was closed", device.ErrGone)
	}
	r.line = link.New("vpcd", port)
	return nil
}

// drop ends the connection: the card is out.
func (r *Reader) drop() {
	r.powered = false
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.line != nil && !r.closed {
		_ = r.line.Close() // it failed already
		r.past = add(r.past, r.line.Counters())
		r.line = nil
	}
}

// lost is what the end of a connection means: the card was pulled, or with it went the
// last that can come. A card that waited its turn is in then, without power.
func (r *Reader) lost(ctx context.Context) error {
	r.drop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nextTime)
	defer cancel()
	if err := r.connect(ctx); errors.Is(err, device.ErrGone) {
		return err
	}
	return errLost
}

var errLost = fmt.Errorf("%w: the card has disconnected", device.ErrNoCard)

// send puts one message on the line.
func (r *Reader) send(ctx context.Context, line *link.Link, payload []byte) error {
	return r.failed(ctx, line.Write(ctx, appendMessage(nil, payload)))
}

// ask sends one message and returns the answer, of at most limit bytes.
func (r *Reader) ask(ctx context.Context, line *link.Link, payload []byte, limit int, wait time.Duration) ([]byte, error) {
	answerCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := line.Write(answerCtx, appendMessage(nil, payload)); err != nil {
		return nil, r.failed(ctx, err)
	}
	answer, err := receive(answerCtx, line, limit)
	return answer, r.failed(ctx, err)
}

// failed ends the connection after any failure on it: what would come next is in doubt.
func (r *Reader) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, device.ErrTimeout), errors.Is(err, device.ErrProtocol), ctx.Err() != nil && !errors.Is(err, device.ErrGone):
		r.drop()
		return err
	}
	return r.lost(ctx)
}

// WaitCard is that of device.Reader.
func (r *Reader) WaitCard(ctx context.Context, present bool) error {
	for {
		there, err := r.there(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("vpcd: wait for card: %w", err)
		case there == present:
			return nil
		case present:
			err = r.connect(ctx)
		default:
			err = pause(ctx, r.config.PollTime)
		}
		if err != nil {
			return fmt.Errorf("vpcd: wait for card: %w", err)
		}
	}
}

// maxTurns bounds the cards that go as soon as they come, in one look at the slot.
const maxTurns = 3

// there tells whether a card is in. One that is, is asked for its answer to reset, which
// does nothing to its session, as vsmartcard's vpcd does. The end of ctx does not cut the
// question short, which would end the connection.
func (r *Reader) there(ctx context.Context) (bool, error) {
	for range maxTurns {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		line, err := r.in()
		if err != nil || line == nil {
			return false, err
		}
		_, err = r.ask(context.WithoutCancel(ctx), line, []byte{askATR}, maxATR, aliveTime)
		if !errors.Is(err, errLost) {
			return err == nil, err
		}
	}
	return false, nil
}

// PowerOn is that of device.Reader. A card that has just connected needs no WaitCard.
func (r *Reader) PowerOn(ctx context.Context) ([]byte, error) {
	atr, err := r.powerUp(ctx)
	if errors.Is(err, errLost) { // the card before; the one after it may be in
		atr, err = r.powerUp(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("vpcd: power on: %w", err)
	}
	return atr, nil
}

func (r *Reader) powerUp(ctx context.Context) ([]byte, error) {
	line, err := r.coming(ctx)
	if err != nil {
		return nil, err
	}
	if r.powered { // cold, not warm
		if err := r.send(ctx, line, []byte{powerOff}); err != nil {
			return nil, err
		}
	}
	r.powered = false
	if err := r.send(ctx, line, []byte{powerOn}); err != nil {
		return nil, err
	}
	b, err := r.ask(ctx, line, []byte{askATR}, maxATR, r.config.AnswerTime)
	if err != nil {
		return nil, err
	}
	atr, err := iso7816.ParseATR(b)
	if err != nil {
		return nil, err
	}
	r.powered = true
	return atr.Raw, nil
}

// coming returns the line of the card that is in, or about to be.
func (r *Reader) coming(ctx context.Context) (*link.Link, error) {
	line, err := r.in()
	if err != nil || line != nil {
		return line, err
	}
	soon, cancel := context.WithTimeout(ctx, comingTime)
	defer cancel()
	err = r.connect(soon)
	switch {
	case err != nil && soon.Err() != nil && ctx.Err() == nil:
		return nil, fmt.Errorf("%w has connected", device.ErrNoCard)
	case err != nil:
		return nil, err
	}
	return r.in()
}

// Transmit is that of device.Reader.
func (r *Reader) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	line, err := r.in()
	switch {
	case err != nil:
		return nil, err
	case !r.powered || line == nil:
		return nil, fmt.Errorf("vpcd: transmit: %w that was reset", device.ErrNoCard)
	}
	return iso7816.Whole(ctx, command, func(ctx context.Context, command []byte) ([]byte, error) {
		b, err := r.ask(ctx, line, command, maxResponse, r.config.AnswerTime)
		switch {
		case err != nil:
			return nil, fmt.Errorf("vpcd: transmit: %w", err)
		case len(b) == 0:
			r.powered = false
			return nil, fmt.Errorf("vpcd: transmit: %w: its answer is empty", device.ErrMute)
		}
		return b, nil
	})
}

// PowerOff is that of device.Reader.
func (r *Reader) PowerOff(ctx context.Context) error {
	r.powered = false
	line, err := r.in()
	if err != nil || line == nil {
		return err
	}
	if err := r.send(ctx, line, []byte{powerOff}); err != nil && !errors.Is(err, errLost) {
		return fmt.Errorf("vpcd: power off: %w", err)
	}
	return nil
}

package vpcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"posd/device"
)

// Card is a card as the reader sees it. One goroutine calls it at a time.
type Card interface {
	// Reset resets the card cold and returns its answer to reset; nil is a mute card.
	Reset() []byte
	// Exchange takes one command APDU and returns data and status word; nil is a card
	// that died.
	Exchange(command []byte) []byte
}

// Connect makes a connection to the reader, or ends with an error.
type Connect func(ctx context.Context) (device.Port, error)

// Dial connects to a reader that listens on a TCP address.
func Dial(address string) Connect {
	return func(ctx context.Context) (device.Port, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
}

// Accept has a reader connect to the card, at a TCP address. It listens only while a card
// is in that has no connection, so that an empty slot refuses.
func Accept(address string) Connect {
	return func(ctx context.Context) (device.Port, error) {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // that it is closed is no news
		defer func() {
			stop()
			_ = l.Close()
		}()
		return l.Accept()
	}
}

// FaultKind is a way to misbehave.
type FaultKind uint8

const (
	Behave  FaultKind = iota
	Silent            // reads, and answers nothing
	Short             // the answer is one byte, which no response is
	TooLong           // the answer is 65535 bytes
	Half              // the answer ends in the middle
	Late              // the answer comes after Delay
	Hangup            // the connection ends in place of the answer
)

// Fault is misbehaviour. Times is for how many answers, 0 is for ever.
type Fault struct {
	Kind  FaultKind
	Times int
	Delay time.Duration
}

// Slot is a place for a card. Its methods may be called from any goroutine.
type Slot struct {
	connect Connect
	changed chan struct{} // a card was inserted

	mu    sync.Mutex
	card  Card
	eject context.CancelFunc // ends the connection of the card that is in
	fault Fault
}

// New makes a slot without a card, whose connections are made that way.
func New(connect Connect) *Slot {
	return &Slot{connect: connect, changed: make(chan struct{}, 1), eject: func() {}}
}

// Insert puts a card in, in place of one that is there.
func (s *Slot) Insert(card Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eject()
	s.card, s.eject = card, func() {}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Remove pulls the card; in an empty slot it does nothing.
func (s *Slot) Remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eject()
	s.card, s.eject = nil, func() {}
}

// Misbehave does so until it is told otherwise; the zero Fault behaves.
func (s *Slot) Misbehave(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Pauses after a connection that failed, or ended before anything was asked.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 2 * time.Second
)

// Run connects the card that is in, and serves it, until ctx ends. It returns nil.
func (s *Slot) Run(ctx context.Context) error {
	wait := firstPause
	for ctx.Err() == nil {
		there, asked := s.insertion(ctx)
		var again <-chan time.Time
		if asked > 0 {
			wait = firstPause
		}
		if there {
			again = time.After(wait)
		}
		select {
		case <-again:
			wait = min(2*wait, longPause)
		case <-s.changed:
			wait = firstPause
		case <-ctx.Done():
		}
	}
	return nil
}

// insertion serves the card that is in over one connection. It tells whether there is
// one, and how many messages came.
func (s *Slot) insertion(ctx context.Context) (there bool, asked int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	card := s.card
	if card != nil {
		s.eject = cancel
	}
	select {
	case <-s.changed: // this is it
	default:
	}
	s.mu.Unlock()
	if card == nil {
		return false, 0
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return true, 0
	}
	asked, _ = s.Serve(ctx, conn, card) // an end is an end: the reader's, or ours
	return true, asked
}

// Serve is the card at the end of one connection, until ctx or the connection ends, and
// closes it. It returns how many messages came, and why it ended: nil for ctx.
func (s *Slot) Serve(ctx context.Context, conn device.Port, card Card) (asked int, err error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // twice is no harm
	defer stop()
	defer conn.Close()
	v := session{card: card, atr: card.Reset()}
	for {
		message, err := receive(conn)
		if err == nil {
			asked++
			err = s.react(ctx, conn, &v, message)
		}
		switch {
		case ctx.Err() != nil:
			return asked, nil
		case err != nil:
			return asked, fmt.Errorf("sim/vpcd: %w", err)
		}
	}
}

// react answers one message, or misbehaves.
func (s *Slot) react(ctx context.Context, conn device.Port, v *session, message []byte) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	answer, wanted := v.do(message)
	if !wanted || ctx.Err() != nil { // pulled meanwhile
		return ctx.Err()
	}
	b := frame(answer)
	f := s.takeFault()
	switch f.Kind {
	case Silent:
		return nil
	case Short:
		b = frame([]byte{0x90})
	case TooLong:
		b = frame(make([]byte, maxMessage))
	case Half:
		b = b[:len(b)-len(answer)/2-1]
	case Hangup:
		return errors.New("hung up")
	case Late:
		select {
		case <-time.After(f.Delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_, err := conn.Write(b)
	return err
}

// takeFault uses up one of the times of the fault.
func (s *Slot) takeFault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fault
	if f.Times == 1 {
		s.fault = Fault{}
	} else if f.Times > 1 {
		s.fault.Times--
	}
	return f
}

// receive reads one message.
func receive(r io.Reader) ([]byte, error) {
	var header [2]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	message := make([]byte, int(header[0])<<8|int(header[1]))
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, fmt.Errorf("read %d bytes: %w", len(message), err)
	}
	return message, nil
}

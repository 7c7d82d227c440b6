package ccid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
)

// Limits of one exchange.
const (
	maxResends  = 3           // of a command that the reader naks, and of naks to the reader
	maxWaits    = 120         // time requests and extensions
	maxPatience = time.Minute // with them, for one answer
	maxStray    = 512         // bytes and frames that belong to nothing
	frameTime   = time.Second
	quietTime   = 20 * time.Millisecond
	defaultWait = 5 * time.Second
	defaultPoll = 250 * time.Millisecond
)

// errNakked and errDamaged are what a frame can be besides a message.
var (
	errNakked  = errors.New("reader could not read the command")
	errDamaged = errors.New("damaged frame")
)

// exchange sends one command and returns the answer, with the slot's state noted.
func (r *Reader) exchange(ctx context.Context, c command, params [3]byte, data []byte) (message, error) {
	if len(data) > maxData {
		return message{}, fmt.Errorf("ccid: %s: %d bytes of data, at most %d", c.name, len(data), maxData)
	}
	if !r.synced { // what an agent before this one left on the line
		if err := r.link.Discard(ctx, quietTime); err != nil {
			return message{}, fmt.Errorf("ccid: %s: %w", c.name, err)
		}
		r.synced = true
	}
	if err := r.begin(ctx, c); err != nil {
		return message{}, err
	}
	r.seq++
	frame := message{kind: c.kind, seq: r.seq, params: params, data: data}.appendFrame(nil)
	m, err := r.deliver(ctx, c, frame)
	if err != nil {
		return message{}, fmt.Errorf("ccid: %s: %w", c.name, err)
	}
	return m, r.judge(c, m)
}

// begin tells the reader how to tell of moved cards, before the first command that is
// about the slot. One that does not know the command is asked for the slot's state anyway.
func (r *Reader) begin(ctx context.Context, c command) error {
	movement := profiles[r.config.Profile].movement
	if r.begun || c == escape || movement == nil || r.config.Unasked {
		return nil
	}
	if _, err := r.exchange(ctx, escape, [3]byte{}, movement); err != nil && !errors.Is(err, device.ErrRefused) {
		return err
	}
	r.begun = true
	return nil
}

// deliver gets the frame to the reader and the answer back, through damage on the line.
func (r *Reader) deliver(ctx context.Context, c command, frame []byte) (message, error) {
	send := frame
	for tries := 0; ; tries++ {
		if err := r.link.Write(ctx, send); err != nil {
			return message{}, err
		}
		m, err := r.answer(ctx, c)
		switch {
		case errors.Is(err, errNakked):
			send = frame
		case errors.Is(err, errDamaged):
			send = nakFrame // the answer again, not the command again: the card has done it
			if err := r.link.Discard(ctx, quietTime); err != nil {
				return message{}, err
			}
		default:
			return m, err
		}
		if tries == maxResends {
			return message{}, r.link.Garbled("%v, %d times", err, tries+1)
		}
	}
}

// answer waits for the message with the command's number, past echo, slot changes, late
// answers and requests for time.
func (r *Reader) answer(ctx context.Context, c command) (message, error) {
	stray, waits := 0, 0
	limit := r.config.AnswerTime
	if c == xfrBlock {
		limit = max(limit, r.cardTime)
	}
	until := time.Now().Add(maxPatience)
	for {
		m, err := r.next(ctx, limit)
		switch {
		case errors.Is(err, device.ErrTimeout) && ctx.Err() == nil && stray > 0:
			return message{}, r.link.Garbled("%d stray bytes or frames and no answer with number %d", stray, r.seq)
		case err != nil:
			return message{}, err
		}
		switch {
		case m == nil: // a slot change
		case m.kind == timeRequest, m.isAnswer(r.seq) && m.params[0]&resultMask == moreTime:
			waits++
		case m.kind == noise, m.isAnswer(m.seq) && m.seq != r.seq, m.slot != 0:
			stray++
		case !m.isAnswer(r.seq): // the echo
		case m.kind != c.answer && m.params[0]&resultMask != failed:
			return message{}, r.link.Garbled("answer of type %02X, want %02X", m.kind, c.answer)
		default:
			return *m, nil
		}
		if waits > 0 && time.Now().After(until) {
			return message{}, fmt.Errorf("%w: it asks for time, and has had %v", device.ErrMute, maxPatience)
		}
		if stray > maxStray || waits > maxWaits {
			return message{}, r.link.Garbled("no answer after %d requests for time and %d stray bytes or frames", waits, stray)
		}
	}
}

// isAnswer tells a message of the reader with that number from the echo of a command.
func (m *message) isAnswer(seq byte) bool { return m.kind >= 0x80 && m.seq == seq }

// Kinds of what comes between frames; no message has them.
const (
	noise       = 0x00
	timeRequest = 0x01
)

// next reads one thing off the line: a message, noise or a time request as a message of
// that kind, or nil for a slot change, which is noted.
func (r *Reader) next(ctx context.Context, wait time.Duration) (*message, error) {
	first, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	b, err := r.link.Byte(first)
	if err != nil {
		return nil, err
	}
	rest, cancel := context.WithTimeout(ctx, frameTime)
	defer cancel()
	switch {
	case b == slotChange:
		return r.readSlotChange(rest)
	case b == syn:
		return r.readFrame(rest)
	case b >= 0x80:
		return &message{kind: timeRequest}, nil
	}
	return &message{kind: noise}, nil
}

func (r *Reader) readSlotChange(ctx context.Context) (*message, error) {
	b, err := r.link.Byte(ctx)
	switch {
	case err != nil:
		return nil, err
	case b == 0x02:
		r.present, r.powered = false, false
	case b == 0x03:
		r.present = true // what ended the power was told before, by 02
	default:
		return &message{kind: noise}, nil
	}
	r.changed = true
	return nil, nil
}

// readFrame reads what follows SYNC. A frame that ends early is damaged.
func (r *Reader) readFrame(ctx context.Context) (*message, error) {
	frame := make([]byte, 2, frameExtra+headerSize+maxData)
	frame[0] = syn
	if err := r.link.ReadFull(ctx, frame[1:]); err != nil {
		return nil, damaged(err)
	}
	switch frame[1] {
	case ctrlNAK:
		b, err := r.link.Byte(ctx)
		if err == nil && b != syn^ctrlNAK {
			return nil, fmt.Errorf("%w: NAK with LRC %02X", errDamaged, b)
		}
		return nil, errors.Join(errNakked, damaged(err))
	case ctrlACK:
	default:
		return nil, fmt.Errorf("%w: CTRL %02X", errDamaged, frame[1])
	}
	frame = frame[:2+headerSize]
	if err := r.link.ReadFull(ctx, frame[2:]); err != nil {
		return nil, damaged(err)
	}
	size, err := frameSize(frame)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	frame = frame[:size]
	if err := r.link.ReadFull(ctx, frame[2+headerSize:]); err != nil {
		return nil, damaged(err)
	}
	m, err := parseFrame(frame)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return &m, nil
}

// damaged says that silence within a frame damages it.
func damaged(err error) error {
	if errors.Is(err, device.ErrTimeout) {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

// judge notes the slot's state, and makes an error of a failed command.
func (r *Reader) judge(c command, m message) error {
	status, code := m.params[0], m.params[1]
	r.present = status&cardMask == cardActive || status&cardMask == cardInactive
	if status&cardMask != cardActive {
		r.powered = false
	}
	if status&resultMask == failed && c != getSlotStatus {
		return failure(c, status, code)
	}
	return nil
}

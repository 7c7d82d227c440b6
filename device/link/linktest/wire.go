package linktest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"posd/device"
)

// Record passes everything through and writes it to w as a wire, a line for each call.
func Record(port device.Port, w io.Writer) device.Port { return &recorder{Port: port, w: w} }

type recorder struct {
	device.Port
	mu sync.Mutex
	w  io.Writer
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Port.Read(p)
	return n, errors.Join(err, r.note('<', p[:n]))
}

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.Port.Write(p)
	return n, errors.Join(err, r.note('>', p[:n]))
}

func (r *recorder) note(way byte, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := fmt.Fprintf(r.w, "%c % X\n", way, p)
	return err
}

// Player is a replayed line. Silence takes no time in it: a read for which the wire
// has nothing fails at once, with the deadline if one is set and with io.EOF if none is.
type Player struct {
	mu       sync.Mutex
	moves    []move
	deadline time.Time
	closed   bool
	err      error // the first write that was not as recorded
}

type move struct {
	way  byte
	line int
	data []byte
}

// Replay reads a wire.
func Replay(wire io.Reader) (*Player, error) {
	p := &Player{}
	scan := bufio.NewScanner(wire)
	for n := 1; scan.Scan(); n++ {
		text, _, _ := strings.Cut(scan.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		m, err := parseMove(text)
		if err != nil {
			return nil, fmt.Errorf("linktest: line %d: %w", n, err)
		}
		m.line = n
		p.moves = append(p.moves, m)
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("linktest: read wire: %w", err)
	}
	return p, nil
}

func parseMove(text string) (move, error) {
	if text[0] != '>' && text[0] != '<' {
		return move{}, fmt.Errorf("%.20q begins with neither > nor <", text)
	}
	data, err := hex.DecodeString(strings.Join(strings.Fields(text[1:]), ""))
	return move{way: text[0], data: data}, err
}

// next drops what is used up and returns the move that is due, or nil.
func (p *Player) next() *move {
	for len(p.moves) > 0 && len(p.moves[0].data) == 0 {
		p.moves = p.moves[1:]
	}
	if len(p.moves) == 0 {
		return nil
	}
	return &p.moves[0]
}

// Read gives what the wire has next, if it is the far end's turn.
func (p *Player) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.next()
	switch {
	case p.closed:
		return 0, io.ErrClosedPipe
	case m != nil && m.way == '<':
		n := copy(b, m.data)
		m.data = m.data[n:]
		return n, nil
	case p.deadline.IsZero():
		return 0, io.EOF
	}
	return 0, os.ErrDeadlineExceeded
}

// Write fails where b is not what was recorded, naming the line of the wire.
func (p *Player) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	for n := 0; n < len(b); {
		m := p.next()
		if m == nil || m.way != '>' {
			return n, p.fail(fmt.Errorf("linktest: wrote % X where the wire has nothing to write", b[n:]))
		}
		c := min(len(b)-n, len(m.data))
		if !bytes.Equal(b[n:n+c], m.data[:c]) {
			return n, p.fail(fmt.Errorf("linktest: line %d: wrote % X, want % X", m.line, b[n:n+c], m.data[:c]))
		}
		m.data = m.data[c:]
		n += c
	}
	return len(b), nil
}

func (p *Player) fail(err error) error {
	if p.err == nil {
		p.err = err
	}
	return err
}

// Done returns the first wrong write, or what of the wire was not used.
func (p *Player) Done() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	if m := p.next(); m != nil {
		return fmt.Errorf("linktest: line %d: %c % X was not reached", m.line, m.way, m.data)
	}
	return nil
}

// Close makes all calls fail.
func (p *Player) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// SetReadDeadline only notes whether there is one.
func (p *Player) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	return nil
}

// SetWriteDeadline does nothing: a write never waits.
func (p *Player) SetWriteDeadline(time.Time) error { return nil }

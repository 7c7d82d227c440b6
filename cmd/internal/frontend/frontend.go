package frontend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device"
	"posd/device/gpio"
)

// Suffix is what the name of such a socket ends with.
const Suffix = ".lines"

// Lines are those of a slot, as the terminal has them.
type Lines struct {
	CMDVCCN, RSTIN pin.PinOut
	OFFN           pin.PinIn
}

// Serve lets one terminal after the other use the lines, until ctx ends (nil) or a line or
// the listener fails. It closes the listener.
func Serve(ctx context.Context, l net.Listener, lines Lines) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // that it was closed is no news
	defer stop()
	defer l.Close()
	for {
		conn, err := l.Accept()
		if err == nil {
			err = lines.session(ctx, conn)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("frontend: %w", err)
		}
	}
}

// session serves one terminal until it goes, and closes its connection.
func (l Lines) session(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // twice is no harm
	defer stop()
	defer conn.Close()
	if err := l.OFFN.In(pin.PullNoChange, pin.BothEdges); err != nil {
		return err
	}
	in := bufio.NewScanner(conn)
	for in.Scan() {
		answer, err := l.do(in.Text())
		if err == nil {
			_, err = fmt.Fprintln(conn, answer)
		}
		if err != nil {
			break // it asks for nonsense, or is gone
		}
	}
	return errors.Join(l.RSTIN.Out(pin.Low), l.CMDVCCN.Out(pin.High))
}

func (l Lines) do(line string) (answer string, err error) {
	switch line {
	case "OFFN":
		return digit(bool(l.OFFN.Read())), nil
	case "edge":
		return digit(l.OFFN.WaitForEdge(0)), nil
	case "CMDVCCN 0", "CMDVCCN 1":
		return "ok", l.CMDVCCN.Out(line[len(line)-1] == '1')
	case "RSTIN 0", "RSTIN 1":
		return "ok", l.RSTIN.Out(line[len(line)-1] == '1')
	}
	return "", fmt.Errorf("%.20q is no line of the terminal's", line)
}

func digit(one bool) string {
	if one {
		return "1"
	}
	return "0"
}

// Pins are the terminal's end. Close gives them back.
type Pins struct {
	CMDVCCN, RSTIN pin.PinOut
	OFFN           pin.PinIn

	conn net.Conn
	mu   sync.Mutex // one question at a time
	in   *bufio.Scanner
}

// answerTime is for one answer of the slot.
const answerTime = 2 * time.Second

// Dial takes the lines of the slot at that socket.
func Dial(path string) (*Pins, error) {
	conn, err := net.DialTimeout("unix", path, answerTime)
	if err != nil {
		return nil, fmt.Errorf("frontend: %w", err)
	}
	p := &Pins{conn: conn, in: bufio.NewScanner(conn)}
	p.CMDVCCN = output{gpio.NewMemory("CMDVCCN", nil), p}
	p.RSTIN = output{gpio.NewMemory("RSTIN", nil), p}
	p.OFFN = input{gpio.NewMemory("OFFN", nil), p}
	if _, err := p.ask("OFFN"); err != nil {
		_ = conn.Close() // the other error is the one that says something
		return nil, fmt.Errorf("%w (does another terminal have the slot?)", err)
	}
	return p, nil
}

// Close gives the lines back, by which the card loses its power.
func (p *Pins) Close() error { return p.conn.Close() }

// ask exchanges one line.
func (p *Pins) ask(question string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.conn.SetDeadline(time.Now().Add(answerTime))
	if err == nil {
		_, err = fmt.Fprintln(p.conn, question)
	}
	if err == nil && !p.in.Scan() {
		err = errors.Join(p.in.Err(), errors.New("the slot does not answer"))
	}
	if err != nil {
		return "", fmt.Errorf("frontend: %s: %w: %w", question, device.ErrGone, err)
	}
	return p.in.Text(), nil
}

// output is a pin that the terminal sets.
type output struct {
	*gpio.Memory
	pins *Pins
}

// Out returns when the slot has done it.
func (o output) Out(level pin.Level) error {
	answer, err := o.pins.ask(o.Name() + " " + digit(bool(level)))
	switch {
	case err != nil:
		return err
	case !strings.HasPrefix(answer, "ok"):
		return fmt.Errorf("frontend: %s: %w: answer %.20q", o.Name(), device.ErrProtocol, answer)
	}
	return o.Memory.Out(level)
}

// input is the pin that the terminal reads.
type input struct {
	*gpio.Memory
	pins *Pins
}

// Read is the level of now; Low where nobody answers, for the interface has no error.
func (i input) Read() pin.Level {
	answer, _ := i.pins.ask(i.Name())
	return answer == "1"
}

// In forgets edges that were seen before.
func (i input) In(pull pin.Pull, edge pin.Edge) error {
	if _, err := i.pins.ask("edge"); err != nil {
		return err
	}
	return i.Memory.In(pull, edge)
}

// look is how often a wait asks.
const look = 20 * time.Millisecond

// WaitForEdge is that of a gpio.PinIn.
func (i input) WaitForEdge(timeout time.Duration) bool {
	until := time.Now().Add(timeout)
	for {
		answer, err := i.pins.ask("edge")
		left := time.Until(until)
		switch {
		case answer == "1":
			return true
		case err != nil, timeout >= 0 && left <= 0:
			return false
		case timeout < 0:
			left = look
		}
		<-time.After(min(left, look))
	}
}

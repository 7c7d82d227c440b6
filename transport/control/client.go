package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Client asks an agent. Each call is a connection of its own, so that a screen can
// look while a payment runs, and an agent that restarts is found again. Its methods
// may be called from several goroutines.
type Client struct{ path string }

// At returns a client of the agent at path, which need not be there yet.
func At(path string) *Client { return &Client{path} }

// Dial tries the socket. ErrNoAgent says that nobody serves it.
func Dial(path string) (*Client, error) {
	c := At(path)
	conn, err := c.connect(context.Background())
	if err != nil {
		return nil, err
	}
	return c, conn.Close()
}

// Snapshot returns the agent as it is now.
func (c *Client) Snapshot(ctx context.Context) (Snapshot, error) {
	var out Snapshot
	err := c.ask(ctx, opWithin, request{Op: "snapshot"}, &out)
	return out, err
}

// Journal returns at most limit payments, newest first; limit is 1 to MaxJournal.
func (c *Client) Journal(ctx context.Context, limit int) ([]Entry, error) {
	var out []Entry
	err := c.ask(ctx, opWithin, request{Op: "journal", Limit: limit}, &out)
	return out, err
}

// Receipt returns the slip of a payment as text. id is batch/STAN.
func (c *Client) Receipt(ctx context.Context, id string) (string, error) {
	var out string
	err := c.ask(ctx, opWithin, request{Op: "receipt", ID: id}, &out)
	return out, err
}

// Pay orders a payment and waits for its end, which may take minutes. Ending ctx stops
// the waiting, not the payment: the error then wraps ErrLost, as it does when the
// agent dies; Journal tells how the payment ended.
func (c *Client) Pay(ctx context.Context, req PayRequest) (PayResult, error) {
	var out PayResult
	err := c.ask(ctx, 0, request{Op: "pay", Pay: &req}, &out)
	return out, err
}

// LoadKey has a master key stored, carried by a TR-31 block, and returns its check value.
func (c *Client) LoadKey(ctx context.Context, block string) (kcv string, err error) {
	err = c.ask(ctx, opWithin, request{Op: "load-key", Block: block}, &kcv)
	return kcv, err
}

// Resolve ends a debt by an operator's word. operator is two digits.
func (c *Client) Resolve(ctx context.Context, id, operator, reason string) error {
	return c.ask(ctx, opWithin, request{Op: "resolve", ID: id, Operator: operator, Reason: reason}, nil)
}

// Enrol makes the first two technicians known.
func (c *Client) Enrol(ctx context.Context, a, b Technician) error {
	return c.ask(ctx, opWithin, request{Op: "enrol", Technicians: []Technician{a, b}}, nil)
}

// Unlock takes back a terminal that was locked because its housing was opened.
func (c *Client) Unlock(ctx context.Context, a, b Technician) error {
	return c.ask(ctx, opWithin, request{Op: "unlock", Technicians: []Technician{a, b}}, nil)
}

// ask sends one request and reads its answer into out. within bounds the answer; 0
// leaves it to ctx.
func (c *Client) ask(ctx context.Context, within time.Duration, req request, out any) error {
	line, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("control: %s: %w", req.Op, err)
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if within > 0 {
		conn.SetDeadline(time.Now().Add(within + takeWithin))
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, sendErr := conn.Write(append(line, '\n')) // a server that is full answers unasked and hangs up
	reply, err := readLine(bufio.NewReader(conn), maxAnswer)
	if err != nil && sendErr != nil {
		err = sendErr
	}
	if err != nil {
		return fmt.Errorf("control: %s: %w: %w", req.Op, ErrLost, cause(ctx, err))
	}
	return parseAnswer(req.Op, reply, out)
}

func parseAnswer(op string, line []byte, out any) error {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return fmt.Errorf("control: %s: read answer: %w", op, err)
	}
	if a.Error != nil {
		return errorOf(a.Error.Code, a.Error.Text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.OK, out); err != nil {
		return fmt.Errorf("control: %s: read answer: %w", op, err)
	}
	return nil
}

// connect opens one connection; a missing or dead socket is ErrNoAgent.
func (c *Client) connect(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: takeWithin}
	conn, err := d.DialContext(ctx, "unix", c.path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("control: connect to %s: %w", c.path, ErrNoAgent)
	}
	if err != nil {
		return nil, fmt.Errorf("control: connect: %w", err)
	}
	return conn, nil
}

// cause prefers the reason of ctx over the time-out that it was turned into.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

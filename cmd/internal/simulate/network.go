package simulate

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	hostsim "posd/host-sim"
	"posd/transport/iso8583"
)

// errRefused is what a dial ends with while the host or the line is down.
var errRefused = errors.New("connection refused")

// network is what lies between terminal and host. It carries frames, and loses, delays,
// doubles, spoils and swaps them; and it is the host's listener.
type network struct {
	w    *world
	peer hostsim.Peer
	up   *dice // of frames to the host
	back *dice // of frames to the terminal
	line *dice // of connections

	mu    sync.Mutex // held while the host is at a request
	down  time.Time  // until then nobody can connect
	wires map[*wire]struct{}
	work  sync.WaitGroup
}

func newNetwork(w *world, peer hostsim.Peer) *network {
	return &network{
		w: w, peer: peer, wires: map[*wire]struct{}{},
		up: roll(w.seed, "frames up"), back: roll(w.seed, "frames back"), line: roll(w.seed, "line"),
	}
}

// wire is one connection, seen from the host.
type wire struct {
	n    *network
	conn net.Conn
}

// dial is the terminal's way to the host.
func (n *network) dial(ctx context.Context) (net.Conn, error) {
	if err := wait(ctx, n.line.between(time.Millisecond, 300*time.Millisecond)); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Now().Before(n.down) {
		return nil, errRefused
	}
	terminal, host := net.Pipe()
	c := &wire{n, host}
	n.wires[c] = struct{}{}
	n.work.Go(c.read)
	return terminal, nil
}

// read takes what the terminal sends until the connection ends.
func (c *wire) read() {
	defer c.close()
	for {
		frame, err := iso8583.ReadFrame(c.conn, nil)
		if err != nil {
			return
		}
		c.n.carry(c, c.n.up, "up", frame, c.arrive)
	}
}

func (c *wire) close() {
	c.conn.Close()
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	delete(c.n.wires, c)
}

// carry takes a frame along, if it does.
func (n *network) carry(c *wire, d *dice, way string, frame []byte, deliver func([]byte)) {
	delay := d.between(2*time.Millisecond, 120*time.Millisecond)
	weather := n.w.weather()
	times := 1
	if d.hits(weather.drop) {
		n.w.note("net: %s: lost %s", way, named(frame))
		return
	}
	if d.hits(weather.late) {
		delay += d.between(answerTimeout, 3*answerTimeout)
		n.w.note("net: %s: %s comes after %v", way, named(frame), delay)
	}
	if d.hits(weather.reorder) {
		delay += d.between(100*time.Millisecond, 3*time.Second)
	}
	if d.hits(weather.double) {
		times = 2
	}
	if d.hits(weather.garble) {
		frame = spoiled(d, frame)
		n.w.note("net: %s: spoilt", way)
	}
	if d.hits(weather.cut) {
		n.w.note("net: %s: cut at %s", way, named(frame))
		time.AfterFunc(d.between(0, 200*time.Millisecond), func() { c.conn.Close() })
	}
	for range times {
		copied := slices.Clone(frame)
		time.AfterFunc(delay, func() { deliver(copied) })
		delay += d.between(time.Millisecond, 2*time.Second)
	}
}

// spoiled changes some bytes; the length stays.
func spoiled(d *dice, frame []byte) []byte {
	out := slices.Clone(frame)
	for range 1 + d.n(4) {
		out[d.n(len(out))] ^= byte(1 + d.n(255))
	}
	return out
}

// arrive has the host answer a frame. What was under way when the connection ended is
// answered all the same, into the void.
func (c *wire) arrive(frame []byte) {
	n := c.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.w.over || time.Now().Before(n.down) {
		return
	}
	reply, err := n.w.host.Answer(n.w.ctx, n.peer, frame)
	if err != nil {
		n.w.note("host: cannot answer %s: %v", named(frame), err)
		c.conn.Close()
		return
	}
	n.w.note("host: %s -> %s", named(frame), named(reply.Frame))
	if n.line.hits(n.w.weather().hostEnds) {
		n.restart()
		return
	}
	if len(reply.Frame) > 0 {
		n.carry(c, n.back, "back", reply.Frame, func(b []byte) { _ = iso8583.WriteFrame(c.conn, b) })
	}
}

// restart ends the host's process and starts it again, some time later; with n.mu held.
func (n *network) restart() {
	away := n.line.between(time.Second, 5*time.Minute)
	n.w.note("host: restarts, back in %v", away)
	n.cutOff(away)
	if err := n.w.host.Restart(n.w.ctx); err != nil {
		n.w.fail("host: restart: %v", err)
	}
}

// cutOff ends all connections and lets none come up for a while; with n.mu held.
func (n *network) cutOff(away time.Duration) {
	n.down = time.Now().Add(away)
	for c := range n.wires {
		c.conn.Close()
	}
}

// outage is a line that is down for a while.
func (n *network) outage(away time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.w.note("net: down for %v", away)
	n.cutOff(away)
}

// repair ends every outage.
func (n *network) repair() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = time.Time{}
}

// wait sleeps, or ends with ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package vpcd_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/iso7816"
	"posd/device/reader/vpcd"
	sim "posd/device/sim/vpcd"
)

// suiteCard is the card that package devicetest describes, at APDU level.
type suiteCard struct{}

func (suiteCard) Reset() []byte { return devicetest.CardATR }

func (suiteCard) Exchange(command []byte) []byte {
	dead := false
	b, err := iso7816.T0(context.Background(), command, func(_ context.Context, tpdu []byte) ([]byte, error) {
		b := devicetest.CardAnswer(tpdu)
		dead = dead || b == nil
		return b, nil
	})
	switch {
	case dead:
		return nil
	case err != nil:
		return []byte{0x6F, 0x00}
	}
	return b
}

// pipes is a network without one: vpcd.Cards at one end, sim.Connect at the other.
type pipes struct {
	wrap  func(device.Port) device.Port
	lines chan net.Conn

	mu     sync.Mutex
	gone   chan struct{}
	closed bool
	last   net.Conn
}

func newPipes(wrap func(device.Port) device.Port) *pipes {
	return &pipes{wrap: wrap, lines: make(chan net.Conn), gone: make(chan struct{})}
}

func (p *pipes) Next(ctx context.Context) (device.Port, error) {
	select {
	case c := <-p.lines:
		return p.wrap(c), nil
	case <-p.gone:
		return nil, fmt.Errorf("pipes: %w", device.ErrGone)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.gone)
	}
	return nil
}

// unplug ends all lines, and those to come.
func (p *pipes) unplug() {
	p.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil {
		p.last.Close()
	}
}

func (p *pipes) connect(ctx context.Context) (device.Port, error) {
	near, far := net.Pipe()
	select {
	case p.lines <- near:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.last = far
		return far, nil
	case <-p.gone:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// slot moves the simulator as the suite wants it.
type slot struct {
	*sim.Slot
	pipes *pipes
}

func (s slot) Insert()    { s.Slot.Insert(suiteCard{}) }
func (s slot) Unplug()    { s.pipes.unplug() }
func (s slot) Unchecked() {}

func (s slot) Misbehave(f devicetest.Fault) {
	s.Slot.Misbehave(map[devicetest.Fault]sim.Fault{
		devicetest.Silent:  {Kind: sim.Silent},
		devicetest.Garbled: {Kind: sim.Short},
	}[f])
}

// rig connects a driver to a simulator; it ends with the test.
func rig(t *testing.T, config vpcd.Config, wrap func(device.Port) device.Port) (*vpcd.Reader, slot) {
	t.Helper()
	p := newPipes(wrap)
	s := sim.New(p.connect)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	reader, err := vpcd.New(p, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reader.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return reader, slot{s, p}
}

func plain(p device.Port) device.Port { return p }

func TestConformance(t *testing.T) {
	devicetest.Reader(t, func(t *testing.T) (device.Reader, devicetest.Slot) {
		return rig(t, vpcd.Config{}, plain)
	})
}

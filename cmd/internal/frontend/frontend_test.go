package frontend_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	pin "periph.io/x/conn/v3/gpio"

	"posd/cmd/internal/frontend"
	"posd/device"
	"posd/device/gpio"
)

// slot is the simulator's end: what the terminal put out, and OFFN.
type slot struct {
	path string
	out  chan string
	offn *gpio.Memory
	end  func()
}

func newSlot(t *testing.T) *slot {
	t.Helper()
	s := &slot{path: filepath.Join(t.TempDir(), "x"+frontend.Suffix), out: make(chan string, 10), offn: gpio.NewMemory("OFFN", nil)}
	line := func(name string) pin.PinOut {
		return gpio.NewMemory(name, func(l pin.Level) { s.out <- fmt.Sprint(name, " ", l) })
	}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- frontend.Serve(ctx, l, frontend.Lines{CMDVCCN: line("CMDVCCN"), RSTIN: line("RSTIN"), OFFN: s.offn})
	}()
	ended := false
	s.end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(s.end)
	return s
}

func (s *slot) want(t *testing.T, what string) {
	t.Helper()
	if got := <-s.out; got != what {
		t.Errorf("%s, want %s", got, what)
	}
}

func dial(t *testing.T, s *slot) *frontend.Pins {
	t.Helper()
	p, err := frontend.Dial(s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestOutputsReachTheSlot(t *testing.T) {
	s := newSlot(t)
	p := dial(t, s)
	if err := p.CMDVCCN.Out(pin.Low); err != nil {
		t.Fatal(err)
	}
	s.want(t, "CMDVCCN Low")
	if err := p.RSTIN.Out(pin.High); err != nil {
		t.Fatal(err)
	}
	s.want(t, "RSTIN High")
}

func TestInputIsTheSlots(t *testing.T) {
	s := newSlot(t)
	p := dial(t, s)
	if err := p.OFFN.In(pin.PullUp, pin.BothEdges); err != nil {
		t.Fatal(err)
	}
	if p.OFFN.Read() != pin.Low || p.OFFN.WaitForEdge(0) {
		t.Error("high, or an edge, before there was one")
	}
	s.offn.Drive(pin.High)
	if p.OFFN.Read() != pin.High || !p.OFFN.WaitForEdge(time.Minute) || p.OFFN.WaitForEdge(0) {
		t.Error("low, or not one edge, after it went high")
	}
}

// A terminal that goes away leaves the card without power, and the slot to the next one.
func TestHangingUpTakesThePower(t *testing.T) {
	s := newSlot(t)
	p := dial(t, s)
	p.CMDVCCN.Out(pin.Low)
	s.want(t, "CMDVCCN Low")
	p.Close()
	s.want(t, "RSTIN Low")
	s.want(t, "CMDVCCN High")
	if err := dial(t, s).RSTIN.Out(pin.High); err != nil {
		t.Error(err)
	}
}

func TestSlotThatIsGone(t *testing.T) {
	s := newSlot(t)
	p := dial(t, s)
	s.end()
	if err := p.CMDVCCN.Out(pin.Low); !errors.Is(err, device.ErrGone) {
		t.Errorf("out: %v, want %v", err, device.ErrGone)
	}
	if p.OFFN.Read() != pin.Low || p.OFFN.WaitForEdge(-1) {
		t.Error("a slot that is gone has a card in it")
	}
	if _, err := frontend.Dial(s.path); err == nil {
		t.Error("dialled")
	}
}

func TestNonsenseEndsTheSession(t *testing.T) {
	s := newSlot(t)
	conn, err := net.Dial("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "CMDVCCN 2")
	if n, err := conn.Read(make([]byte, 10)); err == nil {
		t.Errorf("answered by %d bytes", n)
	}
}

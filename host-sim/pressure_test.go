package hostsim

import (
	"sync"
	"testing"

	"posd/host-sim/acquirer"
	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

// A terminal's ghosts go: of more connections than it may have, the oldest is closed and
// the newest works.
func TestConnectionsOfOneTerminal(t *testing.T) {
	r := boot(t, func(c *Config) { c.Limits = acquirer.Limits{PerTerminal: 2} })
	echoed := func() *hosttest.Conn { // it has entered when it was answered
		c := r.dial()
		if resp, err := r.term.Manage(c, iso8583.Echo); err != nil || resp.Code != "00" {
			t.Fatalf("echo: %+v, %v", resp, err)
		}
		return c
	}
	first, second, third := echoed(), echoed(), echoed()
	if _, err := first.Get(); err == nil {
		t.Error("the oldest of three connections is open, two are allowed")
	}
	for _, c := range []*hosttest.Conn{second, third} {
		if resp, err := r.term.Manage(c, iso8583.Echo); err != nil || resp.Code != "00" {
			t.Errorf("echo: %+v, %v", resp, err)
		}
	}
}

// H11: with one place at the desk, and many who push, everybody is answered, and no money
// moves twice.
func TestBackPressure(t *testing.T) {
	const lines, sales = 4, 5
	r := boot(t, func(c *Config) { c.Limits = acquirer.Limits{Working: 1, PerSecond: 1000} })
	c := r.signedOn()
	frames := make([][]byte, 0, lines*sales)
	for range lines * sales {
		m := r.term.Sale(r.rich, 100)
		frames = append(frames, r.term.Seal(m))
	}
	conns := []*hosttest.Conn{c, r.dial(), r.dial(), r.dial()}
	var wait sync.WaitGroup
	for i, line := range conns {
		wait.Go(func() {
			for _, frame := range frames[i*sales : (i+1)*sales] {
				if err := line.Put(frame); err != nil {
					t.Errorf("line %d: %v", i, err)
				}
			}
			for range sales {
				if _, err := line.Get(); err != nil {
					t.Errorf("line %d: %v", i, err)
				}
			}
		})
	}
	wait.Wait()
	r.booksBalance()
	if rows, err := r.Transactions(t.Context(), testTID); err != nil || len(rows) != lines*sales {
		t.Errorf("%d payments, %v; want %d", len(rows), err, lines*sales)
	}
}

package hostsim

import (
	"context"
	"errors"
	"sync"
	"testing"

	"posd/host-sim/db/dbtest"
	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

// pair is two hosts on one PostgreSQL, with the same keys and authority.
func pair(t *testing.T) (first *running, second *Host) {
	t.Helper()
	url := dbtest.URL(t)
	first = boot(t, func(c *Config) { c.DB = url })
	cfg := first.cfg
	cfg.Node = 1
	second, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- second.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, second.Close()); err != nil {
			t.Error(err)
		}
	})
	return first, second
}

func (r *running) dialAt(h *Host) *hosttest.Conn {
	r.Helper()
	c, err := hosttest.Dial(r.Context(), h.Addr().String(), r.id, nil)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { c.Close() })
	return c
}

// H09: sign-on at one host, sale at the other, reversal at the first: no host keeps
// anything of a terminal to itself.
func TestTwoHostsAreOne(t *testing.T) {
	r, second := pair(t)
	here, there := r.signedOn(), r.dialAt(second)
	m := r.term.Sale(r.rich, 1200)
	r.want(there, m, "00")
	if got := r.available(); got != opening-1200 {
		t.Errorf("available = %d", got)
	}
	r.want(here, m, "00") // a repeat, answered by the one that did not post it
	r.want(here, r.term.Reversal(m, "98"), "00")
	r.want(there, r.term.Reversal(m, "98"), "00")
	if got := r.available(); got != opening {
		t.Errorf("after the reversal: available = %d", got)
	}
	if resp, err := r.term.Manage(there, iso8583.SignOnDouble); err != nil || resp.Code != "00" {
		t.Fatalf("sign-on at the second: %+v, %v", resp, err)
	}
	r.want(here, r.term.Sale(r.rich, 300), "00") // under the keys that the other gave
	if got := r.states(); got != "sale 1200 reversed 00, sale 300 approved 00" {
		t.Errorf("transactions: %s", got)
	}
	r.booksBalance()
}

// H09: the same payment at both hosts at once is posted once, and both give the same answer.
func TestBothHostsGetThePayment(t *testing.T) {
	r, second := pair(t)
	here, there := r.signedOn(), r.dialAt(second)
	const sales = 20
	for range sales {
		frame := r.term.Seal(r.term.Sale(r.rich, 100))
		var answers [2]string
		var wait sync.WaitGroup
		for i, c := range []*hosttest.Conn{here, there} {
			wait.Go(func() {
				answer, err := c.Exchange(frame)
				if err != nil {
					t.Error(err)
				}
				answers[i] = string(answer)
			})
		}
		wait.Wait()
		if answers[0] != answers[1] || answers[0] == "" {
			t.Errorf("two answers:\n%X\n%X", answers[0], answers[1])
		}
	}
	if got := r.available(); got != opening-sales*100 {
		t.Errorf("available = %d, want %d", got, opening-sales*100)
	}
	r.booksBalance()
}

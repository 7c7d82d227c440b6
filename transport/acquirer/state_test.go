package acquirer

import (
	"strings"
	"testing"

	"posd/transport/iso8583"
)

// TestTransitions names every legal move; every other pair must be refused, in the
// state where it was.
func TestTransitions(t *testing.T) {
	legal := map[string]State{
		"down + dial": Connecting, "connecting + connected": SigningOn, "signing on + signed on": Up,
		"up + rekey": SigningOn, "connecting + lost": Down, "signing on + lost": Down, "up + lost": Down,
	}
	for s := State(0); s <= stateCount; s++ {
		for e := event(0); e <= eventCount; e++ {
			want, ok := legal[s.String()+" + "+e.String()]
			if !ok {
				want = s
			}
			if got, gotOK := transition(s, e); got != want || gotOK != ok {
				t.Errorf("%v + %v: got %v, %v; want %v, %v", s, e, got, gotOK, want, ok)
			}
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(c *Config){
		"Addr":        func(c *Config) { c.Dial = nil },
		"TLS":         func(c *Config) { c.Dial, c.Addr = nil, "127.0.0.1:1" },
		"Dialect":     func(c *Config) { c.Dialect = nil },
		"Terminal":    func(c *Config) { c.Terminal = "1" },
		"Merchant":    func(c *Config) { c.Merchant = "1" },
		"Serial":      func(c *Config) { c.Serial = "" },
		"Certificate": func(c *Config) { c.Certificate = "1" },
		"Operator":    func(c *Config) { c.Operator = "1" },
		"SignOn":      func(c *Config) { c.SignOn = iso8583.Echo },
		"Keys":        func(c *Config) { c.Keys = nil },
		"Batch":       func(c *Config) { c.Batch = nil },
		"Now":         func(c *Config) { c.Now = nil },
		"Rand":        func(c *Config) { c.Rand = nil },
		"Log":         func(c *Config) { c.Log = nil },
		"durations":   func(c *Config) { c.BackOff = -1 },
	} {
		c := config(newHost(), &testKeys{}, &lockedBuffer{})
		spoil(&c)
		if _, err := New(c); err == nil || !strings.HasPrefix(err.Error(), "acquirer: config: "+name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHistoryForgetsTheOldest(t *testing.T) {
	var h history
	key := func(stan int) iso8583.Key { return iso8583.Key{MTI: 0x0200, STAN: uint32(stan)} }
	for i := range len(h.keys) + 1 {
		h.add(key(i), timedOut)
	}
	h.add(key(5), answered)
	for stan, want := range map[int]ending{0: 0, 1: 0, 2: timedOut, 5: answered, len(h.keys): timedOut, 999: 0} {
		if got := h.find(key(stan)); got != want {
			t.Errorf("STAN %d: got %d, want %d", stan, got, want)
		}
	}
}

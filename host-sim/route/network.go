package route

import (
	"errors"
	"time"
)

// State of a network. It is stored as it reads here.
type State string

const (
	// Up: it takes payments.
	Up State = "up"
	// Draining: it takes what belongs to an earlier payment and what is stored for it, and
	// nothing new.
	Draining State = "draining"
	// Down: it takes nothing that somebody waits for.
	Down State = "down"
)

// Local is the kind of a network that is an issuer simulator of our own process.
const Local = "local"

// Errors that a caller acts on.
var (
	ErrNoNetwork = errors.New("no such network")
	ErrNoRule    = errors.New("no such rule")
)

// Network is an upstream link.
type Network struct {
	ID, Name, Kind string
	State          State
	Since          time.Time // of the state; the epoch for one that was never changed
	Echo           time.Time // last echo; the epoch for none
	EchoOK         bool      // and whether it was answered
	Echoes         int64     // that were answered
	Failures       int64     // and that were not
	Ranges         []string  // of BINs, low-high, eight digits each
	Payments       int64     // that were sent to it
	Approved       int64     // and of these the ones that count or counted
	Waiting        int64     // advices of stand-in that it does not have yet
}

// Candidate is a rule with the state of its networks, as far as they serve the BIN.
type Candidate struct {
	Rule
	State         State // of Network; empty where it does not serve the BIN
	FallbackState State // of Fallback; empty for none, and where it does not serve the BIN
}

// Way is where a payment goes.
type Way struct {
	Rule    int64
	Network string
	Open    bool // Network takes it now
	Fell    bool // it is the rule's fallback
}

// Find chooses among candidates, and falls back where the chosen network does not take
// anything new. ok is false where no rule matches, or its networks do not serve the card.
func Find(candidates []Candidate, q Query) (w Way, ok bool) {
	rules := make([]Rule, len(candidates))
	for i, c := range candidates {
		rules[i] = c.Rule
	}
	best, ok := Choose(rules, q)
	if !ok {
		return Way{}, false
	}
	for _, c := range candidates {
		if c.ID != best.ID {
			continue
		}
		switch {
		case c.State == Up:
			return Way{Rule: c.ID, Network: c.Network, Open: true}, true
		case c.FallbackState == Up:
			return Way{Rule: c.ID, Network: c.Fallback, Open: true, Fell: true}, true
		case c.State != "":
			return Way{Rule: c.ID, Network: c.Network}, true
		case c.FallbackState != "":
			return Way{Rule: c.ID, Network: c.Fallback, Fell: true}, true
		}
	}
	return Way{}, false
}

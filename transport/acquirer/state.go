package acquirer

import "fmt"

// State is where the link stands.
type State uint8

const (
	Down       State = iota // no connection: the back-off runs
	Connecting              // TCP and TLS are being set up
	SigningOn               // connected; working keys are on their way
	Up                      // requests go out
	stateCount = iota
)

var stateNames = [stateCount]string{"down", "connecting", "signing on", "up"}

// String names the state: "signing on".
func (s State) String() string {
	if int(s) < stateCount {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// event is what happens to a link.
type event uint8

const (
	dial       event = iota // the back-off ended, or Kick
	connected               // the TLS handshake is done
	signedOn                // keys are installed
	rekey                   // the host, or a wrong MAC, wants a new sign-on
	lost                    // the connection failed, was refused, or ends with Run
	eventCount = iota
)

var eventNames = [eventCount]string{"dial", "connected", "signed on", "rekey", "lost"}

// String names the event.
func (e event) String() string {
	if int(e) < eventCount {
		return eventNames[e]
	}
	return fmt.Sprintf("event %d", uint8(e))
}

// no marks a move that is not in the table.
const no = stateCount

// transitions is the whole machine: a row for each event, a column for each state.
var transitions = [eventCount][stateCount]State{
	//          Down        Connecting SigningOn  Up
	dial:      {Connecting, no, no, no},
	connected: {no, SigningOn, no, no},
	signedOn:  {no, no, Up, no},
	rekey:     {no, no, no, SigningOn},
	lost:      {no, Down, Down, Down},
}

// transition returns the state after e in s; false where the machine has no such move.
func transition(s State, e event) (State, bool) {
	if int(s) >= stateCount || int(e) >= eventCount {
		return s, false
	}
	next := transitions[e][s]
	if next == no {
		return s, false
	}
	return next, true
}

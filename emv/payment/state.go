package payment

import "fmt"

// moves lists, for each state, where a payment may go from it. The zero state is a
// payment that is not in the journal.
var moves = map[State][]State{
	0:            {Requested, Stored},
	Requested:    {Answered, Completed, Declined, ReversalOwed, Stored},
	Answered:     {Completed, ReversalOwed},
	Completed:    {},
	Declined:     {},
	ReversalOwed: {Reversed, Resolved},
	Reversed:     {},
	Resolved:     {},
	Stored:       {Completed, Refused, Resolved},
	Refused:      {Stored, Resolved},
}

var stateNames = map[State]string{
	Requested:    "requested",
	Answered:     "answered",
	Completed:    "completed",
	Declined:     "declined",
	ReversalOwed: "reversal owed",
	Reversed:     "reversed",
	Resolved:     "resolved",
	Stored:       "stored",
	Refused:      "refused",
}

// Valid tells whether the number is a state at all: a record with another is damaged
// or from a newer version.
func (s State) Valid() bool {
	_, ok := stateNames[s]
	return ok
}

// String names the state in words.
func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// CanMove tells whether a payment in state s may be stored in state to. Staying is
// legal: a debt counts its tries.
func (s State) CanMove(to State) bool {
	if s == to {
		return s.Valid()
	}
	for _, next := range moves[s] {
		if next == to {
			return true
		}
	}
	return false
}

// Final tells that nothing more can happen to the payment.
func (s State) Final() bool { return s.Valid() && len(moves[s]) == 0 }

// Debt tells that the host may have moved money for a payment that is not completed:
// found at boot in such a state, it is owed a reversal, if its kind has one: see
// [Rules].Unanswered.
func (s State) Debt() bool { return s == Requested || s == Answered || s == ReversalOwed }

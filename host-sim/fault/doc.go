// Package fault makes the host misbehave on request.
//
// Three words to know:
//
//   - a [Fault] is one line of the grammar below: what to do to which answer;
//   - an ordinal counts the requests of one message type, or of one function, since the host started, from
//     1, or with a plus sign from the moment the fault is added;
//   - a [Script] holds the faults of a running host; each strikes once.
//
// A fault strikes after the request was read and posted, committed, and before its
// answer is written, so the host has always done what it then keeps to itself.
//
//	fault    = action ":" ordinal [ ":" duration ] [ "@" mti [ "/" function ] ]
//	action   = "drop-response"       no answer, the connection stays
//	         | "delay-response"      the answer comes late; needs a duration
//	         | "duplicate-response"  the answer comes twice
//	         | "garble-response"     the answer comes with its body spoilt
//	         | "disconnect"          the connection is closed before the answer
//	         | "wrong-mac"           the answer comes with a wrong field 64
//	         | "reorder-response"    the answer comes after the next one of its connection
//	ordinal  = [ "+" ] 1 to 999999
//	duration = as Go writes it, 1ms to 10m: "5s", "1m30s"
//	mti      = "0200" (the default) | "0100" | "0220" | "0320" | "0400" | "0500" | "0620" | "0800" | "0820"
//	function = field 60.3, three digits; 201 of 0500 and of 0320 are two functions
//
// Examples: drop-response:3, delay-response:2:5s, disconnect:+1, wrong-mac:1@0400,
// drop-response:+2@0320/201, garble-response:1@0820/372.
// The package reads no clock and touches no socket: the listener does what it says.
package fault

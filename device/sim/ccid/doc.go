// Package ccid is the reader's end of serial CCID: a virtual GemPC Twin serial (or a
// controller of the SEC1210 kind) that the driver in device/reader/ccid talks to over
// a pseudo-terminal or net.Pipe.
//
// Three words to know:
//
//   - a [Card] is what sits in the slot: it answers one T=0 TPDU at a time, with 61xx
//     and 6Cxx where a T=0 card does so (package device/sim/card has real ones), or one
//     block of T=1 (package device/sim/t1). A GemPC has to be told by SetParameters that
//     it is T=1, before it carries blocks;
//   - a profile is what differs between readers: [GemPC] echoes each command, [SEC1210]
//     does not;
//   - a [Fault] is misbehaviour on request, for the tests of drivers and of the agent.
//
// It shares no code with the driver: a simulator that shares code shares its bugs. It
// knows nothing of EMV. Frames: USB CCID 1.1 messages in the serial framing of the
// GemPC Twin, see package device/reader/ccid.
package ccid

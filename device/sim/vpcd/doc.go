// Package vpcd is a virtual card at the end of a TCP connection: the other end of
// device/reader/vpcd, of vsmartcard's virtual reader (and by it of any PC/SC program),
// or of whatever else takes cards by that protocol.
//
// Three words to know:
//
//   - a [Card] answers whole APDUs (package device/sim/card has real ones);
//   - a [Slot] holds it: to insert a card is to connect, to remove it is to disconnect.
//     A connection that the reader ends is made anew, with growing pauses;
//   - a [Connect] makes the connection: [Dial] to a reader that listens, as vsmartcard's
//     does, [Accept] for one that connects to the card (its reversed mode).
//
// A [Fault] is misbehaviour on request. It shares no code with the driver, where the
// messages are described, and knows nothing of EMV.
package vpcd

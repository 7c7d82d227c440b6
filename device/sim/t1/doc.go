// Package t1 is the card's end of T=1: it makes a card that speaks blocks of something
// that answers whole APDUs, for the simulated readers.
//
// Three words to know:
//
//   - an application answers a command APDU ([Application]); package device/sim/card has
//     real ones, a test a function;
//   - a [Card] is that application behind blocks: chaining both ways, IFSD as the terminal
//     announces it, requests for time, resynchronisation, an answer to reset that says so;
//   - a [Fault] is misbehaviour on request, for the tests of drivers and of the agent.
//
// It shares no code with package device/iso7816, which speaks the other end: a simulator
// that shares code shares its bugs. It knows nothing of EMV, nor of characters and times:
// a block comes in, a block goes out, and nil is silence.
//
// Specification: ISO/IEC 7816-3:2006, 8 (answer to reset), 11 (T=1).
package t1

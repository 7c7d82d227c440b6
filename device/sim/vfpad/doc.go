// Package vfpad is the far end of package device/pinpad/vfpad: a PIN pad with key slots,
// a keypad and a display, that speaks the Verifone character protocol over a
// pseudo-terminal or net.Pipe.
//
// Three words to know:
//
//   - the protection key is what it opens TR-31 key blocks with (frames 02, 90 and 94); the
//     master keys in its slots come from there or from [Config.Slots], initial DUKPT keys from
//     there or from [Pad.Inject];
//   - the cardholder presses its keys: [Pad.Type], [Pad.PressEnter], [Pad.PressCancel], or
//     [Config.Cardholder], a function that is asked when an entry begins, and swipes a card
//     ([Pad.Swipe]);
//   - a [Fault] is misbehaviour on request.
//
// This is the one process in which clear PIN digits and clear PIN blocks exist. It has no
// log. It does not check that a working key is the right one: Z62 carries no check value,
// so a wrong key gives a wrong block, as with hardware. Frames and errors: see
// device/pinpad/vfpad; it shares no code with it, for a simulator that shares code shares
// its bugs. What they share (key blocks, PIN blocks, DUKPT) is pinned by published vectors.
package vfpad

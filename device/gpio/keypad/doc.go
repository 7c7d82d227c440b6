// Package keypad reads keys on GPIO lines, for amounts and menus. It never takes a PIN.
//
// Three words to know:
//
//   - a [Matrix] has its keys where row and column lines cross: it drives one row at a time
//     and reads the columns. [Buttons] have a line each;
//   - the [Pad] polls either, and gives a [Key] when exactly one has been down for the time
//     of its debouncing; the key has to be let go before it, or another, counts again;
//   - a [PINRefused] is what comes of asking it for a PIN.
//
// A PIN must not be typed here: PIN entry belongs into a device that is approved by PCI PTS,
// that takes the digits and lets nothing but the enciphered block out, and erases its keys
// when it is opened. On a keypad of lines each digit goes through this computer's memory in
// clear, and a wire at the lines reads it. [Pad.EnterPIN] refuses in code, so that a
// configuration cannot allow it.
//
// Two keys at once are none: in a matrix without diodes three keys look like four. Not here:
// auto-repeat, chords, key codes of Linux input devices.
package keypad

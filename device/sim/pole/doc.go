// Package pole is a customer display of two lines of twenty characters: it reads the bytes
// that the driver in device/display/pole writes, and others write to such displays.
//
// Three words to know:
//
//   - the screen is what can be read on it: [Display.Rows];
//   - the mode is what a character does at the end of a row: overwrite goes on in the next
//     row, and from the last to the first; the two scroll modes are not simulated, and count
//     as unknown;
//   - unknown are bytes that the display does not understand: [Display.Unknown] counts them,
//     for the tests of drivers.
//
// It shares no code with the driver. Command tables of customer displays in "Epson mode": BS,
// HT, LF, CR, HOM, CLR, CAN, US with $, B, C, X, E, 01 and CR, LF; ESC with @, t, R.
package pole

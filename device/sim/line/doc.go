// Package line is what every simulator of a serial device does at its port: it reads what
// the host sends, writes what is queued for it, and ends with its context or its port.
//
// Three words to know:
//
//   - the loops ([Loops]) are one goroutine that reads, one that writes and, where the
//     device does something by itself, one that serves;
//   - a queue ([Queue]) is what waits to be written; what a host does not read in time is
//     lost, as with hardware ([Offer]), or holds the device up ([Send]);
//   - a piece is what one read gave; [Into] hands copies of the pieces to a goroutine.
//
// It knows no protocol, and drivers do not use it: package device/link is theirs.
package line

// Package drivers is the table from URL scheme to driver: the one place that knows
// which driver serves which URL of the configuration. The agent opens its devices by
// it, and posctl tries them out by it.
//
// Three words to know:
//
//   - a [Table] is the drivers of one kind of device, by scheme;
//   - a URL is checked without touching anything ([Table.Check]) or opened
//     ([Table.Open]);
//   - an [Opened] device comes with what it says of itself and a probe that asks
//     whether it is still there.
//
// A device that a terminal does not have is written [None]; opening it is [ErrSkipped].
package drivers

// Package drivers is the table from URL scheme to driver: the one place that knows
// which driver serves which URL of the configuration. The agent opens its devices by
// it, and posctl tries them out by it.
//
// Three words to know:
//
//   - a [Table] is the drivers of one kind of device, by scheme; a [Set] has a table for
//     each kind, and knows what is open, for there are boxes that are several devices at
//     once: the same URL as card reader and as PIN pad is one line to one box;
//   - a URL is checked without touching anything ([Table.Check]) or opened
//     ([Table.Open]); how its port is opened is the driver's affair, for not every one
//     has a serial line;
//   - an [Opened] device comes with what it says of itself and a probe that asks
//     whether it is still there, and changes nothing.
//
// [Lamps] are the one kind that plays by itself while it is open: a goroutine of its own,
// which ends with Close.
//
// A device that a terminal does not have is written [None]; opening it is [ErrSkipped].
//
// What it does not do: it supervises nothing and retries nothing, which is its user's
// affair. The protocols are the drivers' packages below device.
package drivers

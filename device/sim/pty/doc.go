// Package pty makes pseudo-terminal pairs, so that a simulator sits behind a path as
// hardware does and the real serial driver is exercised. It needs no other program.
//
// Three words to know:
//
//   - the master is the simulator's end, [Pair.Port], with deadlines;
//   - the slave is the driver's end, opened by [Pair.Path] as if it were /dev/ttyUSB0;
//   - the pair keeps the slave open itself: else the master would fail with EIO
//     before the driver opens it, and between two drivers.
//
// A pseudo-terminal has no baud rate, no parity and no modem lines, and it does not
// advance the clock of testing/synctest. Linux only: ptmx(4), pts(4).
package pty

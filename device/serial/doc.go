// Package serial opens serial ports. It is the only package that knows
// go.bug.st/serial, and everyone else's ports come from here.
//
// Three words to know:
//
//   - a [Config] names a port by path and sets its line; /dev/serial/by-path names the
//     socket, where /dev/ttyUSB0 names whatever was plugged in first;
//   - a [Port] is a device.Port: deadlines, device.ErrGone when it is closed or pulled;
//   - a URL ("ccid:///dev/ttyUSB0?baud=115200", see [ParseURL]) is both, with the
//     driver's scheme, as the configuration has it.
//
// What is odd here and why. The library sets the line (baud rates, the special ones too,
// parity, raw mode) and is closed again before Open returns; bytes go through a
// descriptor of our own that was opened first and keeps the line set. For in the
// library, v1.8.0 (each has a test that shows it):
//
//   - Write after Close writes to whatever file has the descriptor's number now;
//   - a Write that blocks has no time limit, and Close does not end it;
//   - a Write ends short without an error when a signal comes;
//   - the descriptor is inherited by every child process (no O_CLOEXEC);
//   - Read panics for descriptors of 1024 and more (select);
//   - Open with modem bits fails on lines that have none, such as pseudo-terminals;
//   - with parity on, a byte with a parity error arrives as 00, as if it were data;
//   - a pulled USB adapter keeps its name as long as it is open, and comes back under
//     another: on device.ErrGone close first, then open by the path of the socket.
//
// Ours is non-blocking and in Go's poller, marked close-on-exec, locked by flock(2) so
// that two agents cannot share a line (the lock dies with the process, as TIOCEXCL on a
// pseudo-terminal does not), and parity errors are device.ErrProtocol. What is not done
// here: framing, retries (package link), flow control. Linux: termios(3), ioctl_tty(2).
package serial

package serial

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"posd/device"
)

// markErrors has the kernel mark bytes with parity or framing errors as FF 00 xx, a
// break as FF 00 00 and a true FF as FF FF. termios(3), PARMRK.
func markErrors(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag |= unix.INPCK | unix.PARMRK
	t.Iflag &^= unix.IGNPAR | unix.ISTRIP
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// ParityError is the error of a Read whose next byte came with the wrong parity or
// without its stop bit; it is a device.ErrProtocol. Byte is what was read all the same.
type ParityError struct{ Byte byte }

// Error says what was read.
func (e ParityError) Error() string {
	return fmt.Sprintf("%v: parity error (byte read as %02X)", device.ErrProtocol, e.Byte)
}

// Unwrap is device.ErrProtocol.
func (e ParityError) Unwrap() error { return device.ErrProtocol }

// marks takes the kernel's marks out of what it read.
type marks struct {
	buf    [256]byte
	unread []byte // part of buf, still with marks
}

func (m *marks) read(from io.Reader, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, used, err := unmark(b, m.unread)
		m.unread = m.unread[used:]
		if n > 0 || err != nil {
			return n, err
		}
		kept := copy(m.buf[:], m.unread) // at most two bytes of a mark
		got, err := from.Read(m.buf[kept:])
		m.unread = m.buf[:kept+got]
		if err != nil {
			return 0, err
		}
	}
}

// unmark copies bytes until to is full, from ends (perhaps inside a mark), or an error
// is marked, which is returned if it is the first thing in from.
func unmark(to, from []byte) (n, used int, err error) {
	for n < len(to) && used < len(from) {
		rest := from[used:]
		switch {
		case rest[0] != 0xFF:
			to[n] = rest[0]
			n, used = n+1, used+1
		case len(rest) == 1:
			return n, used, nil
		case rest[1] == 0xFF:
			to[n] = 0xFF
			n, used = n+1, used+2
		case len(rest) == 2 || n > 0:
			return n, used, nil
		default:
			return 0, used + 3, ParityError{rest[2]}
		}
	}
	return n, used, nil
}

package serial

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	bugst "go.bug.st/serial"
	"golang.org/x/sys/unix"

	"posd/device"
)

// Port is an open line. Reads and writes may come from two goroutines; Close from any.
type Port struct {
	file  *os.File
	path  string
	line  Config // as it is set now
	marks marks  // of parity errors; not used without parity
	check bool   // parity is on
	shut  atomic.Bool
}

var _ device.Port = (*Port)(nil)

// Open opens and sets the line, and throws away what was in its queues.
func Open(c Config) (*Port, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(c.Path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("serial: open %s: %w", c.Path, err)
	}
	p := &Port{file: os.NewFile(uintptr(fd), c.Path), path: c.Path, line: c, check: c.Parity != NoParity}
	if err := p.set(fd, c); err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

func (p *Port) set(fd int, c Config) error {
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("serial: %s is in use by another program: %w", c.Path, err)
	}
	if err := setLine(c); err != nil {
		return err
	}
	if p.check {
		if err := markErrors(fd); err != nil {
			return fmt.Errorf("serial: %s: mark parity errors: %w", c.Path, err)
		}
	}
	for _, l := range []struct {
		name  string
		level Level
		bit   int
	}{{"RTS", c.RTS, unix.TIOCM_RTS}, {"DTR", c.DTR, unix.TIOCM_DTR}} {
		if l.level == Leave {
			continue
		}
		if err := p.modem(l.name, l.bit, l.level == High); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if err := unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH); err != nil {
		return fmt.Errorf("serial: %s: flush: %w", c.Path, err)
	}
	return nil
}

// setLine has the library set the line. Its descriptor lives for this call only, and no
// child process is started meanwhile that could inherit it.
func setLine(c Config) error {
	mode := &bugst.Mode{BaudRate: c.Baud, DataBits: c.DataBits, StopBits: bugst.OneStopBit}
	if c.StopBits == 2 {
		mode.StopBits = bugst.TwoStopBits
	}
	switch c.Parity {
	case OddParity:
		mode.Parity = bugst.OddParity
	case EvenParity:
		mode.Parity = bugst.EvenParity
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	port, err := bugst.Open(c.Path, mode)
	if err != nil {
		return fmt.Errorf("serial: set %s: %w", c.Path, err)
	}
	if err := port.Close(); err != nil {
		return fmt.Errorf("serial: set %s: %w", c.Path, err)
	}
	return nil
}

// SetLine changes speed and parity of an open line, as a card's answer to reset asks for.
// Parity is neither switched on nor off by it: only even and odd change places. No read or
// write may be under way.
func (p *Port) SetLine(baud int, parity Parity) error {
	c := p.line
	c.Baud, c.Parity = baud, parity
	c, err := c.check()
	switch {
	case err != nil:
		return err
	case c == p.line:
		return nil
	case p.check != (parity != NoParity):
		return fmt.Errorf("serial: set %s: parity is not switched on or off", c.Path)
	}
	if err := setLine(c); err != nil {
		return err
	}
	if p.check {
		if err := p.control(markErrors); err != nil {
			return p.failed("mark parity errors of", err)
		}
	}
	p.line = c
	return nil
}

// Read waits for at least one byte. A byte with a parity error ends it with
// a ParityError, after those before it were delivered.
func (p *Port) Read(b []byte) (int, error) {
	if !p.check {
		n, err := p.file.Read(b)
		return n, p.failed("read", err)
	}
	n, err := p.marks.read(p.file, b)
	return n, p.failed("read", err)
}

// Write writes all of b, or fails: there is no short write without an error.
func (p *Port) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	return n, p.failed("write", err)
}

// Close ends every call that waits. What the far end has not taken is thrown away, for
// else closing a stuck line takes up to 30 s.
func (p *Port) Close() error {
	p.shut.Store(true)
	_ = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH) }) // fails on a pulled one
	if err := p.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return p.failed("close", err)
	}
	return nil
}

// SetReadDeadline is that of device.Port.
func (p *Port) SetReadDeadline(t time.Time) error {
	return p.failed("deadline", p.file.SetReadDeadline(t))
}

// SetWriteDeadline is that of device.Port.
func (p *Port) SetWriteDeadline(t time.Time) error {
	return p.failed("deadline", p.file.SetWriteDeadline(t))
}

// SetRTS raises or lowers RTS; errors.ErrUnsupported where the line has none.
func (p *Port) SetRTS(on bool) error { return p.modem("RTS", unix.TIOCM_RTS, on) }

// SetDTR raises or lowers DTR; errors.ErrUnsupported where the line has none.
func (p *Port) SetDTR(on bool) error { return p.modem("DTR", unix.TIOCM_DTR, on) }

func (p *Port) modem(name string, bit int, on bool) error {
	request := uint(unix.TIOCMBIC)
	if on {
		request = unix.TIOCMBIS
	}
	err := p.control(func(fd int) error { return unix.IoctlSetPointerInt(fd, request, bit) })
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("serial: %s has no %s: %w", p.path, name, errors.ErrUnsupported)
	}
	return p.failed("set "+name, err)
}

func (p *Port) control(f func(fd int) error) error {
	c, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := c.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// pulled lists what Linux says of a tty whose device is no more.
var pulled = []error{io.EOF, os.ErrClosed, unix.EIO, unix.ENXIO, unix.ENODEV}

func (p *Port) failed(verb string, err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	for _, e := range pulled {
		if errors.Is(err, e) || p.shut.Load() { // setting a deadline has an error of its own for it
			return fmt.Errorf("serial: %s %s: %w: %w", verb, p.path, device.ErrGone, err)
		}
	}
	return fmt.Errorf("serial: %s %s: %w", verb, p.path, err)
}

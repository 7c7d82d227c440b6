package pty

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"posd/device"
)

// Pair is one pseudo-terminal. Close ends both sides.
type Pair struct {
	Port  device.Port // master: what the simulator reads and writes
	slave *os.File
	path  string
}

// Open makes a pair whose slave is raw: eight bits, no echo, no line editing.
func Open() (*Pair, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("pty: open /dev/ptmx: %w", err)
	}
	master := os.NewFile(uintptr(fd), "/dev/ptmx") // non-blocking: in the poller, so with deadlines
	path, err := unlock(fd)
	if err != nil {
		master.Close()
		return nil, err
	}
	slave, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		master.Close()
		return nil, fmt.Errorf("pty: open slave: %w", err)
	}
	p := &Pair{Port: master, slave: slave, path: path}
	if err := p.raw(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// unlock lets the slave be opened, and returns its path.
func unlock(fd int) (string, error) {
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return "", fmt.Errorf("pty: unlock: %w", err)
	}
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		return "", fmt.Errorf("pty: number of the slave: %w", err)
	}
	return "/dev/pts/" + strconv.FormatUint(uint64(n), 10), nil
}

// raw does what cfmakeraw(3) does.
func (p *Pair) raw() error {
	return p.control(func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return fmt.Errorf("pty: %s: settings: %w", p.path, err)
		}
		t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
		t.Oflag &^= unix.OPOST
		t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
		t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
			return fmt.Errorf("pty: %s: raw mode: %w", p.path, err)
		}
		return nil
	})
}

func (p *Pair) control(f func(fd int) error) error {
	c, err := p.slave.SyscallConn()
	if err != nil {
		return fmt.Errorf("pty: %s: %w", p.path, err)
	}
	var inner error
	if err := c.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return fmt.Errorf("pty: %s: %w", p.path, err)
	}
	return inner
}

// Path is what the driver opens, /dev/pts/N.
func (p *Pair) Path() string { return p.path }

// Release takes back what a killed driver may have left on the slave, which this pair
// kept alive: its exclusive use (TIOCEXCL, by which an open fails with EBUSY for all
// but root) and its unread input. Hardware forgets both with the last close.
func (p *Pair) Release() error {
	return p.control(func(fd int) error {
		if err := unix.IoctlSetInt(fd, unix.TIOCNXCL, 0); err != nil {
			return fmt.Errorf("pty: %s: end exclusive use: %w", p.path, err)
		}
		if err := unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH); err != nil {
			return fmt.Errorf("pty: %s: flush: %w", p.path, err)
		}
		return nil
	})
}

// Close ends both sides: the driver sees its device gone.
func (p *Pair) Close() error {
	slaveErr := p.slave.Close()
	if err := p.Port.Close(); err != nil {
		return err
	}
	return slaveErr
}

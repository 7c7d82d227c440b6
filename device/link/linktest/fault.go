package linktest

import (
	"io"
	"os"
	"sync"
	"time"

	"posd/device"
)

// Garble inverts the n bytes read from offset at on.
func Garble(port device.Port, at, n int64) device.Port {
	return &faulty{Port: port, each: func(offset int64, b byte) []byte {
		if at <= offset && offset < at+n {
			b = ^b
		}
		return []byte{b}
	}}
}

// Drop loses the n bytes read from offset at on.
func Drop(port device.Port, at, n int64) device.Port {
	return &faulty{Port: port, each: func(offset int64, b byte) []byte {
		if at <= offset && offset < at+n {
			return nil
		}
		return []byte{b}
	}}
}

// Duplicate delivers the n bytes from offset at on twice: the whole run, and again.
func Duplicate(port device.Port, at, n int64) device.Port {
	var run []byte
	return &faulty{Port: port, each: func(offset int64, b byte) []byte {
		if at <= offset && offset < at+n {
			run = append(run, b)
		}
		if offset == at+n-1 {
			return append([]byte{b}, run...)
		}
		return []byte{b}
	}}
}

// faulty maps each byte read to what arrives instead.
type faulty struct {
	device.Port
	each   func(offset int64, b byte) []byte
	offset int64
	ready  []byte
}

func (f *faulty) Read(p []byte) (int, error) {
	for len(f.ready) == 0 {
		n, err := f.Port.Read(p)
		for _, b := range p[:n] {
			f.ready = append(f.ready, f.each(f.offset, b)...)
			f.offset++
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(p, f.ready)
	f.ready = f.ready[n:]
	return n, nil
}

// Cut unplugs the port after so many bytes read: it is closed, and each call fails.
func Cut(port device.Port, after int64) device.Port { return &cut{Port: port, left: after} }

type cut struct {
	device.Port
	left int64
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left == 0 {
		c.Port.Close()
		return 0, io.EOF
	}
	n, err := c.Port.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// Delay holds back all that follows offset at, for d from the moment it is there to be
// read; a deadline before that passes as on a slow line, and nothing is lost.
func Delay(port device.Port, at int64, d time.Duration) device.Port {
	return &delay{Port: port, before: at, d: d, moved: make(chan struct{})}
}

type delay struct {
	device.Port
	before int64
	d      time.Duration
	timer  *time.Timer
	held   []byte

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{} // closed when the deadline changes
}

func (d *delay) SetReadDeadline(t time.Time) error {
	d.mu.Lock()
	d.deadline = t
	close(d.moved)
	d.moved = make(chan struct{})
	d.mu.Unlock()
	return d.Port.SetReadDeadline(t)
}

func (d *delay) Read(p []byte) (int, error) {
	switch {
	case d.before > 0:
		n, err := d.Port.Read(p[:min(int64(len(p)), d.before)])
		d.before -= int64(n)
		return n, err
	case d.held == nil:
		b := make([]byte, len(p))
		n, err := d.Port.Read(b)
		if n == 0 {
			return 0, err
		}
		d.held = b[:n]
		if d.timer == nil { // once for the line, not for each read
			d.timer = time.NewTimer(d.d)
		}
	}
	if err := d.wait(); err != nil {
		return 0, err
	}
	n := copy(p, d.held)
	if d.held = d.held[n:]; len(d.held) == 0 {
		d.held = nil
	}
	return n, nil
}

// wait returns when the delay is over, or at the deadline, which may move meanwhile.
func (d *delay) wait() error {
	for d.d > 0 {
		d.mu.Lock()
		deadline, moved := d.deadline, d.moved
		d.mu.Unlock()
		var expired <-chan time.Time
		if !deadline.IsZero() {
			expired = time.After(time.Until(deadline))
		}
		select {
		case <-d.timer.C:
			d.d = 0
		case <-expired:
			return os.ErrDeadlineExceeded
		case <-moved:
		}
	}
	return nil
}

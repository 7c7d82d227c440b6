package drivers_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"posd/device"
	"posd/device/sim/pty"
)

// cable is a device's line that can be pulled after so many bytes of traffic, counted both
// ways, and plugged in again under the same stable name.
type cable struct {
	path string // what the URL names
	// plug connects the simulator by a port that knife has wrapped; pull ends it.
	plugIn func(k *knife) (pull func(), err error)

	knife *knife
	pull  func()
}

// plug plugs in; the simulator starts.
func (c *cable) plug(t *testing.T) {
	t.Helper()
	c.knife = &knife{left: -1, gone: make(chan struct{})}
	pull, err := c.plugIn(c.knife)
	if err != nil {
		t.Fatal(err)
	}
	c.pull = pull
}

// unplug pulls, unless the knife has; the simulator has ended when it returns.
func (c *cable) unplug() {
	c.knife.cut()
	c.pull()
}

// knife cuts a line after so many bytes.
type knife struct {
	mu     sync.Mutex
	left   int // bytes until it cuts; -1: it does not
	seen   int
	ends   []func()
	gone   chan struct{} // closed by the cut
	closed bool
}

// after has it cut after n bytes more.
func (k *knife) after(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = n
}

// bytes is how many have gone by.
func (k *knife) bytes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seen
}

// pass tells how many of n bytes go by.
func (k *knife) pass(n int) (allowed int, last bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return 0, true
	}
	if k.left < 0 || n < k.left {
		k.left = max(k.left-n, -1)
		k.seen += n
		return n, false
	}
	n, k.left = k.left, 0
	k.seen += n
	return n, true
}

// cut ends both sides of the line.
func (k *knife) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	k.closed = true
	for _, end := range k.ends {
		end()
	}
	close(k.gone)
}

// wrap puts the knife at a port; end ends the line, both sides of it.
func (k *knife) wrap(port device.Port, end func()) device.Port {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ends = append(k.ends, end)
	return cutPort{port, k}
}

type cutPort struct {
	device.Port
	knife *knife
}

func (p cutPort) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	if n == 0 {
		return 0, err
	}
	allowed, last := p.knife.pass(n)
	if last {
		p.knife.cut()
		return allowed, os.ErrClosed
	}
	return allowed, err
}

func (p cutPort) Write(b []byte) (int, error) {
	allowed, last := p.knife.pass(len(b))
	n, err := p.Port.Write(b[:allowed])
	if last {
		p.knife.cut()
		return n, os.ErrClosed
	}
	return n, err
}

// serialCable is a pseudo-terminal behind a link, as a USB adapter is behind its by-path name.
func serialCable(t *testing.T, run func(context.Context, device.Port) error) *cable {
	t.Helper()
	c := &cable{path: filepath.Join(t.TempDir(), "port")}
	c.plugIn = func(k *knife) (func(), error) {
		pair, err := pty.Open()
		if err != nil {
			return nil, err
		}
		_ = os.Remove(c.path) // there is none at first
		if err := os.Symlink(pair.Path(), c.path); err != nil {
			return nil, err
		}
		port := k.wrap(pair.Port, func() { _ = pair.Close() }) // an error would be of one that is closed
		return simulate(run, port, func() { _ = os.Remove(c.path) }), nil
	}
	return c
}

// simulate runs a simulator until the function that it returns is called.
func simulate(run func(context.Context, device.Port) error, port device.Port, then func()) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run(ctx, port) // a pulled cable is what ends it
	}()
	return func() {
		cancel()
		<-done
		then()
	}
}

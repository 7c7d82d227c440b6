package linktest

import (
	"os"
	"sync"

	"posd/device"
)

// Knife cuts a line after so many bytes have gone over it, counted both ways, as a cable that
// is pulled in the middle of a byte does. Make it by NewKnife; its methods may be called from
// any goroutine.
type Knife struct {
	mu     sync.Mutex
	left   int // bytes until it cuts; -1: it does not
	seen   int
	ends   []func()
	gone   chan struct{}
	closed bool
}

// NewKnife makes one that does not cut before it is told to.
func NewKnife() *Knife { return &Knife{left: -1, gone: make(chan struct{})} }

// Wrap puts the knife at a port. end has to end both sides of the line; it is called once.
func (k *Knife) Wrap(port device.Port, end func()) device.Port {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ends = append(k.ends, end)
	return cutPort{port, k}
}

// After has it cut when n bytes more, at least one, have gone by; the last of them arrives.
func (k *Knife) After(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = max(n, 1)
}

// Bytes is how many have gone by.
func (k *Knife) Bytes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seen
}

// Gone is closed by the cut.
func (k *Knife) Gone() <-chan struct{} { return k.gone }

// Cut ends the line now, unless it is cut already.
func (k *Knife) Cut() {
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

// pass tells how many of n bytes go by, and whether that was the end.
func (k *Knife) pass(n int) (allowed int, last bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return 0, true
	case k.left < 0:
		k.seen += n
		return n, false
	case n < k.left:
		k.left -= n
		k.seen += n
		return n, false
	}
	allowed = k.left
	k.seen += allowed
	return allowed, true
}

type cutPort struct {
	device.Port
	knife *Knife
}

func (p cutPort) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	if n == 0 {
		return 0, err
	}
	allowed, last := p.knife.pass(n)
	if last {
		p.knife.Cut()
		return allowed, os.ErrClosed
	}
	return allowed, err
}

func (p cutPort) Write(b []byte) (int, error) {
	allowed, last := p.knife.pass(len(b))
	n, err := p.Port.Write(b[:allowed])
	if last {
		p.knife.Cut()
		return n, os.ErrClosed
	}
	return n, err
}

package drivers

import (
	"context"
	"fmt"
	"io"
	"sync"

	"posd/device"
)

// boxes are the boxes that are open, by the path of their port. A box is several devices:
// each of them that is opened is a use of it, and the last one that is closed closes it.
type boxes[B io.Closer] struct {
	mu   sync.Mutex // also held while a box is opened, so that nobody opens it beside
	open map[string]*box[B]
}

// box is one that is open.
type box[B io.Closer] struct {
	device   B
	settings string // with which it was opened
	uses     int
	dead     bool // closed though it has uses
}

// maker says how a box is opened, and asked whether it is still there.
type maker[B io.Closer] struct {
	path     string // of the port
	settings string // of line and box: two uses must agree
	open     func(ctx context.Context) (B, error)
	probe    func(ctx context.Context, box B) error
}

// use returns the box at a port, opened unless it is open already; release ends the use,
// once. A box that another use has left open and that does not answer is closed for all
// its uses, which find it gone then, and opened anew.
func (b *boxes[B]) use(ctx context.Context, m maker[B]) (dev B, release func() error, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.open[m.path]
	if x != nil && x.settings != m.settings {
		return dev, nil, fmt.Errorf("drivers: %s is open already, with %s and not %s: %w", m.path, x.settings, m.settings, device.ErrRefused)
	}
	if x != nil {
		if err := m.probe(ctx, x.device); err != nil {
			if context.Cause(ctx) == context.Canceled {
				return dev, nil, err // says nothing of the box
			}
			_ = b.drop(m.path, x) // it failed already
			x = nil
		}
	}
	if x == nil {
		if dev, err = m.open(ctx); err != nil {
			return dev, nil, err
		}
		x = &box[B]{device: dev, settings: m.settings}
		if b.open == nil {
			b.open = map[string]*box[B]{}
		}
		b.open[m.path] = x
	}
	x.uses++
	var once sync.Once
	return x.device, func() (err error) {
		once.Do(func() { err = b.release(m.path, x) })
		return err
	}, nil
}

// drop closes a box, whoever uses it. The caller has the lock.
func (b *boxes[B]) drop(path string, x *box[B]) error {
	x.dead = true
	delete(b.open, path)
	return x.device.Close()
}

func (b *boxes[B]) release(path string, x *box[B]) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if x.uses--; x.uses > 0 || x.dead {
		return nil
	}
	return b.drop(path, x)
}

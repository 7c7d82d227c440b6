package drivers_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"posd/device"
	"posd/device/link/linktest"
	"posd/device/sim/pty"
)

// cable is a device's line that can be pulled after so many bytes of traffic, counted both
// ways, and plugged in again under the same stable name.
type cable struct {
	path string // what the URL names
	// plug connects the simulator by a port that knife has wrapped; pull ends it.
	plugIn func(k *linktest.Knife) (pull func(), err error)

	knife *linktest.Knife
	pull  func()
}

// plug plugs in; the simulator starts.
func (c *cable) plug(t *testing.T) {
	t.Helper()
	c.knife = linktest.NewKnife()
	pull, err := c.plugIn(c.knife)
	if err != nil {
		t.Fatal(err)
	}
	c.pull = pull
}

// unplug pulls, unless the knife has; the simulator has ended when it returns.
func (c *cable) unplug() {
	c.knife.Cut()
	c.pull()
}

// serialCable is a pseudo-terminal behind a link, as a USB adapter is behind its by-path name.
func serialCable(t *testing.T, run func(context.Context, device.Port) error) *cable {
	t.Helper()
	c := &cable{path: filepath.Join(t.TempDir(), "port")}
	c.plugIn = func(k *linktest.Knife) (func(), error) {
		pair, err := pty.Open()
		if err != nil {
			return nil, err
		}
		_ = os.Remove(c.path) // there is none at first
		if err := os.Symlink(pair.Path(), c.path); err != nil {
			return nil, err
		}
		port := k.Wrap(pair.Port, func() { _ = pair.Close() }) // an error would be of one that is closed
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

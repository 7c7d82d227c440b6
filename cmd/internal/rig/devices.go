package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"posd/device"
	"posd/device/link/linktest"
	simccid "posd/device/sim/ccid"
	simescpos "posd/device/sim/escpos"
	"posd/device/sim/pty"
	simvfpad "posd/device/sim/vfpad"
)

// cable is a device's pseudo-terminal while it is plugged in.
type cable struct {
	run   func(context.Context, device.Port) error // the device at the far end
	knife *linktest.Knife                          // nil while it is unplugged
	done  chan struct{}                            // closed when run has ended
	end   context.CancelFunc
}

// startDevices puts each device behind a pseudo-terminal.
func (r *Rig) startDevices(context.Context) (err error) {
	r.Reader = simccid.New(simccid.Config{OnEvent: r.slotEvent})
	if r.Printer, err = simescpos.New(simescpos.Config{}); err != nil {
		return err
	}
	runs := map[string]func(context.Context, device.Port) error{
		"reader": r.Reader.Run, "pinpad": r.Pad.Run, "printer": r.Printer.Run,
	}
	for name, run := range runs {
		r.cables[name] = &cable{run: run}
		if err := r.Plug(name); err != nil {
			return err
		}
	}
	return nil
}

// DevicePath is the stable name of a device, as /dev/serial/by-path has them: a link to
// whatever name the adapter has now. Devices are reader, pinpad and printer.
func (r *Rig) DevicePath(name string) string { return r.file("dev-" + name) }

// Plug plugs a device in. It comes up under a new name behind its stable one.
func (r *Rig) Plug(name string) error {
	c := r.cables[name]
	pair, err := pty.Open()
	if err != nil {
		return err
	}
	link := r.DevicePath(name)
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("rig: plug %s: %w", name, err)
	}
	if err := os.Symlink(pair.Path(), link); err != nil {
		return fmt.Errorf("rig: plug %s: %w", name, err)
	}
	var ctx context.Context
	ctx, c.end = context.WithCancel(context.Background()) // until the cable is pulled
	c.knife, c.done = linktest.NewKnife(), make(chan struct{})
	port := c.knife.Wrap(pair.Port, func() { _ = pair.Close() }) // ends both sides, whatever it says
	go func(done chan struct{}) {
		defer close(done)
		_ = c.run(ctx, port) // a pulled cable is what ends it
	}(c.done)
	return nil
}

// PullAfter has the cable of a device pulled when n bytes more have gone over it, both ways
// counted. Unplug and Plug plug it in again.
func (r *Rig) PullAfter(name string, n int) { r.cables[name].knife.After(n) }

// Traffic is how many bytes have gone over the cable of a device since it was plugged in.
func (r *Rig) Traffic(name string) int { return r.cables[name].knife.Bytes() }

// Unplug pulls the cable: the driver's port fails, and the stable name is gone.
func (r *Rig) Unplug(name string) error {
	c := r.cables[name]
	if c.knife == nil {
		return nil
	}
	c.end()
	c.knife.Cut()
	<-c.done
	c.knife = nil
	if err := os.Remove(r.DevicePath(name)); err != nil {
		return fmt.Errorf("rig: unplug %s: %w", name, err)
	}
	return nil
}

// newPad is a pad whose cardholder types what pin says, and ENTER.
func newPad(protection []byte, pin func() string) (*simvfpad.Pad, error) {
	return simvfpad.New(simvfpad.Config{
		Protection: protection,
		Cardholder: func(simvfpad.Entry) string { return pin() + "E" },
	})
}

// Paper returns the slips that were printed, oldest first.
func (r *Rig) Paper() []string { return r.Printer.Slips() }

// PaperPNG writes what was printed as a picture.
func (r *Rig) PaperPNG(w io.Writer) error {
	return simescpos.WritePNG(w, r.Printer.Paper(), paperColumns)
}

// paperColumns is the width of 58 mm paper.
const paperColumns = 32

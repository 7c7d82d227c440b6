package spool_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/printer/escpos"
	sim "posd/device/sim/escpos"
	"posd/store/spool"
)

// desk is a spool with the real driver and the simulated printer at the end of a line.
type desk struct {
	*world
	far     *sim.Printer
	printer *escpos.Printer
	stop    func()
}

func newDesk(t *testing.T) *desk {
	far, err := sim.New(sim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{world: newWorld(t), far: far}
	d.out = d.put
	d.plug(t, -1)
	t.Cleanup(func() { d.stop() })
	return d
}

// plug connects driver and printer anew, over a line that breaks after so many bytes.
func (d *desk) plug(t *testing.T, bytes int) {
	if d.stop != nil {
		d.stop()
	}
	near, line := net.Pipe()
	var err error
	if d.printer, err = escpos.New(&breaking{near, bytes}, escpos.Config{FeedLines: 1}); err != nil {
		t.Fatal(err)
	}
	run, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.far.Run(run, line) // ends with an error where the line breaks
	}()
	d.stop = func() {
		d.printer.Close()
		cancel()
		<-ended
	}
}

// put is what cmd/posd does: the driver's words in those of the spool.
func (d *desk) put(what string, again bool) error {
	head := "ORIGINAL"
	if again {
		head = "COPY"
	}
	err := d.printer.Print(ctx, device.Document{Cut: true, Lines: []device.Line{
		{Text: head + " " + what, Bold: true}, {Text: "金额 CNY 12.00", Size: device.Large}, {QR: what}, {Text: "END " + what},
	}})
	switch {
	case errors.Is(err, device.ErrDocument):
		return fmt.Errorf("%w: %w", spool.ErrUnprintable, err)
	case errors.Is(err, device.ErrUnprinted):
		return fmt.Errorf("%w: %w", spool.ErrUntouched, err)
	}
	return err
}

// check looks at the paper of one job: whole at least once, its original begun at most
// once.
func (d *desk) check(what string) error {
	lines := d.far.Lines()
	originals, whole := 0, false
	for i, line := range lines {
		if line == "ORIGINAL "+what {
			originals++
		}
		if line == "ORIGINAL "+what || line == "COPY "+what {
			rest := lines[i:]
			whole = whole || len(rest) >= 4 && slices.Equal(rest[1:4], []string{"金额 CNY 12.00", "[QR " + what + "]", "END " + what})
		}
	}
	if originals > 1 || !whole {
		return fmt.Errorf("%s: %d originals, whole: %v, on paper %q", what, originals, whole, lines)
	}
	return nil
}

// Two jobs, the real driver, and one thing that happens: the printer loses its power
// after a byte, the roll ends after a line, or the terminal dies after a byte. Then all is
// well again, and what is on paper is right.
func TestOnTheRealDriver(t *testing.T) {
	for name, happen := range map[string]struct {
		most int
		do   func(t *testing.T, d *desk, at int)
		end  func(t *testing.T, d *desk)
	}{
		"the printer dies at a byte": {
			1100,
			func(_ *testing.T, d *desk, at int) { d.far.SetBytesLeft(at) },
			func(_ *testing.T, d *desk) { d.far.SetBytesLeft(1 << 30); d.far.SetPower(true) },
		},
		"the roll ends after a line": {
			16,
			func(_ *testing.T, d *desk, at int) { d.far.SetLinesLeft(at) },
			func(_ *testing.T, d *desk) { d.far.SetPaperOut(false) },
		},
		"the terminal dies at a byte": {
			1100,
			func(t *testing.T, d *desk, at int) { d.plug(t, at) },
			func(t *testing.T, d *desk) { d.plug(t, -1); d.restart() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			step := max(happen.most/150, 1)
			if testing.Short() {
				step *= 5
			}
			synctest.Test(t, func(t *testing.T) {
				for at := 0; at < happen.most; at += step {
					d := newDesk(t)
					happen.do(t, d, at)
					for _, id := range []string{"A", "B"} {
						must(t, d.spool.Add(ctx, spool.Job{ID: id}))
						_, _ = d.spool.Work(ctx)
					}
					happen.end(t, d)
					if left, err := d.spool.Work(ctx); left != 0 || err != nil {
						t.Fatalf("at %d: %d left, %v", at, left, err)
					}
					if err := errors.Join(d.check("A"), d.check("B")); err != nil {
						t.Fatalf("at %d: %v", at, err)
					}
					d.stop()
					d.db.Close()
				}
			})
		})
	}
}

// The printer is off for an hour, and the till tries each minute.
func TestPrinterOffForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.far.SetPower(false)
		must(t, d.spool.Add(ctx, spool.Job{ID: "A"}))
		for begin := time.Now(); time.Since(begin) < time.Hour; <-time.After(time.Minute) {
			if left, err := d.spool.Work(ctx); left != 1 || !errors.Is(err, spool.ErrUntouched) {
				t.Fatalf("%d left, %v", left, err)
			}
		}
		d.far.SetPower(true)
		for range 3 {
			left, err := d.spool.Work(ctx)
			if left != 0 || err != nil {
				t.Fatalf("%d left, %v", left, err)
			}
		}
		if slips := d.far.Slips(); len(slips) != 1 || !slices.Contains(d.far.Lines(), "ORIGINAL A") {
			t.Errorf("on paper: %q", slips)
		}
		d.stop()
	})
}

// breaking is a line that is pulled after so many bytes written; never where that is -1.
type breaking struct {
	net.Conn
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.left < 0 {
		return b.Conn.Write(p)
	}
	n, err := b.Conn.Write(p[:min(len(p), b.left)])
	if b.left -= n; err == nil && n < len(p) {
		b.Close()
		err = net.ErrClosed
	}
	return n, err
}

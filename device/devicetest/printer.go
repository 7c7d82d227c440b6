package devicetest

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
)

// Roll is the far end of a printer driver.
type Roll interface {
	Far
	// Lines is what is on paper, a string for each line.
	Lines() []string
	SetPaperOut(out bool)
	SetCoverOpen(open bool)
}

// Printer is the conformance suite of a device.Printer.
func Printer(t *testing.T, open func(t *testing.T) (device.Printer, Roll)) {
	printing(t, open)
	printerFaults(t, open)
}

var slip = device.Document{Lines: []device.Line{
	{Text: "MERCHANT COPY", Size: device.Large, Bold: true, Align: device.Centre},
	{Text: "银联 消费"},
	{Text: "AMOUNT  CNY 12.00", Size: device.Tall},
	{},
	{Text: "REF 123456789012", Align: device.Right},
}, Cut: true}

func printing(t *testing.T, open func(t *testing.T) (device.Printer, Roll)) {
	row(t, "each line of a slip is on paper, in order", func(t *testing.T, ctx context.Context) {
		printer, roll := open(t)
		must(t, "Print", printer.Print(ctx, slip))
		synctest.Wait()
		rest := roll.Lines()
		for _, line := range slip.Lines {
			i := 0
			for i < len(rest) && !strings.Contains(rest[i], line.Text) {
				i++
			}
			if i == len(rest) {
				t.Fatalf("%q is not on paper, or not in order:\n%s", line.Text, strings.Join(roll.Lines(), "\n"))
			}
			rest = rest[i+1:]
		}
	})
	row(t, "status of a printer that is well", func(t *testing.T, ctx context.Context) {
		printer, _ := open(t)
		got, err := printer.Status(ctx)
		must(t, "Status", err)
		if got.PaperOut || got.CoverOpen || got.Offline {
			t.Errorf("status %+v", got)
		}
	})
	row(t, "what cannot be printed is refused whole", func(t *testing.T, ctx context.Context) {
		printer, roll := open(t)
		err := printer.Print(ctx, device.Document{Lines: []device.Line{{Text: "A"}, {Size: 99}}})
		wantError(t, "Print", err, device.ErrDocument)
		wantError(t, "Print", err, device.ErrUnprinted)
		synctest.Wait()
		if lines := roll.Lines(); len(lines) != 0 {
			t.Errorf("on paper: %q", lines)
		}
	})
	row(t, "an empty document", func(t *testing.T, ctx context.Context) {
		printer, _ := open(t)
		must(t, "Print", printer.Print(ctx, device.Document{}))
	})
}

func printerFaults(t *testing.T, open func(t *testing.T) (device.Printer, Roll)) {
	row(t, "no paper, then paper", func(t *testing.T, ctx context.Context) {
		printer, roll := open(t)
		roll.SetPaperOut(true)
		err := printer.Print(ctx, slip)
		wantError(t, "Print", err, device.ErrPaper)
		wantError(t, "Print before the first byte", err, device.ErrUnprinted)
		got, err := printer.Status(ctx)
		must(t, "Status", err)
		if !got.PaperOut {
			t.Errorf("status %+v, want PaperOut", got)
		}
		roll.SetPaperOut(false)
		must(t, "Print with paper", printer.Print(ctx, slip))
	})
	row(t, "cover open", func(t *testing.T, ctx context.Context) {
		printer, roll := open(t)
		roll.SetCoverOpen(true)
		wantError(t, "Print", printer.Print(ctx, slip), device.ErrCover)
		got, err := printer.Status(ctx)
		must(t, "Status", err)
		if !got.CoverOpen {
			t.Errorf("status %+v, want CoverOpen", got)
		}
	})
	row(t, "silence", func(t *testing.T, ctx context.Context) {
		printer, roll := open(t)
		roll.Misbehave(Silent)
		begin := time.Now()
		_, err := printer.Status(ctx)
		wantError(t, "Status", err, device.ErrTimeout)
		wantError(t, "Print", printer.Print(ctx, slip), device.ErrTimeout)
		if took := time.Since(begin); took > 2*time.Minute {
			t.Errorf("a silent printer was found after %v", took)
		}
	})
	row(t, "garbled status", func(t *testing.T, ctx context.Context) {
		printer, roll := open(t)
		roll.Misbehave(Garbled)
		_, err := printer.Status(ctx)
		wantError(t, "Status", err, device.ErrProtocol, device.ErrTimeout)
	})
	row(t, "unplugged", func(t *testing.T, ctx context.Context) {
		printer, roll := open(t)
		roll.Unplug()
		wantError(t, "Print", printer.Print(ctx, slip), device.ErrGone)
	})
	row(t, "closed", func(t *testing.T, ctx context.Context) {
		printer, _ := open(t)
		must(t, "Close", printer.Close())
		wantError(t, "Print", printer.Print(ctx, slip), device.ErrGone)
		_, err := printer.Status(ctx)
		wantError(t, "Status", err, device.ErrGone)
	})
}

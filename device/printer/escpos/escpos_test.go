package escpos_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/printer/escpos"
	"posd/device/serial"
	sim "posd/device/sim/escpos"
	"posd/device/sim/pty"
)

// roll moves the simulator as the suite wants it.
type roll struct {
	*sim.Printer
	line net.Conn
}

func (r roll) Unplug() { r.line.Close() }
func (r roll) Misbehave(f devicetest.Fault) {
	r.Printer.Misbehave(map[devicetest.Fault]sim.Fault{
		devicetest.Silent: sim.Silent, devicetest.GarbledOnce: sim.GarbledOnce, devicetest.Garbled: sim.Garbled,
	}[f])
}

func connect(t *testing.T, config escpos.Config) (*escpos.Printer, roll) {
	t.Helper()
	far, err := sim.New(sim.Config{Columns: config.Columns})
	if err != nil {
		t.Fatal(err)
	}
	near, line := net.Pipe()
	printer, err := escpos.New(near, config)
	if err != nil {
		t.Fatal(err)
	}
	run(t, far, line)
	t.Cleanup(func() { printer.Close() })
	return printer, roll{far, line}
}

// run runs the simulator until the test ends.
func run(t *testing.T, far *sim.Printer, line device.Port) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = far.Run(ctx, line) // ends with an error where a test unplugs it
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

func TestConformance(t *testing.T) {
	for name, config := range map[string]escpos.Config{"58 mm": {}, "80 mm": {Columns: 48}, "unconfirmed": {Unconfirmed: true}} {
		t.Run(name, func(t *testing.T) {
			devicetest.Printer(t, func(t *testing.T) (device.Printer, devicetest.Roll) {
				return connect(t, config)
			})
		})
	}
}

// inBubble runs one situation under the clock of testing/synctest.
func inBubble(t *testing.T, name string, f func(t *testing.T, ctx context.Context)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
			defer cancel()
			f(t, ctx)
		})
	})
}

func TestWhatIsOnPaper(t *testing.T) {
	inBubble(t, "sizes, alignment, Chinese, QR and cut", func(t *testing.T, ctx context.Context) {
		printer, far := connect(t, escpos.Config{FeedLines: 1})
		err := printer.Print(ctx, device.Document{Cut: true, Lines: []device.Line{
			{Text: "签购单 SLIP", Size: device.Large, Bold: true, Align: device.Centre},
			{Text: "金额 CNY 12.00", Size: device.Tall},
			{Text: "12.00", Align: device.Right},
			{},
			{QR: "https://example.org/a?b=1", Align: device.Centre},
		}})
		if err != nil {
			t.Fatal(err)
		}
		want := []sim.Line{
			{Text: "签购单 SLIP", Width: 2, Height: 2, Bold: true, Align: device.Centre},
			{Text: "金额 CNY 12.00", Width: 1, Height: 2},
			{Text: "12.00", Width: 1, Height: 1, Align: device.Right},
			{Width: 1, Height: 1},
			{QR: "https://example.org/a?b=1", Width: 1, Height: 1, Align: device.Centre},
			{Width: 1, Height: 1, Align: device.Centre},
			{Width: 1, Height: 1, Cut: true},
		}
		if got := far.Paper(); !slices.Equal(got, want) {
			t.Errorf("on paper:\n%+v\nwant\n%+v", got, want)
		}
		lines := far.Lines()
		if lines[0] != "     签购单 SLIP" || lines[2] != strings.Repeat(" ", 27)+"12.00" {
			t.Errorf("as text:\n%s", strings.Join(lines, "\n"))
		}
		if n := far.Unknown(); n != 0 {
			t.Errorf("%d commands that the printer does not know", n)
		}
	})
}

func TestLongLinesWrapBetweenCharacters(t *testing.T) {
	for _, tc := range []struct {
		name string
		line device.Line
		want []string
	}{
		{"ASCII", device.Line{Text: strings.Repeat("A", 33)}, []string{strings.Repeat("A", 32), "A"}},
		{"exactly", device.Line{Text: strings.Repeat("A", 32)}, []string{strings.Repeat("A", 32)}},
		{"Chinese across the edge", device.Line{Text: "A" + strings.Repeat("汉", 16)}, []string{"A" + strings.Repeat("汉", 15), "汉"}},
		{"large", device.Line{Text: strings.Repeat("B", 17), Size: device.Large}, []string{strings.Repeat("B", 16), "B"}},
	} {
		inBubble(t, tc.name, func(t *testing.T, ctx context.Context) {
			printer, far := connect(t, escpos.Config{})
			if err := printer.Print(ctx, device.Document{Lines: []device.Line{tc.line}}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range far.Paper() {
				if l.Text != "" {
					got = append(got, l.Text)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestCharactersThatAreNone(t *testing.T) {
	inBubble(t, "commands in a text are text", func(t *testing.T, ctx context.Context) {
		printer, far := connect(t, escpos.Config{})
		text := "A\x1b@B\x10\x04\x01C\nD\xffE\x7f\u009b"
		if err := printer.Print(ctx, device.Document{Lines: []device.Line{{Text: text}, {Text: "😀é¥e\u0301\u200b"}}}); err != nil {
			t.Fatal(err)
		}
		if got := far.Lines(); got[0] != "A@BCD?E?" || got[1] != "😀é¥e" {
			t.Errorf("got %q", got[:2])
		}
		err := printer.Print(ctx, device.Document{Lines: []device.Line{{QR: "a\x10\x04\x01"}}})
		if err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("QR code with a command: %v", err)
		}
	})
}

func TestRollEndsInTheMiddle(t *testing.T) {
	inBubble(t, "after two of four lines", func(t *testing.T, ctx context.Context) {
		printer, far := connect(t, escpos.Config{})
		far.SetLinesLeft(2)
		doc := device.Document{Lines: []device.Line{{Text: "1"}, {Text: "2"}, {Text: "3"}, {Text: "4"}}}
		begin := time.Now()
		if err := printer.Print(ctx, doc); !errors.Is(err, device.ErrPaper) {
			t.Fatalf("Print: %v", err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("it took %v to see", took)
		}
		if got := far.Lines(); len(got) != 2 {
			t.Errorf("on paper: %q", got)
		}
		status, err := printer.Status(ctx)
		if err != nil || !status.PaperOut || !status.Offline {
			t.Errorf("status %+v, %v", status, err)
		}
		far.SetPaperOut(false)
		if err := printer.Print(ctx, doc); err != nil {
			t.Errorf("with paper: %v", err)
		}
	})
	inBubble(t, "exactly with the last line", func(t *testing.T, ctx context.Context) {
		printer, far := connect(t, escpos.Config{Unconfirmed: true})
		far.SetLinesLeft(2)
		doc := device.Document{Lines: []device.Line{{Text: "1"}, {Text: "2"}}}
		if err := printer.Print(ctx, doc); !errors.Is(err, device.ErrPaper) {
			t.Errorf("Print: %v", err)
		}
	})
}

func TestPaperLowIsNoError(t *testing.T) {
	inBubble(t, "near the end", func(t *testing.T, ctx context.Context) {
		printer, far := connect(t, escpos.Config{})
		far.SetPaperLow(true)
		if err := printer.Print(ctx, device.Document{Lines: []device.Line{{Text: "A"}}}); err != nil {
			t.Error(err)
		}
		if status, err := printer.Status(ctx); err != nil || status != (device.PrinterStatus{PaperLow: true}) {
			t.Errorf("status %+v, %v", status, err)
		}
	})
}

func TestOneGarbledStatusIsAskedForAgain(t *testing.T) {
	inBubble(t, "then good", func(t *testing.T, ctx context.Context) {
		printer, far := connect(t, escpos.Config{})
		far.Printer.Misbehave(sim.GarbledOnce)
		if status, err := printer.Status(ctx); err != nil || status != (device.PrinterStatus{}) {
			t.Errorf("status %+v, %v", status, err)
		}
	})
}

func TestLimits(t *testing.T) {
	inBubble(t, "documents that cannot be", func(t *testing.T, ctx context.Context) {
		printer, far := connect(t, escpos.Config{})
		for name, doc := range map[string]device.Document{
			"drawer":         {Drawer: 3},
			"too many lines": {Lines: make([]device.Line, 501)},
			"long line":      {Lines: []device.Line{{Text: strings.Repeat("A", 1025)}}},
			"long code":      {Lines: []device.Line{{QR: strings.Repeat("A", 501)}}},
			"size":           {Lines: []device.Line{{Size: 9}}},
			"alignment":      {Lines: []device.Line{{Align: 9}}},
		} {
			err := printer.Print(ctx, doc)
			if !errors.Is(err, device.ErrDocument) || !errors.Is(err, device.ErrUnprinted) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := far.Lines(); len(got) != 0 {
			t.Errorf("on paper: %q", got)
		}
	})
	for name, config := range map[string]escpos.Config{"columns": {Columns: 3}, "feed": {FeedLines: 256}, "time": {PrintTime: -1}} {
		if _, err := escpos.New(nil, config); err == nil {
			t.Errorf("New without port and with a bad %s", name)
		}
		near, _ := net.Pipe()
		if _, err := escpos.New(near, config); err == nil {
			t.Errorf("New with a bad %s", name)
		}
	}
}

// A smoke test over what hardware looks like: a path, and the serial driver.
func TestOverAPseudoTerminal(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	far, err := sim.New(sim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	run(t, far, pair.Port)
	port, err := serial.Open(serial.Config{Path: pair.Path(), Baud: 19200})
	if err != nil {
		t.Fatal(err)
	}
	printer, err := escpos.New(port, escpos.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { printer.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := printer.Print(ctx, device.Document{Lines: []device.Line{{Text: "银联 12.00"}}, Cut: true}); err != nil {
		t.Fatal(err)
	}
	if got := far.Lines(); len(got) == 0 || got[0] != "银联 12.00" {
		t.Errorf("on paper: %q", got)
	}
}

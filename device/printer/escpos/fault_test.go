package escpos_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"posd/device"
	"posd/device/link/linktest"
	"posd/device/printer/escpos"
	sim "posd/device/sim/escpos"
)

// plug connects a driver over a line that wrap makes worse.
func plug(t *testing.T, config escpos.Config, wrap func(device.Port) device.Port) (*escpos.Printer, *sim.Printer) {
	t.Helper()
	far, err := sim.New(sim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	near, line := net.Pipe()
	run(t, far, line)
	printer, err := escpos.New(wrap(near), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { printer.Close() })
	return printer, far
}

// letters is a slip whose lines are told apart.
func letters(n int) (doc device.Document, lines []string) {
	for i := range n {
		s := strings.Repeat(string(rune('A'+i)), 8)
		doc.Lines = append(doc.Lines, device.Line{Text: s})
		lines = append(lines, s)
	}
	doc.Cut = true
	return doc, lines
}

// holds tells whether all of the lines are on paper, in order, without anything between.
func holds(paper, lines []string) bool {
	for i := range paper {
		if i+len(lines) <= len(paper) && slices.Equal(paper[i:i+len(lines)], lines) {
			return true
		}
	}
	return false
}

// One fault of the line, at each byte of what the printer says, on a printer that is well
// and on one whose paper ends in the middle: what Print calls printed is on paper, and
// what it calls anything else has one of the errors of the contract, in bounded time.
func TestAFaultAtEachByteOfTheAnswers(t *testing.T) {
	faults := map[string]func(p device.Port, at int64) device.Port{
		"garble":          func(p device.Port, at int64) device.Port { return linktest.Garble(p, at, 1) },
		"drop":            func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 1) },
		"drop three":      func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 3) },
		"duplicate":       func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 1) },
		"duplicate three": func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 3) },
		"delay":           func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, 1500*time.Millisecond) },
		"cut":             linktest.Cut,
	}
	for name, fault := range faults {
		for _, paperLeft := range []int{-1, 3, 6} {
			inBubble(t, fmt.Sprintf("%s, paper %d", name, paperLeft), func(t *testing.T, ctx context.Context) {
				for at := range int64(24) {
					judge(t, ctx, at, paperLeft, fault)
				}
			})
		}
	}
}

func judge(t *testing.T, ctx context.Context, at int64, paperLeft int, fault func(device.Port, int64) device.Port) {
	t.Helper()
	printer, far := plug(t, escpos.Config{}, func(p device.Port) device.Port { return fault(p, at) })
	if paperLeft >= 0 {
		far.SetLinesLeft(paperLeft)
	}
	doc, lines := letters(6)
	begin := time.Now()
	err := printer.Print(ctx, doc)
	if took := time.Since(begin); took > 2*time.Minute {
		t.Errorf("byte %d: it took %v", at, took)
	}
	whole := holds(far.Lines(), lines)
	switch {
	case err == nil && !whole:
		t.Errorf("byte %d: confirmed, but on paper is %q", at, far.Lines())
	case errors.Is(err, device.ErrUnprinted) && len(far.Lines()) > 0:
		t.Errorf("byte %d: %v, but on paper is %q", at, err, far.Lines())
	case err != nil && !isOf(err, device.ErrPaper, device.ErrRefused, device.ErrTimeout, device.ErrProtocol, device.ErrGone):
		t.Errorf("byte %d: %v", at, err)
	}
}

func isOf(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}

// A printer that answers each question with the answer to the one before says nothing
// that can be relied on; it is told from a good one at the latest where it matters.
func TestAnswersToThePreviousQuestion(t *testing.T) {
	inBubble(t, "without paper", func(t *testing.T, ctx context.Context) {
		printer, far := plug(t, escpos.Config{}, func(p device.Port) device.Port { return p })
		far.SetLinesLeft(2)
		far.Misbehave(sim.Lagging)
		doc, lines := letters(6)
		if err := printer.Print(ctx, doc); err == nil && !holds(far.Lines(), lines) {
			t.Errorf("confirmed, but on paper is %q", far.Lines())
		}
	})
}

// The power of the printer goes after each byte of a slip with everything on it. Then it
// comes back: the next slip is whole, whatever the printer was in the middle of.
func TestThePrinterDiesAtEachByte(t *testing.T) {
	logo := image.NewGray(image.Rect(0, 0, 64, 20))
	first := device.Document{Drawer: device.Drawer1, Cut: true, Lines: []device.Line{
		{Image: logo}, {Text: "银联 SLIP", Size: device.Large, Bold: true}, {Barcode: "1234"}, {QR: "abc"}, {Text: "end"},
	}}
	second, lines := letters(4)
	inBubble(t, "dies", func(t *testing.T, ctx context.Context) {
		died, printed := 0, 0
		for n := 0; printed == 0; n++ {
			printer, far := plug(t, escpos.Config{}, func(p device.Port) device.Port { return p })
			far.SetBytesLeft(n)
			err := printer.Print(ctx, first)
			switch {
			case err == nil:
				printed++
			case errors.Is(err, device.ErrUnprinted) && len(far.Lines()) > 0:
				t.Errorf("byte %d: %v, but on paper is %q", n, err, far.Lines())
			case !isOf(err, device.ErrTimeout):
				t.Errorf("byte %d: %v", n, err)
			default:
				died++
			}
			far.SetBytesLeft(1 << 20)
			far.SetPower(true)
			far.Tear()
			if err := printer.Print(ctx, second); err != nil {
				t.Fatalf("byte %d: with power again: %v", n, err)
			}
			if !holds(far.Lines(), lines) {
				t.Fatalf("byte %d: with power again on paper is %q", n, far.Lines())
			}
			printer.Close()
		}
		if died < 500 {
			t.Errorf("it died at %d bytes only", died)
		}
	})
}

// The line to a printer that stays on is torn at each byte, in an image too: the printer
// waits for the rest of a command, and the next document does not become its data.
func TestACommandThatWasCutOffDoesNotEatTheNextDocument(t *testing.T) {
	inBubble(t, "torn", func(t *testing.T, ctx context.Context) {
		doc := device.Document{Lines: []device.Line{{Image: image.NewGray(image.Rect(0, 0, 384, 40))}, {QR: strings.Repeat("q", 500)}, {Text: "end"}}}
		next, lines := letters(4)
		for n := int64(500); n < 3200; n += 13 {
			far, err := sim.New(sim.Config{})
			if err != nil {
				t.Fatal(err)
			}
			for i, d := range []device.Document{doc, next} {
				near, line := net.Pipe()
				run(t, far, line)
				port := device.Port(near)
				if i == 0 {
					port = &stopping{Port: near, left: n}
				}
				printer, err := escpos.New(port, escpos.Config{})
				if err != nil {
					t.Fatal(err)
				}
				err = printer.Print(ctx, d)
				if i == 1 && (err != nil || !holds(far.Lines(), lines)) {
					t.Fatalf("torn after %d bytes: then %v, on paper %q", n, err, far.Lines())
				}
				printer.Close()
			}
		}
	})
}

// stopping is a line that is pulled after so many bytes written.
type stopping struct {
	device.Port
	left int64
}

func (s *stopping) Write(b []byte) (int, error) {
	n, err := s.Port.Write(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	if err == nil && n < len(b) {
		err = net.ErrClosed
		s.Close()
	}
	return n, err
}

// The line takes no more at each byte, the document is given up, and the next one comes
// over the same line.
func TestADocumentThatWasGivenUpDoesNotEatTheNextOne(t *testing.T) {
	inBubble(t, "stalled", func(t *testing.T, ctx context.Context) {
		doc := device.Document{Lines: []device.Line{{Image: image.NewGray(image.Rect(0, 0, 384, 40))}, {QR: strings.Repeat("q", 500)}}}
		next, lines := letters(4)
		for n := int64(0); n < 2500; n += 11 {
			stall := &stalling{left: -1}
			printer, far := plug(t, escpos.Config{}, func(p device.Port) device.Port { stall.Port = p; return stall })
			if err := printer.Print(ctx, device.Document{}); err != nil { // mends
				t.Fatal(err)
			}
			stall.left = 12 + n // the questions before a document have twelve bytes
			if err := printer.Print(ctx, doc); !isOf(err, device.ErrTimeout) {
				t.Fatalf("stalled after %d bytes: %v", n, err)
			}
			stall.left = -1
			if err := printer.Print(ctx, next); err != nil || !holds(far.Lines(), lines) {
				t.Fatalf("stalled after %d bytes: then %v, on paper %q", n, err, far.Lines())
			}
			printer.Close()
		}
	})
}

// stalling is a line that takes so many bytes and then none; any number where left is -1.
type stalling struct {
	device.Port
	left int64
}

func (s *stalling) Write(b []byte) (int, error) {
	if s.left < 0 {
		return s.Port.Write(b)
	}
	n, err := s.Port.Write(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	if err == nil && n < len(b) {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// The first document is stuck in the printer, with its question. When there is paper it
// comes out, and its answer is not taken for that of the second.
func TestAnOldConfirmationIsNotTakenForTheNewOne(t *testing.T) {
	inBubble(t, "stuck", func(t *testing.T, ctx context.Context) {
		for left := range 9 {
			printer, far := plug(t, escpos.Config{}, func(p device.Port) device.Port { return p })
			far.SetLinesLeft(2)
			old, _ := letters(4)
			if err := printer.Print(ctx, old); !errors.Is(err, device.ErrPaper) {
				t.Fatal(err)
			}
			far.SetPaperOut(false) // the rest comes out, and the answers
			far.SetLinesLeft(left)
			doc, lines := letters(6)
			if err := printer.Print(ctx, doc); err == nil && !holds(far.Lines(), lines) {
				t.Errorf("%d lines left: confirmed, but on paper is %q", left, far.Lines())
			}
			printer.Close()
		}
	})
}

func TestAPrinterThatNeverConfirms(t *testing.T) {
	inBubble(t, "GS r is not known", func(t *testing.T, ctx context.Context) {
		printer, far := plug(t, escpos.Config{PrintTime: 10 * time.Second}, func(p device.Port) device.Port { return p })
		far.Misbehave(sim.Unconfirming)
		doc, lines := letters(3)
		begin := time.Now()
		if err := printer.Print(ctx, doc); !errors.Is(err, device.ErrTimeout) {
			t.Errorf("Print: %v", err)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		other, far := plug(t, escpos.Config{Unconfirmed: true}, func(p device.Port) device.Port { return p })
		far.Misbehave(sim.Unconfirming)
		if err := other.Print(ctx, doc); err != nil || !holds(far.Lines(), lines) {
			t.Errorf("unconfirmed: %v, %q", err, far.Lines())
		}
	})
}

func TestAutomaticStatusIsFaster(t *testing.T) {
	for name, row := range map[string]struct {
		config escpos.Config
		most   time.Duration
	}{
		"with GS a":    {escpos.Config{}, 200 * time.Millisecond},
		"without GS a": {escpos.Config{NoAutoStatus: true}, 1200 * time.Millisecond},
	} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			printer, far := plug(t, row.config, func(p device.Port) device.Port { return p })
			if err := printer.Print(ctx, device.Document{}); err != nil { // mends
				t.Fatal(err)
			}
			far.SetLinesLeft(2)
			doc, _ := letters(6)
			begin := time.Now()
			if err := printer.Print(ctx, doc); !errors.Is(err, device.ErrPaper) || errors.Is(err, device.ErrUnprinted) {
				t.Errorf("Print: %v", err)
			}
			if took := time.Since(begin); took > row.most {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A printer whose switch has automatic status on sends it at any time.
func TestUnaskedStatusBetweenAnswers(t *testing.T) {
	inBubble(t, "near end while idle", func(t *testing.T, ctx context.Context) {
		printer, far := plug(t, escpos.Config{}, func(p device.Port) device.Port { return p })
		for i := range 10 {
			if err := printer.Print(ctx, device.Document{Lines: []device.Line{{Text: "A"}}}); err != nil {
				t.Fatal(err)
			}
			far.SetPaperLow(i%2 == 0)
			status, err := printer.Status(ctx)
			if err != nil || status != (device.PrinterStatus{PaperLow: i%2 == 0}) {
				t.Errorf("status %+v, %v", status, err)
			}
		}
		if last, ok := printer.Last(); !ok || last.PaperLow {
			t.Errorf("last %+v, %v", last, ok)
		}
	})
}

package pole_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/display/pole"
	"posd/device/link/linktest"
	"posd/device/serial"
	sim "posd/device/sim/pole"
	"posd/device/sim/pty"
)

// rig connects a driver to a simulator; it ends with the test.
func rig(t *testing.T) (*pole.Display, *sim.Display, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	s := sim.New(nil)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx, far) // ends with an error where a test unplugs it
	}()
	d, err := pole.New(near, pole.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Close()
		cancel()
		<-ended
	})
	return d, s, far
}

func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s, _ := rig(t)
		s.Take([]byte("noise of the program before\x1f")) // half a command
		for _, row := range []struct {
			lines []string
			want  [2]string
		}{
			{[]string{"TOTAL", "          CNY 12.50"}, [2]string{"TOTAL               ", "          CNY 12.50 "}},
			{[]string{"THANK YOU"}, [2]string{"THANK YOU           ", "                    "}},
			{[]string{"请插卡 INSERT CARD PLEASE", "a\x0cb"}, [2]string{"?????? INSERT CARD P", "ab                  "}},
			{nil, [2]string{"                    ", "                    "}},
		} {
			if err := d.Show(t.Context(), row.lines); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := s.Rows(); got != row.want {
				t.Errorf("%q shows %q, want %q", row.lines, got, row.want)
			}
		}
		if s.Cursor() {
			t.Error("the cursor is on")
		}
		if columns, rows := d.Size(); columns != 20 || rows != 2 || d.Has('请') {
			t.Errorf("size %d, %d", columns, rows)
		}
	})
}

// A display that lost its power has the next text right, and this one after a Refresh.
func TestAfterPowerLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s, _ := rig(t)
		d.Show(t.Context(), []string{"one"})
		s.Take([]byte{0x1B, '@'})
		if err := d.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := s.Rows()[0]; strings.TrimSpace(got) != "one" {
			t.Errorf("refreshed, it shows %q", got)
		}
		s.Take([]byte{0x1B, '@'})
		if err := d.Show(t.Context(), []string{"two"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := s.Rows()[0]; strings.TrimSpace(got) != "two" {
			t.Errorf("shows %q", got)
		}
	})
}

// The frames, byte for byte: on them driver and simulator could agree and both be wrong.
func TestFrames(t *testing.T) {
	wire := "> 1B 40 1F 01 1F 43 00 1F 24 01 01 48 49 20 20 1F 24 01 02 20 20 20 20\n" +
		"> 1F 24 01 01 48 4F 20 20 1F 24 01 02 20 20 20 20\n> 0C\n"
	line, err := linktest.Replay(strings.NewReader(wire))
	if err != nil {
		t.Fatal(err)
	}
	d, err := pole.New(line, pole.Config{Columns: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"HI", "HO"} {
		if err := d.Show(t.Context(), []string{text}); err != nil {
			t.Fatal(err)
		}
	}
	d.Close()
	if err := line.Done(); err != nil {
		t.Error(err)
	}
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, far := rig(t)
		far.Close()
		if err := d.Show(t.Context(), nil); !errors.Is(err, device.ErrGone) {
			t.Errorf("unplugged: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		d, err := pole.New(near, pole.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Show(ctx, nil); !errors.Is(err, device.ErrTimeout) || d.Counters().Timeouts != 1 {
			t.Errorf("a line that takes nothing: %v", err)
		}
		s := sim.New(nil) // it takes bytes at last: all is initialised again
		got := make(chan [2]string)
		go func() {
			b := make([]byte, 512)
			n, _ := far.Read(b)
			s.Take(bytes.Clone(b[:n]))
			got <- s.Rows()
		}()
		if err := d.Show(t.Context(), []string{"back"}); err != nil {
			t.Fatal(err)
		}
		if rows := <-got; !strings.HasPrefix(rows[0], "back") || s.Cursor() {
			t.Errorf("shows %q, cursor %v", rows, s.Cursor())
		}
		d.Close()
	})
}

// Behind a serial port, in real time.
func TestOverAPseudoTerminal(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan struct{}, 64)
	s := sim.New(func() { seen <- struct{}{} })
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, pair.Port) }()
	port, err := serial.Open(serial.Config{Path: pair.Path(), Baud: 9600})
	if err != nil {
		t.Fatal(err)
	}
	d, err := pole.New(port, pole.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Show(ctx, []string{"WELCOME", "TO THE SHOP"}); err != nil {
		t.Fatal(err)
	}
	for s.Rows() != [2]string{"WELCOME             ", "TO THE SHOP         "} {
		select {
		case <-seen:
		case <-time.After(10 * time.Second):
			t.Fatalf("shows %q", s.Rows())
		}
	}
	d.Close()
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	line, _ := linktest.Replay(strings.NewReader(""))
	if _, err := pole.New(nil, pole.Config{}); err == nil || !strings.Contains(err.Error(), "no port") {
		t.Errorf("no port: %v", err)
	}
	if _, err := pole.New(line, pole.Config{Columns: 300}); err == nil || !strings.Contains(err.Error(), "300 columns") {
		t.Errorf("300 columns: %v", err)
	}
}

package vt_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"posd/device"
	"posd/device/display/vt"
	"posd/device/link/linktest"
	"posd/device/sim/pty"
)

// shown runs Show against a line that records, and returns what was written.
func shown(t *testing.T, d *vt.Display, wire *bytes.Buffer, lines ...string) string {
	t.Helper()
	wire.Reset()
	if err := d.Show(t.Context(), lines); err != nil {
		t.Fatal(err)
	}
	return wire.String()
}

// port writes to a buffer.
type port struct {
	device.Port
	*bytes.Buffer
	fail error
}

func (p port) Write(b []byte) (int, error) {
	if p.fail != nil {
		return 0, p.fail
	}
	return p.Buffer.Write(b)
}
func (p port) Read(b []byte) (int, error)         { return 0, io.EOF }
func (port) Close() error                         { return nil }
func (port) SetReadDeadline(t time.Time) error    { return nil }
func (p port) SetWriteDeadline(_ time.Time) error { return nil }

func TestShow(t *testing.T) {
	wire := &bytes.Buffer{}
	p := &port{Buffer: wire}
	d, err := vt.New(p, vt.Config{Columns: 8, Rows: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"all of it at first", []string{"READY"}, "\x1b%G\x1b[?25l\x1b[2J\x1b[1;1HREADY   \x1b[2;1H        "},
		{"the same again", []string{"READY"}, ""},
		{"one row", []string{"READY", "12.50"}, "\x1b[2;1H12.50   "},
		{"no row moves the cursor", []string{"a\x1b[Hb\nc", "12.50"}, "\x1b[1;1Ha[Hbc   "},
		{"no glyphs for CJK", []string{"请插卡", "12.50"}, "\x1b[1;1H??????  "},
	} {
		if got := shown(t, d, wire, row.lines...); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
	wire.Reset()
	if err := d.Refresh(t.Context()); err != nil || wire.String() != "\x1b%G\x1b[?25l\x1b[1;1H??????  \x1b[2;1H12.50   " {
		t.Errorf("refresh: %v, %q", err, wire)
	}
	p.fail = io.ErrClosedPipe
	if err := d.Refresh(t.Context()); !errors.Is(err, device.ErrGone) {
		t.Errorf("refresh of a terminal that is gone: %v", err)
	}
	if err := d.Show(t.Context(), []string{"x"}); !errors.Is(err, device.ErrGone) {
		t.Errorf("a terminal that is gone: %v", err)
	}
	p.fail = nil
	if got := shown(t, d, wire, "x"); !strings.HasPrefix(got, "\x1b%G") {
		t.Errorf("after an error: %q, want all of it", got)
	}
	wire.Reset()
	if err := d.Close(); err != nil || wire.String() != "\x1b[2J\x1b[H\x1b[?25h" {
		t.Errorf("close: %v, %q", err, wire)
	}
}

func TestCJK(t *testing.T) {
	wire := &bytes.Buffer{}
	d, err := vt.New(&port{Buffer: wire}, vt.Config{Columns: 8, Rows: 1, CJK: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(t, d, wire, "请插卡"); !strings.HasSuffix(got, "\x1b[1;1H请插卡  ") || !d.Has('请') || d.Has('\n') {
		t.Errorf("%q", got)
	}
}

// A terminal that takes nothing does not hold the payment up for longer than ctx says.
func TestATerminalThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		d, err := vt.New(near, vt.Config{Columns: 8, Rows: 2})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := d.Show(ctx, nil); !errors.Is(err, device.ErrTimeout) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if d.Close(); time.Since(begin) > 2*time.Second {
			t.Errorf("closed after %v", time.Since(begin))
		}
	})
}

func TestOpen(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	slave, err := os.OpenFile(pair.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 40, Row: 3}); err != nil {
		t.Fatal(err)
	}
	d, err := vt.Open(pair.Path(), vt.Config{Rows: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if columns, rows := d.Size(); columns != 40 || rows != 1 {
		t.Errorf("size %d, %d", columns, rows)
	}
	if err := d.Show(t.Context(), []string{"hello"}); err != nil {
		t.Fatal(err)
	}
	want := "\x1b%G\x1b[?25l\x1b[2J\x1b[1;1Hhello" + strings.Repeat(" ", 35)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(pair.Port, got); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	line, _ := linktest.Replay(strings.NewReader(""))
	for want, c := range map[string]vt.Config{
		"0 columns":  {Rows: 2},
		"513 rows":   {Columns: 2, Rows: 513},
		"-1 columns": {Columns: -1, Rows: 2},
	} {
		if _, err := vt.New(line, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if _, err := vt.New(nil, vt.Config{Columns: 1, Rows: 1}); err == nil {
		t.Error("no port was taken")
	}
	plain := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{plain, plain + ".none"} {
		if _, err := vt.Open(path, vt.Config{Columns: 1, Rows: 1}); err == nil {
			t.Errorf("%s was opened", path)
		}
	}
}

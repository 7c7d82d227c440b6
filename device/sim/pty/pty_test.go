package pty_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posd/device/sim/pty"
)

func open(t *testing.T) *pty.Pair {
	t.Helper()
	p, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestEveryByteCrossesBothWaysUnchanged(t *testing.T) {
	p := open(t)
	slave, err := os.OpenFile(p.Path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	want := make([]byte, 256)
	for i := range want {
		want[i] = byte(i)
	}
	for _, way := range []struct {
		name string
		from io.Writer
		to   io.Reader
	}{{"master to slave", p.Port, slave}, {"slave to master", slave, p.Port}} {
		if _, err := way.from.Write(want); err != nil {
			t.Fatalf("%s: write: %v", way.name, err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(way.to, got); err != nil {
			t.Fatalf("%s: read: %v", way.name, err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %x", way.name, got)
		}
	}
}

func TestMasterWaitsWhileNobodyHasTheSlaveOpen(t *testing.T) {
	p := open(t)
	for range 2 { // before the first driver, and between two
		p.Port.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := p.Port.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read: %v, want the deadline", err)
		}
		slave, err := os.OpenFile(p.Path(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		slave.Close()
	}
}

func TestCloseEndsTheSlave(t *testing.T) {
	p := open(t)
	slave, err := os.OpenFile(p.Path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	p.Close()
	if n, err := slave.Read(make([]byte, 1)); err == nil {
		t.Fatalf("read %d bytes of a closed pair", n)
	}
}

// A driver that was killed can leave exclusive use and unread input behind.
func TestReleaseFreesWhatAKilledDriverLeft(t *testing.T) {
	p := open(t)
	slave, err := os.OpenFile(p.Path(), os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	if err := unix.IoctlSetInt(int(slave.Fd()), unix.TIOCEXCL, 0); err != nil {
		t.Fatal(err)
	}
	p.Port.Write([]byte("unread"))
	if err := p.Release(); err != nil {
		t.Fatal(err)
	}
	waiting, err := unix.IoctlGetInt(int(slave.Fd()), unix.TIOCINQ)
	if err != nil || waiting != 0 {
		t.Errorf("%d bytes unread, %v", waiting, err)
	}
	excl, err := unix.IoctlGetInt(int(slave.Fd()), unix.TIOCGEXCL)
	if errors.Is(err, unix.ENOSYS) {
		t.Skip("TIOCGEXCL is not implemented here, as under qemu-user")
	}
	if err != nil || excl != 0 {
		t.Errorf("exclusive use %d, %v", excl, err)
	}
}

package serial_test

// Each test here takes one step against the bare library, to show what it does wrong,
// and the same step against ours.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	bugst "go.bug.st/serial"
	"golang.org/x/sys/unix"

	"posd/device"
	"posd/device/serial"
	"posd/device/sim/pty"
)

func openPair(t *testing.T) *pty.Pair {
	t.Helper()
	p, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func openBare(t *testing.T, path string) bugst.Port {
	t.Helper()
	p, err := bugst.Open(path, &bugst.Mode{BaudRate: 115200})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func openOurs(t *testing.T, path string) *serial.Port {
	t.Helper()
	p, err := serial.Open(serial.Config{Path: path, Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// writeAfterClose writes with a port that is closed, when files have been opened since,
// and returns what arrived in them and the error.
func writeAfterClose(t *testing.T, port io.WriteCloser) (damage string, err error) {
	t.Helper()
	port.Close()
	var files []*os.File
	for i := range 8 {
		f, err := os.Create(filepath.Join(t.TempDir(), strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	_, err = port.Write([]byte("payment"))
	for _, f := range files {
		b, _ := os.ReadFile(f.Name())
		damage += string(b)
	}
	return damage, err
}

func TestWriteAfterClose(t *testing.T) {
	p := openPair(t)
	if damage, err := writeAfterClose(t, openBare(t, p.Path())); damage != "payment" || err != nil {
		t.Errorf("bare library: %q in another file, error %v; it is mended, and this package can be simpler", damage, err)
	}
	damage, err := writeAfterClose(t, openOurs(t, p.Path()))
	if damage != "" || !errors.Is(err, device.ErrGone) {
		t.Errorf("ours: %q in another file, error %v", damage, err)
	}
}

type wrote struct {
	n   int
	err error
}

// tooMuch does not fit in the queue of a pseudo-terminal that nobody reads.
var tooMuch = make([]byte, 1<<20)

func startWrite(w io.Writer) <-chan wrote {
	c := make(chan wrote, 1)
	go func() {
		n, err := w.Write(tooMuch)
		c <- wrote{n, err}
	}()
	return c
}

const moment = 200 * time.Millisecond // how long "for ever" is observed

func TestBlockedWrite(t *testing.T) {
	bare := openPair(t)
	port := openBare(t, bare.Path())
	done := startWrite(port)
	io.ReadFull(bare.Port, make([]byte, 16)) // it writes
	port.Close()
	select {
	case w := <-done:
		t.Errorf("bare library: Close ended the blocked Write: %d bytes, %v", w.n, w.err)
	case <-time.After(moment):
	}
	bare.Close() // frees it
	<-done

	p := openPair(t)
	ours := openOurs(t, p.Path())
	ours.SetWriteDeadline(time.Now().Add(moment / 10))
	if w := <-startWrite(ours); !errors.Is(w.err, os.ErrDeadlineExceeded) || w.n == len(tooMuch) {
		t.Errorf("ours: %d bytes, %v; want the deadline", w.n, w.err)
	}
	ours.SetWriteDeadline(time.Time{})
	done = startWrite(ours)
	ours.Close()
	if w := <-done; !errors.Is(w.err, device.ErrGone) {
		t.Errorf("ours: Close: %d bytes, %v; want %v", w.n, w.err, device.ErrGone)
	}
}

// writeUnderSignals writes tooMuch with w while its thread gets signals, as Go's own
// scheduler sends them, and from is read slowly.
func writeUnderSignals(t *testing.T, w io.Writer, from device.Port) wrote {
	t.Helper()
	thread := make(chan int, 1)
	done := make(chan wrote, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- unix.Gettid()
		n, err := w.Write(tooMuch)
		done <- wrote{n, err}
	}()
	tid := <-thread
	buf := make([]byte, 512)
	for {
		select {
		case got := <-done:
			return got
		default:
		}
		unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
		from.SetReadDeadline(time.Now().Add(moment))
		if _, err := from.Read(buf); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

func TestShortWrite(t *testing.T) {
	p := openPair(t)
	if w := writeUnderSignals(t, openBare(t, p.Path()), p.Port); w.err != nil || w.n == len(tooMuch) {
		t.Errorf("bare library: wrote %d bytes of %d, error %v; want a short write without an error", w.n, len(tooMuch), w.err)
	}
	q := openPair(t)
	if w := writeUnderSignals(t, openOurs(t, q.Path()), q.Port); w.err != nil || w.n != len(tooMuch) {
		t.Errorf("ours: wrote %d bytes of %d, error %v", w.n, len(tooMuch), w.err)
	}
}

// inheritable counts this process's descriptors of path that a child would inherit.
func inheritable(t *testing.T, path string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fds {
		fd, _ := strconv.Atoi(e.Name())
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); to != path {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			t.Fatal(err)
		}
		if flags&unix.FD_CLOEXEC == 0 {
			n++
		}
	}
	return n
}

func TestChildInheritsTheLine(t *testing.T) {
	p := openPair(t)
	bare := openBare(t, p.Path())
	if n := inheritable(t, p.Path()); n != 1 {
		t.Errorf("bare library: %d descriptors without close-on-exec, want 1", n)
	}
	bare.Close()
	openOurs(t, p.Path())
	if n := inheritable(t, p.Path()); n != 0 {
		t.Errorf("ours: %d descriptors without close-on-exec", n)
	}
}

// readHigh reads one byte and returns the panic, if there is one.
func readHigh(r io.Reader) (panicked any, err error) {
	defer func() { panicked = recover() }()
	_, err = r.Read(make([]byte, 1))
	return nil, err
}

func TestDescriptorAbove1023(t *testing.T) {
	p := openPair(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for {
		fd, err := unix.FcntlInt(null.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Skipf("the limit of open files is below 1024: %v", err)
		}
		defer unix.Close(fd)
		if fd >= 1024 {
			break
		}
	}
	p.Port.Write([]byte{0xAA, 0xBB})
	bare := openBare(t, p.Path())
	if panicked, err := readHigh(bare); panicked == nil {
		t.Errorf("bare library: no panic, error %v", err)
	}
	bare.Close()
	ours := openOurs(t, p.Path())
	p.Port.Write([]byte{0xCC})
	if panicked, err := readHigh(ours); panicked != nil || err != nil {
		t.Errorf("ours: panic %v, error %v", panicked, err)
	}
}

func TestModemBitsOfAPseudoTerminal(t *testing.T) {
	p := openPair(t)
	mode := &bugst.Mode{BaudRate: 115200, InitialStatusBits: &bugst.ModemOutputBits{RTS: true, DTR: true}}
	if bare, err := bugst.Open(p.Path(), mode); err == nil {
		bare.Close()
		t.Error("bare library: opened")
	}
	ours, err := serial.Open(serial.Config{Path: p.Path(), Baud: 115200, RTS: serial.High, DTR: serial.Low})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := ours.SetRTS(true); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SetRTS: %v, want unsupported", err)
	}
}

// inputFlags are those of the line, asked through a descriptor of the test's own.
func inputFlags(t *testing.T, line *os.File) uint32 {
	t.Helper()
	flags, err := unix.IoctlGetTermios(int(line.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return flags.Iflag
}

// A pseudo-terminal cannot garble a bit, so the 00 itself takes hardware to show. What
// decides about it shows here: INPCK without PARMRK and IGNPAR is "read as 00"
// (termios(3)). What the kernel's marks become is in parity_test.go.
func TestParity(t *testing.T) {
	const mask = unix.INPCK | unix.PARMRK | unix.IGNPAR
	p := openPair(t)
	line, err := os.OpenFile(p.Path(), os.O_RDWR|unix.O_NOCTTY, 0) // first: the library keeps others out
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	bare, err := bugst.Open(p.Path(), &bugst.Mode{BaudRate: 9600, Parity: bugst.EvenParity})
	if err != nil {
		t.Fatal(err)
	}
	if got := inputFlags(t, line) & mask; got != unix.INPCK {
		t.Errorf("bare library: input flags %#x, want INPCK alone", got)
	}
	bare.Close()

	ours, err := serial.Open(serial.Config{Path: p.Path(), Baud: 9600, Parity: serial.EvenParity})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if got := inputFlags(t, line) & mask; got != unix.INPCK|unix.PARMRK {
		t.Errorf("ours: input flags %#x, want INPCK and PARMRK", got)
	}
	want := []byte{0x00, 0xFF, 0xFF, 0x00, 0x3B} // the kernel doubles each FF now
	p.Port.Write(want)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(ours, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("ours: read % X (%v), want % X", got, err, want)
	}
}

// A path of a socket (as udev keeps in /dev/serial/by-path) leads to whatever device is
// in it; the device's own name is taken as long as somebody has the dead one open.
func TestReplug(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "by-path")
	plug := func() *pty.Pair {
		p := openPair(t)
		os.Remove(socket)
		if err := os.Symlink(p.Path(), socket); err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := plug()
	bare := openBare(t, first.Path())
	first.Close()
	second := plug()
	if second.Path() == first.Path() {
		t.Errorf("bare library: the device came back as %s while the old one was open", second.Path())
	}
	if p, err := bugst.Open(first.Path(), &bugst.Mode{BaudRate: 9600}); err == nil {
		p.Close()
		t.Error("bare library: the old name opens again")
	}
	bare.Close()

	ours := openOurs(t, socket)
	second.Close()
	if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, device.ErrGone) {
		t.Errorf("ours: read of a pulled device: %v, want %v", err, device.ErrGone)
	}
	if err := ours.Close(); err != nil {
		t.Errorf("ours: close of a pulled device: %v", err)
	}
	third := plug()
	again := openOurs(t, socket)
	fmt.Fprint(again, "x")
	if _, err := third.Port.Read(make([]byte, 1)); err != nil {
		t.Errorf("ours: after the replug: %v", err)
	}
}

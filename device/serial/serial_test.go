package serial_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posd/device"
	"posd/device/serial"
)

func TestSecondOwnerIsRefusedAndTheFirstGoesOn(t *testing.T) {
	p := openPair(t)
	first := openOurs(t, p.Path())
	if _, err := serial.Open(serial.Config{Path: p.Path(), Baud: 9600}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second open: %v, want in use", err)
	}
	if _, err := first.Write([]byte{1}); err != nil {
		t.Error(err)
	}
	first.Close()
	openOurs(t, p.Path())
}

// An agent that is killed leaves no exclusive use on a line that its simulator keeps.
func TestKilledOwnerLeavesTheLineFree(t *testing.T) {
	p := openPair(t)
	openOurs(t, p.Path())
	f, err := os.OpenFile(p.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	excl, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGEXCL)
	if errors.Is(err, unix.ENOSYS) {
		t.Skip("TIOCGEXCL is not implemented here, as under qemu-user")
	}
	if err != nil || excl != 0 {
		t.Errorf("exclusive use %d (%v): would stand after kill -9", excl, err)
	}
}

func TestStaleInputIsGoneAfterOpen(t *testing.T) {
	p := openPair(t)
	p.Port.Write([]byte("late answer to the agent before"))
	ours := openOurs(t, p.Path())
	ours.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := ours.Read(make([]byte, 64)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes, %v; want the deadline", n, err)
	}
}

func TestCloseEndsRead(t *testing.T) {
	p := openPair(t)
	ours := openOurs(t, p.Path())
	done := make(chan error, 1)
	go func() {
		_, err := ours.Read(make([]byte, 1))
		done <- err
	}()
	ours.Close()
	if err := <-done; !errors.Is(err, device.ErrGone) {
		t.Errorf("read: %v", err)
	}
	if err := ours.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// A closed port is gone, whatever is asked of it.
func TestClosedPortIsGone(t *testing.T) {
	ours := openOurs(t, openPair(t).Path())
	ours.Close()
	_, readErr := ours.Read(make([]byte, 1))
	_, writeErr := ours.Write([]byte{1})
	for what, err := range map[string]error{
		"read": readErr, "write": writeErr,
		"read deadline": ours.SetReadDeadline(time.Time{}), "write deadline": ours.SetWriteDeadline(time.Time{}),
		"RTS": ours.SetRTS(true),
	} {
		if !errors.Is(err, device.ErrGone) {
			t.Errorf("%s: %v, want %v", what, err, device.ErrGone)
		}
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	p := openPair(t)
	file := t.TempDir() + "/file"
	os.WriteFile(file, nil, 0o600)
	for _, row := range []struct {
		name string
		c    serial.Config
		want string
	}{
		{"relative path", serial.Config{Path: "ttyUSB0", Baud: 9600}, `"ttyUSB0" is not absolute`},
		{"no baud rate", serial.Config{Path: p.Path()}, "baud rate 0"},
		{"baud rate that no UART has", serial.Config{Path: p.Path(), Baud: 5_000_000}, "baud rate 5000000"},
		{"nine data bits", serial.Config{Path: p.Path(), Baud: 9600, DataBits: 9}, "9 data bits"},
		{"three stop bits", serial.Config{Path: p.Path(), Baud: 9600, StopBits: 3}, "3 stop bits"},
		{"unknown parity", serial.Config{Path: p.Path(), Baud: 9600, Parity: 7}, "parity 7"},
		{"nothing there", serial.Config{Path: "/dev/ttyNONE", Baud: 9600}, "/dev/ttyNONE: no such file"},
		{"no tty", serial.Config{Path: file, Baud: 9600}, file},
	} {
		port, err := serial.Open(row.c)
		if err == nil {
			port.Close()
			t.Errorf("%s: opened", row.name)
		} else if !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q in it", row.name, err, row.want)
		}
	}
}

func TestUnusualBaudRate(t *testing.T) {
	p := openPair(t)
	f, err := os.OpenFile(p.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS2); errors.Is(err, unix.ENOSYS) {
		t.Skip("TCGETS2 is not implemented here, as under qemu-user")
	}
	port, err := serial.Open(serial.Config{Path: p.Path(), Baud: 10753, Parity: serial.EvenParity, StopBits: 2}) // 4 MHz / 372
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	got, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS2)
	if err != nil || got.Ospeed != 10753 {
		t.Errorf("output speed %v, %v", got.Ospeed, err)
	}
}

func TestParseURL(t *testing.T) {
	defaults := serial.Config{Baud: 115200}
	u, err := serial.ParseURL("ccid:///dev/serial/by-path/usb-0:1.2?baud=9600&parity=even&stop=2&data=7&rts=off&dtr=on&profile=gempc", defaults, "profile")
	if err != nil {
		t.Fatal(err)
	}
	want := serial.Config{
		Path: "/dev/serial/by-path/usb-0:1.2", Baud: 9600, Parity: serial.EvenParity,
		StopBits: 2, DataBits: 7, RTS: serial.Low, DTR: serial.High,
	}
	if u.Scheme != "ccid" || u.Config != want || u.Params["profile"] != "gempc" {
		t.Errorf("got %+v", u)
	}
	if u, err := serial.ParseURL("vfpad:///dev/ttyS1", defaults); err != nil || u.Config.Baud != 115200 {
		t.Errorf("defaults: %+v, %v", u, err)
	}
	for _, row := range []struct{ name, url, want string }{
		{"unknown parameter", "ccid:///dev/ttyUSB0?bauds=9600", `unknown parameter "bauds"`},
		{"another driver's parameter", "vfpad:///dev/ttyUSB0?profile=gempc", `unknown parameter "profile"`},
		{"given twice", "ccid:///dev/ttyUSB0?baud=1200&baud=9600", `"baud" is given 2 times`},
		{"no number", "ccid:///dev/ttyUSB0?baud=fast", `baud="fast"`},
		{"no such parity", "ccid:///dev/ttyUSB0?parity=mark", `parity="mark" is none of even, none, odd`},
		{"out of range", "ccid:///dev/ttyUSB0?data=9", "9 data bits"},
		{"host", "ccid://dev/ttyUSB0", "is not scheme:///path"},
		{"no scheme", "/dev/ttyUSB0", "is not scheme:///path"},
		{"no path", "ccid://", "is not absolute"},
		{"opaque", "ccid:ttyUSB0", "is not scheme:///path"},
	} {
		if u, err := serial.ParseURL(row.url, defaults); err == nil {
			t.Errorf("%s: taken as %+v", row.name, u)
		} else if !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q in it", row.name, err, row.want)
		}
	}
}

// The line of a card changes while it is open: parity marks stay on.
func TestSetLine(t *testing.T) {
	p := openPair(t)
	line, err := os.OpenFile(p.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	ours, err := serial.Open(serial.Config{Path: p.Path(), Baud: 9600, Parity: serial.EvenParity, StopBits: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	for _, row := range []struct {
		baud   int
		parity serial.Parity
		speed  uint32
		odd    uint32
	}{{9600, serial.OddParity, unix.B9600, unix.PARODD}, {38400, serial.EvenParity, unix.B38400, 0}, {38400, serial.EvenParity, unix.B38400, 0}} {
		if err := ours.SetLine(row.baud, row.parity); err != nil {
			t.Fatal(err)
		}
		flags, err := unix.IoctlGetTermios(int(line.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if flags.Cflag&unix.CBAUD != row.speed || flags.Cflag&unix.PARODD != row.odd || flags.Cflag&unix.CSTOPB == 0 || flags.Iflag&unix.PARMRK == 0 {
			t.Errorf("%d baud, parity %d: cflag %#x, iflag %#x", row.baud, row.parity, flags.Cflag, flags.Iflag)
		}
		p.Port.Write([]byte{0xFF, 0x03})
		b := make([]byte, 2)
		if _, err := io.ReadFull(ours, b); err != nil || b[0] != 0xFF || b[1] != 0x03 {
			t.Errorf("read % X, %v", b, err)
		}
	}
	for _, row := range []struct {
		baud   int
		parity serial.Parity
		want   string
	}{{9600, serial.NoParity, "switched on or off"}, {1, serial.EvenParity, "baud rate 1"}} {
		if err := ours.SetLine(row.baud, row.parity); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%d baud, parity %d: %v, want %q in it", row.baud, row.parity, err, row.want)
		}
	}
	p.Close()
	if err := ours.SetLine(9600, serial.EvenParity); err == nil {
		t.Error("the line of a pulled device was set")
	}
}

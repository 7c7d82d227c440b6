package secret

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A process of its own is protected and tells what the kernel says of it: the test's own
// stays as it is.
func TestMain(m *testing.M) {
	mode := os.Getenv("SECRET_TEST")
	if mode == "" {
		os.Exit(m.Run())
	}
	if mode == "limited" {
		_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 64 << 10, Max: 64 << 10})
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		_ = unix.Capset(&header, &none[0])
	}
	before := status("VmRSS")
	for _, f := range Protect(Options{NoLock: mode == "open", Debuggable: mode == "open"}) {
		fmt.Println("finding", f)
	}
	// Work as a program does: a heap that grows.
	heap := make([][]byte, 0, 64)
	for range 64 {
		heap = append(heap, bytes.Repeat([]byte{1}, 64<<10))
	}
	var core unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &core)
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Println("core", core.Max, "dumpable", dumpable, "locked", status("VmLck"), "before", before, "after", status("VmRSS"), len(heap))
}

// status is a figure of /proc/self/status in KiB.
func status(name string) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return -1
}

func child(t *testing.T, mode string) string {
	t.Helper()
	if err := exec.Command(os.Args[0], "-test.list=^$").Run(); errors.Is(err, syscall.ENOEXEC) {
		t.Skip("this machine runs the test's binary in an emulator only: no child can be started")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SECRET_TEST="+mode)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Log(mode, ": ", string(out))
	return string(out)
}

func TestAProtectedProcess(t *testing.T) {
	out := child(t, "all")
	if !strings.Contains(out, "core 0 dumpable 0") {
		t.Errorf("got %s", out)
	}
	if err := mayLock(); (err == nil) == strings.Contains(out, "finding lock") {
		t.Errorf("may lock: %v, said %s", err, out)
	}
	if err := mayLock(); err == nil && strings.Contains(out, "locked 0") {
		t.Errorf("nothing is locked: %s", out)
	}
}

// Where the limit is small nothing is locked, and the process lives and says so.
func TestAProcessThatMayNotLock(t *testing.T) {
	out := child(t, "limited")
	if !strings.Contains(out, "finding lock: memory is not locked: the limit is 65536 bytes") || !strings.Contains(out, "locked 0") {
		t.Errorf("got %s", out)
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	if out := child(t, "open"); !strings.Contains(out, "core 0 dumpable 1 locked 0") {
		t.Errorf("got %s", out)
	}
}

func TestABufferIsWiped(t *testing.T) {
	b, err := New(32)
	if err != nil {
		t.Fatal(err)
	}
	copy(b.Bytes(), "CANARY")
	if got := fmt.Sprintf("%v %x %+v %s", b, b, b, b); strings.Contains(got, "CANARY") || strings.Contains(got, fmt.Sprintf("%x", "CANARY")) {
		t.Errorf("it prints: %s", got)
	}
	if len(b.Bytes()) != 32 {
		t.Errorf("%d bytes", len(b.Bytes()))
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil || len(b.Bytes()) != 0 {
		t.Errorf("twice: %v", err)
	}
	for _, n := range []int{0, -1, maxBuffer + 1} {
		if _, err := New(n); err == nil {
			t.Errorf("%d bytes: made", n)
		}
	}
}

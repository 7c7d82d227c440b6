package main_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"posd/host-sim/fault"
)

// failures are the system calls that write to the disk, each with an error that a disk
// gives.
var failures = []struct{ call, errno string }{
	{"pwrite64", "EIO"}, {"pwrite64", "ENOSPC"}, {"fdatasync", "EIO"}, {"fsync", "EIO"}, {"ftruncate", "EIO"},
}

var calls = flag.Int("calls", 3, "how many calls of each kind TestEachSystemCallFails lets fail in turn; 40 is all of them")

// Each write, flush and truncation of a sale and of a reversal fails in turn, in the real
// process, by strace: each time the books agree, and the agent goes on.
func TestEachSystemCallFails(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	most := *calls
	if testing.Short() {
		most = 1
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	d := newDesk(t, ctx, 2*time.Second)
	must(t, d.Boot(ctx))
	for _, lost := range []bool{false, true} {
		for _, f := range failures {
			failed := 0
			for nth := 1; nth <= most; nth++ {
				if !d.sellWhile(t, ctx, strace, f.call, f.errno, nth, lost) {
					break
				}
				failed++
			}
			t.Logf("host's answer lost %v: %s gave %s %d times", lost, f.call, f.errno, failed)
		}
	}
	res, err := d.Pay(ctx, "union-rich", "3.21")
	if err != nil || res.Outcome != "approved" {
		t.Errorf("the last sale: %v %s %s", err, res.Outcome, res.Entry.Why)
	}
	d.agree(t, ctx, "completed")
}

// sellWhile sells once while the nth call of a thread fails, and audits. It tells whether
// any call did fail.
func (d *desk) sellWhile(t *testing.T, ctx context.Context, strace, call, errno string, nth int, lost bool) bool {
	t.Helper()
	out := filepath.Join(t.TempDir(), "strace")
	stop := d.attach(t, strace, out, call, fmt.Sprintf("inject=%s:error=%s:when=%d", call, errno, nth))
	if lost {
		f, err := fault.Parse("drop-response:+1")
		must(t, err)
		must(t, d.Host.AddFault(f))
	}
	_, payErr := d.Pay(ctx, "union-rich", "1.00") // an error is one way to end
	d.Reader.Remove()
	stop()
	if lost { // the sale may not have come as far as the host: the fault strikes this one then
		_, err := d.Pay(ctx, "union-rich", "1.00")
		must(t, err)
		d.Reader.Remove()
	}
	must(t, d.Rest(ctx))
	books, err := d.Audit(ctx)
	must(t, err)
	for _, diff := range books.Differences() {
		t.Errorf("%s %s at call %d (%v): %s", call, errno, nth, payErr, diff)
	}
	seen, err := os.ReadFile(out)
	must(t, err)
	return strings.Contains(string(seen), "INJECTED")
}

// attach starts strace on the agent and returns when it is there; the function ends it.
func (d *desk) attach(t *testing.T, strace, out, call, inject string) (stop func()) {
	t.Helper()
	cmd := exec.Command(strace, "-f", "-p", fmt.Sprint(d.Agent.PID()), "-o", out, "-e", "trace="+call, "-e", inject)
	said, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(said)
	if !lines.Scan() || !strings.Contains(lines.Text(), "attached") {
		text := lines.Text()
		_ = cmd.Wait()
		t.Skipf("strace cannot look at another process here: %s", text)
	}
	return func() {
		must(t, cmd.Process.Signal(syscall.SIGINT))
		for lines.Scan() { // until it has let go
		}
		_ = cmd.Wait() // its status is that of the signal
	}
}

package devicetest

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// Bauds are the line speeds beside which a driver's overhead is told.
func Bauds() []int { return []int{9600, 19200, 115200} }

// overheadBar is the share of the line's time that a driver may take, in %.
const overheadBar = 2

// Overhead is the benchmark of a reader driver: what one APDU costs in CPU time (the whole
// process, kernel included) and allocations, beside the time that its bytes need on a line of
// so many bits a byte. The far end has to cost next to nothing: a port with ready answers.
// bytes counts those of the line so far, both ways; bauds are the speeds to compare with. A
// share above 2 % fails.
func Overhead(b *testing.B, bits int, bytes func() int, apdu func() error, bauds ...int) {
	before := bytes()
	b.ReportAllocs()
	begin := cpuTime(b)
	for b.Loop() {
		if err := apdu(); err != nil {
			b.Fatal(err)
		}
	}
	cost := (cpuTime(b) - begin) / time.Duration(b.N)
	each := (bytes() - before) / b.N
	b.ReportMetric(float64(cost.Nanoseconds()), "cpu-ns/op")
	b.ReportMetric(float64(each), "line-bytes/op")
	for _, baud := range bauds {
		line := time.Duration(each*bits) * time.Second / time.Duration(baud)
		share := 100 * float64(cost) / float64(line)
		b.ReportMetric(share, fmt.Sprintf("%%-of-%d-baud", baud))
		if share > overheadBar && b.N > 100 {
			b.Errorf("%v of CPU per APDU is %.1f %% of the line's %v at %d baud, want under %d %%", cost, share, line, baud, overheadBar)
		}
	}
}

// cpuTime is what the process has used, all threads and the kernel included.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

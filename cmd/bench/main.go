package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"posd/cmd/internal/rig"
)

func main() {
	vm := flag.String("vm", "", "also measure in an emulated terminal, booted by this `script`")
	only := flag.Bool("only-vm", false, "measure nothing else")
	flag.Parse()
	if err := run(os.Stdout, *vm, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one line of the table.
type row struct{ what, figure, bar string }

func run(out io.Writer, vm string, onlyVM bool) error {
	parts := []func() ([]row, error){benchmarks, size, agent}
	if onlyVM {
		parts = nil
	}
	if vm != "" {
		parts = append(parts, func() ([]row, error) { return inVM(vm) })
	}
	var rows []row
	for _, part := range parts {
		more, err := part()
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	fmt.Fprintf(out, "%s %s/%s, %d cores; median of 5 runs, spread in brackets\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, r := range rows {
		fmt.Fprintf(out, "%-52s %-44s %s\n", r.what, r.figure, r.bar)
	}
	return nil
}

// suites are the packages with benchmarks that the table shows, and their bars by name.
var suites = []struct {
	pkg   string
	bars  map[string]string
	units []string // those that are shown; nil: all
}{
	{pkg: "./transport/iso8583", bars: map[string]string{"BenchmarkPack0200": "under 1 µs, no allocation"}},
	{pkg: "./emv/kernel"},
	{pkg: "./store/journal"},
	{pkg: "./device/reader/ccid", bars: overhead, units: overheadUnits},
	{pkg: "./device/reader/phoenix", bars: overhead, units: overheadUnits},
	{pkg: "./device/reader/pn532", bars: overhead, units: overheadUnits},
	{pkg: "./device/pinpad/abecs", bars: overhead, units: overheadUnits},
}

// What a driver takes for an APDU, beside the time of its bytes on the line.
var (
	overhead = map[string]string{
		"BenchmarkAPDU": overheadBar, "BenchmarkAPDU/T=0": overheadBar, "BenchmarkAPDU/T=1": overheadBar,
		"BenchmarkAPDU/T=1_with_serial_port,_kernel_and_simulator": overheadBar,
		"BenchmarkAPDU/9600": overheadBar, "BenchmarkAPDU/19200": overheadBar, "BenchmarkAPDU/115200": overheadBar,
	}
	overheadUnits = []string{"cpu-ns/op", "B/op", "allocs/op", "%-of-9600-baud", "%-of-19200-baud", "%-of-115200-baud"}
)

const overheadBar = "under 2 % of each line"

// benchmarks runs each suite five times.
func benchmarks() ([]row, error) {
	var rows []row
	for _, s := range suites {
		cmd := exec.Command("go", "test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "200ms", "-count", "5", s.pkg)
		text, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text)
		}
		rows = append(rows, parse(s.pkg, text, s.bars, s.units)...)
	}
	return rows, nil
}

var benchLine = regexp.MustCompile(`^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// parse gathers the runs of each benchmark: unit by unit, median and spread.
func parse(pkg string, text []byte, bars map[string]string, shown []string) []row {
	var names []string
	figures := map[string]map[string][]float64{}
	units := map[string][]string{}
	for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
		m := benchLine.FindStringSubmatch(scan.Text())
		if m == nil {
			continue
		}
		name := m[1]
		if figures[name] == nil {
			names = append(names, name)
			figures[name] = map[string][]float64{}
		}
		fields := strings.Fields(m[2])
		for i := 0; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				continue
			}
			if figures[name][fields[i+1]] == nil {
				units[name] = append(units[name], fields[i+1])
			}
			figures[name][fields[i+1]] = append(figures[name][fields[i+1]], v)
		}
	}
	var rows []row
	for _, name := range names {
		var parts []string
		if shown != nil {
			units[name] = slices.DeleteFunc(slices.Clone(shown), func(unit string) bool { return figures[name][unit] == nil })
		}
		for _, unit := range units[name] {
			parts = append(parts, summary(figures[name][unit], unit))
		}
		rows = append(rows, row{pkg[2:] + " " + strings.TrimPrefix(name, "Benchmark"), strings.Join(parts, ", "), bars[name]})
	}
	return rows
}

// summary is the median with its unit, and the spread where there is one.
func summary(v []float64, unit string) string {
	slices.Sort(v)
	low, high := v[0], v[len(v)-1]
	mid := v[len(v)/2]
	switch {
	case unit == "ns/op" && mid >= 10000:
		unit, mid, low, high = "µs/op", mid/1000, low/1000, high/1000
	case strings.HasPrefix(unit, "%-of-"): // parts of a percent say enough
		unit = "% of " + strings.TrimSuffix(strings.TrimPrefix(unit, "%-of-"), "-baud")
		return fmt.Sprintf("%.2g %s", mid, unit)
	}
	if low == high {
		return fmt.Sprintf("%.4g %s", mid, unit)
	}
	return fmt.Sprintf("%.4g [%.4g to %.4g] %s", mid, low, high, unit)
}

// size builds the agent for the terminal and counts the edges that keep dead code alive.
func size() ([]row, error) {
	dir, err := os.MkdirTemp("", "posd-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	arm := []string{"GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0"}
	path := filepath.Join(dir, "posd")
	if _, err := build(arm, "-trimpath", "-ldflags=-s -w", "-tags=nethttpomithttp2", "-o", path, "./cmd/posd"); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	edges, err := build(arm, "-ldflags=-dumpdep", "-o", os.DevNull, "./cmd/posd")
	if err != nil {
		return nil, err
	}
	return []row{
		{"posd for linux/arm, stripped", fmt.Sprintf("%.2f MiB", float64(info.Size())/(1<<20)), "at most 10 MiB"},
		{"ReflectMethod edges in it", strconv.Itoa(bytes.Count(edges, []byte("ReflectMethod"))), "0"},
	}, nil
}

func build(env []string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", append([]string{"build"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%.2000s", strings.Join(cmd.Args, " "), err, out)
	}
	return out, nil
}

// agent starts the real thing five times on one rig and reads what the kernel says of it.
func agent() ([]row, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "posd-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r, err := rig.Start(ctx, rig.Config{Dir: dir, Posd: beside("posd")})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return starts(ctx, r)
}

func starts(ctx context.Context, r *rig.Rig) ([]row, error) {
	var recovered, ready, rss, sale []float64
	for i := range 6 {
		began := time.Now()
		if err := r.Boot(ctx); err != nil {
			return nil, err
		}
		up := time.Since(began)
		kib, err := residentKiB(r.Agent.PID())
		if err != nil {
			return nil, err
		}
		took, err := oneSale(ctx, r)
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first start makes the store and loads the master key
			recovered = append(recovered, float64(r.Agent.Since("recovered", began).Microseconds())/1000)
			ready = append(ready, float64(up.Microseconds())/1000)
			rss = append(rss, float64(kib)/1024)
			sale = append(sale, took)
		}
		if err := r.Agent.Stop(ctx); err != nil {
			return nil, err
		}
	}
	return []row{
		{"posd, exec to devices open and journal recovered", summary(recovered, "ms"), ""},
		{"posd, exec to signed on: takes payments", summary(ready, "ms"), "under 300 ms native"},
		{"posd idle, resident memory", summary(rss, "MiB"), "under 24 MiB native"},
		{"a whole sale over pseudo-terminals, TLS and both disks", summary(sale, "ms"), ""},
	}, nil
}

func oneSale(ctx context.Context, r *rig.Rig) (ms float64, err error) {
	began := time.Now()
	res, err := r.Pay(ctx, "union-rich", "1.00")
	if err == nil && res.Outcome != "approved" {
		err = fmt.Errorf("the sale was %s: %s", res.Outcome, res.Entry.Why)
	}
	return float64(time.Since(began).Microseconds()) / 1000, err
}

// residentKiB reads VmRSS of a process.
func residentKiB(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib, nil
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
}

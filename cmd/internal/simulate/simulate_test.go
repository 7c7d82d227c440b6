package simulate_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"posd/cmd/internal/simulate"
)

var (
	seeds = flag.Uint64("seeds", 0, "how many seeds TestSimulate plays; 0 for as many as a test run should")
	part  = flag.Int("part", 0, "play each so many-th of the seeds and print a tally: TestSimulate's own processes do")
	first = flag.Uint64("first", 1, "the first of them")
	brief = flag.Bool("brief", false, "print no trace of a seed that fails")
	show  = flag.Bool("trace", false, "print the trace of each seed")
)

func scene(t *testing.T) *simulate.Scene {
	t.Helper()
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "simulate-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := simulate.NewScene(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func play(t *testing.T, cfg simulate.Config) (rep simulate.Report) {
	t.Helper()
	cryptotest.SetGlobalRandom(t, cfg.Seed)
	synctest.Test(t, func(t *testing.T) {
		var err error
		if rep, err = simulate.Run(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	})
	return rep
}

// TestSimulate plays the seeds, on as many processes as there are processors: what the
// seeded global random source needs is one of its own for each run.
func TestSimulate(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = few
		if testing.Short() {
			n = few / 10
		}
	}
	began := time.Now()
	sum := tally{}
	if *part == 0 && n > 20 {
		sum = playOnAll(t, n)
	} else {
		sum = playSome(t, *first, n, uint64(max(*part, 1)))
	}
	if *part > 0 {
		text, err := json.Marshal(sum)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s%s\n", tallyMark, text)
		return
	}
	took := time.Since(began)
	t.Logf("%d seeds in %v: %v simulated, %.1f terminal-years a minute; %+v", n, took.Round(time.Millisecond),
		sum.Span.Round(time.Hour), sum.Span.Hours()/24/365/took.Minutes(), sum.Stats)
	if n >= telling && slices.Contains(sum.Stats.Kinds[1:], 0) {
		t.Error("a kind of payment was never completed: the simulation says nothing of it")
	}
}

// telling is how many seeds are enough for every kind of payment to come about.
const telling = 150

// tally is what some seeds came to.
type tally struct {
	Span  time.Duration
	Stats simulate.Stats
}

const tallyMark = "tally of a part: "

// playSome plays n seeds, or each step-th of them.
func playSome(t *testing.T, from, n, step uint64) (sum tally) {
	s := scene(t)
	for seed := from; seed < from+n; seed += step {
		rep := play(t, simulate.Config{Scene: s, Seed: seed})
		if *show {
			fmt.Println(rep.Trace)
		}
		sum.Span += rep.Span
		sum.Stats.Add(rep.Stats)
		if len(rep.Failures) > 0 {
			report(t, rep)
		}
	}
	return sum
}

// report says what failed and how to see it again.
func report(t *testing.T, rep simulate.Report) {
	t.Helper()
	t.Errorf("seed %d: %s\nagain: make simulate SEEDS=1 FIRST=%d", rep.Seed, strings.Join(rep.Failures, "; "), rep.Seed)
	if !*brief && !*show {
		t.Logf("trace of seed %d:\n%s", rep.Seed, rep.Trace)
	}
}

// playOnAll divides the seeds among processes, as many as there are processors.
func playOnAll(t *testing.T, n uint64) (sum tally) {
	workers := uint64(runtime.NumCPU())
	parts := make([]tally, workers)
	var group errgroup.Group
	for i := range workers {
		group.Go(func() (err error) {
			parts[i], err = playPart(t, *first+i, n-i, workers)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	for _, p := range parts {
		sum.Span += p.Span
		sum.Stats.Add(p.Stats)
	}
	return sum
}

func playPart(t *testing.T, from, n, step uint64) (sum tally, err error) {
	args := []string{
		"-test.run=^TestSimulate$", "-test.timeout=0", fmt.Sprintf("-first=%d", from),
		fmt.Sprintf("-seeds=%d", n), fmt.Sprintf("-part=%d", step), fmt.Sprintf("-brief=%v", *brief),
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return sum, fmt.Errorf("%w\n%s", err, out)
	}
	_, text, found := strings.Cut(string(out), tallyMark)
	if !found {
		return sum, fmt.Errorf("a part said nothing:\n%s", out)
	}
	text, _, _ = strings.Cut(text, "\n")
	return sum, json.Unmarshal([]byte(text), &sum)
}

// Each planted bug is found within 500 seeds.
func TestPlantedBugsAreFound(t *testing.T) {
	const most = 500
	s := scene(t)
	for _, bug := range simulate.Bugs() {
		t.Run(bug.Name, func(t *testing.T) {
			for seed := uint64(1); seed <= most; seed++ {
				rep := play(t, simulate.Config{Scene: s, Seed: seed, Bug: bug})
				if len(rep.Failures) > 0 {
					t.Logf("found by seed %d: %s", seed, rep.Failures[0])
					return
				}
			}
			t.Errorf("not found within %d seeds", most)
		})
	}
}

// The same seed gives the same trace, byte for byte, 100 times of 100.
func TestSameSeedSameTrace(t *testing.T) {
	s := scene(t)
	times := few / 2 // 100, and fewer under the race detector
	if testing.Short() {
		times = 10
	}
	cfg := simulate.Config{Scene: s, Seed: *first}
	want := play(t, cfg).Trace
	for i := 1; i < times; i++ {
		if got := play(t, cfg).Trace; got != want {
			t.Fatalf("run %d of seed %d:\n%s", i+1, cfg.Seed, firstDifference(got, want))
		}
	}
	if len(want) < 1000 || play(t, simulate.Config{Scene: s, Seed: *first + 1}).Trace == want {
		t.Error("the traces say nothing")
	}
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d:\n%s\n%s", i+1, x[i], y[i])
		}
	}
	return "one is longer"
}

package simulate_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"posd/cmd/internal/simulate"
)

var (
	seeds = flag.Uint64("seeds", 200, "how many seeds TestSimulate plays")
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

func TestSimulate(t *testing.T) {
	s := scene(t)
	began := time.Now()
	var span time.Duration
	var sum simulate.Stats
	for seed := *first; seed < *first+*seeds; seed++ {
		rep := play(t, simulate.Config{Scene: s, Seed: seed})
		if *show {
			fmt.Println(rep.Trace)
		}
		span += rep.Span
		sum.Add(rep.Stats)
		if *brief && len(rep.Failures) > 0 {
			t.Errorf("seed %d: %v", seed, rep.Failures)
		} else if len(rep.Failures) > 0 {
			t.Errorf("seed %d: %v\nmake simulate SEEDS=1 FIRST=%d\n%s", seed, rep.Failures, seed, rep.Trace)
		}
	}
	took := time.Since(began)
	t.Logf("%d seeds in %v: %v simulated, %.1f terminal-years a minute; %+v", *seeds, took, span, span.Hours()/24/365/took.Minutes(), sum)
}

// The same seed gives the same trace, byte for byte, 100 times of 100.
func TestSameSeedSameTrace(t *testing.T) {
	s := scene(t)
	times := 100
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

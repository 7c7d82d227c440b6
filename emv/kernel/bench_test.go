package kernel

import (
	"context"
	"os"
	"runtime"
	"testing"
)

// BenchmarkSession runs whole recorded sessions in the kernel: selection to the first
// or second GENERATE AC, against a card that costs next to nothing. Where the C kernel's
// time is known, "of-C-kernel" is our share of it; the bar is 0.5.
func BenchmarkSession(b *testing.B) {
	for _, name := range []string{
		"sda-keys-1408-1120-768", "dda-keys-1408-1408-1152", "dda-keys-1984-1984-1984",
		"cda-keys-1408-1120-768", "online-approved-genac2-tc-cda",
	} {
		b.Run(name, func(b *testing.B) {
			sc := named(b, name)
			cfg := sc.config()
			cfg.replay = sc.replay()
			k, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			card, tx, issuer := sc.card(), sc.transaction(), sc.issuer()
			b.ReportAllocs()
			for b.Loop() {
				card.selected = 0
				if _, err := k.Run(context.Background(), tx, card, nobody{}, issuer); err != nil {
					b.Fatal(err)
				}
			}
			if theirs := barred[name]; theirs != 0 {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(theirs), "of-C-kernel")
			}
		})
	}
}

// BenchmarkPhases is what of a DDA session is not its cryptography: the same card at a
// terminal that cannot authenticate it.
func BenchmarkPhases(b *testing.B) {
	sc := named(b, "matrix-aip-5C00-terminal-80")
	s := sc.stand(b)
	s.kernel.terminal.capabilities[2] = 0
	issuer := sc.issuer()
	b.ReportAllocs()
	for b.Loop() {
		s.card.selected = 0
		if _, err := s.kernel.Run(context.Background(), s.tx, s.card, nobody{}, issuer); err != nil {
			b.Fatal(err)
		}
	}
}

// barred are the sessions that have a bar: what the C kernel needs for each on two cores
// of a server, in nanoseconds; 0 where no figure is known.
var barred = map[string]int64{
	"dda-keys-1408-1408-1152":       89_000,
	"cda-keys-1408-1120-768":        104_000,
	"online-approved-genac2-tc-cda": 0, // two signatures: no figure to compare
	"dda-keys-1984-1984-1984":       0,
}

const maxAllocations = 100

// TestAllocations: under 100 allocations for a whole session. Time has a bar as well, but
// no test: a busy machine would fail it. BenchmarkSession shows it.
func TestAllocations(t *testing.T) {
	for name := range barred {
		s := named(t, name).stand(t)
		issuer := s.issuer()
		n := testing.AllocsPerRun(50, func() {
			s.card.selected = 0
			if _, err := s.kernel.Run(context.Background(), s.tx, s.card, nobody{}, issuer); err != nil {
				t.Fatal(err)
			}
		})
		if n >= maxAllocations {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestNoGrowth: sessions leave nothing behind. 100,000 with POSD_LONG=1, 5,000 in an
// ordinary run.
func TestNoGrowth(t *testing.T) {
	rounds := 5_000
	switch {
	case os.Getenv("POSD_LONG") != "":
		rounds = 100_000
	case testing.Short():
		rounds = 1_000
	}
	var stands []*stand
	for name := range barred {
		stands = append(stands, named(t, name).stand(t))
	}
	run := func(n int) {
		for i := range n {
			s := stands[i%len(stands)]
			s.card.selected = 0
			if _, err := s.kernel.Run(context.Background(), s.tx, s.card, nobody{}, s.issuer()); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(100) // whatever is made once
	before := liveHeap()
	run(rounds)
	after := liveHeap()
	t.Logf("live heap %d bytes before, %d after %d sessions", before, after, rounds)
	if after > before+64<<10 {
		t.Errorf("live heap grew from %d to %d bytes over %d sessions", before, after, rounds)
	}
}

// liveHeap is what the heap holds after everything dead was collected.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

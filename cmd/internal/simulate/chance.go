package simulate

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// dice is the randomness of one actor in one direction. What another actor draws does not
// move it, so a fault stays where it was when some other part of the run changes.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func roll(seed uint64, actor string) *dice {
	h := fnv.New64a()
	h.Write([]byte(actor))
	return &dice{r: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// random is the dice of an actor that wants bytes: keys, nonces.
func random(seed uint64, actor string) io.Reader {
	d := roll(seed, actor)
	var key [32]byte
	for i := range key {
		key[i] = byte(d.r.Uint32())
	}
	return &lockedReader{r: rand.NewChaCha8(key)}
}

type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

// Read reads from the source, one reader at a time.
func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

// hits tells whether something of probability p happens.
func (d *dice) hits(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64() < p
}

// between returns a duration of a to b, even in nanoseconds, so that no two timers of a
// run are at the same instant.
func (d *dice) between(a, b time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return a + time.Duration(d.r.Int64N(int64(b-a)))
}

// n returns 0 to n-1.
func (d *dice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// weather is how often each fault strikes in one run. A run has some of them and not
// others: a storm of everything hides what two of them do to each other.
type weather struct {
	drop, late, double, garble, cut float64 // of each frame, in each direction
	reorder                         float64
	hostEnds                        float64 // of each request: the host restarts after it
	lineDown                        float64 // of each order: the line is down for some time
	rekey                           float64 // of each order: new keys while it runs
	power                           float64 // at each point and each commit
	powerAny                        float64 // of each order: at any moment
	disk                            float64 // of each commit: an error
	full                            float64 // of each order: the disk is full for some time
	clock                           float64 // of each order: the terminal's clock jumps
	card                            float64 // of each order: the card is pulled
	holder                          float64 // of each PIN: wrong, none, cancelled
	paper                           float64 // of each slip: the printer is out of paper
}

func forecast(d *dice) weather {
	var w weather
	for _, f := range []struct {
		rate *float64
		most float64
	}{
		{&w.drop, 0.1},
		{&w.late, 0.08},
		{&w.double, 0.1},
		{&w.garble, 0.06},
		{&w.cut, 0.08},
		{&w.reorder, 0.1},
		{&w.hostEnds, 0.05},
		{&w.lineDown, 0.15},
		{&w.rekey, 0.3},
		{&w.power, 0.03},
		{&w.powerAny, 0.15},
		{&w.disk, 0.05},
		{&w.full, 0.1},
		{&w.clock, 0.1},
		{&w.card, 0.2},
		{&w.holder, 0.2},
		{&w.paper, 0.2},
	} {
		if d.hits(0.45) {
			*f.rate = f.most * d.r.Float64()
		}
	}
	return w
}

package main_test

import (
	"context"
	"errors"
	"flag"
	"math/bits"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"posd/cmd/internal/rig"
)

var kills = flag.Int("kills", 0, "how many processes TestKillAtRandom kills; 0 for as many as a test run should")

// buildHost builds the host beside the agent, once.
var buildHost = sync.OnceValues(func() (string, error) {
	agent, err := buildAgent()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(agent), "hostsim")
	out, err := exec.Command("go", "build", "-o", path, "../hostsim").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

// kill -9 of the agent, of the host or of both at any moment of a sale, over real TLS,
// bbolt and SQLite: each time, when both are back, every book agrees with every other.
func TestKillAtRandom(t *testing.T) {
	n := *kills
	if n == 0 {
		n = 20
		if testing.Short() {
			n = 4
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Duration(n)*15*time.Second)
	defer cancel()
	program, err := buildHost()
	must(t, err)
	d := newDeskWith(t, ctx, rig.Config{Hostsim: program, AnswerTimeout: 3 * time.Second})
	must(t, d.Boot(ctx))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	ends := map[string]int{}
	for done := 0; done < n; {
		victims := 1 + random.IntN(3) // agent, host, both
		done += bits.OnesCount(uint(victims))
		ends[d.killDuring(t, ctx, victims, time.Duration(random.Int64N(int64(700*time.Millisecond))))]++
		if t.Failed() {
			t.Fatalf("after %d kills", done)
		}
	}
	t.Logf("%d kills, how the sales ended: %v", n, ends)
	res, err := d.Pay(ctx, "union-rich", "3.21")
	if err != nil || res.Outcome != "approved" {
		t.Errorf("the last sale: %v %s %s", err, res.Outcome, res.Entry.Why)
	}
	d.agree(t, ctx, "completed")
}

// Victims of a round.
const (
	theAgent = 1
	theHost  = 2
)

// killDuring pays, kills some time into it, starts again what was killed, waits until
// nothing is owed, and audits.
func (d *desk) killDuring(t *testing.T, ctx context.Context, victims int, after time.Duration) string {
	t.Helper()
	struck := make(chan struct{})
	time.AfterFunc(after, func() {
		defer close(struck)
		if victims&theHost != 0 {
			d.Server.Kill()
		}
		if victims&theAgent != 0 {
			d.Agent.Kill()
		}
	})
	res, err := d.Pay(ctx, "union-rich", "1.00")
	<-struck
	d.Reader.Remove()
	signOns := d.Agent.Count("signed on")
	if victims&theHost != 0 {
		must(t, d.BootHost(ctx))
	}
	switch victims {
	case theHost:
		must(t, d.Agent.AwaitMore(ctx, "signed on", signOns))
	default:
		must(t, d.Boot(ctx))
	}
	must(t, d.Rest(ctx))
	books, auditErr := d.Audit(ctx)
	must(t, auditErr)
	for _, diff := range books.Differences() {
		t.Error(diff)
	}
	if err != nil {
		return "agent gone"
	}
	return res.Outcome
}

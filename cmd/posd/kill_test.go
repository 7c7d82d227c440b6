package main_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"posd/cmd/internal/rig"
	"posd/device/sim/cards"
	"posd/emv/payment"
	"posd/host-sim/fault"
	"posd/transport/control"
)

// buildAgent builds posd with the crash points in it, once.
var buildAgent = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "posd-crash-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "posd")
	out, err := exec.Command("go", "build", "-tags", "crashpoints", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := buildAgent(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

// desk is a rig whose logs the test reads afterwards.
type desk struct {
	*rig.Rig
	dir        string
	agent, log notes
}

// notes is a log that is read while it is written.
type notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// newDesk sets a desk up. answer is how long the agent waits for the host: short only
// where the host keeps its answer to itself.
func newDesk(t *testing.T, ctx context.Context, answer time.Duration) *desk {
	t.Helper()
	return newDeskWith(t, ctx, rig.Config{AnswerTimeout: answer})
}

// newDeskWith is newDesk with more of the rig's configuration.
func newDeskWith(t *testing.T, ctx context.Context, cfg rig.Config) *desk {
	t.Helper()
	program, err := buildAgent()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{dir: t.TempDir()}
	cfg.Dir, cfg.Posd, cfg.LogLevel, cfg.AgentLog, cfg.HostLog = d.dir, program, "debug", &d.agent, &d.log
	d.Rig, err = rig.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("agent:\n%s\nhost:\n%s", d.agent.String(), d.log.String())
		}
	})
	return d
}

// A killing is one place at which the process dies in the middle of a sale, and what
// the journal must say of that sale in the end. Empty: the journal never heard of it.
type killing struct {
	name  string
	point payment.Point // of the crash build; empty where the host end does it
	lost  bool          // the host swallows its answer, so that a reversal comes up
	want  string
}

// killings are all places: each of payment.Points, and the moment after the send.
var killings = []killing{
	{"before the journal write", payment.BeforeJournal, false, ""},
	{"after the journal write", payment.AfterJournal, false, "reversed"},
	{"after the send", "", false, "reversed"},
	{"after the answer", payment.AfterAnswer, false, "reversed"},
	{"after the answer is stored", payment.AfterAnswerSaved, false, "reversed"},
	{"before the second GENERATE AC", payment.BeforeSecondGAC, false, "reversed"},
	{"after the second GENERATE AC", payment.AfterSecondGAC, false, "reversed"},
	{"before the receipt", payment.BeforeReceipt, false, "completed"},
	{"after the receipt", payment.AfterReceipt, false, "completed"},
	{"after the debt is stored", payment.AfterOwed, true, "reversed"},
	{"after the reversal is answered", payment.AfterReversal, true, "reversed"},
}

// kill -9 of the agent at each point of a sale, over real TLS, bbolt, SQLite and serial
// drivers: after the restart terminal, host and balances agree, and the next sale works.
func TestKillAtEveryPoint(t *testing.T) {
	covered := map[payment.Point]bool{}
	for _, k := range killings {
		covered[k.point] = true
		t.Run(k.name, func(t *testing.T) { k.run(t) })
	}
	for _, p := range payment.Points() {
		if !covered[p] {
			t.Errorf("no killing at %q", p)
		}
	}
}

func (k killing) run(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	answer := 30 * time.Second
	if k.lost {
		answer = 2 * time.Second
	}
	d := newDesk(t, ctx, answer)
	k.die(t, ctx, d)
	must(t, d.Boot(ctx))
	if k.want == "reversed" {
		must(t, d.Agent.Await(ctx, "msg=reversed"))
	}
	d.agree(t, ctx, k.want)
	res, err := d.Pay(ctx, "union-rich", "3.21")
	if err != nil || res.Outcome != "approved" {
		t.Fatalf("the next sale: %v %s %s", err, res.Outcome, res.Entry.Why)
	}
	d.agree(t, ctx, "completed")
	d.holdsNoSecret(t)
}

// die runs a sale into the kill.
func (k killing) die(t *testing.T, ctx context.Context, d *desk) {
	t.Helper()
	must(t, d.Boot(ctx, "POSD_CRASH_AT="+string(k.point)))
	if k.lost {
		f, err := fault.Parse("drop-response:+1")
		must(t, err)
		must(t, d.Host.AddFault(f))
	}
	if k.point == "" {
		var once sync.Once
		d.OnRequest(func(mti uint16, _ uint32, _ string) {
			if mti == 0x0200 {
				once.Do(d.Agent.Kill)
			}
		})
	}
	res, err := d.Pay(ctx, "union-rich", "12.00")
	d.OnRequest(nil)
	if !errors.Is(err, control.ErrLost) {
		t.Fatalf("the sale ended with %v and %v instead of the agent's death", res.Outcome, err)
	}
	if killed, err := d.Agent.Gone(ctx); !killed || err != nil {
		t.Fatalf("the agent was not killed by SIGKILL: %v", err)
	}
	d.Reader.Remove()
}

// agree audits the books; state is what the journal must say of its newest payment.
func (d *desk) agree(t *testing.T, ctx context.Context, state string) {
	t.Helper()
	books, err := d.Audit(ctx)
	must(t, err)
	for _, diff := range books.Differences() {
		t.Error(diff)
	}
	got := ""
	if n := len(books.Payments); n > 0 {
		got = books.Payments[n-1].Journal
	}
	if got != state {
		t.Errorf("the journal says %q of the newest payment, want %q", got, state)
	}
}

// holdsNoSecret looks for card number, track and PIN in everything that a run leaves
// behind: logs, store, paper.
func (d *desk) holdsNoSecret(t *testing.T) {
	t.Helper()
	must(t, d.Agent.Stop(t.Context()))
	store, err := os.ReadFile(d.StorePath())
	must(t, err)
	profile, err := cards.Load("union-rich")
	must(t, err)
	pan := profile.PAN.Reveal()
	track := profile.Applications[0].Track2.Reveal()
	places := map[string][]byte{
		"agent's log": []byte(d.agent.String()), "host's log": []byte(d.log.String()), "store": store,
		"paper": []byte(strings.Join(d.Paper(), "\n")),
	}
	for name, content := range places {
		for what, secret := range map[string]string{"card number": pan, "track": track, "PIN": "PIN " + profile.PIN} {
			if bytes.Contains(content, []byte(secret)) || bytes.Contains(content, packed(secret)) {
				t.Errorf("the %s holds the %s", name, what)
			}
		}
	}
	if !strings.Contains(string(places["paper"]), profile.PAN.Masked()) {
		t.Error("the paper does not even have the masked number: nothing was looked at")
	}
}

// packed is the form with two digits a byte; of anything else, the text itself.
func packed(s string) []byte {
	out := make([]byte, 0, len(s)/2)
	for i := 0; i+1 < len(s); i += 2 {
		hi, lo := strings.IndexByte("0123456789=D", s[i]), strings.IndexByte("0123456789=D", s[i+1])
		if hi < 0 || lo < 0 {
			return []byte(s)
		}
		out = append(out, byte(hi)<<4|byte(lo))
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posd/cmd/internal/rig"
	"posd/emv"
	"posd/emv/pinblock"
	"posd/host-sim/fault"
)

// The card of the memory tests: number, PIN and the issuer's part of its track are digits
// that stand nowhere else.
const (
	canaryPAN   = "6277001357924688"
	canaryPIN   = "918273645546"
	canaryTrack = "35122209080706050403"
	canaryCard  = `pse: on
pin: ` + canaryPIN + `
application: A000000333010101
label: UnionPay Debit
priority: 1
pan: ` + canaryPAN + `
pan-sequence: 1
expiry: 2035-12
track2: ` + canaryPAN + "D" + canaryTrack + `
cvm: online-pin if-supported; signature if-supported; no-cvm always
oda: sda dda
ca-index: F1
ca-key: test-ca-1408
issuer-key: test-issuer-1152
icc-key: test-icc-1024
imk: 0123456789ABCDEF FEDCBA9876543210
cvn: 18
arpc: 1
issuer-auth: external
ac1: arqc
`
)

// canaries are what no process but the PIN pad may keep after a payment.
func canaries(t *testing.T) []rig.Canary {
	t.Helper()
	pan, err := emv.ParsePAN(canaryPAN)
	must(t, err)
	block, err := pinblock.Encode0([]byte(canaryPIN), pan)
	must(t, err)
	return []rig.Canary{
		rig.NewCanary("card number", canaryPAN), rig.NewCanary("track", canaryTrack),
		rig.NewCanary("PIN", canaryPIN), rig.NewBinaryCanary("clear PIN block", block[:]),
	}
}

// After a payment the agent's memory, and all that it leaves behind, hold no card number,
// no track and no PIN, in any form; while the host is asked they do, so the look is a look.
func TestMemoryHoldsNoSecret(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	d := newDeskWith(t, ctx, rig.Config{
		AnswerTimeout: 5 * time.Second, Cards: []rig.TestCard{{Name: "canary", File: canaryCard, Opening: 100_000}},
	})
	must(t, d.Boot(ctx))
	secrets := canaries(t)
	d.lookDuring(t, ctx, secrets)
	for _, ending := range []struct{ name, fault, amount, want string }{
		{"approved", "", "12.34", "completed"},
		{"declined", "", "5000.00", "declined"},
		{"reversed", "drop-response:+1", "3.21", "reversed"},
	} {
		if ending.fault != "" {
			f, err := fault.Parse(ending.fault)
			must(t, err)
			must(t, d.Host.AddFault(f))
		}
		wiped := d.Agent.Count("memory wiped")
		res, err := d.Pay(ctx, "canary", ending.amount)
		must(t, err)
		d.agree(t, ctx, ending.want)
		must(t, d.Agent.AwaitMore(ctx, "memory wiped", wiped))
		d.look(t, "after a payment that was "+ending.name+" ("+res.Entry.ID+")", secrets)
	}
	d.lookAtFiles(t, secrets)
}

// lookDuring looks while the host has a request: what is looked for must be found.
func (d *desk) lookDuring(t *testing.T, ctx context.Context, secrets []rig.Canary) {
	t.Helper()
	var once sync.Once
	var hits []rig.Hit
	var failed error
	d.OnRequest(func(mti uint16, _ uint32, _ string) {
		if mti == 0x0200 {
			once.Do(func() { hits, _, failed = d.Agent.FindInMemory(secrets) })
		}
	})
	wiped := d.Agent.Count("memory wiped")
	_, err := d.Pay(ctx, "canary", "1.00")
	d.OnRequest(nil)
	must(t, err)
	must(t, d.Agent.AwaitMore(ctx, "memory wiped", wiped))
	if errors.Is(failed, rig.ErrNoImage) {
		t.Skip(failed)
	}
	must(t, failed)
	if !slices.ContainsFunc(hits, func(h rig.Hit) bool { return h.Canary == "card number" }) {
		t.Fatal("while the host is asked the card number was not found: nothing was looked at")
	}
	t.Logf("while the host is asked: %d places", len(hits))
}

// look looks through the process's memory, which is what a core file would have.
func (d *desk) look(t *testing.T, when string, secrets []rig.Canary) {
	t.Helper()
	hits, scanned, err := d.Agent.FindInMemory(secrets)
	must(t, err)
	t.Logf("%s: %d MiB looked through, %d places", when, scanned>>20, len(hits))
	for _, h := range hits {
		t.Errorf("%s: %v\n%s", when, h, dump(h.Around))
	}
}

// lookAtFiles looks through the store and what lies beside it, the logs and the paper.
func (d *desk) lookAtFiles(t *testing.T, secrets []rig.Canary) {
	t.Helper()
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", d.Agent.PID()))
	must(t, err)
	for line := range strings.Lines(string(limits)) {
		if strings.HasPrefix(line, "Max core file size") && strings.Fields(line)[4] != "0" {
			t.Errorf("a core file may be written: %s", line)
		}
	}
	must(t, d.Agent.Stop(t.Context()))
	hits := rig.FindAll(secrets, "agent's log", []byte(d.agent.String()))
	hits = append(hits, rig.FindAll(secrets, "host's log", []byte(d.log.String()))...)
	hits = append(hits, rig.FindAll(secrets, "paper", []byte(strings.Join(d.Paper(), "\n")))...)
	for _, path := range d.AgentFiles() {
		content, err := os.ReadFile(path)
		must(t, err)
		hits = append(hits, rig.FindAll(secrets, path, content)...)
	}
	for _, h := range hits {
		t.Errorf("%v", h)
	}
	if len(rig.FindAll(secrets, "copy", append(bytes.Repeat([]byte{7}, 99), canaryPAN...))) == 0 {
		t.Error("a planted copy was not found")
	}
}

// dump shows a neighbourhood in hexadecimal and text.
func dump(b []byte) string { return fmt.Sprintf("%x\n%q", b, b) }

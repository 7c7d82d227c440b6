package main_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"posd/cmd/internal/rig"
	"posd/host-sim/enrolment"
	"posd/host-sim/estate"
	"posd/transport/control"
)

// The terminal of the enrolment tests, which the host does not know before.
const (
	newTID    = "POSD0077"
	newSerial = "SN-000077"
)

// office is the host's listener for new terminals, on the desk.
type office struct {
	*enrolment.Server
	address, authority string
}

func openOffice(t *testing.T, d *desk) office {
	t.Helper()
	srv, err := d.Host.EnrolmentServer()
	must(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); must(t, <-done) })
	block, _ := pem.Decode(d.Host.CA())
	sum := sha256.Sum256(block.Bytes)
	return office{srv, ln.Addr().String(), hex.EncodeToString(sum[:])}
}

func (o office) invite(t *testing.T, serial string) string {
	t.Helper()
	code, _, err := o.Invite(t.Context(), enrolment.Invitation{
		SN: serial, TID: newTID, MID: rig.MID, Profile: estate.Profile{Bank: "ICBC 6222020000000000017", Access: "4g", Hotline: "4008008888"},
	})
	must(t, err)
	return code
}

// anew takes everything out of the configuration that an enrolment brings, and the store
// away: what comes out of the box.
func (d *desk) anew(t *testing.T, o office, serial string) {
	t.Helper()
	for _, path := range d.AgentFiles() {
		if strings.HasPrefix(path, d.StorePath()) {
			must(t, os.Remove(path))
		}
	}
	text, err := os.ReadFile(d.ConfigPath())
	must(t, err)
	var out []string
	for line := range strings.Lines(string(text)) {
		switch word, _, _ := strings.Cut(strings.TrimSpace(line), ":"); word {
		case "terminal":
			line = fmt.Sprintf("terminal: {serial: %q}\n", serial)
		case "ca", "certificate", "key", "enrolment":
			continue
		}
		out = append(out, line)
	}
	out = append(out, fmt.Sprintf("enrolment: {address: %q, ca: %q}\n", o.address, o.authority))
	must(t, os.WriteFile(d.ConfigPath(), []byte(strings.Join(out, "")), 0o600))
}

// enrols starts a terminal out of its box, and returns when it takes payments.
func (d *desk) enrols(t *testing.T, ctx context.Context, code string) control.Enrolment {
	t.Helper()
	must(t, d.Launch())
	must(t, d.Agent.Await(ctx, "this terminal is not enrolled"))
	out, err := d.Client().EnrolTerminal(ctx, control.Activation{Code: code})
	if err != nil {
		t.Fatalf("%v\n%s", err, d.Agent.Log())
	}
	must(t, d.Agent.Await(ctx, "recovered"))
	must(t, d.Agent.Await(ctx, "signed on"))
	return out
}

// A terminal out of its box gets its numbers, its certificate and its key with a code, and
// sells; another one in its place does too, and the first one is refused from then on.
func TestEnrolment(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	d := newDeskWith(t, ctx, rig.Config{AnswerTimeout: 5 * time.Second})
	o := openOffice(t, d)
	d.anew(t, o, newSerial)
	code := o.invite(t, newSerial)
	d.isStranger(t, ctx)
	got := d.enrols(t, ctx, code)
	if got.Terminal != newTID || got.Merchant != rig.MID || got.Name != rig.MerchantName || got.Bank != "ICBC ***************0017" {
		t.Errorf("the record is %+v", got)
	}
	d.sells(t, ctx)
	must(t, d.Agent.Await(ctx, "record compared"))
	snap, err := d.Client().Snapshot(ctx)
	must(t, err)
	if snap.Terminal != newTID || snap.Name != rig.MerchantName || !snap.Enrolment.Enrolled || len(snap.Enrolment.Differences) > 0 {
		t.Errorf("the agent is %s %s, %+v", snap.Terminal, snap.Name, snap.Enrolment)
	}
	if !strings.Contains(strings.Join(d.Paper(), "\n"), newTID) {
		t.Error("the terminal number is not on the slip")
	}
	must(t, d.Agent.Stop(ctx))

	box := keep(t, d) // the first device, switched off
	d.anew(t, o, "SN-000078")
	d.enrols(t, ctx, o.invite(t, "SN-000078"))
	d.sells(t, ctx)
	must(t, d.Agent.Stop(ctx))

	box.back(t)
	must(t, d.Launch())
	must(t, d.Agent.Await(ctx, "recovered"))
	d.refused(t, ctx)
}

// isStranger looks at a terminal that waits to be enrolled, and tries what it cannot do.
func (d *desk) isStranger(t *testing.T, ctx context.Context) {
	t.Helper()
	must(t, d.Launch())
	must(t, d.Agent.Await(ctx, "this terminal is not enrolled"))
	snap, err := d.Client().Snapshot(ctx)
	must(t, err)
	if snap.Serial != newSerial || !slices.ContainsFunc(snap.Findings, func(f control.Finding) bool { return f.Code == control.NotEnrolled }) {
		t.Errorf("serial %s, findings %v", snap.Serial, snap.Findings)
	}
	if _, err := d.Client().Pay(ctx, control.PayRequest{Amount: "1.00"}); !errors.Is(err, control.ErrNotReady) {
		t.Errorf("a payment before the enrolment: %v", err)
	}
	if _, err := d.Client().EnrolTerminal(ctx, control.Activation{Code: "AAAAA-AAAAA"}); !errors.Is(err, control.ErrInvalid) {
		t.Errorf("a wrong code: %v", err)
	}
	d.Agent.Kill() // with an identity on disk: the next start goes on with it
}

func (d *desk) sells(t *testing.T, ctx context.Context) {
	t.Helper()
	res, err := d.Pay(ctx, "union-rich", "12.34")
	must(t, err)
	if res.Outcome != "approved" {
		t.Errorf("the sale is %s: %+v\n%s", res.Outcome, res.Entry, d.Agent.Log())
	}
}

// refused waits until the host has refused the device.
func (d *desk) refused(t *testing.T, ctx context.Context) {
	t.Helper()
	must(t, d.Agent.Await(ctx, "host answered 97"))
	snap, err := d.Client().Snapshot(ctx)
	must(t, err)
	if snap.Ready || snap.Link.State == "up" {
		t.Errorf("the old device is ready: %+v", snap.Link)
	}
	if d.Agent.Count("signed on") > 0 {
		t.Error("the old device signed on")
	}
}

// kept are the files of a device that is switched off.
type kept map[string][]byte

func keep(t *testing.T, d *desk) kept {
	t.Helper()
	out := kept{}
	for _, path := range d.AgentFiles() {
		content, err := os.ReadFile(path)
		must(t, err)
		out[path] = content
	}
	return out
}

func (k kept) back(t *testing.T) {
	t.Helper()
	for path, content := range k {
		must(t, os.WriteFile(path, content, 0o600))
	}
}

// A certificate whose time is three quarters over is renewed by itself, and the next
// connection shows the new one; what the host holds otherwise meanwhile is told.
func TestRenewal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	// It begins a day in the past: three quarters of 32 h and 2 s are over in 1.5 s.
	d := newDeskWith(t, ctx, rig.Config{AnswerTimeout: 5 * time.Second, TerminalLife: 8*time.Hour + 2*time.Second})
	o := openOffice(t, d)
	d.anew(t, o, newSerial)
	first := d.enrols(t, ctx, o.invite(t, newSerial))
	must(t, d.Agent.Await(ctx, "certificate renewed"))
	snap, err := d.Client().Snapshot(ctx)
	must(t, err)
	if !snap.Enrolment.Expires.After(first.Expires) {
		t.Errorf("expires %v, before %v", snap.Enrolment.Expires, first.Expires)
	}
	must(t, d.Agent.Stop(ctx))
	_, _, err = o.Invite(ctx, enrolment.Invitation{
		SN: newSerial, TID: newTID, MID: rig.MID, Profile: estate.Profile{Bank: "CCB 6227000000000099", Access: "4g", Hotline: "4008008888"},
	})
	must(t, err)
	must(t, d.Launch())
	must(t, d.Agent.Await(ctx, "record compared"))
	d.differs(t, ctx, `bank: record "ICBC ***************0017", host "CCB ************0099"`)
	d.sells(t, ctx)
}

// differs wants the finding of a record that is not the host's any more.
func (d *desk) differs(t *testing.T, ctx context.Context, want string) {
	t.Helper()
	snap, err := d.Client().Snapshot(ctx)
	must(t, err)
	for _, f := range snap.Findings {
		if f.Code == control.EnrolDiffers && f.Detail == want {
			return
		}
	}
	t.Errorf("findings %v, want %s", snap.Findings, want)
}

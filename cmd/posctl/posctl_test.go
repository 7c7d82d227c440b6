package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"posd/transport/control"
)

// TestAgentThatDiesDuringAPayment: the client must not take silence for a decline.
func TestAgentThatDiesDuringAPayment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for { // the first connection is Dial's, the second asks
			conn, err := l.Accept()
			if err != nil {
				return
			}
			bufio.NewReader(conn).ReadString('\n')
			conn.Close()
		}
	}()
	var out, errOut strings.Builder
	status := run(context.Background(), []string{"--lang", "en", "--socket", path, "pay", "12.00"}, strings.NewReader(""), &out, &errOut)
	if status != statusError || !strings.Contains(errOut.String(), "the payment may have happened") ||
		!strings.Contains(errOut.String(), "posctl journal") {
		t.Errorf("status %d\n%s", status, errOut.String())
	}
}

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"posctl": main}) }

// TestScripts runs testdata/script/*.txtar. Each has an agent at $POSD_SOCKET that
// answers from memory; "stop-agent" ends it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_GOLDEN") == "1",
		Setup:         startAgent,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"stop-agent": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Value("stop").(func())() },
			"status":     checkStatus,
			"sim":        startSim,
			"tell":       tellSim,
			"expect":     expectSim,
			"end":        endSim,
		},
	})
}

// checkStatus runs posctl and wants its exit status: status 3 pay 51.00.
func checkStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: status WANT ARGS…")
	}
	err := ts.Exec("posctl", args[1:]...)
	got := "0"
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = fmt.Sprint(exit.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("posctl %q: exit status %s, want %s (%v)", args[1:], got, args[0], err)
	}
}

func startAgent(env *testscript.Env) error {
	path := filepath.Join(env.WorkDir, "control.sock")
	server, err := control.New(control.Config{Path: path, Backend: agent{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			<-done
		}
	}
	env.Values["stop"] = stop
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("FREE_ADDRESS", free.Addr().String()) // at which nobody listens
	if err := free.Close(); err != nil {
		return err
	}
	env.Values["sims"] = map[string]*background{}
	env.Defer(stop)
	env.Setenv("POSD_SOCKET", path)
	env.Setenv("LANG", "en_GB.UTF-8")
	return nil
}

// agent answers from memory: what becomes of a payment is in its amount.
type agent struct{}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (agent) Snapshot(context.Context) control.Snapshot {
	return control.Snapshot{
		Enrolment: record(),
		Version:   "0.1.0", Now: noon, Terminal: "10000001", Merchant: "898110053110001", Name: "北京测试商贸有限公司",
		Serial: "00003060123456", Batch: 1, NextSTAN: 43,
		Link: control.Link{State: "connecting", Host: "host.example:8583", LastError: "dial: refused\x1b[2J"},
		Devices: []control.Device{
			{Name: "reader", URL: "ccid:///dev/ttyS1", State: "loaded", Detail: "ATR 3B65"},
			{Name: "pinpad", URL: "vfpad:///dev/ttyS2", State: "failed", Why: "device did not answer"},
		},
		Keys:  []control.Key{{Name: "TMK", KCV: "D5D44F", Since: noon}, {Name: "TPK"}},
		Store: control.Store{Path: "/var/lib/posd/posd.db", Size: 3 << 20, Max: 32 << 20, Payments: 42},
		Owed:  []control.Entry{{ID: "000001/000041", Amount: "12.00", Currency: "CNY", Tries: 3, Why: "no answer"}},
		Findings: []control.Finding{
			control.ReversalOwed.With("1 payment"), control.LinkDown.With("dial: refused"), control.PINPadFailed.With(""),
		},
	}
}

func (agent) Journal(_ context.Context, limit int) ([]control.Entry, error) {
	all := []control.Entry{
		{ID: "000001/000042", Kind: "sale", State: "completed", Amount: "12.00", Minor: 1200, Currency: "CNY", Time: noon, Card: "627700******0017", Code: "00"},
		{ID: "000001/000041", Kind: "sale", State: "reversal owed", Amount: "8.00", Minor: 800, Currency: "CNY", Time: noon.Add(-time.Hour), Card: "627700******0017"},
	}
	return all[:min(limit, len(all))], nil
}

func (agent) Receipt(_ context.Context, id string) (string, error) {
	if id != "000001/000042" {
		return "", fmt.Errorf("posd: receipt %s: %w", id, control.ErrNoPayment)
	}
	return "POS SALES SLIP\nRMB 12.00\n", nil
}

func (agent) Pay(ctx context.Context, req control.PayRequest) (control.PayResult, error) {
	if req.Kind == "void" && req.Original.ID == "000001/000042" && req.Supervisor.Number == "00" {
		return control.PayResult{Outcome: "approved"}, nil
	}
	entry := control.Entry{ID: "000001/000043", Amount: req.Amount, Currency: "CNY", Code: "00", AuthCode: "A1B2C3"}
	switch req.Amount {
	case "12.00":
		return control.PayResult{Outcome: "approved", Entry: entry, Message: "Approved", Receipt: "POS SALES SLIP\n"}, nil
	case "51.00":
		entry.Code, entry.AuthCode = "51", ""
		return control.PayResult{Outcome: "declined", Entry: entry, Message: "Insufficient funds"}, nil
	case "17.00":
		return control.PayResult{Outcome: "cancelled"}, nil
	case "18.00":
		return control.PayResult{Outcome: "not accepted"}, nil
	case "19.00":
		return control.PayResult{}, fmt.Errorf("posd: pay: %w", control.ErrNotReady)
	}
	return control.PayResult{}, errors.New("posd: pay: the till is on fire")
}

func (agent) LoadKey(_ context.Context, block string) (string, error) {
	if block != "B0096P0TE00N0000" {
		return "", fmt.Errorf("keyblock: read header: %w", control.ErrInvalid)
	}
	return "D5D44F", nil
}

func (agent) Enrol(_ context.Context, a, b control.Technician) error { return nil }

func (agent) EnrolTerminal(_ context.Context, a control.Activation) (control.Enrolment, error) {
	if a.Code != "ABCDE-FGHJK" {
		return control.Enrolment{}, fmt.Errorf("host refuses: refused: %w", control.ErrInvalid)
	}
	return record(), nil
}

// record is what the terminal holds of itself.
func record() control.Enrolment {
	return control.Enrolment{
		Enrolled: true, Serial: "00003060123456", Terminal: "10000001", Merchant: "898110053110001", Name: "北京测试商贸有限公司",
		Bank: "ICBC ***************0017", Access: "4g", Hotline: "95516", Suite: "tdes", Since: noon, Compared: noon,
		Expires: noon.AddDate(5, 0, 0), Renews: noon.AddDate(4, 0, 0), Address: "host.example:8584", Authority: strings.Repeat("5A", 32),
		Differences: []control.Difference{{Field: "name", Here: "北京测试商贸有限公司", There: "Teahouse", With: "host"}},
	}
}

func (agent) Unlock(_ context.Context, a, b control.Technician) error {
	if a.Password != "open sesame" {
		return fmt.Errorf("wrong name or password: %w", control.ErrLocked)
	}
	return nil
}

func (agent) Resolve(_ context.Context, id, operator, reason string) error {
	if id != "000001/000041" {
		return fmt.Errorf("posd: resolve %s: %w", id, control.ErrNoPayment)
	}
	return nil
}

var errStaff = fmt.Errorf("operator 07: %w", control.ErrPassword)

// trusted knows one supervisor.
func trusted(p control.Person) error {
	if p.Number != "00" || p.Password != "open sesame" {
		return errStaff
	}
	return nil
}

func (agent) Settle(_ context.Context, who control.Person) (control.Settled, error) {
	return control.Settled{Batch: 1, Receipt: "Settlement Total Slip\n"}, trusted(who)
}

func (agent) LastSettlement(_ context.Context, print bool) (control.Settled, error) {
	return control.Settled{Batch: 1, Receipt: "last slip\n"}, nil
}

func (agent) Forward(context.Context) (int, error) { return 2, nil }

func (agent) Download(_ context.Context, list string) ([]control.Downloaded, error) {
	if list != "all" {
		return nil, fmt.Errorf("no list %q: %w", list, control.ErrInvalid)
	}
	return []control.Downloaded{{List: "aids", Entries: 3, Version: "7", Since: noon}}, nil
}

func (a agent) Search(ctx context.Context, s control.Search) ([]control.Entry, error) {
	if s.LastFour != "0017" || !s.From.Equal(time.Date(2026, 3, 1, 0, 0, 0, 0, time.Local)) {
		return nil, nil
	}
	return a.Journal(ctx, 1)
}

func (agent) Reprint(_ context.Context, id string) error {
	if id != "000001/000042" {
		return fmt.Errorf("posd: reprint %s: %w", id, control.ErrNoPayment)
	}
	return nil
}

func (agent) SignOn(context.Context) error                        { return nil }
func (agent) SignOff(_ context.Context, who control.Person) error { return trusted(who) }

func (agent) LoadComponent(_ context.Context, who control.Person, c control.Component) (string, error) {
	if c.Whole == "" {
		return "", trusted(who)
	}
	return "08D7B4", trusted(who)
}

func (agent) Operators(context.Context) ([]control.OperatorEntry, error) {
	return []control.OperatorEntry{{Number: "07", Role: "cashier", LastLogin: noon, Locked: true, Expires: noon}}, nil
}

func (agent) SetUp(_ context.Context, administrator, supervisor control.Person) error {
	if administrator.Password != "first one" || supervisor.Password != "second one" {
		return errStaff
	}
	return nil
}

func (agent) ChangePassword(_ context.Context, who control.Person, next string) error {
	return trusted(who)
}

func (agent) AddOperator(_ context.Context, by, next control.Person) error   { return trusted(by) }
func (agent) ResetOperator(_ context.Context, by, next control.Person) error { return trusted(by) }

func (agent) RemoveOperator(_ context.Context, by control.Person, number string) error {
	return trusted(by)
}

func (agent) StoreCheck(context.Context) (control.StoreReport, error) {
	return control.StoreReport{Used: 2 << 20, Size: 32 << 20, Payments: 42, Archived: 1000, Faults: []string{"record 7: damaged"}}, nil
}

func (agent) StoreExport(_ context.Context, path, passphrase string) (int, error) {
	if passphrase != "a phrase that is long" {
		return 0, fmt.Errorf("passphrase: %w", control.ErrInvalid)
	}
	return 43, nil
}

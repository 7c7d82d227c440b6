package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is an agent that answers from its fields.
type fake struct {
	began, end chan struct{} // of Pay, where set
	ended      chan error    // gets ctx.Err() when Pay ends, where set
	err        error
	resolved   [3]string
}

func (f *fake) Snapshot(context.Context) Snapshot {
	return Snapshot{Terminal: "10000001", Findings: []Finding{LinkDown.With("connection refused")}}
}

func (f *fake) Journal(_ context.Context, limit int) ([]Entry, error) {
	return []Entry{{ID: "000001/000042", Minor: int64(limit)}}, f.err
}

func (f *fake) Receipt(_ context.Context, id string) (string, error) { return "slip " + id, f.err }

func (f *fake) LoadKey(_ context.Context, block string) (string, error) {
	return "D5D44F", f.err
}

func (f *fake) Resolve(_ context.Context, id, operator, reason string) error {
	f.resolved = [3]string{id, operator, reason}
	return f.err
}

func (f *fake) Enrol(_ context.Context, a, b Technician) error {
	f.resolved = [3]string{"enrol", a.Name + a.Password, b.Name + b.Password}
	return f.err
}

func (f *fake) EnrolTerminal(_ context.Context, a Activation) (Enrolment, error) {
	if a.Code != "ABCDE-FGHJK" {
		return Enrolment{}, fmt.Errorf("refused: %w", ErrInvalid)
	}
	return Enrolment{Enrolled: true, Terminal: "10000001", Address: a.Address}, nil
}

func (f *fake) Unlock(_ context.Context, a, b Technician) error {
	f.resolved = [3]string{"unlock", a.Name + a.Password, b.Name + b.Password}
	return f.err
}

func (f *fake) Pay(ctx context.Context, req PayRequest) (PayResult, error) {
	if f.began != nil {
		close(f.began)
		select {
		case <-f.end:
		case <-ctx.Done():
		}
	}
	if f.ended != nil {
		f.ended <- ctx.Err()
	}
	return PayResult{Outcome: "approved", Entry: Entry{Amount: req.Amount}}, f.err
}

func (f *fake) note(what string, people ...Person) error {
	f.resolved = [3]string{what}
	for i, p := range people {
		f.resolved[i+1] = p.Number + p.Password
	}
	return f.err
}

func (f *fake) Settle(_ context.Context, who Person) (Settled, error) {
	return Settled{Batch: 7}, f.note("settle", who)
}

func (f *fake) LastSettlement(_ context.Context, print bool) (Settled, error) {
	return Settled{Batch: 8, Uploaded: map[bool]int{true: 1}[print]}, f.err
}

func (f *fake) Forward(context.Context) (int, error) { return 3, f.err }

func (f *fake) Download(_ context.Context, list string) ([]Downloaded, error) {
	return []Downloaded{{List: list}}, f.err
}

func (f *fake) Search(_ context.Context, s Search) ([]Entry, error) {
	return []Entry{{Card: s.LastFour}}, f.err
}

func (f *fake) Reprint(_ context.Context, id string) error { return f.note("reprint " + id) }
func (f *fake) SignOn(context.Context) error               { return f.note("sign on") }

func (f *fake) SignOff(_ context.Context, who Person) error { return f.note("sign off", who) }

func (f *fake) LoadComponent(_ context.Context, who Person, c Component) (string, error) {
	return c.KCV, f.note("component "+c.Part, who)
}

func (f *fake) Operators(context.Context) ([]OperatorEntry, error) {
	return []OperatorEntry{{Number: "01"}}, f.err
}

func (f *fake) SetUp(_ context.Context, a, b Person) error { return f.note("set up", a, b) }

func (f *fake) ChangePassword(_ context.Context, who Person, next string) error {
	return f.note("change "+next, who)
}

func (f *fake) AddOperator(_ context.Context, by, next Person) error { return f.note("add", by, next) }

func (f *fake) ResetOperator(_ context.Context, by, next Person) error {
	return f.note("reset", by, next)
}

func (f *fake) RemoveOperator(_ context.Context, by Person, number string) error {
	return f.note("remove "+number, by)
}

func (f *fake) StoreCheck(context.Context) (StoreReport, error) {
	return StoreReport{Payments: 5, Faults: []string{"record 1: damaged"}}, f.err
}

func (f *fake) StoreExport(_ context.Context, path, passphrase string) (int, error) {
	return 9, f.note("export " + path + " " + passphrase)
}

// serve runs a server for the length of the test and returns a client of it.
func serve(t *testing.T, b Backend) (*Client, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	s, err := New(Config{Path: path, Backend: b, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	c, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	return c, path
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestEveryMethodCrossesTheSocket(t *testing.T) {
	ctx, agent := context.Background(), &fake{}
	c, _ := serve(t, agent)
	snap, err := c.Snapshot(ctx)
	if err != nil || snap.Terminal != "10000001" || snap.Findings[0] != LinkDown.With("connection refused") {
		t.Errorf("Snapshot: %+v, %v", snap, err)
	}
	entries, err := c.Journal(ctx, 7)
	if err != nil || len(entries) != 1 || entries[0].Minor != 7 {
		t.Errorf("Journal: %+v, %v", entries, err)
	}
	if slip, err := c.Receipt(ctx, "000001/000042"); err != nil || slip != "slip 000001/000042" {
		t.Errorf("Receipt: %q, %v", slip, err)
	}
	if res, err := c.Pay(ctx, PayRequest{Amount: "12.00"}); err != nil || res.Entry.Amount != "12.00" {
		t.Errorf("Pay: %+v, %v", res, err)
	}
	if kcv, err := c.LoadKey(ctx, "B0080"); err != nil || kcv != "D5D44F" {
		t.Errorf("LoadKey: %q, %v", kcv, err)
	}
	if err := c.Resolve(ctx, "000001/000042", "01", "host says so"); err != nil {
		t.Errorf("Resolve: %v", err)
	}
	if want := [3]string{"000001/000042", "01", "host says so"}; agent.resolved != want {
		t.Errorf("Resolve got %q, want %q", agent.resolved, want)
	}
}

func TestErrorsKeepTheirIdentity(t *testing.T) {
	agent := &fake{}
	c, _ := serve(t, agent)
	for _, want := range []error{ErrBusy, ErrNotReady, ErrNoPayment, ErrInvalid} {
		agent.err = fmt.Errorf("posd: do it: %w", want)
		_, err := c.Receipt(context.Background(), "1")
		if !errors.Is(err, want) || err.Error() != agent.err.Error() {
			t.Errorf("got %v, want %v", err, agent.err)
		}
	}
	agent.err = errors.New("posd: something else")
	_, err := c.Receipt(context.Background(), "1")
	if err == nil || err.Error() != "posd: something else" || errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestBadRequestsAreRefusedByName(t *testing.T) {
	_, path := serve(t, &fake{})
	for _, row := range []struct{ name, line, want string }{
		{"no JSON", "hello", "invalid character"},
		{"an unknown field", `{"op":"snapshot","colour":1}`, `unknown field \"colour\"`},
		{"an unknown operation", `{"op":"format"}`, `operation \"format\": unknown`},
		{"two objects", `{"op":"snapshot"}{}`, "more after the object"},
		{"a journal without limit", `{"op":"journal"}`, "limit 0"},
		{"too large a limit", `{"op":"journal","limit":1001}`, "limit 1001"},
		{"a payment of nothing", `{"op":"pay"}`, "amount is missing"},
		{"no key", `{"op":"load-key"}`, "block is missing"},
		{"a debt resolved by nobody", `{"op":"resolve","id":"1/1","reason":"x"}`, "operator"},
		{"a debt resolved for no reason", `{"op":"resolve","id":"1/1","operator":"01"}`, "reason"},
		{"an endless line", strings.Repeat("x", maxRequest+1), "request above 65536 bytes"},
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(conn, row.line+"\n")
		got, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(got, row.want) || !strings.Contains(got, `"code":"invalid"`) {
			t.Errorf("%s: got %q, %v; want %q", row.name, got, err, row.want)
		}
		conn.Close()
	}
}

func TestSecondPaymentIsRefused(t *testing.T) {
	agent := &fake{began: make(chan struct{}), end: make(chan struct{})}
	c, _ := serve(t, agent)
	first := make(chan error, 1)
	go func() {
		_, err := c.Pay(context.Background(), PayRequest{Amount: "1"})
		first <- err
	}()
	<-agent.began
	if _, err := c.Pay(context.Background(), PayRequest{Amount: "2"}); !errors.Is(err, ErrBusy) {
		t.Errorf("second payment: %v, want ErrBusy", err)
	}
	if _, err := c.Snapshot(context.Background()); err != nil {
		t.Errorf("a look during a payment: %v", err)
	}
	close(agent.end)
	if err := <-first; err != nil {
		t.Errorf("first payment: %v", err)
	}
}

func TestPaymentOutlivesItsClient(t *testing.T) {
	agent := &fake{began: make(chan struct{}), end: make(chan struct{}), ended: make(chan error, 1)}
	c, _ := serve(t, agent)
	ctx, hangUp := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	go func() {
		_, err := c.Pay(ctx, PayRequest{Amount: "1"})
		gone <- err
	}()
	<-agent.began
	hangUp()
	if err := <-gone; !errors.Is(err, ErrLost) || !errors.Is(err, context.Canceled) {
		t.Errorf("the client: %v, want ErrLost for a cancelled context", err)
	}
	close(agent.end)
	if err := <-agent.ended; err != nil {
		t.Errorf("the payment ended by %v, want its own end", err)
	}
}

func TestAgentThatStopsEndsItsPayment(t *testing.T) {
	agent := &fake{began: make(chan struct{}), end: make(chan struct{}), ended: make(chan error, 1)}
	path := filepath.Join(t.TempDir(), "s")
	s, err := New(Config{Path: path, Backend: agent, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	c := &Client{path}
	answered := make(chan error, 1)
	go func() {
		_, err := c.Pay(context.Background(), PayRequest{Amount: "1"})
		answered <- err
	}()
	<-agent.began
	stop()
	if err := <-agent.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the payment saw %v, want context.Canceled", err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the client lost the answer of a payment that ended: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := c.Snapshot(context.Background()); !errors.Is(err, ErrNoAgent) {
		t.Errorf("afterwards: %v, want ErrNoAgent", err)
	}
}

func TestSocketIsForItsOwnerOnly(t *testing.T) {
	_, path := serve(t, &fake{})
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != os.ModeSocket|0o600 {
		t.Errorf("mode %v, want a socket with 0600", got)
	}
}

func TestLiveSocketIsRefused(t *testing.T) {
	_, path := serve(t, &fake{})
	if _, err := New(Config{Path: path, Backend: &fake{}, Log: quiet()}); !errors.Is(err, ErrSocketInUse) {
		t.Errorf("got %v, want ErrSocketInUse", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	s, err := New(Config{Path: path, Backend: &fake{}, Log: quiet()})
	if err != nil {
		t.Fatalf("New over a stale socket: %v", err)
	}
	s.Close()
}

func TestFileInTheWayIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Path: path, Backend: &fake{}, Log: quiet()}); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("got %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file is now %q", b)
	}
}

func TestConfigIsCheckedByName(t *testing.T) {
	for _, row := range []struct {
		cfg  Config
		want string
	}{
		{Config{Backend: &fake{}, Log: quiet()}, "Path"},
		{Config{Path: "x", Log: quiet()}, "Backend"},
		{Config{Path: "x", Backend: &fake{}}, "Log"},
	} {
		if _, err := New(row.cfg); err == nil || !strings.Contains(err.Error(), row.want+" is missing") {
			t.Errorf("got %v, want %s is missing", err, row.want)
		}
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	c, path := serve(t, &fake{})
	for range maxConns {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, `{"op":"snapshot"}`+"\n") // an answer shows that it has its place
		if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Snapshot(context.Background())
	if err == nil || !strings.Contains(err.Error(), "16 connections are open already") {
		t.Errorf("got %v", err)
	}
}

func TestSilentClientIsHungUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		s := &Server{cfg: Config{Backend: &fake{}, Log: quiet()}, slots: make(chan struct{}, 1), paying: make(chan struct{}, 1)}
		began := time.Now()
		go s.serve(t.Context(), ours)
		if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
		if got := time.Since(began); got != arriveWithin {
			t.Errorf("after %v, want %v", got, arriveWithin)
		}
	})
}

func TestClientThatTakesNoAnswerIsHungUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		s := &Server{cfg: Config{Backend: &fake{}, Log: quiet()}, slots: make(chan struct{}, 1), paying: make(chan struct{}, 1)}
		ended := make(chan struct{})
		go func() { s.serve(t.Context(), ours); close(ended) }()
		io.WriteString(theirs, `{"op":"snapshot"}`+"\n")
		began := time.Now()
		<-ended
		if got := time.Since(began); got != takeWithin {
			t.Errorf("after %v, want %v", got, takeWithin)
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"op":"pay","pay":{"amount":"12.00"}}` + "\n"))
	f.Add([]byte(`{"op":"resolve","id":"000001/000042","operator":"01","reason":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		line, err := readLine(bufio.NewReaderSize(strings.NewReader(string(b)), 16), 1<<10)
		if err != nil {
			return
		}
		if len(line) > 1<<10 {
			t.Fatalf("line of %d bytes", len(line))
		}
		req, err := parseRequest(line)
		if err != nil {
			return
		}
		s := &Server{cfg: Config{Backend: &fake{}, Log: quiet()}, paying: make(chan struct{}, 1)}
		reply := s.handle(t.Context(), line)
		if !slices.Contains([]string{"snapshot", "journal", "receipt", "pay", "load-key", "resolve"}, req.Op) &&
			!strings.Contains(string(reply), `"invalid"`) {
			t.Errorf("operation %q: %s", req.Op, reply)
		}
		if err := parseAnswer(req.Op, reply, nil); err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("our own answer: %v", err)
		}
	})
}

// Two technicians go through the socket, and their passwords into no printed form.
func TestTechnicians(t *testing.T) {
	agent := &fake{}
	client, _ := serve(t, agent)
	a, b := Technician{"li", "secret-a1"}, Technician{"wang", "secret-b2"}
	if err := client.Enrol(t.Context(), a, b); err != nil || agent.resolved != [3]string{"enrol", "lisecret-a1", "wangsecret-b2"} {
		t.Errorf("enrol: %v, %v", err, agent.resolved)
	}
	if err := client.Unlock(t.Context(), a, b); err != nil || agent.resolved[0] != "unlock" {
		t.Errorf("unlock: %v, %v", err, agent.resolved)
	}
	agent.err = ErrLocked
	if err := client.Unlock(t.Context(), a, b); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want locked", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if out := fmt.Sprintf(verb, a); strings.Contains(out, "secret") || strings.Contains(out, "7365637265") {
			t.Errorf("%s shows the password", verb)
		}
	}
}

func TestOneTechnicianIsNotEnough(t *testing.T) {
	s := &Server{cfg: Config{Backend: &fake{}, Log: quiet()}}
	line := s.handle(t.Context(), []byte(`{"op":"unlock","technicians":[{"name":"li","password":"x"}]}`))
	if !strings.Contains(string(line), "2 wanted") {
		t.Errorf("got %s", line)
	}
}

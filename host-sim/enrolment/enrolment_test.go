package enrolment_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/binding"
	"posd/emv/keyblock"
	"posd/emv/keyblock/remote"
	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
	"posd/host-sim/enrolment"
	"posd/host-sim/estate"
	"posd/host-sim/hsm"
	"posd/store"
	local "posd/store/enrolment"
	"posd/store/keys"
	"posd/transport/enrol"
)

const (
	mid = "898310070110001"
	tid = "10000001"
	sn  = "SN-0001"
)

var profile = estate.Profile{Bank: "ICBC Shanghai ****1234", Access: "4g", Hotline: "95516", Parameters: []byte("parameters")}

// world is a host with a listener of its own.
type world struct {
	t      *testing.T
	db     *db.DB
	module *hsm.Module
	ca     *estate.CA
	server *enrolment.Server
	addr   string
	log    syncBuffer

	mu  sync.Mutex
	now time.Time
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	w.db = dbtest.Open(t)
	w.module = must2(hsm.New(bytes.Repeat([]byte{7}, 32), rand.Reader))(t)
	w.ca = must2(estate.NewCA("test CA", w.now))(t)
	w.server = must2(enrolment.New(enrolment.Config{
		DB: w.db, Module: w.module, CA: w.ca, Hosts: []string{"127.0.0.1"}, Now: w.clock, Rand: rand.Reader,
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}))(t)
	err := w.db.Update(t.Context(), func(tx db.Tx) error {
		_, err := estate.AddMerchant(t.Context(), tx, estate.Merchant{MID: mid, Name: "Teahouse"}, emv.CNY, w.now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ln := must2(net.Listen("tcp", "127.0.0.1:0"))(t)
	w.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

// must2 is must for a call with two results.
func must2[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		return must(t, v, err)
	}
}

func (w *world) invite(in enrolment.Invitation) string {
	w.t.Helper()
	in.MID, in.Profile = mid, profile
	code, _, err := w.server.Invite(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

func (w *world) client() *enrol.Client {
	w.t.Helper()
	return must2(enrol.New(enrol.Config{Host: w.addr, CA: w.ca.PEM(), Now: w.clock}))(w.t)
}

func (w *world) terminal() estate.Terminal {
	w.t.Helper()
	var t estate.Terminal
	err := w.db.View(w.t.Context(), func(tx db.Tx) (err error) {
		t, err = estate.FindTerminal(w.t.Context(), tx, tid)
		return err
	})
	return must(w.t, t, err)
}

func identity(t *testing.T, sn string) *enrol.Identity {
	t.Helper()
	return must2(enrol.NewIdentity(sn, 0))(t)
}

func certificate(t *testing.T, a enrol.Answer) tls.Certificate {
	t.Helper()
	return must2(tls.X509KeyPair(a.Certificate, a.Key))(t)
}

// wantRefusal checks what the host says.
func wantRefusal(t *testing.T, name string, err error, code string) {
	t.Helper()
	var r *enrol.Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("%s: %v, want %q", name, err, code)
	}
}

// agent is what a terminal keeps.
type agent struct {
	db     *store.DB
	keys   *keys.Keys
	record *local.Store
}

func newAgent(t *testing.T, now func() time.Time) agent {
	t.Helper()
	dir := t.TempDir()
	key := must2(store.FileDeviceKey(filepath.Join(dir, "key"), rand.Reader))(t)
	sdb := must2(store.Open(store.Config{Path: filepath.Join(dir, "s.db"), Key: key, Rand: rand.Reader, MaxSize: store.MinMaxSize}))(t)
	t.Cleanup(func() { sdb.Close() })
	return agent{sdb, must2(keys.Open(keys.Config{DB: sdb, Now: now}))(t), must2(local.Open(sdb))(t)}
}

// A terminal from its box to the binding of its messages, for each suite of keys, with the
// authority known by its fingerprint alone and a power cut between answer and storing.
func TestANewTerminal(t *testing.T) {
	for _, suite := range keyblock.Suites() {
		t.Run(string(suite), func(t *testing.T) {
			w := newWorld(t)
			a := newAgent(t, w.clock)
			shown := enrol.Activation{Serial: sn, Code: w.invite(enrolment.Invitation{SN: sn, TID: tid, Suite: suite}), Host: w.addr}
			block, _ := pem.Decode(w.ca.PEM())
			shown.Fingerprint = fingerprint(block.Bytes)
			read := must2(enrol.ParseActivation(shown.String()))(t)

			client := must2(enrol.New(enrol.Config{Host: read.Host, Fingerprint: read.Fingerprint, Now: w.clock}))(t)
			id := identity(t, read.Serial)
			secret := must2(id.Marshal())(t)
			if err := a.record.SavePending(secret, w.clock()); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Enrol(t.Context(), id, read.Code); err != nil {
				t.Fatal(err)
			}
			// Power cut: the answer is lost, the identity is not.
			id = must2(enrol.ParseIdentity(must2(a.record.Pending())(t)))(t)
			answer := must2(client.Enrol(t.Context(), id, read.Code))(t)

			info := must2(a.keys.LoadMasterDelivery(answer.Authority, id.Transport(), answer.Context, answer.Delivery))(t)
			if info.KCV != answer.KCV || info.Suite != suite {
				t.Errorf("key %+v, host says %s", info, answer.KCV)
			}
			done := local.Identity{Certificate: answer.Certificate, CA: answer.CA, Key: answer.Key}
			if err := a.record.Complete(local.Record(answer.Record), done, w.clock()); err != nil {
				t.Fatal(err)
			}
			if _, err := a.record.Pending(); !errors.Is(err, local.ErrNotEnrolled) {
				t.Errorf("the pending identity is still there: %v", err)
			}
			checkTerminal(t, w, a, suite)
		})
	}
}

// checkTerminal signs on, proves the serial number and compares the records.
func checkTerminal(t *testing.T, w *world, a agent, suite keyblock.Suite) {
	t.Helper()
	own := w.terminal()
	layout := map[keyblock.Suite]hsm.Layout{keyblock.TDES: hsm.DoubleKeysAndTrack, keyblock.AES: hsm.DoubleKeysAndTrack, keyblock.SM4: hsm.SM4Keys}[suite]
	_, wrapped, err := w.module.NewWorkingKeys(own.TMK, layout)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.keys.Install(wrapped); err != nil {
		t.Errorf("working keys under the key that came: %v", err)
	}
	key := must2(a.keys.BindingKey())(t)
	field := must2(binding.Append(nil, binding.Terminal{Kind: binding.POS, Serial: sn, Factor: "000017", Proof: binding.Proof(key, sn, "000017")}))(t)
	if _, err := w.module.VerifyBinding(own.TMK, field, own.SN, "000017"); err != nil {
		t.Errorf("field 59: %v", err)
	}
	if _, err := w.module.VerifyBinding(own.TMK, field, "SN-0002", "000017"); !errors.Is(err, binding.ErrProof) {
		t.Errorf("field 59 of another device: %v", err)
	}
	cert, _, err := must2(a.record.Certificate())(t).TLS()
	if err != nil {
		t.Fatal(err)
	}
	host := must2(w.client().Record(t.Context(), cert))(t)
	if found, err := a.record.Compare(local.Record(host.Record), w.clock()); err != nil || len(found) != 0 || string(host.Parameters) != "parameters" {
		t.Errorf("differences %v, parameters %q, %v", found, host.Parameters, err)
	}
}

func fingerprint(der []byte) [32]byte {
	return sum256(der)
}

func TestCodesThatDoNotEnrol(t *testing.T) {
	w := newWorld(t)
	code := w.invite(enrolment.Invitation{SN: sn, TID: tid})
	w.invite(enrolment.Invitation{SN: "SN-0002", TID: "10000002"})
	client, id := w.client(), identity(t, sn)
	before := w.terminal()

	_, err := client.Enrol(t.Context(), id, "22222-22222")
	wantRefusal(t, "wrong code", err, "refused")
	_, err = client.Enrol(t.Context(), identity(t, "SN-9999"), code)
	wantRefusal(t, "unknown serial number", err, "refused")
	_, err = client.Enrol(t.Context(), identity(t, "SN-0002"), code)
	wantRefusal(t, "code of another serial number", err, "refused")
	if after := w.terminal(); !bytes.Equal(after.TMK, before.TMK) {
		t.Error("a refused enrolment changed the terminal")
	}
	if _, err = client.Enrol(t.Context(), id, strings.ToLower(strings.ReplaceAll(code, "-", " "))); err != nil {
		t.Fatalf("the right code, typed another way: %v", err)
	}
	_, err = client.Enrol(t.Context(), identity(t, sn), code)
	wantRefusal(t, "used code, other keys", err, "used")
	w.pass(enrolment.DefaultCodeLife)
	_, err = client.Enrol(t.Context(), id, code)
	wantRefusal(t, "the same request after the time", err, "expired")
	if text := w.log.text(); strings.Contains(text, code) || strings.Contains(text, strings.ReplaceAll(code, "-", "")) {
		t.Error("the code is in the log")
	}
}

func TestAnOldCode(t *testing.T) {
	w := newWorld(t)
	code := w.invite(enrolment.Invitation{SN: sn, TID: tid})
	w.pass(enrolment.DefaultCodeLife)
	id := identity(t, sn)
	_, err := w.client().Enrol(t.Context(), id, code)
	wantRefusal(t, "old code", err, "expired")
	next := w.invite(enrolment.Invitation{SN: sn, TID: tid})
	_, err = w.client().Enrol(t.Context(), id, code)
	wantRefusal(t, "the code before", err, "refused")
	if _, err := w.client().Enrol(t.Context(), id, next); err != nil {
		t.Errorf("the new code: %v", err)
	}
}

// Guesses are counted on disk, and five of them make the code void.
func TestGuessing(t *testing.T) {
	w := newWorld(t)
	code := w.invite(enrolment.Invitation{SN: sn, TID: tid})
	client, id := w.client(), identity(t, sn)
	for range enrolment.MaxTries {
		_, err := client.Enrol(t.Context(), id, "23456-23456")
		wantRefusal(t, "guess", err, "refused")
	}
	_, err := client.Enrol(t.Context(), id, code)
	wantRefusal(t, "the right code, too late", err, "locked")
	if _, err := client.Enrol(t.Context(), id, w.invite(enrolment.Invitation{SN: sn, TID: tid})); err != nil {
		t.Errorf("another invitation: %v", err)
	}
}

// post sends a body as a forger would: without the client's care.
func (w *world) post(path string, body any) (status int, code string) {
	w.t.Helper()
	text := must2(json.Marshal(body))(w.t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.ca.PEM())
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, Time: w.clock}}}
	resp := must2(client.Post("https://"+w.addr+path, "application/json", bytes.NewReader(text)))(w.t)
	defer resp.Body.Close()
	var p struct{ Code string }
	_ = json.Unmarshal(must2(io.ReadAll(resp.Body))(w.t), &p)
	return resp.StatusCode, p.Code
}

func TestForgedRequests(t *testing.T) {
	w := newWorld(t)
	code := w.invite(enrolment.Invitation{SN: sn, TID: tid})
	good := func() map[string]any {
		csr, transport := requestOf(t, sn, 2048)
		return map[string]any{"serial": sn, "code": code, "csr": csr, "transport_key": transport, "nonce": make([]byte, remote.NonceSize)}
	}
	otherCSR, _ := requestOf(t, "SN-0002", 2048)
	_, shortKey := requestOf(t, sn, 1024)
	for name, change := range map[string]func(map[string]any){
		"signature that does not fit": func(m map[string]any) { m["csr"] = garble(t, m["csr"].(string)) },
		"for another serial number":   func(m map[string]any) { m["csr"] = otherCSR },
		"no request":                  func(m map[string]any) { m["csr"] = "hello" },
		"RSA key of 1024 bits":        func(m map[string]any) { m["transport_key"] = shortKey },
		"no transport key":            func(m map[string]any) { m["transport_key"] = "" },
		"short nonce":                 func(m map[string]any) { m["nonce"] = []byte{1} },
		"unknown member":              func(m map[string]any) { m["admin"] = true },
		"serial number is no text":    func(m map[string]any) { m["serial"] = 1 },
		"more than 64 KiB":            func(m map[string]any) { m["csr"] = strings.Repeat("A", 70_000) },
	} {
		body := good()
		change(body)
		if status, code := w.post("/v1/enrol", body); status != http.StatusBadRequest || code != "request" {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	if status, code := w.post("/v1/renew", map[string]any{"csr": otherCSR}); status != http.StatusForbidden || code != "terminal" {
		t.Errorf("renewal without a certificate: %d %s", status, code)
	}
	if status, code := w.post("/v1/enrol", good()); status != http.StatusOK {
		t.Errorf("the good one: %d %s", status, code)
	}
}

func TestRenewal(t *testing.T) {
	w := newWorld(t)
	code := w.invite(enrolment.Invitation{SN: sn, TID: tid})
	first := must2(w.client().Enrol(t.Context(), identity(t, sn), code))(t)
	w.pass(enrol.RenewAt(first.Leaf).Sub(w.clock()))
	next := must2(enrol.NewRenewal(sn))(t)
	second := must2(w.client().Renew(t.Context(), certificate(t, first), next))(t)
	if !second.Leaf.NotAfter.After(first.Leaf.NotAfter) || second.Leaf.Subject.CommonName != tid || bytes.Equal(second.Key, first.Key) {
		t.Errorf("renewed until %v, before %v", second.Leaf.NotAfter, first.Leaf.NotAfter)
	}
	if _, err := w.client().Record(t.Context(), certificate(t, second)); err != nil {
		t.Errorf("the new certificate: %v", err)
	}
	stranger := must2(enrol.NewRenewal("SN-0002"))(t)
	_, err := w.client().Renew(t.Context(), certificate(t, first), stranger)
	wantRefusal(t, "a certificate for another device", err, "request")
	w.pass(first.Leaf.NotAfter.Sub(w.clock()) + time.Hour)
	if _, err := w.client().Renew(t.Context(), certificate(t, first), next); err == nil {
		t.Error("an old certificate was renewed")
	}
}

func TestASwappedTerminal(t *testing.T) {
	w := newWorld(t)
	old := must2(w.client().Enrol(t.Context(), identity(t, sn), w.invite(enrolment.Invitation{SN: sn, TID: tid})))(t)
	oldKey := w.terminal().TMK
	code := w.invite(enrolment.Invitation{SN: "SN-0002", TID: tid})
	if _, err := w.client().Record(t.Context(), certificate(t, old)); err != nil {
		t.Errorf("the old one, before the new one came: %v", err)
	}
	swapped := must2(w.client().Enrol(t.Context(), identity(t, "SN-0002"), code))(t)
	if swapped.Record.Terminal != tid || swapped.Record.Serial != "SN-0002" {
		t.Errorf("got %+v", swapped.Record)
	}
	_, err := w.client().Record(t.Context(), certificate(t, old))
	wantRefusal(t, "the old one", err, "terminal")
	_, err = w.client().Renew(t.Context(), certificate(t, old), must2(enrol.NewRenewal(sn))(t))
	wantRefusal(t, "renewal of the old one", err, "terminal")
	if _, err := w.client().Record(t.Context(), certificate(t, swapped)); err != nil {
		t.Errorf("the new one: %v", err)
	}
	now := w.terminal()
	if now.SN != "SN-0002" || bytes.Equal(now.TMK, oldKey) || now.SignedOn {
		t.Errorf("terminal bound to %s, signed on %v", now.SN, now.SignedOn)
	}
	if err := estate.CheckBinding(now, mid, sn); !errors.Is(err, estate.ErrNoTerminal) {
		t.Errorf("binding of the old one: %v", err)
	}
	if _, _, err := w.server.Invite(t.Context(), enrolment.Invitation{SN: "SN-0002", TID: "10000009", MID: mid}); !errors.Is(err, estate.ErrExists) {
		t.Errorf("one device for two terminals: %v", err)
	}
}

func TestASuspendedTerminal(t *testing.T) {
	w := newWorld(t)
	code := w.invite(enrolment.Invitation{SN: sn, TID: tid})
	suspend := func(s estate.Status) {
		t.Helper()
		if err := w.db.Update(t.Context(), func(tx db.Tx) error { return estate.SetStatus(t.Context(), tx, tid, s) }); err != nil {
			t.Fatal(err)
		}
	}
	suspend(estate.Suspended)
	_, err := w.client().Enrol(t.Context(), identity(t, sn), code)
	wantRefusal(t, "enrolment", err, "terminal")
	suspend(estate.Active)
	a := must2(w.client().Enrol(t.Context(), identity(t, sn), code))(t)
	suspend(estate.Suspended)
	_, err = w.client().Record(t.Context(), certificate(t, a))
	wantRefusal(t, "record", err, "terminal")
}

// Who is in the way has a certificate too, but not of the pinned authority.
func TestAForgedHost(t *testing.T) {
	w, forger := newWorld(t), newWorld(t)
	code := forger.invite(enrolment.Invitation{SN: sn, TID: tid})
	client := must2(enrol.New(enrol.Config{Host: forger.addr, CA: w.ca.PEM(), Now: w.clock}))(t)
	if _, err := client.Enrol(t.Context(), identity(t, sn), code); !errors.Is(err, enrol.ErrHost) {
		t.Errorf("got %v", err)
	}
	if _, err := enrol.New(enrol.Config{Host: w.addr, Now: w.clock}); err == nil {
		t.Error("a client that trusts everybody")
	}
	real := must2(w.client().Enrol(t.Context(), identity(t, sn), w.invite(enrolment.Invitation{SN: sn, TID: tid})))(t)
	if _, err := forger.client().Record(t.Context(), certificate(t, real)); err == nil {
		t.Error("the other host took a foreign certificate")
	}
}

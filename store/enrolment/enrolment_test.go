package enrolment

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"posd/store"
	"posd/transport/enrol"
)

// The two records have the same fields: this does not compile where they differ.
var _ = Record(enrol.Record{})

var clock = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func record() Record {
	return Record{
		Serial: "SN-0001", Terminal: "10000001", Merchant: "898310070110001", Name: "Teahouse",
		Bank: "ICBC", Access: "4g", Hotline: "95516", Suite: "tdes", Version: 3,
	}
}

type fixture struct {
	t    *testing.T
	cfg  store.Config
	db   *store.DB
	fail store.Point
	*Store
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	key, err := store.FileDeviceKey(filepath.Join(dir, "key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t}
	f.cfg = store.Config{
		Path: filepath.Join(dir, "store.db"), Key: key, Rand: rand.Reader, MaxSize: store.MinMaxSize,
		Fail: func(p store.Point, _ uint64) error {
			if p == f.fail {
				return errors.New("power")
			}
			return nil
		},
	}
	f.open()
	t.Cleanup(func() { f.db.Close() })
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	var err error
	if f.db, err = store.Open(f.cfg); err != nil {
		f.t.Fatal(err)
	}
	if f.Store, err = Open(f.db); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) restart() {
	f.t.Helper()
	if err := f.db.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.open()
}

// identity is a certificate that signs itself: its own authority.
func identity(t *testing.T) Identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "10000001"}, NotAfter: clock.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return Identity{cert, cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}
}

func TestNotEnrolled(t *testing.T) {
	f := newFixture(t)
	_, a := f.Record()
	_, b := f.Certificate()
	_, c := f.Pending()
	_, d := f.Compare(record(), clock)
	for i, err := range []error{a, b, c, d, f.Adopt(record(), clock)} {
		if !errors.Is(err, ErrNotEnrolled) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestAnEnrolmentIsThereOrNot(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
		f := newFixture(t)
		if err := f.SavePending([]byte("CANARY-PENDING"), clock); err != nil {
			t.Fatal(err)
		}
		f.fail = point
		if err := f.Complete(record(), identity(t), clock); !errors.Is(err, store.ErrUnknown) {
			t.Fatalf("%s: %v", point, err)
		}
		f.fail = ""
		f.restart()
		_, pending := f.Pending()
		_, recorded := f.Record()
		if (pending == nil) == (recorded == nil) {
			t.Errorf("%s: pending %v, record %v", point, pending, recorded)
		}
	}
}

func TestAnEnrolmentIsReadableOffLine(t *testing.T) {
	f := newFixture(t)
	if err := f.SavePending([]byte("CANARY-PENDING"), clock); err != nil {
		t.Fatal(err)
	}
	id := identity(t)
	key := bytes.Clone(id.Key)
	if err := f.Complete(record(), id, clock); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(id.Key, key) {
		t.Error("the key is not wiped")
	}
	f.restart()
	if got, err := f.Record(); err != nil || got.Record != record() || !got.At.Equal(clock) {
		t.Errorf("got %+v, %v", got, err)
	}
	stored, err := f.Certificate()
	if err != nil || !bytes.Equal(stored.Key, key) {
		t.Fatalf("certificate: %v", err)
	}
	if _, _, err := stored.TLS(); err != nil {
		t.Error(err)
	}
	file, err := os.ReadFile(f.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, []byte("CANARY")) || bytes.Contains(file, key[40:80]) {
		t.Error("a secret is in the file")
	}
	if err := f.Complete(record(), Identity{stored.Certificate, stored.CA, identity(t).Key}, clock); err == nil {
		t.Error("a key of another certificate was stored")
	}
}

func TestErasedKeysAreGone(t *testing.T) {
	f := newFixture(t)
	if err := f.Complete(record(), identity(t), clock); err != nil {
		t.Fatal(err)
	}
	if err := f.SavePending([]byte("next"), clock); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Erase(); err != nil {
			t.Fatal(err)
		}
	}
	f.restart()
	_, pending := f.Pending()
	_, cert := f.Certificate()
	if _, err := f.Record(); err != nil || !errors.Is(pending, ErrNotEnrolled) || !errors.Is(cert, ErrNotEnrolled) {
		t.Errorf("pending %v, certificate %v, record %v", pending, cert, err)
	}
}

// Each field that differs is told, and which of them are grave.
func TestEachDifferenceIsTold(t *testing.T) {
	for field, change := range map[string]func(*Record){
		"serial": func(r *Record) { r.Serial = "x" }, "terminal": func(r *Record) { r.Terminal = "x" },
		"merchant": func(r *Record) { r.Merchant = "x" }, "suite": func(r *Record) { r.Suite = "x" },
		"name": func(r *Record) { r.Name = "x" }, "bank": func(r *Record) { r.Bank = "x" }, "access": func(r *Record) { r.Access = "x" },
		"hotline": func(r *Record) { r.Hotline = "x" }, "version": func(r *Record) { r.Version = 9 },
	} {
		host := record()
		change(&host)
		found := record().Compare(host)
		grave := field == "serial" || field == "terminal" || field == "merchant" || field == "suite"
		if len(found) != 1 || found[0].Field != field || found[0].Grave != grave {
			t.Errorf("%s: %v", field, found)
		}
	}
	if found := record().Compare(record()); found != nil {
		t.Errorf("the same: %v", found)
	}
}

func TestWhatTheHostChanged(t *testing.T) {
	f := newFixture(t)
	if err := f.Complete(record(), identity(t), clock); err != nil {
		t.Fatal(err)
	}
	host := record()
	host.Name, host.Version = "Tea Palace", 4
	commits := f.db.Stats().Commits
	found, err := f.Compare(host, clock.Add(time.Hour))
	if err != nil || len(found) != 2 || found[0].String() != `name: here "Teahouse", at the host "Tea Palace"` {
		t.Errorf("got %v, %v", found, err)
	}
	if got := f.db.Stats().Commits; got != commits {
		t.Error("comparing twice a day writes")
	}
	if err := f.Adopt(host, clock); err != nil {
		t.Fatal(err)
	}
	if found, err := f.Compare(host, clock.Add(25*time.Hour)); err != nil || len(found) != 0 {
		t.Errorf("adopted: %v, %v", found, err)
	}
	if got, _ := f.Record(); !got.Compared.Equal(clock.Add(25 * time.Hour)) {
		t.Errorf("compared at %v", got.Compared)
	}
	host.Terminal = "10000002"
	if err := f.Adopt(host, clock); err == nil {
		t.Error("another terminal number was adopted")
	}
}

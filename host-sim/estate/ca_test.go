package estate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testCA(t *testing.T) *CA {
	t.Helper()
	ca, err := NewCA("test", noon)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func parse(t *testing.T, id Identity) *x509.Certificate {
	t.Helper()
	pair, err := id.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestOpenCAKeepsIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	first, err := OpenCA(dir, "test", noon)
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenCA(dir, "other name", noon.AddDate(1, 0, 0))
	if err != nil || !bytes.Equal(first.PEM(), second.PEM()) {
		t.Fatalf("second opening made another CA (%v)", err)
	}
	if info, err := os.Stat(filepath.Join(dir, caKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	if err := os.Remove(filepath.Join(dir, caKeyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCA(dir, "test", noon); err == nil {
		t.Error("a CA without its key was opened, or made anew under the old certificate")
	}
}

func TestTerminalCertificate(t *testing.T) {
	ca := testCA(t)
	id, err := ca.IssueTerminal("POSD0001", "SIM00000001", noon)
	if err != nil {
		t.Fatal(err)
	}
	leaf := parse(t, id)
	if leaf.Subject.CommonName != "POSD0001" || leaf.Subject.SerialNumber != "SIM00000001" {
		t.Errorf("subject = %v", leaf.Subject)
	}
	as := func(use x509.ExtKeyUsage, at time.Time, pool *x509.CertPool) error {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use}})
		return err
	}
	if err := as(x509.ExtKeyUsageClientAuth, noon, ca.Pool()); err != nil {
		t.Errorf("as client: %v", err)
	}
	if as(x509.ExtKeyUsageServerAuth, noon, ca.Pool()) == nil {
		t.Error("a terminal can pose as the host")
	}
	if as(x509.ExtKeyUsageClientAuth, noon.Add(terminalLife+time.Hour), ca.Pool()) == nil {
		t.Error("it holds for ever")
	}
	if as(x509.ExtKeyUsageClientAuth, noon, testCA(t).Pool()) == nil {
		t.Error("another CA vouches for it")
	}
}

func TestTerminalCertificateIsRefused(t *testing.T) {
	ca := testCA(t)
	for _, row := range [][2]string{{"", "1"}, {"POSD001", "1"}, {"POSD00011", "1"}, {"POSD 001", "1"}, {"POSD0001", ""}, {"POSD0001", "a\nb"}} {
		if _, err := ca.IssueTerminal(row[0], row[1], noon); err == nil {
			t.Errorf("TID %q, SN %q was taken", row[0], row[1])
		}
	}
}

func TestServerCertificate(t *testing.T) {
	ca := testCA(t)
	id, err := ca.IssueServer([]string{"host.example", "192.0.2.10"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	leaf := parse(t, id)
	for name, ok := range map[string]bool{"host.example": true, "192.0.2.10": true, "other.example": false} {
		if err := leaf.VerifyHostname(name); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ca.IssueServer(nil, noon); err == nil {
		t.Error("a certificate for nobody was issued")
	}
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok {
		t.Errorf("public key is a %T", leaf.PublicKey)
	}
}

func TestLoadCARefusesALeaf(t *testing.T) {
	id, err := testCA(t).IssueTerminal("POSD0001", "1", noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCA(id); err == nil {
		t.Error("a terminal's certificate was taken as a CA")
	}
}

func TestWriteReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "k.pem"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Identity{[]byte("c"), []byte("k")}).Write(dir, "c.pem", "k.pem"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("err = %v, want one that says that the file exists", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "k.pem")); string(got) != "precious" {
		t.Errorf("the file holds %q", got)
	}
}

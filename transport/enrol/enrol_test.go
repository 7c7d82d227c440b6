package enrol

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestActivationsAsText(t *testing.T) {
	full := Activation{Serial: "SN-0001", Code: "ABCDE-FGHJK", Host: "enrol.example.test:8443", Fingerprint: sha256.Sum256([]byte("CA"))}
	for _, a := range []Activation{full, {Serial: "SN 1&x=2", Host: "[::1]:8443"}, {Serial: "1"}} {
		got, err := ParseActivation(" " + a.String() + "\n")
		if err != nil || got != a {
			t.Errorf("%s: %+v, %v", a, got, err)
		}
		code, err := a.QR()
		if err != nil || code.Size < 21 || !code.Black(0, 0) {
			t.Errorf("%s: QR: %v", a, err)
		}
	}
	if want := "posd-enrol://enrol.example.test:8443?ca="; !strings.HasPrefix(full.String(), want) {
		t.Errorf("got %s", full)
	}
	for _, bad := range []string{
		"", "https://enrol.example.test?sn=1", "posd-enrol://h", "posd-enrol://h/path?sn=1", "posd-enrol://u@h?sn=1",
		"posd-enrol://h?sn=1&ca=12", "posd-enrol://h?sn=1;x", "posd-enrol://h?sn=" + strings.Repeat("1", 300),
	} {
		if _, err := ParseActivation(bad); !errors.Is(err, ErrActivation) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseActivation(f *testing.F) {
	f.Add("posd-enrol://host:1?ca=" + strings.Repeat("ab", 32) + "&code=ABCDE-FGHJK&sn=SN-1")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseActivation(text)
		if err != nil {
			return
		}
		if again, err := ParseActivation(a.String()); len(a.String()) <= maxActivation && (err != nil || again != a) {
			t.Errorf("%+v came back as %+v, %v", a, again, err)
		}
	})
}

// An identity outlives a power cut in a small sealed place, and prints nothing.
func TestIdentitiesAreKept(t *testing.T) {
	for _, bits := range []int{0, 3072} {
		id, err := NewIdentity("SN-0001", bits)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := id.Marshal()
		if err != nil || len(secret) > 1024 {
			t.Fatalf("%d bytes, %v", len(secret), err)
		}
		got, err := ParseIdentity(secret)
		if err != nil || !got.key.Equal(id.key) || !got.transport.Equal(id.transport) || !bytes.Equal(got.nonce, id.nonce) || got.Serial() != "SN-0001" {
			t.Errorf("%d bits: %v", bits, err)
		}
		if text := fmt.Sprintf("%v %+v %#v %x", id, id, id, id); text != strings.TrimSpace(strings.Repeat("identity of SN-0001 ", 4)) {
			t.Errorf("it prints: %.80s", text)
		}
	}
	renewal, err := NewRenewal("SN-0001")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := renewal.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseIdentity(secret); err != nil || got.Transport() != nil {
		t.Errorf("renewal: %v", err)
	}
	for _, bad := range []string{"", "{}", `{"serial":"1","key":"AAAA"}`, strings.Replace(string(secret), `"key"`, `"primes":["Aw==","BQ=="],"key"`, 1)} {
		if _, err := ParseIdentity([]byte(bad)); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	if _, err := NewIdentity("SN-0001", 1024); err == nil {
		t.Error("RSA key of 1024 bits")
	}
}

// What answers is not always a host.
func TestAnswersThatAreNone(t *testing.T) {
	answer := func(status int, text string) error {
		a := answered{}
		return a.read("/v1/enrol", &http.Response{StatusCode: status, Body: body{strings.NewReader(text)}})
	}
	var r *Refusal
	if err := answer(403, `{"code":"locked","title":"wait"}`); !errors.As(err, &r) || r.Code != "locked" {
		t.Errorf("refusal: %v", err)
	}
	for name, err := range map[string]error{
		"a proxy's page":   answer(502, "<html>"),
		"a problem of air": answer(500, "{}"),
		"no JSON":          answer(200, "hello"),
		"too long":         answer(200, strings.Repeat(" ", maxAnswer+1)),
	} {
		if !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type body struct{ *strings.Reader }

func (body) Close() error { return nil }

func TestClientsThatAreNotMade(t *testing.T) {
	now := time.Now
	for name, cfg := range map[string]Config{
		"no port":    {Host: "localhost", Fingerprint: [32]byte{1}, Now: now},
		"no clock":   {Host: "localhost:1", Fingerprint: [32]byte{1}},
		"no pin":     {Host: "localhost:1", Now: now},
		"CA is none": {Host: "localhost:1", CA: []byte("x"), Now: now},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: made", name)
		}
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := RenewAt(&x509.Certificate{NotBefore: from, NotAfter: from.Add(400 * time.Hour)}); !got.Equal(from.Add(300 * time.Hour)) {
		t.Errorf("renew at %v", got)
	}
}

// What a new terminal's keys cost; the RSA key is nearly all of it.
func BenchmarkNewIdentity(b *testing.B) {
	for _, bits := range []int{2048, 3072} {
		b.Run(fmt.Sprint(bits), func(b *testing.B) {
			for b.Loop() {
				if _, err := NewIdentity("SN-0001", bits); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package card

import (
	"bytes"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/tlv"
)

// vectors reads a file of ../shared/vectors/emv; without it the test is skipped, and
// fails in CI.
func vectors(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../../shared/vectors/emv", name))
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("vectors are missing in CI: %v", err)
	} else if err != nil {
		t.Skipf("vectors are missing: %v", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

type vectorKey struct {
	Name    string
	Bits    int
	E       string
	N, P, Q string
}

func (v vectorKey) key(t *testing.T) *Key {
	t.Helper()
	number := func(s string) *big.Int {
		n, ok := new(big.Int).SetString(s, 16)
		if !ok {
			t.Fatalf("key %s %d: %q is no number", v.Name, v.Bits, s)
		}
		return n
	}
	e, p, q := number(v.E), number(v.P), number(v.Q)
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	d := new(big.Int).ModInverse(e, phi)
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: number(v.N), E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
	private.Precomputed.Dp = new(big.Int).Mod(d, new(big.Int).Sub(p, one))
	private.Precomputed.Dq = new(big.Int).Mod(d, new(big.Int).Sub(q, one))
	private.Precomputed.Qinv = new(big.Int).ModInverse(q, p)
	return &Key{Name: v.Name, private: private}
}

// open is the public operation, with nothing of the code under test.
func open(k *Key, signed []byte) []byte {
	m := new(big.Int).Exp(new(big.Int).SetBytes(signed), big.NewInt(int64(k.private.E)), k.private.N)
	return m.FillBytes(make([]byte, k.Size()))
}

type scenario struct {
	Name     string
	CardKeys map[string][2]int `json:"card_keys"`
	Card     struct {
		Answers []struct{ C, R string }
	}
}

// records returns the objects of all records, the signed data, and the AIP's place in it.
func (s scenario) records(t *testing.T) (objects map[string][]byte, static []byte) {
	t.Helper()
	answers := map[string][]byte{}
	objects = map[string][]byte{}
	for _, a := range s.Card.Answers {
		r, _ := hex.DecodeString(a.R)
		answers[a.C] = r[:len(r)-2]
		body, err := tlv.Template(answers[a.C], tagRecord)
		if err != nil || !strings.HasPrefix(a.C, "00B2") {
			continue
		}
		for o, err := range tlv.All(body) {
			if err != nil {
				t.Fatal(err)
			}
			objects[o.Tag.String()] = o.Value
		}
	}
	aip, afl := processingOptions(t, answers["80A8000002830000"])
	for ; len(afl) > 0; afl = afl[4:] {
		for n := afl[1]; n < afl[1]+afl[3]; n++ {
			body, _ := tlv.Template(answers[strings.ToUpper(hex.EncodeToString([]byte{0, 0xB2, n, afl[0] | 4, 0}))], tagRecord)
			static = append(static, body...)
		}
	}
	return objects, append(static, aip...)
}

func processingOptions(t *testing.T, answer []byte) (aip, afl []byte) {
	t.Helper()
	if body, err := tlv.Template(answer, tagFormat2); err == nil {
		aip, _ = tlv.Find(body, tagAIP)
		afl, _ = tlv.Find(body, tagAFL)
		return aip, afl
	}
	body, ok := tlv.Find(answer, tagFormat1)
	if !ok {
		t.Fatalf("GPO answer % X", answer)
	}
	return body[:2], body[2:]
}

// The synthetic cards of the vectors were certified by other code, and judged good by
// two kernels: from the same keys and data the same bytes have to come.
func TestCertificatesAreThoseOfOtherCode(t *testing.T) {
	var keyFile struct{ Keys []vectorKey }
	vectors(t, "card-keys.json", &keyFile)
	var file struct{ Vectors []scenario }
	vectors(t, "scenarios.json", &file)
	find := func(name string, want [2]int) *Key {
		for _, k := range keyFile.Keys {
			if e, _ := new(big.Int).SetString(k.E, 16); k.Name == name && k.Bits == want[0] && e.Int64() == int64(want[1]) {
				return k.key(t)
			}
		}
		t.Fatalf("no key %s %v", name, want)
		return nil
	}
	tested := 0
	for _, s := range file.Vectors {
		if _, keys, ok := strings.Cut(s.Name, " keys "); (!ok || keys == "") && !strings.HasSuffix(s.Name, "exponent 65537") {
			continue
		}
		tested++
		t.Run(s.Name, func(t *testing.T) {
			compareCertificates(t, s, find("ca", s.CardKeys["ca"]), find("issuer", s.CardKeys["issuer"]), find("icc", s.CardKeys["icc"]))
		})
	}
	if tested < 12 {
		t.Errorf("%d cards tested, at least 12 wanted", tested)
	}
}

func compareCertificates(t *testing.T, s scenario, ca, issuer, icc *Key) {
	objects, static := s.records(t)
	pan, err := emv.PANFromCN(objects["5A"])
	if err != nil {
		t.Fatal(err)
	}
	clear := open(ca, objects["90"])
	got := certify(ca, issuer, 0x02, clear[2:6], [3]byte{clear[7], clear[6]}, nil)
	compare(t, "90", got.signed, objects["90"])
	compare(t, "92", got.remainder, objects["92"])
	compare(t, "9F32", got.exponent, objects["9F32"])
	if ssad := objects["93"]; ssad != nil {
		clear := open(issuer, ssad)
		compare(t, "93", signedStatic(issuer, [2]byte(clear[3:5]), static), ssad)
	}
	if signed := objects["9F46"]; signed != nil {
		clear := open(issuer, signed)
		got := iccCertificate(issuer, icc, pan, [3]byte{clear[13], clear[12]}, static)
		compare(t, "9F46", got.signed, signed)
		compare(t, "9F48", got.remainder, objects["9F48"])
		compare(t, "9F47", got.exponent, objects["9F47"])
	}
}

func compare(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("tag %s:\n got % X\nwant % X", what, got, want)
	}
}

package kernel

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/oda"
	"posd/emv/tag"
)

// parsed are the scenarios for tests that want one by its name and change nothing in it.
var parsed struct {
	sync.Mutex
	all []scenario
}

// named returns one scenario, by its name without "synth/".
func named(t testing.TB, name string) scenario {
	t.Helper()
	parsed.Lock()
	defer parsed.Unlock()
	if parsed.all == nil {
		parsed.all = readScenarios(t)
	}
	for _, sc := range parsed.all {
		if sc.ID == "synth/"+name {
			return sc
		}
	}
	t.Fatalf("no scenario %s", name)
	return scenario{}
}

// fakeOf makes a scenario's card one whose answers can be replaced.
func (sc scenario) fakeOf() *fake {
	f := &fake{}
	for _, a := range sc.Card.Answers {
		f.on(a.C, a.R)
	}
	return f
}

// plays runs a scenario's terminal against a changed card.
func (sc scenario) plays(t *testing.T, f *fake, change func(*Config)) (Result, *answerer) {
	t.Helper()
	cfg := sc.config()
	cfg.replay = sc.replay()
	if change != nil {
		change(&cfg)
	}
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &answerer{answer: OnlineAnswer{ARC: [2]byte{'0', '0'}}}
	if sc.Terminal.Online != nil {
		issuer = sc.issuer()
	}
	r, err := k.Run(context.Background(), sc.transaction(), f, nobody{}, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return r, issuer
}

// TestCDAAnswers: points 20, 21 and 42, what a card may answer where a signature was
// asked for, and what follows.
func TestCDAAnswers(t *testing.T) {
	const (
		rest     = "9F3602002A 9F2608C0FFEE0000000001 9F100707010103A00000"
		unsigned = "771E 9F270180" + rest + "9000"
	)
	tc, arqc := emv.TC, emv.ARQC
	for _, row := range []struct {
		situation string
		asked     *emv.Cryptogram
		answer    string
		outcome   emv.Outcome
		arc       string
		second    string // P1 of a second GENERATE AC
		failed    bool
		issuer    int
	}{
		{"ARQC without signature", &arqc, unsigned, emv.Declined, "Z1", "00", true, 0},
		{"ARQC in format 1", &arqc, "800B80002AC0FFEE00000000019000", emv.Declined, "Z1", "00", true, 0},
		{"ARQC with a signature of noise", &arqc, "7714 9F270180 9F3602002A 9F4B081111111111111111 9000", emv.Declined, "Z1", "00", true, 0},
		{"TC without signature", &tc, "771E 9F270140" + rest + "9000", emv.Declined, "Z1", "", true, 0},
		{"AAC in format 2", &arqc, "771E 9F270100" + rest + "9000", emv.Declined, "Z1", "", false, 0},
		{"AAC in format 1", &arqc, "800B00002AC0FFEE00000000019000", emv.Declined, "Z1", "", false, 0},
		{"AAC without cryptogram (2CC.135)", &arqc, "7709 9F270100 9F3602002A 9000", emv.Terminated, "", "", false, 0},
		{"no counter (2CC.135)", &arqc, "770F 9F270180 9F2608C0FFEE0000000001 9000", emv.Terminated, "", "", false, 0},
		{"no information (2CC.135)", &arqc, "7710 9F3602002A 9F2608C0FFEE0000000001 9000", emv.Terminated, "", "", false, 0},
	} {
		t.Run(row.situation, func(t *testing.T) {
			sc := named(t, "cda-genac1-no-signature")
			f := sc.fakeOf()
			for _, a := range sc.Card.Answers {
				if strings.HasPrefix(a.C, "80AE") {
					f.on(a.C, row.answer)
				}
			}
			f.on("80AE50", row.answer).on("80AE90", row.answer).on("80AE00", "800B00002AC0FFEE00000000029000")
			r, issuer := sc.plays(t, f, func(cfg *Config) { cfg.replay.First, cfg.replay.Second = row.asked, nil })
			arc := strings.Trim(string(r.ARC[:]), "\x00")
			if r.Outcome != row.outcome || arc != row.arc || r.Reverse || issuer.asked != row.issuer {
				t.Errorf("%v %q (%s), issuer asked %d times", r.Outcome, arc, r.Why, issuer.asked)
			}
			if (r.Facts.TVR&emv.CDAFailed != 0) != row.failed {
				t.Errorf("TVR %v", r.Facts.TVR)
			}
			all := f.sentWith("80AE")
			if second := strings.Join(all[1:], ""); (row.second == "") != (second == "") || !strings.HasPrefix(second, "80AE"+row.second) && row.second != "" {
				t.Errorf("second GENERATE AC %q, want P1 %q", second, row.second)
			}
		})
	}
}

// TestInternalAuthenticate: point 19 and the table of readings.
func TestInternalAuthenticate(t *testing.T) {
	for _, row := range []struct {
		situation, answer string
		outcome           emv.Outcome
	}{
		{"conditions not satisfied", "6985", emv.Terminated},
		{"not supported", "6D00", emv.Terminated},
		{"no 9F4B", "7704 9F4C0101 9000", emv.Terminated},
		{"empty 9F4B", "7703 9F4B00 9000", emv.Terminated},
		{"unknown template", "7003 9F4B00 9000", emv.Terminated},
		{"empty template", "8000 9000", emv.Terminated},
		{"nothing", "9000", emv.Terminated},
		{"noise as signature", "8008 1122334455667788 9000", 0},
	} {
		sc := named(t, "dda-keys-1408-1408-1152")
		f := sc.fakeOf().on("0088000004A1B2C3D400", row.answer)
		r, _ := sc.plays(t, f, nil)
		switch {
		case row.outcome != 0 && len(f.sentWith("80AE")) != 0:
			t.Errorf("%s: the session went on to GENERATE AC", row.situation)
		case row.outcome != 0 && r.Outcome != row.outcome:
			t.Errorf("%s: %v (%s)", row.situation, r.Outcome, r.Why)
		case row.outcome == 0 && (r.Facts.TVR&emv.DDAFailed == 0 || r.Facts.TSI&emv.ODAPerformed == 0):
			t.Errorf("%s: TVR %v, TSI %v", row.situation, r.Facts.TVR, r.Facts.TSI)
		}
	}
}

// TestAuthenticationData: points 16, 18 and 19, what keeps the card from being asked.
func TestAuthenticationData(t *testing.T) {
	const record = "00B2011C00"
	for _, row := range []struct {
		situation string
		card      func(*fake)
		config    func(*Config)
		missing   bool
	}{
		{"no CA index", func(f *fake) { f.on(record, "700A9F3201039204E16869C59000") }, nil, true},
		{"no issuer exponent", func(f *fake) { f.on(record, "70098F01019204E16869C59000") }, nil, true},
		{"CA key has expired", nil, func(c *Config) { c.CAKeys[0].Expires = time.Date(2026, 7, 31, 0, 0, 0, 0, time.UTC) }, false},
		{"no such CA key", nil, func(c *Config) { c.CAKeys[0].Index, c.CAKeys[0].SHA1 = 0x77, nil }, false},
		{"DDOL without unpredictable number", nil, func(c *Config) { c.Applications[0].DefaultDDOL = unhex("9F0206") }, false},
		{"no DDOL at all", nil, func(c *Config) { c.Applications[0].DefaultDDOL = nil }, false},
	} {
		sc := named(t, "dda-keys-1984-1696-1360")
		f := sc.fakeOf()
		if row.card != nil {
			row.card(f)
		}
		r, _ := sc.plays(t, f, row.config)
		if r.Facts.TVR&emv.DDAFailed == 0 || r.Facts.TSI&emv.ODAPerformed == 0 || (r.Facts.TVR&emv.ICCDataMissing != 0) != row.missing {
			t.Errorf("%s: TVR %v, TSI %v (%s)", row.situation, r.Facts.TVR.Names(), r.Facts.TSI, r.Why)
		}
		if len(f.sentWith("0088")) != 0 {
			t.Errorf("%s: INTERNAL AUTHENTICATE was sent", row.situation)
		}
	}
}

// rsaKey is a test key with its private half.
type rsaKey struct{ n, d, e *big.Int }

func (k rsaKey) size() int { return (k.n.BitLen() + 7) / 8 }

func (k rsaKey) sign(message []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(message), k.d, k.n).FillBytes(make([]byte, k.size()))
}

// readKey returns a key of the synthetic cards with exponent 3.
func readKey(t *testing.T, name string, bits int) rsaKey {
	t.Helper()
	raw, err := os.ReadFile("../../../shared/vectors/emv/card-keys.json")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no keys: %v", err)
	}
	var file struct {
		Keys []struct {
			Name    string
			Bits    int
			N, D, E string
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	for _, k := range file.Keys {
		if k.Name == name && k.Bits == bits && k.E == "3" {
			hex := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 16); return n }
			return rsaKey{hex(k.N), hex(k.D), hex(k.E)}
		}
	}
	t.Fatalf("no key %s of %d bits", name, bits)
	return rsaKey{}
}

// certify writes a certificate of Book 2, 6: head is what stands before the algorithm
// indicators, extra what is hashed besides the key's exponent.
func (k rsaKey) certify(head string, key rsaKey) (cert, remainder []byte) {
	modulus := key.n.Bytes()
	body := append(unhex(head), 0x01, 0x01, byte(len(modulus)), 0x01)
	room := k.size() - 22 - len(body)
	left := modulus
	if len(left) > room {
		left, remainder = modulus[:room], modulus[room:]
	}
	body = append(body, left...)
	body = append(body, bytes.Repeat([]byte{0xBB}, room-len(left))...)
	hash := sha1.Sum(append(append(append([]byte(nil), body...), remainder...), 0x03))
	message := append(append(append([]byte{0x6A}, body...), hash[:]...), 0xBC)
	return k.sign(message), remainder
}

// padThatEnciphers is a PIN pad that gets challenge and key and gives the enciphered
// block (points 28 and 29).
type padThatEnciphers struct {
	nobody
	asked []PINRequest
}

func (p *padThatEnciphers) EnterPIN(_ context.Context, req PINRequest) (PINResult, error) {
	p.asked = append(p.asked, req)
	block := [8]byte(unhex("241234FFFFFFFFFF"))
	data, err := oda.EncipherPIN(*req.Key, block, [8]byte(req.Challenge), make([]byte, len(req.Key.Modulus)-17))
	return PINResult{Status: PINEntered, VerifyData: data}, err
}

// TestEncipheredPIN: point 29, with a key that the card has for the PIN alone.
func TestEncipheredPIN(t *testing.T) {
	ca, issuer, pin := readKey(t, "ca", 1408), readKey(t, "issuer", 1152), readKey(t, "icc", 896)
	issuerCert, issuerRest := ca.certify("02"+"627700FF"+"1230"+"000001", issuer)
	pinCert, pinRest := issuer.certify("04"+"6277000000000017FFFF"+"1230"+"000002", pin)

	for _, row := range []struct {
		situation string
		challenge []string
		verify    []string
		cert      []byte
		results   string
		entries   int
	}{
		{"right", []string{"1122334455667788 9000"}, []string{"9000"}, pinCert, "440002", 1},
		{"a new challenge each try", []string{"1122334455667788 9000", "8877665544332211 9000"}, []string{"63C1", "9000"}, pinCert, "440002", 2},
		{"no challenge", []string{"6D00"}, nil, pinCert, "440001", 0},
		{"challenge of 4 bytes", []string{"11223344 9000"}, nil, pinCert, "440001", 0},
		{"certificate of another", nil, nil, issuerCert[:len(pinCert)], "440001", 0},
	} {
		t.Run(row.situation, func(t *testing.T) {
			rec := plain()
			rec[tag.CVMList] = "0000000000000000" + "4400"
			u := newSetup(rec)
			keys := object(tag.CAPublicKeyIndex, "01") + object(tag.IssuerPublicKeyExponent, "03") +
				object(tag.IssuerPublicKeyRemainder, fmt.Sprintf("%X", issuerRest)) +
				object(tag.PINPublicKeyExponent, "03") + object(tag.PINPublicKeyRemainder, fmt.Sprintf("%X", pinRest))
			u.card.on("80A8", "800A1C0008010100 10010300 9000").
				on("00B20114", object(0x70, keys)+"9000").
				on("00B20214", object(0x70, object(tag.IssuerPublicKeyCertificate, fmt.Sprintf("%X", issuerCert)))+"9000").
				on("00B20314", object(0x70, object(tag.PINPublicKeyCertificate, fmt.Sprintf("%X", row.cert)))+"9000").
				on("80CA9F17", "9F170103 9000")
			if row.challenge != nil {
				u.card.on("0084", row.challenge...)
			}
			if row.verify != nil {
				u.card.on("0020", row.verify...)
			}
			u.cfg.CAKeys = []oda.CAKey{{RID: [5]byte(unhex("A000000333")), Index: 1, Modulus: ca.n.Bytes(), Exponent: []byte{3}}}
			k, err := New(u.cfg)
			if err != nil {
				t.Fatal(err)
			}
			pad := &padThatEnciphers{}
			r, err := k.Run(context.Background(), u.tx, u.card, pad, u.issuer)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%X", r.Facts.CVMResults); got != row.results || len(pad.asked) != row.entries {
				t.Errorf("results %s after %d entries (%s), want %s, %d", got, len(pad.asked), r.Why, row.results, row.entries)
			}
			for i, sent := range u.card.sentWith("0020") {
				wire := unhex(sent)
				clear := new(big.Int).Exp(new(big.Int).SetBytes(wire[5:]), pin.d, pin.n).FillBytes(make([]byte, pin.size()))
				if wire[3] != 0x88 || !bytes.HasPrefix(clear, append(unhex("7F241234FFFFFFFFFF"), pad.asked[i].Challenge...)) {
					t.Errorf("VERIFY %d: P2 %02X, deciphered %X", i+1, wire[3], clear)
				}
			}
		})
	}
}

package rig_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"posd/device/sim/card"
	"posd/device/sim/cards"
	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/oda"
	"posd/emv/tag"
)

// typist is a cardholder at a PIN pad for offline PINs: each word is one entry, "-" is
// the bypass key. The pad makes the data of VERIFY, plain or enciphered.
type typist struct {
	person
	words []string
	asked []kernel.PINRequest
}

func (p *typist) EnterPIN(_ context.Context, req kernel.PINRequest) (kernel.PINResult, error) {
	req.Challenge = append([]byte(nil), req.Challenge...)
	p.asked = append(p.asked, req)
	if len(p.words) == 0 {
		return kernel.PINResult{}, kernel.ErrCancelled
	}
	word := p.words[0]
	p.words = p.words[1:]
	if word == "-" {
		return kernel.PINResult{Status: kernel.PINBypassed}, nil
	}
	data, err := verifyData(word, req)
	return kernel.PINResult{Status: kernel.PINEntered, VerifyData: data}, err
}

// verifyData is the data of VERIFY for a PIN of the test cards: ISO 9564-1 format 2, and
// the RSA envelope where the request has a key. EMV 4.4 Book 3, 6.5.12; Book 2, 7.
func verifyData(pin string, req kernel.PINRequest) ([]byte, error) {
	block := [8]byte{0x20 | byte(len(pin)), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}
	for i, d := range []byte(pin) {
		shift := 4 * (1 - i%2)
		block[1+i/2] = block[1+i/2]&^(0xF<<shift) | (d-'0')<<shift
	}
	if req.Key == nil {
		return block[:], nil
	}
	padding := make([]byte, len(req.Key.Modulus)-17)
	if _, err := rand.Read(padding); err != nil {
		return nil, err
	}
	return oda.EncipherPIN(*req.Key, block, [8]byte(req.Challenge), padding)
}

// offlineKernel is an attended terminal with a pad for offline PINs of both kinds.
func offlineKernel(t testing.TB) *kernel.Kernel {
	return kernelWith(t, func(cfg *kernel.Config) {
		cfg.Data[tag.TerminalType] = []byte{0x22}
		cfg.Data[tag.TerminalCapabilities] = []byte{0x20, 0xF8, 0xC8}
	})
}

// pinCard is union-sda, or a card with a key of its own for enciphered PINs.
func pinCard(t testing.TB, cvm string, tries int) *card.Card {
	t.Helper()
	text := fmt.Sprintf(`pse: off
pin: 1234
pin-tries: %d
application: A000000333010101
label: UnionPay Debit
pan: 6277000000000045
expiry: 2035-12
cvm: %s
oda: sda dda
ca-index: F1
ca-key: test-ca-1408
issuer-key: test-issuer-1152
icc-key: test-icc-1024
ac1: arqc
imk: 0123456789ABCDEF FEDCBA9876543210
`, tries, cvm)
	if cvm == "" {
		return freshCard(t, "union-sda")
	}
	p, err := cards.Parse("pin.card", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return newCard(t, p)
}

func freshCard(t testing.TB, name string) *card.Card {
	t.Helper()
	p, err := cards.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return newCard(t, p)
}

func newCard(t testing.TB, p *card.Profile) *card.Card {
	t.Helper()
	c, err := card.New(p, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.Reset()
	return c
}

// TestOfflinePIN: points 28 and 29 between the kernel, a pad and the virtual card, which
// share no code: the card opens the envelope and counts the tries.
func TestOfflinePIN(t *testing.T) {
	const (
		plaintext  = "" // union-sda as it comes
		enciphered = "enciphered-pin always; signature always; no-cvm always"
		signed     = "enciphered-pin+signature always final"
	)
	for _, row := range []struct {
		situation string
		cvm       string
		tries     int // where the card is not union-sda, which has 3
		typed     string
		results   string
		tvr       emv.TVR
		asked     string // tries left, one word an entry
		left      int    // on the card, afterwards
	}{
		{"plain, right", plaintext, 3, "1234", "410302", 0, "3", 3},
		{"plain, wrong and right", plaintext, 3, "4321 1234", "410302", 0, "3 2", 3},
		{"plain, right at the last try", plaintext, 3, "1111 2222 1234", "410302", 0, "3 2 1", 3},
		{"plain, wrong until blocked, then the signature", plaintext, 3, "1111 2222 3333", "5E0300", emv.PINTryLimit, "3 2 1", 0},
		{"plain, bypassed", plaintext, 3, "-", "5E0300", emv.PINNotEntered, "3", 3},
		{"enciphered, right", enciphered, 3, "1234", "440002", 0, "3", 3},
		{"enciphered, wrong and right", enciphered, 3, "12345 1234", "440002", 0, "3 2", 3},
		{"enciphered, the last try, right", enciphered, 1, "1234", "440002", 0, "1", 1},
		{"enciphered, the last try, wrong", enciphered, 1, "4321", "5E0000", emv.PINTryLimit, "1", 0},
		{"enciphered, blocked: nobody is asked", enciphered, 0, "", "5E0000", emv.PINTryLimit, "", 0},
		{"enciphered and signature", signed, 3, "1234", "050000", 0, "3", 3},
		{"enciphered and signature, blocked", signed, 0, "", "050001", emv.PINTryLimit | emv.CVMFailed, "", 0},
	} {
		t.Run(row.situation, func(t *testing.T) {
			c := pinCard(t, row.cvm, row.tries)
			holder := &typist{words: strings.Fields(row.typed)}
			tries := c.PINTriesLeft()
			res, err := offlineKernel(t).Run(t.Context(), transaction(1), &direct{card: c}, holder, &bank{profile: c.Profile(), code: "00"})
			if err != nil {
				t.Fatal(err)
			}
			const bits = emv.CVMFailed | emv.CVMUnknown | emv.PINTryLimit | emv.PINPadMissing | emv.PINNotEntered
			if got := fmt.Sprintf("%X", res.Facts.CVMResults); got != row.results || res.Facts.TVR&bits != row.tvr {
				t.Errorf("results %s, TVR %s, want %s, %s (%v: %s)", got, (res.Facts.TVR & bits).Names(), row.results, row.tvr.Names(), res.Outcome, res.Why)
			}
			if got := holder.tries(); got != row.asked {
				t.Errorf("asked with %q tries left, want %q", got, row.asked)
			}
			if c.PINTriesLeft() != row.left {
				t.Errorf("%d tries left on the card, want %d of %d", c.PINTriesLeft(), row.left, tries)
			}
			if res.Outcome != emv.Approved {
				t.Errorf("%v: %s", res.Outcome, res.Why)
			}
			holder.checkKeys(t, row.cvm != plaintext)
		})
	}
}

func (p *typist) tries() string {
	var words []string
	for _, req := range p.asked {
		words = append(words, fmt.Sprint(req.TriesLeft))
	}
	return strings.Join(words, " ")
}

// checkKeys: an enciphered PIN comes with a key and a challenge of its own each time, a
// plaintext one with neither.
func (p *typist) checkKeys(t *testing.T, enciphered bool) {
	t.Helper()
	seen := map[string]bool{}
	for _, req := range p.asked {
		if (req.Key != nil) != enciphered || (len(req.Challenge) == 8) != enciphered || seen[string(req.Challenge)] && enciphered {
			t.Errorf("enciphered %v: key %v, challenge %X", enciphered, req.Key != nil, req.Challenge)
		}
		seen[string(req.Challenge)] = true
	}
}

// TestOfflinePINLeavesNoTrace: the PIN, plain or as a block, is in no event of the trace.
func TestOfflinePINLeavesNoTrace(t *testing.T) {
	for _, cvm := range []string{"", "enciphered-pin always"} {
		var log strings.Builder
		k := kernelWith(t, func(cfg *kernel.Config) {
			cfg.Data[tag.TerminalType], cfg.Data[tag.TerminalCapabilities] = []byte{0x22}, []byte{0x20, 0xF8, 0xC8}
			cfg.Trace = func(e kernel.Event) {
				if e.Command != nil && e.Response != nil {
					fmt.Fprintf(&log, "%X %X\n", e.Command.Append(nil), e.Response.Append(nil))
				}
			}
		})
		c := pinCard(t, cvm, 3)
		if _, err := k.Run(t.Context(), transaction(1), &direct{card: c}, &typist{words: []string{"1234"}}, &bank{profile: c.Profile(), code: "00"}); err != nil {
			t.Fatal(err)
		}
		if text := log.String(); !strings.Contains(text, "00200080") && !strings.Contains(text, "00200088") || strings.Contains(text, "241234FF") {
			t.Errorf("the trace has the PIN block, or no VERIFY:\n%s", text)
		}
	}
}

// kernelWith is the kernel of these tests with a changed configuration.
func kernelWith(t testing.TB, change func(*kernel.Config)) *kernel.Kernel {
	t.Helper()
	cfg := configuration()
	change(&cfg)
	k, err := kernel.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

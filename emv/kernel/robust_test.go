package kernel

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/apdu"
)

// meddler stands between the kernel and a scripted card.
type meddler struct {
	card   Card
	pullAt int                               // command, from 1, at which the card is gone
	bend   func(n int, answer []byte) []byte // changes the answer to command n
	n      int
	sizes  []int // bytes of each answer
}

func (m *meddler) Transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	m.n++
	if m.n == m.pullAt {
		return apdu.Response{}, errPulled
	}
	resp, err := m.card.Transmit(ctx, cmd)
	if err != nil {
		return resp, err
	}
	answer := resp.Append(nil)
	m.sizes = append(m.sizes, len(answer))
	if m.bend != nil {
		answer = m.bend(m.n, answer)
	}
	return apdu.ParseResponse(answer)
}

// meddled runs a scenario with a meddler and a cardholder who signs.
func (sc scenario) meddled(t testing.TB, m *meddler) (Result, *answerer, error) {
	t.Helper()
	cfg := sc.config()
	cfg.replay = sc.replay()
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if m.card == nil {
		m.card = sc.card()
	}
	issuer := sc.issuer()
	r, err := k.Run(context.Background(), sc.transaction(), m, nobody{}, issuer)
	return r, issuer, err
}

// defined looks whether a result is one that a session may have.
func defined(t *testing.T, r Result, issuer *answerer) {
	t.Helper()
	approved := issuer.asked > 0 && issuer.err == nil && approves(issuer.answer.ARC)
	switch {
	case r.Outcome < emv.Approved || r.Outcome > emv.Cancelled:
		t.Fatalf("outcome %v (%s)", r.Outcome, r.Why)
	case r.Reverse != (approved && r.Outcome != emv.Approved):
		t.Fatalf("%v, issuer approved %v, reverse %v", r.Outcome, approved, r.Reverse)
	case r.Outcome == emv.Approved && (r.Facts.Kind != emv.TC || len(r.Facts.Cryptogram) != 8):
		t.Fatalf("approved with %v %X", r.Facts.Kind, r.Facts.Cryptogram)
	case r.Why == "":
		t.Fatalf("%v without a reason", r.Outcome)
	}
}

// TestPulledAtEach: points 43 and 45. The card is pulled at each command of each
// scenario.
func TestPulledAtEach(t *testing.T) {
	for _, sc := range readScenarios(t) {
		whole := &meddler{}
		if _, _, err := sc.meddled(t, whole); err != nil {
			t.Fatal(sc.ID, err)
		}
		for n := 1; n <= whole.n; n++ {
			r, issuer, err := sc.meddled(t, &meddler{pullAt: n})
			if !errors.Is(err, errPulled) || r.Outcome != 0 || r.Why == "" {
				t.Errorf("%s at command %d: %v, %v (%s)", sc.ID, n, err, r.Outcome, r.Why)
			}
			if want := issuer.asked > 0 && issuer.err == nil; r.Reverse != want {
				t.Errorf("%s at command %d: reverse %v, want %v", sc.ID, n, r.Reverse, want)
			}
		}
	}
}

// shapes are scenarios that differ in the path that they take.
var shapes = []string{
	"sda-gpo-format-2", "sda-static-records-in-two-files", "dda-mixed-exponents", "dda-static-record-in-sfi-11",
	"cda-gpo-format-2", "cda-genac1-aac-in-answer", "online-approved-genac2-tc-cda", "dda-online-approved-genac2-tc",
}

func shaped(t *testing.T) []scenario {
	all := readScenarios(t)
	return slices.DeleteFunc(all, func(sc scenario) bool {
		return !slices.Contains(shapes, strings.TrimPrefix(sc.ID, "synth/"))
	})
}

// mangle runs a scenario once for each change of each answer: changes says how many
// there are for an answer of so many bytes, and apply makes one.
func mangle(t *testing.T, sc scenario, changes func(size int) int, apply func(answer []byte, i int) []byte) {
	t.Helper()
	whole := &meddler{}
	if _, _, err := sc.meddled(t, whole); err != nil {
		t.Fatal(err)
	}
	cfg := sc.config()
	cfg.replay = sc.replay()
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	card, tx := sc.card(), sc.transaction()
	for at, size := range whole.sizes {
		for i := range changes(size) {
			card.selected = 0
			m := &meddler{card: card, bend: func(n int, answer []byte) []byte {
				if n == at+1 && len(answer) == size {
					return apply(append([]byte(nil), answer...), i)
				}
				return answer
			}}
			issuer := sc.issuer()
			r, err := k.Run(context.Background(), tx, m, nobody{}, issuer)
			if err != nil || m.n > maxCommands {
				t.Fatalf("answer %d, change %d: %v after %d commands", at+1, i, err, m.n)
			}
			defined(t, r, issuer)
		}
	}
}

// TestTruncated: each answer cut at each byte; what is left of it keeps its status word.
func TestTruncated(t *testing.T) {
	for _, sc := range shaped(t) {
		t.Run(sc.ID, func(t *testing.T) {
			mangle(t, sc, func(size int) int { return size - 2 }, func(answer []byte, i int) []byte {
				return append(answer[:i], 0x90, 0x00)
			})
		})
	}
}

// TestBitFlips: each bit of each answer turned.
func TestBitFlips(t *testing.T) {
	for _, sc := range shaped(t) {
		if testing.Short() {
			t.Skip("a minute under the race detector")
		}
		t.Run(sc.ID, func(t *testing.T) {
			mangle(t, sc, func(size int) int { return size * 8 }, func(answer []byte, i int) []byte {
				answer[i/8] ^= 1 << (i % 8)
				return answer
			})
		})
	}
}

// TestSignedAnswers: point 20. No bit of a signed answer can be turned without the
// payment failing.
func TestSignedAnswers(t *testing.T) {
	sc := named(t, "online-approved-genac2-tc-cda")
	whole := &meddler{}
	if r, _, err := sc.meddled(t, whole); err != nil || r.Outcome != emv.Approved {
		t.Fatal(r.Outcome, r.Why, err)
	}
	for _, at := range []int{whole.n - 2, whole.n} { // EXTERNAL AUTHENTICATE is between them
		for bit := range whole.sizes[at-1] * 8 {
			r, issuer, err := sc.meddled(t, &meddler{bend: func(n int, answer []byte) []byte {
				if n == at {
					answer[bit/8] ^= 1 << (bit % 8)
				}
				return answer
			}})
			if err != nil || r.Outcome == emv.Approved {
				t.Fatalf("answer %d, bit %d: %v (%s), %v", at, bit, r.Outcome, r.Why, err)
			}
			if at < whole.n && issuer.asked != 0 {
				t.Fatalf("answer %d, bit %d: the issuer was asked", at, bit)
			}
		}
	}
}

// TestStatusWords: each answer replaced by a bare status word.
func TestStatusWords(t *testing.T) {
	sws := []apdu.SW{
		0x9000, 0x6283, 0x6300, 0x63C0, 0x63C3, 0x6400, 0x6581, 0x6700, 0x6881, 0x6983, 0x6984, 0x6985, 0x6A81,
		0x6A82, 0x6A83, 0x6A86, 0x6A88, 0x6B00, 0x6C10, 0x6110, 0x6D00, 0x6E00, 0x6F00, 0x0000, 0xFFFF,
	}
	for _, sc := range shaped(t) {
		t.Run(sc.ID, func(t *testing.T) {
			mangle(t, sc, func(int) int { return len(sws) }, func(_ []byte, i int) []byte {
				return apdu.Response{SW: sws[i]}.Append(nil)
			})
		})
	}
}

// TestMemory: at most 64 KiB allocated for a session, and no growth from one to the next.
func TestMemory(t *testing.T) {
	for _, sc := range shaped(t) {
		cfg := sc.config()
		cfg.replay = sc.replay()
		k, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		card, tx, issuer := sc.card(), sc.transaction(), sc.issuer()
		const rounds = 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			card.selected = 0
			if _, err := k.Run(context.Background(), tx, card, nobody{}, issuer); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 64<<10 {
			t.Errorf("%s: %d bytes a session", sc.ID, each)
		}
	}
}

package kernel

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
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

// sampled is how much of an exhaustive test the ordinary run does: one change in each n,
// chosen by POSD_SEED (1 if it is not set). POSD_LONG=1 does all of them; so does the make
// target that sets it.
func sampled(t *testing.T, n int) func() bool {
	t.Helper()
	if os.Getenv("POSD_LONG") != "" {
		return func() bool { return true }
	}
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("POSD_SEED"), "1"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() {
		n *= 8
	}
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	return func() bool { return r.IntN(n) == 0 }
}

// changes are one way to spoil an answer: how many there are for one of so many bytes,
// and the i-th of them.
type changes struct {
	count func(size int) int
	apply func(answer []byte, i int) []byte
}

// stand is a scenario's terminal and card, to be run again and again.
type stand struct {
	scenario
	kernel *Kernel
	card   *scripted
	tx     Transaction
}

func (sc scenario) stand(t testing.TB) *stand {
	t.Helper()
	cfg := sc.config()
	cfg.replay = sc.replay()
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &stand{sc, k, sc.card(), sc.transaction()}
}

// run plays the scenario once, with bend between kernel and card.
func (s *stand) run(bend func(n int, answer []byte) []byte) (*meddler, Result, *answerer, error) {
	s.card.selected = 0
	m := &meddler{card: s.card, bend: bend}
	issuer := s.issuer()
	r, err := s.kernel.Run(context.Background(), s.tx, m, nobody{}, issuer)
	return m, r, issuer, err
}

// mangle runs a scenario once for each change of each answer that pick takes. The
// outcome must be a defined one, within the bounds; it is not compared with anything: a
// bit that nobody signs may be turned.
func mangle(t *testing.T, sc scenario, pick func() bool, c changes) {
	s := sc.stand(t)
	whole, _, _, err := s.run(nil)
	if err != nil {
		t.Fatal(err)
	}
	var spoilt []byte
	for at, size := range whole.sizes {
		for i := range c.count(size) {
			if !pick() {
				continue
			}
			m, r, issuer, err := s.run(func(n int, answer []byte) []byte {
				if n != at+1 {
					return answer
				}
				spoilt = append(spoilt[:0], answer...)
				return c.apply(spoilt, i)
			})
			if err != nil || m.n > maxCommands {
				t.Fatalf("answer %d, change %d: %v after %d commands", at+1, i, err, m.n)
			}
			defined(t, r, issuer)
		}
	}
}

var (
	// truncations cut the data at each byte, and leave the status word.
	truncations = changes{
		func(size int) int { return size - 2 },
		func(answer []byte, i int) []byte { return append(answer[:i], 0x90, 0x00) },
	}
	// flips turn each bit, those of the status word too.
	flips = changes{
		func(size int) int { return size * 8 },
		func(answer []byte, i int) []byte {
			answer[i/8] ^= 1 << (i % 8)
			return answer
		},
	}
	// refusals are a bare status word, or one after the data.
	refusals = changes{
		func(int) int { return 2 * len(statusWords) },
		func(answer []byte, i int) []byte {
			if i >= len(statusWords) {
				return apdu.Response{Data: answer[:len(answer)-2], SW: statusWords[i-len(statusWords)]}.Append(nil)
			}
			return apdu.Response{SW: statusWords[i]}.Append(nil)
		},
	}
)

// statusWords are those of EMV 4.4 Book 3, 6.3.5, of ISO/IEC 7816-4, and some that are none.
var statusWords = []apdu.SW{
	0x9000, 0x9001, 0x6200, 0x6281, 0x6283, 0x6300, 0x6381, 0x63C0, 0x63C1, 0x63C3, 0x63CF, 0x6400, 0x6581, 0x6700, 0x6881,
	0x6882, 0x6900, 0x6982, 0x6983, 0x6984, 0x6985, 0x6986, 0x6A80, 0x6A81, 0x6A82, 0x6A83, 0x6A86, 0x6A88, 0x6B00, 0x6C10,
	0x6C00, 0x6110, 0x6100, 0x6D00, 0x6E00, 0x6F00, 0x0000, 0x9F00, 0xFFFF,
}

// TestSpoiltAnswers: point 45. Each answer of each scenario cut at each byte, each bit of
// it turned, and each status word in its place: a defined outcome, no panic, no session
// beyond its bounds.
func TestSpoiltAnswers(t *testing.T) {
	for name, row := range map[string]struct {
		one int // of how many in an ordinary run
		c   changes
	}{
		"truncated": {6, truncations}, "bit turned": {60, flips}, "status word": {4, refusals},
	} {
		t.Run(name, func(t *testing.T) {
			pick := sampled(t, row.one)
			for _, sc := range readScenarios(t) {
				t.Run(strings.TrimPrefix(sc.ID, "synth/"), func(t *testing.T) { mangle(t, sc, pick, row.c) })
			}
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

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// maxAllocated is what a session may allocate for 4 KiB of answers.
const maxAllocated = 64 << 10

// TestMemory: at most 64 KiB for a whole session of the vectors.
func TestMemory(t *testing.T) {
	for _, sc := range readScenarios(t) {
		s := sc.stand(t)
		if each := allocated(func() { _, _, _, _ = s.run(nil) }); each > maxAllocated {
			t.Errorf("%s: %d bytes", sc.ID, each)
		}
	}
}

// TestMemoryOfAnyInput: 4 KiB of what a card or its issuer may say, made of the scenarios'
// own answers and spoilt at random, or made to be as greedy as can be: at most 64 KiB.
func TestMemoryOfAnyInput(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	all := readScenarios(t)
	s := all[0].stand(t)
	tapes := greedy()
	for range 400 {
		tapes = append(tapes, spoiltTape(t, r, all))
	}
	for i, card := range tapes {
		card = card[:min(len(card), 4096)]
		issuer := &answerer{answer: OnlineAnswer{ARC: [2]byte{'0', '0'}, ICC: bytes.Repeat(unhex("7104860284240000"), 31)}}
		each := allocated(func() {
			_, _ = s.kernel.Run(context.Background(), s.tx, &tape{left: card}, nobody{}, issuer)
		})
		if each > maxAllocated {
			t.Errorf("input %d of %d bytes: %d bytes allocated", i, len(card), each)
		}
	}
}

// spoiltTape is 4 KiB of answers of scenarios, with a few bytes changed.
func spoiltTape(t *testing.T, r *rand.Rand, all []scenario) []byte {
	var out []byte
	for len(out) < 4096 {
		out = append(out, all[r.IntN(len(all))].record(t)...)
	}
	for range r.IntN(20) {
		out[r.IntN(4096)] = byte(r.Uint32())
	}
	return out
}

// greedy are cards that say much with little: a directory of many entries, records of
// many objects, and an AFL of many records.
func greedy() [][]byte {
	play := func(answers ...string) (out []byte) {
		for _, a := range answers {
			b := unhex(a)
			out = append(append(out, byte(len(b)-2)), b...)
		}
		return out
	}
	entry := object(0x61, "4F07F0000000010101"+"500141")
	directory := object(0x70, strings.Repeat(entry, 14)) + "9000"
	objects := object(0x70, strings.Repeat("DF7F0101", 60)) + "9000"
	var many []string
	for i := range 250 {
		many = append(many, object(0x70, fmt.Sprintf("DF81%02X00", i%128))+"9000")
	}
	open := []string{"6A82", fciOf("F0000000010101"), fciOf("F0000000010101"), "800A1C00" + "08010A00" + "1001FF00" + "9000"}
	partial := []string{}
	for i := range 40 {
		partial = append(partial, object(0x70, object(0x61, fmt.Sprintf("4F08F0000000010101%02X500141", i)))+"9000")
	}
	return [][]byte{
		play(append([]string{fciOfPSE}, slices.Repeat([]string{directory}, 60)...)...),
		play(append([]string{fciOfPSE}, partial...)...),
		play(append(slices.Clone(open), slices.Repeat([]string{objects}, 20)...)...),
		play(append(slices.Clone(open), many...)...),
		bytes.Repeat([]byte{0, 0x90, 0}, 1365),
	}
}

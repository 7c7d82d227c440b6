package wal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posd/store"
)

const canary = "6277000000000017"

// key is a device key for tests.
type key byte

func (k key) Derive(label string) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte{byte(k)}, nil, label, 32)
}

func testRand() io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte("wal"))) }

func testConfig(t testing.TB) Config {
	return Config{
		Path: filepath.Join(t.TempDir(), "journal.log"), Key: key(1), Rand: testRand(),
		Frames: 16, LockTimeout: 50 * time.Millisecond,
	}
}

func mustOpen(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mustAppend(t testing.TB, l *Log, payload, secret string) uint64 {
	t.Helper()
	var s []byte
	if secret != "" {
		s = []byte(secret)
	}
	n, err := l.Append([]byte(payload), s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// content is what the log holds, a line a frame.
func content(t testing.TB, l *Log) (lines []string) {
	t.Helper()
	err := l.Each(func(f Frame, damage error) error {
		if damage != nil {
			lines = append(lines, fmt.Sprintf("%d damaged", f.Number))
			return nil
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%d %s %s", f.Number, f.Payload, f.Secret)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func wantContent(t testing.TB, l *Log, want ...string) {
	t.Helper()
	if got := content(t, l); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func reopen(t testing.TB, l *Log, cfg Config) *Log {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, cfg)
}

func TestFramesOutliveAReopening(t *testing.T) {
	cfg := testConfig(t)
	l := mustOpen(t, cfg)
	wantContent(t, l)
	mustAppend(t, l, "one", canary)
	mustAppend(t, l, "two", "")
	l = reopen(t, l, cfg)
	wantContent(t, l, "1 one "+canary, "2 two")
	mustAppend(t, l, "three", "")
	l = reopen(t, l, cfg)
	wantContent(t, l, "1 one "+canary, "2 two", "3 three")
	if faults := l.Faults(); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

func TestTheFileIsReservedWholeAndPrivate(t *testing.T) {
	cfg := testConfig(t)
	mustOpen(t, cfg)
	var st unix.Stat_t
	if err := unix.Stat(cfg.Path, &st); err != nil {
		t.Fatal(err)
	}
	if want := int64(headerSize + 16*frameSize); st.Size != want || st.Blocks*512 < want {
		t.Errorf("size %d, reserved %d, want %d", st.Size, st.Blocks*512, want)
	}
	if st.Mode&0o777 != 0o600 {
		t.Errorf("mode %04o, want 0600", st.Mode&0o777)
	}
}

// An append is one write in place and one flush: nothing else.
func TestAnAppendCostsOneFlush(t *testing.T) {
	l := mustOpen(t, testConfig(t))
	mustAppend(t, l, "one", canary)
	if s := l.Stats(); s.Flushes != 1 || s.Bytes != frameSize {
		t.Errorf("%+v, want 1 flush and %d bytes", s, frameSize)
	}
}

func TestTheLogGoesRoundOverReleasedFramesOnly(t *testing.T) {
	cfg := testConfig(t)
	l := mustOpen(t, cfg)
	for i := range 16 {
		mustAppend(t, l, fmt.Sprint(i), "")
	}
	if _, err := l.Append([]byte("x"), nil); !errors.Is(err, store.ErrFull) {
		t.Fatalf("a full log: %v, want ErrFull", err)
	}
	if err := l.Release(15); err != nil {
		t.Fatal(err)
	}
	if free := l.Free(); free != 14 {
		t.Errorf("%d free, want 14", free)
	}
	for i := range 40 {
		n := mustAppend(t, l, fmt.Sprint(16+i), "")
		if err := l.Release(n - 2); err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, l, "last", "")
	l = reopen(t, l, cfg)
	wantContent(t, l, "54 53", "55 54", "56 55", "57 last")
	if faults := l.Faults(); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

// The frame's sealed part stays, and opens; what must be gone is the secret's bytes.
func TestAWipedSecretIsGoneFromTheFile(t *testing.T) {
	for _, row := range []struct {
		name string
		wipe func(l *Log, n uint64) error
	}{
		{"Wipe", func(l *Log, n uint64) error { return l.Wipe(n) }},
		{"with an append", func(l *Log, n uint64) error { _, err := l.Append([]byte("next"), nil, n); return err }},
		{"Release", func(l *Log, n uint64) error { return l.Release(n + 1) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			l := mustOpen(t, cfg)
			n := mustAppend(t, l, "one", canary)
			mustAppend(t, l, "two", "kept")
			before, _ := os.ReadFile(cfg.Path)
			area := before[l.place(n)+secretAt : l.place(n)+frameSize]
			if allZero(area) || bytes.Contains(before, []byte(canary)) {
				t.Fatal("the secret is not there, or in the clear")
			}
			if err := row.wipe(l, n); err != nil {
				t.Fatal(err)
			}
			after, _ := os.ReadFile(cfg.Path)
			if bytes.Contains(after, area) || bytes.Contains(after, area[nonceSize:]) {
				t.Error("the sealed secret is still in the file")
			}
			if lines := content(t, reopen(t, l, cfg)); !strings.Contains(strings.Join(lines, "|"), "2 two kept") {
				t.Errorf("the other secret: %q", lines)
			}
		})
	}
}

// What is changed, moved or put back from before is seen.
func TestTheChainShowsWhatWasDone(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(file, older []byte)
		want string
	}{
		{"a frame changed", func(f, _ []byte) { f[headerSize+2*frameSize+50] ^= 1 }, "frame 3: its seal is broken"},
		{"two frames swapped", func(f, _ []byte) {
			a, b := f[headerSize:headerSize+frameSize], f[headerSize+frameSize:headerSize+2*frameSize]
			c := bytes.Clone(a)
			copy(a, b)
			copy(b, c)
		}, "frame 1: another frame is in its place"},
		{"a frame of another run put back", func(f, older []byte) {
			copy(f[headerSize+frameSize:headerSize+2*frameSize], older[headerSize+frameSize:])
		}, "frame 2: the frame before it is not the one that was there"},
		{"the head torn", func(f, _ []byte) { clear(f[headerSize+4*frameSize+100 : headerSize+4*frameSize+300]) }, "place of frame 5: torn"},
		{"a header changed", func(f, _ []byte) { f[20] ^= 1 }, "header 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			make5 := func(first string, cfg Config) []byte {
				l := mustOpen(t, cfg)
				for i := range 5 {
					mustAppend(t, l, fmt.Sprint(first, i), "")
				}
				l.Close()
				b, err := os.ReadFile(cfg.Path)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			other := testConfig(t)
			other.Rand = rand.NewChaCha8([32]byte{9})
			older := make5("old", other)
			cfg := testConfig(t)
			file := make5("new", cfg)
			row.do(file, older)
			if err := os.WriteFile(cfg.Path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			l := mustOpen(t, cfg)
			if got := errors.Join(l.Faults()...); got == nil || !strings.Contains(got.Error(), row.want) {
				t.Errorf("faults %v, want %q", got, row.want)
			}
			mustAppend(t, l, "goes on", "")
		})
	}
}

// A failure at each step of an append: the frame counts as not written for the caller,
// the next append takes its place, and a restart shows a log without a hole.
func TestAFailureAtEachStep(t *testing.T) {
	for _, step := range []Step{BeforeWrite, BeforeFlush, AfterFlush} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprint(step, again), func(t *testing.T) {
				cfg := testConfig(t)
				armed := false
				cfg.Fail = func(s Step) error {
					if armed && s == step {
						armed = false
						return errors.New("disk")
					}
					return nil
				}
				l := mustOpen(t, cfg)
				mustAppend(t, l, "one", "")
				armed = true
				if _, err := l.Append([]byte("two"), nil); err == nil {
					t.Fatal("no error")
				}
				want := []string{"1 one", "2 two"} // written, and nobody was told
				if step == BeforeWrite {
					want = want[:1]
				}
				if again {
					mustAppend(t, l, "other", "")
					want = []string{"1 one", "2 other"}
				}
				wantContent(t, reopen(t, l, cfg), want...)
			})
		}
	}
}

// Several frames in one append, of which the caller was told that they failed: what takes
// their place is fewer, and nothing of them comes back.
func TestFramesOfAFailedAppendDoNotComeBack(t *testing.T) {
	cfg := testConfig(t)
	armed := false
	cfg.Fail = func(s Step) error {
		if armed && s == AfterFlush {
			armed = false
			return errors.New("disk")
		}
		return nil
	}
	l := mustOpen(t, cfg)
	mustAppend(t, l, "one", "")
	armed = true
	if _, err := l.AppendAll([]Frame{{Payload: []byte("a")}, {Payload: []byte("b")}, {Payload: []byte("c")}}); err == nil {
		t.Fatal("no error")
	}
	mustAppend(t, l, "two", "")
	l = reopen(t, l, cfg)
	wantContent(t, l, "1 one", "2 two")
	if faults := l.Faults(); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
	if n, err := l.AppendAll([]Frame{{Payload: []byte("x")}, {Payload: []byte("y"), Secret: []byte(canary)}}); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	wantContent(t, reopen(t, l, cfg), "1 one", "2 two", "3 x", "4 y "+canary)
}

func TestAFileThatIsNoLogIsRefusedAndLeftAlone(t *testing.T) {
	for _, row := range []struct {
		name    string
		content func(good []byte) []byte
		key     key
		want    error
	}{
		{"empty", func([]byte) []byte { return nil }, 1, store.ErrDamaged},
		{"garbage", func(g []byte) []byte { return bytes.Repeat([]byte{0xA5}, len(g)) }, 1, store.ErrForeign},
		{"another device's", func(g []byte) []byte { return g }, 2, store.ErrForeign},
		{"cut short", func(g []byte) []byte { return g[:len(g)-frameSize] }, 1, store.ErrDamaged},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			l := mustOpen(t, cfg)
			mustAppend(t, l, "one", "")
			l.Close()
			good, _ := os.ReadFile(cfg.Path)
			bad := row.content(good)
			if err := os.WriteFile(cfg.Path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			cfg.Key = row.key
			if _, err := Open(cfg); !errors.Is(err, row.want) || !strings.Contains(err.Error(), cfg.Path) {
				t.Errorf("got %v, want %v that names the file", err, row.want)
			}
			if after, _ := os.ReadFile(cfg.Path); !bytes.Equal(after, bad) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestALogHasOneOwner(t *testing.T) {
	cfg := testConfig(t)
	mustOpen(t, cfg)
	if _, err := Open(cfg); !errors.Is(err, store.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}

func TestTooMuchForAFrameIsRefused(t *testing.T) {
	l := mustOpen(t, testConfig(t))
	if _, err := l.Append(make([]byte, MaxPayload+1), nil); err == nil {
		t.Error("a payload too long was taken")
	}
	if _, err := l.Append(nil, make([]byte, MaxSecret+1)); err == nil {
		t.Error("a secret too long was taken")
	}
	if _, err := l.Append(make([]byte, MaxPayload), make([]byte, MaxSecret)); err != nil {
		t.Error(err)
	}
}

// 1,000 bit flips over the whole file: a frame comes as it was, or as damaged; never as
// another. Open ends, and the log can be written on.
func TestAFlippedBitIsNoticedOrHarmless(t *testing.T) {
	cfg := testConfig(t)
	l := mustOpen(t, cfg)
	var want []string
	for i := range 12 {
		n := mustAppend(t, l, fmt.Sprintf("payload %d", i), canary)
		want = append(want, fmt.Sprintf("%d payload %d %s", n, i, canary))
	}
	l.Close()
	whole, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	r := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	for range rounds {
		bit := r.IntN(len(whole) * 8)
		file := bytes.Clone(whole)
		file[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(cfg.Path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		counts[judge(t, cfg, bit, want)]++
	}
	t.Logf("%d flips: %v", rounds, counts)
	if counts["noticed"] == 0 {
		t.Error("no flip was noticed: the test does not reach the frames")
	}
}

func judge(t *testing.T, cfg Config, bit int, want []string) string {
	l, err := Open(cfg)
	if err != nil {
		return "refused"
	}
	defer l.Close()
	got := content(t, l)
	for i, line := range got {
		if line != want[i] && line != fmt.Sprintf("%d damaged", i+1) {
			t.Errorf("bit %d: frame %d reads %q", bit, i+1, line)
		}
	}
	whole := strings.Join(got, "|") == strings.Join(want, "|")
	if !whole && len(l.Faults()) == 0 {
		t.Errorf("bit %d: %d frames of %d as they were, and no fault", bit, len(got), len(want))
	}
	mustAppend(t, l, "goes on", "")
	if len(l.Faults()) > 0 {
		return "noticed"
	}
	return "harmless"
}

// FuzzOpen: whatever is in the file, Open ends without a panic, and a log that opens can
// be read and written.
func FuzzOpen(f *testing.F) {
	cfg := testConfig(f)
	l := mustOpen(f, cfg)
	for i := range 8 {
		mustAppend(f, l, fmt.Sprint(i), canary)
	}
	l.Close()
	whole, err := os.ReadFile(cfg.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte(nil))
	f.Add(uint32(headerSize+4), []byte{0, 0, 0, 1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		file := bytes.Clone(whole)
		copy(file[int(at)%len(file):], change)
		if err := os.WriteFile(cfg.Path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(cfg)
		if err != nil {
			return
		}
		defer l.Close()
		content(t, l)
		if l.Free() > 0 {
			mustAppend(t, l, "goes on", "")
		}
	})
}

package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posd/emv/keyblock"
	"posd/store"
)

// Test keys: invented, but for the TMK, which is that of unionpay_vectors.txt.
const (
	testTMK   = "0123456789ABCDEFFEDCBA9876543210"
	testTPK   = "1C1C1C1C1C1C1C1C2A2A2A2A2A2A2A2A"
	testTAK   = "3131313131313131"
	testTAK16 = "31313131313131314646464646464646"
	testTDK   = "57575757575757576868686868686868"
	testKBPK  = "89E88CF7931444F334BD7547FC3F380C"
)

var clock = time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)

type fixture struct {
	t    *testing.T
	cfg  store.Config
	db   *store.DB
	kbpk string // path of the transport key
	fail store.Point
	*Keys
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	random := rand.NewChaCha8(sha256.Sum256([]byte("keys")))
	key, err := store.FileDeviceKey(filepath.Join(dir, "device.key"), random)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, kbpk: filepath.Join(dir, "kbpk")}
	f.cfg = store.Config{
		Path: filepath.Join(dir, "store.db"), Key: key, Rand: random, MaxSize: store.MinMaxSize,
		Fail: func(p store.Point, _ uint64) error {
			if p == f.fail {
				f.fail = ""
				return errors.New("disk")
			}
			return nil
		},
	}
	if err := os.WriteFile(f.kbpk, []byte(testKBPK+"\n"), 0o600); err != nil {
		t.Fatal(err)
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
	f.Keys, err = Open(Config{DB: f.db, Now: func() time.Time { return clock }, Transport: TransportFile(f.kbpk)})
	if err != nil {
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

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func wrap(t *testing.T, key string) keyblock.Cryptogram {
	t.Helper()
	c, err := keyblock.WrapECB(unhex(testTMK), unhex(key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func signOn(t *testing.T) keyblock.WorkingKeys {
	return keyblock.WorkingKeys{PIN: wrap(t, testTPK), MAC: wrap(t, testTAK), Track: wrap(t, testTDK)}
}

func (f *fixture) kcvs() string {
	var out []string
	for _, i := range f.KCVs() {
		out = append(out, i.Name+"="+i.KCV)
	}
	return strings.Join(out, " ")
}

func kcv(key string) string {
	v, err := keyblock.CheckValue(unhex(key))
	if err != nil {
		panic(err)
	}
	return strings.ToUpper(hex.EncodeToString(v[:3]))
}

func TestNoKeysIsAState(t *testing.T) {
	f := newFixture(t)
	if _, err := f.MACKey(); !errors.Is(err, ErrNoKey) {
		t.Errorf("MAC key: %v", err)
	}
	if _, err := f.TrackKey(); !errors.Is(err, ErrNoKey) {
		t.Errorf("track key: %v", err)
	}
	if _, err := f.PINKey(); !errors.Is(err, ErrNoKey) {
		t.Errorf("PIN key: %v", err)
	}
	if err := f.Install(signOn(t)); !errors.Is(err, ErrNoKey) {
		t.Errorf("working keys without a master key: %v", err)
	}
	if got := f.kcvs(); got != "TMK= TPK= TAK= TDK=" {
		t.Errorf("got %s", got)
	}
}

func TestKeysOutliveARestart(t *testing.T) {
	for _, tak := range []string{testTAK, testTAK16} {
		t.Run(fmt.Sprintf("MAC key of %d bytes", len(tak)/2), func(t *testing.T) {
			f := newFixture(t)
			if info, err := f.LoadMaster(unhex(testTMK)); err != nil || info.KCV != "08D7B4" {
				t.Fatalf("got %+v %v, want the KCV of unionpay_vectors.txt", info, err)
			}
			work := signOn(t)
			work.MAC = wrap(t, tak)
			before := f.db.Stats().Commits
			if err := f.Install(work); err != nil {
				t.Fatal(err)
			}
			if got := f.db.Stats().Commits - before; got != 1 {
				t.Errorf("%d commits, want 1", got)
			}
			for range 2 {
				want := fmt.Sprintf("TMK=08D7B4 TPK=%s TAK=%s TDK=%s", kcv(testTPK), kcv(tak), kcv(testTDK))
				if got := f.kcvs(); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				f.sameCipher(tak)
				if got, err := f.PINKey(); err != nil || !bytes.Equal(got.Bytes, work.PIN.Bytes) || got.KCV != work.PIN.KCV {
					t.Errorf("PIN key: %v, want the cryptogram as it came", err)
				}
				f.restart()
			}
		})
	}
}

// sameCipher checks that the MAC key enciphers as the key itself does.
func (f *fixture) sameCipher(key string) {
	f.t.Helper()
	want, err := keyblock.CheckValue(unhex(key))
	if err != nil {
		f.t.Fatal(err)
	}
	block, err := f.MACKey()
	if err != nil {
		f.t.Fatal(err)
	}
	var b [8]byte
	block.Encrypt(b[:], b[:])
	if !bytes.Equal(b[:4], want[:]) {
		f.t.Error("the MAC cipher has another key")
	}
}

func TestInstallIsAllOrNothing(t *testing.T) {
	wrong := func(c keyblock.Cryptogram) keyblock.Cryptogram { c.KCV[3] ^= 1; return c }
	for name, row := range map[string]struct {
		edit func(*keyblock.WorkingKeys)
		want error
		says string
	}{
		"PIN key's check value":   {func(w *keyblock.WorkingKeys) { w.PIN = wrong(w.PIN) }, keyblock.ErrKCV, "TPK"},
		"MAC key's check value":   {func(w *keyblock.WorkingKeys) { w.MAC = wrong(w.MAC) }, keyblock.ErrKCV, "TAK"},
		"track key's check value": {func(w *keyblock.WorkingKeys) { w.Track = wrong(w.Track) }, keyblock.ErrKCV, "TDK"},
		"a key of 15 bytes":       {func(w *keyblock.WorkingKeys) { w.MAC.Bytes = make([]byte, 15) }, keyblock.ErrKey, "TAK"},
		"no PIN key":              {func(w *keyblock.WorkingKeys) { w.PIN = keyblock.Cryptogram{} }, ErrNoKey, "TPK"},
		"no MAC key":              {func(w *keyblock.WorkingKeys) { w.MAC = keyblock.Cryptogram{} }, ErrNoKey, "TAK"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if _, err := f.LoadMaster(unhex(testTMK)); err != nil {
				t.Fatal(err)
			}
			if err := f.Install(signOn(t)); err != nil {
				t.Fatal(err)
			}
			before := f.kcvs()
			next := keyblock.WorkingKeys{PIN: wrap(t, testTDK), MAC: wrap(t, testTAK16), Track: wrap(t, testTPK)}
			row.edit(&next)
			err := f.Install(next)
			if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want %v that names %s", err, row.want, row.says)
			}
			noKeyIn(t, fmt.Sprint(err))
			f.restart()
			if got := f.kcvs(); got != before {
				t.Errorf("got %s, want %s", got, before)
			}
		})
	}
}

func TestASignOnMayBringNoTrackKey(t *testing.T) {
	f := newFixture(t)
	if _, err := f.LoadMaster(unhex(testTMK)); err != nil {
		t.Fatal(err)
	}
	if err := f.Install(signOn(t)); err != nil {
		t.Fatal(err)
	}
	w := signOn(t)
	w.Track = keyblock.Cryptogram{}
	if err := f.Install(w); err != nil {
		t.Fatal(err)
	}
	if _, err := f.TrackKey(); !errors.Is(err, ErrNoKey) {
		t.Errorf("the track key of the sign-on before is still in use: %v", err)
	}
}

func TestANewMasterKeyForgetsTheOldOne(t *testing.T) {
	f := newFixture(t)
	if _, err := f.LoadMaster(unhex(testTMK)); err != nil {
		t.Fatal(err)
	}
	if err := f.Install(signOn(t)); err != nil {
		t.Fatal(err)
	}
	before := f.db.Stats().Commits
	if _, err := f.LoadMaster(unhex(testTMK)); err != nil || f.db.Stats().Commits != before {
		t.Errorf("the same key again: %v, %d commits", err, f.db.Stats().Commits-before)
	}
	if _, err := f.MACKey(); err != nil {
		t.Errorf("the same key again took the working keys away: %v", err)
	}
	other := "00112233445566778899AABBCCDDEEFF"
	if _, err := f.LoadMaster(unhex(other)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, want := f.kcvs(), "TMK="+kcv(other)+" TPK= TAK= TDK="; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		f.restart()
	}
}

func TestMasterKeysThatCannotBe(t *testing.T) {
	f := newFixture(t)
	for _, n := range []int{0, 8, 15, 17, 32} {
		if _, err := f.LoadMaster(make([]byte, n)); !errors.Is(err, keyblock.ErrKey) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func block(t *testing.T, edit func(*keyblock.Header)) string {
	t.Helper()
	h := keyblock.Header{
		Version: keyblock.VersionB, Usage: keyblock.UsageKeyEncryption, Algorithm: keyblock.AlgorithmTDES,
		Mode: keyblock.ModeBoth, KeyVersion: "00", Exportability: keyblock.ExportableNever,
	}
	if edit != nil {
		edit(&h)
	}
	s, err := keyblock.Wrap(unhex(testKBPK), h, unhex(testTMK), make([]byte, 6))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAKeyBlockBringsTheMasterKey(t *testing.T) {
	f := newFixture(t)
	info, err := f.LoadMasterBlock(block(t, nil) + "\n")
	if err != nil || info.Name != Master || info.KCV != "08D7B4" || !info.Since.Equal(clock) {
		t.Errorf("got %+v %v", info, err)
	}
}

func TestKeyBlocksThatAreRefused(t *testing.T) {
	good := block(t, nil)
	for name, row := range map[string]struct {
		block string
		want  error
	}{
		"for PINs":           {block(t, func(h *keyblock.Header) { h.Usage = keyblock.UsagePINEncryption }), ErrUsage},
		"an AES key":         {block(t, func(h *keyblock.Header) { h.Algorithm = keyblock.AlgorithmAES }), ErrUsage},
		"only enciphers":     {block(t, func(h *keyblock.Header) { h.Mode = keyblock.ModeEncrypt }), ErrUsage},
		"changed on the way": {good[:20] + string(good[20]^1) + good[21:], keyblock.ErrMAC},
		"cut short":          {good[:40], keyblock.ErrFormat},
		"nothing":            {"", keyblock.ErrFormat},
	} {
		f := newFixture(t)
		_, err := f.LoadMasterBlock(row.block)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", name, err, row.want)
		}
		noKeyIn(t, fmt.Sprint(err))
		if got := f.kcvs(); got != "TMK= TPK= TAK= TDK=" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTransportKeyFilesThatAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"others can read it": {testKBPK, 0o644, "0600 wanted"},
		"too short":          {testKBPK[:30], 0o600, "30 characters"},
		"too long":           {testKBPK + testKBPK + testKBPK, 0o600, "characters"},
		"no hex":             {"G" + testKBPK[1:], 0o600, "no hexadecimal digit"},
		"empty":              {"", 0o600, "0 characters"},
	} {
		f := newFixture(t)
		if err := errors.Join(os.WriteFile(f.kbpk, []byte(row.content), 0o600), os.Chmod(f.kbpk, row.mode)); err != nil {
			t.Fatal(err)
		}
		_, err := f.LoadMasterBlock(block(t, nil))
		if err == nil || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), f.kbpk) {
			t.Errorf("%s: got %v, want one that says %q and names the file", name, err, row.says)
		}
		noKeyIn(t, fmt.Sprint(err))
	}
	f := newFixture(t)
	f.cfg = store.Config{}
	f.Keys.cfg.Transport = nil
	if _, err := f.LoadMasterBlock(block(t, nil)); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a transport key: %v", err)
	}
}

// noKeyIn checks that a text shows no part of a key, as hex of either case.
func noKeyIn(t *testing.T, text string) {
	t.Helper()
	for _, key := range []string{testTMK, testTPK, testTAK, testTAK16, testTDK, testKBPK} {
		for i := 0; i+8 <= len(key); i += 8 {
			if strings.Contains(strings.ToUpper(text), key[i:i+8]) {
				t.Errorf("a key shows in %q", text)
			}
		}
	}
}

// No key, and no cryptogram of one, is readable in the file; a master key that was
// replaced cannot be opened by anybody.
func TestKeysAtRest(t *testing.T) {
	f := newFixture(t)
	if _, err := f.LoadMaster(unhex(testTMK)); err != nil {
		t.Fatal(err)
	}
	if err := f.Install(signOn(t)); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(f.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{testTMK, testTPK, testTAK, testTDK} {
		for _, needle := range [][]byte{unhex(key)[:8], []byte(key[:16]), []byte(strings.ToLower(key[:16])), wrap(t, testTPK).Bytes[:8]} {
			if bytes.Contains(file, needle) {
				t.Errorf("%x is readable in the file", needle)
			}
		}
	}
}

// A commit that fails: either the disk has the new keys, and so do we, or it is an
// error, and we go on with the old ones; a restart says the same.
func TestAFailedCommitLeavesOneTruth(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.AfterCommit} {
		t.Run(string(point), func(t *testing.T) {
			f := newFixture(t)
			steps := []func() error{
				func() error { _, err := f.LoadMaster(unhex(testTMK)); return err },
				func() error { return f.Install(signOn(t)) },
			}
			for i, step := range steps {
				before := f.kcvs()
				f.fail = point
				err := step()
				if (err == nil) != (point == store.AfterCommit) {
					t.Errorf("step %d: %v", i, err)
				}
				after := f.kcvs()
				if (after == before) != (err != nil) {
					t.Errorf("step %d: %v, but %s became %s", i, err, before, after)
				}
				f.restart()
				if again := f.kcvs(); again != after {
					t.Errorf("step %d: %s, after a restart %s", i, after, again)
				}
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Erased keys are gone at once and after a restart, and their data key with them.
func TestErase(t *testing.T) {
	f := newFixture(t)
	if err := f.Erase(); err != nil {
		t.Errorf("no keys: %v", err)
	}
	for _, point := range []store.Point{"", store.BeforeCommit, store.AfterCommit} {
		if _, err := f.LoadMaster(unhex(testTMK)); err != nil {
			t.Fatal(err)
		}
		if err := f.Install(signOn(t)); err != nil {
			t.Fatal(err)
		}
		f.fail = point
		err := f.Erase()
		if (err != nil) != (point == store.BeforeCommit) {
			t.Errorf("fails %q: %v", point, err)
		}
		if got := f.kcvs(); got != "TMK= TPK= TAK= TDK=" {
			t.Errorf("fails %q: %s", point, got)
		}
		if _, err := f.MACKey(); !errors.Is(err, ErrNoKey) {
			t.Errorf("fails %q: the MAC key is in use: %v", point, err)
		}
		f.restart()
		if there := f.kcvs() != "TMK= TPK= TAK= TDK="; there != (err != nil) {
			t.Errorf("fails %q, %v: after a restart %s", point, err, f.kcvs())
		}
		if err := f.Erase(); err != nil {
			t.Errorf("once more: %v", err)
		}
		f.restart()
		if got := f.kcvs(); got != "TMK= TPK= TAK= TDK=" {
			t.Errorf("fails %q: after a restart %s", point, got)
		}
	}
}

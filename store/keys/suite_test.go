package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/emv/binding"
	"posd/emv/keyblock"
	"posd/emv/keyblock/remote"
)

func suiteKeys(t *testing.T, s keyblock.Suite) keyblock.WorkingKeys {
	t.Helper()
	wrap := func(key string) keyblock.Cryptogram {
		c, err := s.Wrap(unhex(testTMK), unhex(key))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return keyblock.WorkingKeys{PIN: wrap(testTPK), MAC: wrap(testTAK16), Track: wrap(testTDK), Suite: s}
}

func TestEachSuiteHasItsKeysAfterARestart(t *testing.T) {
	for _, s := range keyblock.Suites() {
		t.Run(string(s), func(t *testing.T) {
			f := newFixture(t)
			if got := f.Suite(); got != "" {
				t.Errorf("suite %q without a key", got)
			}
			if _, err := f.LoadMasterFor(s, unhex(testTMK)); err != nil {
				t.Fatal(err)
			}
			if err := f.Install(suiteKeys(t, s)); err != nil {
				t.Fatal(err)
			}
			f.restart()
			spec, _ := s.Spec()
			mac, err := f.MACKey()
			if err != nil || mac.BlockSize() != spec.Block || keyblock.MethodOf(mac) != spec.MAC {
				t.Errorf("MAC key: method %d, %v", keyblock.MethodOf(mac), err)
			}
			track, err := f.TrackKey()
			if err != nil || track.BlockSize() != spec.TrackBlock {
				t.Errorf("track key: %v", err)
			}
			for _, info := range f.KCVs() {
				if info.Suite != s || len(info.KCV) != 6 {
					t.Errorf("got %+v", info)
				}
			}
			if key, err := f.BindingKey(); err != nil || len(binding.Proof(key, "SN", "000000")) != 8 {
				t.Errorf("binding key: %v", err)
			}
		})
	}
}

func TestKeysOfAnotherSuiteAreRefused(t *testing.T) {
	f := newFixture(t)
	if _, err := f.LoadMasterFor(keyblock.SM4, unhex(testTMK)); err != nil {
		t.Fatal(err)
	}
	if err := f.Install(suiteKeys(t, keyblock.TDES)); !errors.Is(err, ErrSuite) {
		t.Errorf("TDES keys that say so: %v", err)
	}
	unnamed := suiteKeys(t, keyblock.TDES)
	unnamed.Suite = ""
	if err := f.Install(unnamed); !errors.Is(err, keyblock.ErrKCV) {
		t.Errorf("TDES keys that do not say so: %v", err)
	}
	if _, err := f.LoadMasterFor("rot13", unhex(testTMK)); !errors.Is(err, ErrSuite) {
		t.Errorf("no suite: %v", err)
	}
	if _, err := f.LoadMaster(unhex(strings.Repeat("1C", 16))); !errors.Is(err, keyblock.ErrWeak) {
		t.Errorf("two equal halves: %v", err)
	}
	if _, err := f.LoadMaster(unhex(testTMK)); err != nil || f.Suite() != keyblock.TDES {
		t.Errorf("the same bytes for another suite: %s, %v", f.Suite(), err)
	}
}

// Same KEK, three suites: what a key block says of its key decides.
func TestKeyBlocksOfEachSuite(t *testing.T) {
	for _, row := range []struct {
		suite   keyblock.Suite
		version keyblock.Version
	}{{keyblock.TDES, 'B'}, {keyblock.TDES, 'D'}, {keyblock.AES, 'D'}, {keyblock.SM4, 'D'}} {
		f := newFixture(t)
		block, err := keyblock.WrapMaster(unhex(testKBPK), row.suite, unhex(testTMK), row.version, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := f.LoadMasterBlock(block); err != nil || info.Suite != row.suite {
			t.Errorf("%s in %c: %+v, %v", row.suite, row.version, info, err)
		}
	}
	if _, err := keyblock.WrapMaster(unhex(testKBPK), keyblock.AES, unhex(testTMK), 'B', rand.Reader); !errors.Is(err, ErrUsage) {
		t.Errorf("AES key under TDES: %v", err)
	}
}

func TestAMasterKeyFromAfar(t *testing.T) {
	f := newFixture(t)
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own, err := rsa.GenerateKey(rand.Reader, remote.MinBits)
	if err != nil {
		t.Fatal(err)
	}
	c := remote.Context{Serial: "SN", Terminal: "10000001", Nonce: make([]byte, remote.NonceSize)}
	d, err := remote.Seal(rand.Reader, authority, &own.PublicKey, c, keyblock.SM4, unhex(testTMK))
	if err != nil {
		t.Fatal(err)
	}
	bad := d
	bad.Signature = append([]byte(nil), d.Signature...)
	bad.Signature[8] ^= 1
	if _, err := f.LoadMasterDelivery(&authority.PublicKey, own, c, bad); !errors.Is(err, remote.ErrSignature) || f.Suite() != "" {
		t.Errorf("forged: %v", err)
	}
	if info, err := f.LoadMasterDelivery(&authority.PublicKey, own, c, d); err != nil || info.Suite != keyblock.SM4 {
		t.Errorf("got %+v, %v", info, err)
	}
}

func TestWorkingKeysGetOld(t *testing.T) {
	f := newFixture(t)
	f.cfg2(Policy{MaxAge: 24 * time.Hour, MaxUses: 3})
	if got := f.Due(clock); got != "" {
		t.Errorf("without a master key: %q", got)
	}
	if _, err := f.LoadMaster(unhex(testTMK)); err != nil {
		t.Fatal(err)
	}
	if got := f.Due(clock); got != "no working keys" {
		t.Errorf("before the sign-on: %q", got)
	}
	if err := f.Install(signOn(t)); err != nil {
		t.Fatal(err)
	}
	due := func(name string, now time.Time, want string) {
		t.Helper()
		if got := f.Due(now); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	due("fresh", clock.Add(23*time.Hour), "")
	due("a day old", clock.Add(24*time.Hour), "24h0m0s old")
	due("clock set back", clock.Add(-time.Hour), "from the future")
	commits := f.db.Stats().Commits
	f.Used()
	f.Used()
	due("used twice", clock, "")
	f.Used()
	due("used three times", clock, "used 3 times")
	if got := f.db.Stats().Commits; got != commits {
		t.Errorf("counting made %d commits", got-commits)
	}
	if err := f.Install(signOn(t)); err != nil {
		t.Fatal(err)
	}
	due("changed", clock, "")
	f.restart()
	f.cfg2(Policy{MaxUses: 3})
	due("after a restart", clock, "before the restart")
	if _, err := f.MACKey(); err != nil {
		t.Errorf("keys that are due work: %v", err)
	}
}

// cfg2 gives the keys a policy.
func (f *fixture) cfg2(p Policy) { f.Keys.cfg.Policy = p }

// Components: invented, but their XOR is the TMK of unionpay_vectors.txt, KCV 08D7B4FB.
const (
	partA = "1F2E3D4C5B6A79880F1E2D3C4B5A6978"
	partB = "1E0D78 2BD2C1B467 F1C29784 3D685B68"
)

func xorHex(a, b string) string {
	x, y := unhex(a), unhex(b)
	for i := range x {
		x[i] ^= y[i]
	}
	return hex.EncodeToString(x)
}

func component(t *testing.T, text string) []byte {
	t.Helper()
	c, err := ParseComponent([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTwoPeopleEnterAKey(t *testing.T) {
	f := newFixture(t)
	second := xorHex(partA, testTMK)
	c, err := f.EnterComponents(keyblock.TDES)
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(step string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", step, err)
		}
	}
	_, err = c.Second("02", component(t, second), kcv(second))
	wrong("second before first", err, ErrNotNow)
	wrong("check value of another component", c.First("01", component(t, partA), kcv(second)), ErrComponent)
	wrong("short component", c.First("01", unhex("0123456789ABCDEF01"), "000000"), ErrComponent)
	wrong("zeros", c.First("01", make([]byte, 16), kcv(strings.Repeat("00", 16))), ErrComponent)
	wrong("nobody", c.First("", component(t, partA), kcv(partA)), ErrSamePerson)
	entered := component(t, partA)
	if err := c.First("01", entered, kcv(partA)); err != nil {
		t.Fatal(err)
	}
	if entered[0] != 0 {
		t.Error("the component is not wiped")
	}
	_, err = c.Second("01", component(t, second), kcv(second))
	wrong("both by one", err, ErrSamePerson)
	_, err = c.Second("02", component(t, partA), kcv(partA))
	wrong("the same component: a key of zeros", err, keyblock.ErrWeak)
	_, err = c.Confirm("08D7B4")
	wrong("confirm before the second", err, ErrNotNow)
	got, err := c.Second("02", component(t, second), kcv(second))
	if err != nil || got != "08D7B4" {
		t.Fatalf("check value %s, %v", got, err)
	}
	if f.Suite() != "" {
		t.Fatal("stored before it was confirmed")
	}
	_, err = c.Confirm("08D7B5")
	wrong("another check value", err, ErrComponent)
	if info, err := c.Confirm("08d7b4fb"); err != nil || info.KCV != "08D7B4" {
		t.Errorf("got %+v, %v", info, err)
	}
	if a, b := c.People(); a != "01" || b != "02" {
		t.Errorf("people %s, %s", a, b)
	}
	wrong("after the end", c.First("01", component(t, partA), kcv(partA)), ErrNotNow)
	if _, err := ParseComponent([]byte(partB + "0")); !errors.Is(err, ErrComponent) {
		t.Errorf("odd digits: %v", err)
	}
}

func TestAnEntryEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c, err := f.EnterComponents(keyblock.TDES)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.First("01", component(t, partA), kcv(partA)); err != nil {
			t.Fatal(err)
		}
		held := c.sum
		<-time.After(ComponentTime - time.Second)
		synctest.Wait()
		if string(held) != string(unhex(partA)) {
			t.Fatal("ended too early")
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if string(held) != string(make([]byte, 16)) {
			t.Error("the first component is still in memory")
		}
		second := xorHex(partA, testTMK)
		if _, err := c.Second("02", component(t, second), kcv(second)); !errors.Is(err, ErrNotNow) {
			t.Errorf("after the time: %v", err)
		}
		f.db.Close()
	})
}

func TestCancelWipes(t *testing.T) {
	f := newFixture(t)
	c, err := f.EnterComponents(keyblock.AES)
	if err != nil {
		t.Fatal(err)
	}
	part := strings.Repeat("5A", 32)
	check, err := keyblock.AES.CheckValue(unhex(part))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.First("01", unhex(part), digitsOf(check)); err != nil {
		t.Fatal(err)
	}
	held := c.sum
	c.Cancel()
	c.Cancel()
	if string(held) != string(make([]byte, 32)) {
		t.Error("the first component is still in memory")
	}
	if _, err := c.Second("02", unhex(part), digitsOf(check)); !errors.Is(err, ErrNotNow) {
		t.Errorf("after cancel: %v", err)
	}
}

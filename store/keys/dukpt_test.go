package keys

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"posd/emv/dukpt"
	"posd/store"
)

// ANSI X9.24-1:2009, A.4: the initial key and the first PIN keys of the annex's device.
const (
	annexInitial = "6AC292FAA1315B4D858AB3A3D7D5933A"
	annexKSN     = "FFFF9876543210E00000"
)

func loaded(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	if err := f.LoadDUKPT(dukpt.Key(unhex(annexInitial)), dukpt.KSN(unhex(annexKSN))); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDUKPTKeysOverRestarts(t *testing.T) {
	f := loaded(t)
	for i, want := range []string{"042666B49184CFA368DE9628D0397BC9", "C46551CEF9FD24B0AA9AD834130D3BC7", "0DF3D9422ACA56E547676D07AD6BADFA"} {
		f.restart()
		key, ksn, err := f.NextDUKPT()
		if err != nil || ksn.Counter() != uint32(i+1) || key.For(dukpt.PIN) != dukpt.Key(unhex(want)).For(dukpt.PIN) {
			t.Errorf("transaction %d: %s, %v", i+1, ksn, err)
		}
	}
	info, err := f.DUKPT()
	if err != nil || info.KSN != "FFFF9876543210E00004" || info.AES {
		t.Errorf("got %+v, %v", info, err)
	}
	if err := f.LoadDUKPT(dukpt.Key(unhex(annexInitial)), dukpt.KSN(unhex(annexKSN))); err == nil {
		t.Error("the counter was set back by loading the same key again")
	}
	if _, _, err := f.NextAESDUKPT(dukpt.AES128, dukpt.PINEncryption); !errors.Is(err, ErrNoKey) {
		t.Errorf("AES key of a TDES device: %v", err)
	}
}

func TestAESDUKPTKeysOverRestarts(t *testing.T) {
	f := newFixture(t)
	initial := unhex("1273671EA26AC29AFA4D1084127652A1") // X9.24-3, supplement: BDK FEDC...3210, device 1234567890123456
	id := [8]byte(unhex("1234567890123456"))
	if err := f.LoadAESDUKPT(initial, id); err != nil {
		t.Fatal(err)
	}
	for n := uint32(1); n < 6; n++ {
		f.restart()
		list, ksn, err := f.NextAESDUKPT(dukpt.AES128, dukpt.PINEncryption, dukpt.MACGeneration)
		if err != nil || ksn.Counter() != n {
			t.Fatalf("%s, %v", ksn, err)
		}
		want, err := dukpt.AESWorkingKey(initial, ksn, dukpt.PINEncryption, dukpt.AES128)
		if err != nil || !bytes.Equal(list[0], want) {
			t.Errorf("transaction %d: the host finds another key, %v", n, err)
		}
	}
}

// The largest state that there is fits into the store.
func TestAES256(t *testing.T) {
	f := newFixture(t)
	initial := bytes.Repeat([]byte{0xA5}, 32)
	if err := f.LoadAESDUKPT(initial, [8]byte{1}); err != nil {
		t.Fatal(err)
	}
	f.restart()
	list, ksn, err := f.NextAESDUKPT(dukpt.AES256, dukpt.DataEncryption)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := dukpt.AESWorkingKey(initial, ksn, dukpt.DataEncryption, dukpt.AES256); err != nil || !bytes.Equal(list[0], want) {
		t.Errorf("the host finds another key, %v", err)
	}
}

// The counter is on disk before the key is out: whatever a commit answers, no serial number
// comes twice.
func TestNoSerialNumberTwice(t *testing.T) {
	f := loaded(t)
	if n, twice := hunt(f, func() (dukpt.Key, dukpt.KSN, error) { return f.NextDUKPT() }); twice != "" || n < 30 {
		t.Errorf("%d keys, %q came twice", n, twice)
	}
}

// The planted bug: the key is given although the commit failed. The hunt finds it.
func TestTheHuntFindsAKeyThatIsGivenTooEarly(t *testing.T) {
	f := loaded(t)
	early := func() (key dukpt.Key, ksn dukpt.KSN, err error) {
		_ = f.nextDUKPT('T', func(state []byte) ([]byte, string, error) {
			d, err := dukpt.RestoreDevice(state)
			if err != nil {
				return nil, "", err
			}
			key, ksn, err = d.Next()
			return d.AppendState(nil), d.KSN().String(), err
		})
		return key, ksn, nil
	}
	if n, twice := hunt(f, early); twice == "" {
		t.Errorf("%d keys, nothing found", n)
	}
}

// hunt takes keys while commits fail and the power goes, and returns how many came and the
// first serial number that came twice.
func hunt(f *fixture, next func() (dukpt.Key, dukpt.KSN, error)) (n int, twice string) {
	seen := map[dukpt.KSN]bool{}
	for i := range 60 {
		switch i % 5 {
		case 1:
			f.fail = store.BeforeCommit
		case 3:
			f.fail = store.AfterCommit
		}
		if _, ksn, err := next(); err == nil {
			if seen[ksn] {
				return len(seen), ksn.String()
			}
			seen[ksn] = true
		}
		if i%7 == 0 {
			f.restart()
		}
	}
	return len(seen), ""
}

func TestNoDUKPTKeys(t *testing.T) {
	f := newFixture(t)
	if _, _, err := f.NextDUKPT(); !errors.Is(err, ErrNoKey) {
		t.Errorf("got %v", err)
	}
	f = loaded(t)
	if err := f.Erase(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.NextDUKPT(); !errors.Is(err, ErrNoKey) {
		t.Errorf("after erase: %v", err)
	}
}

func TestTheCounterEnds(t *testing.T) {
	f := loaded(t)
	d := dukpt.NewDevice(dukpt.Key{1}, dukpt.KSN{})
	state := d.AppendState(nil)
	copy(state[11:], []byte{0, 0x1F, 0xF8, 0}) // 10 one bits, the last counter of all
	if err := f.putDUKPT(state, dukptRecord{KSN: "00"}); err != nil {
		t.Fatal(err)
	}
	if _, ksn, err := f.NextDUKPT(); err != nil || ksn.Counter() != 0x1FF800 {
		t.Fatalf("%s, %v", ksn, err)
	}
	for range 2 {
		if _, _, err := f.NextDUKPT(); !errors.Is(err, ErrExhausted) {
			t.Errorf("after the end: %v", err)
		}
		f.restart()
	}
}

// Neither the initial key nor a used one is in the file in clear.
func TestDUKPTKeysAreSealed(t *testing.T) {
	f := loaded(t)
	key, _, err := f.NextDUKPT()
	if err != nil {
		t.Fatal(err)
	}
	f.db.Close()
	file, err := os.ReadFile(f.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{unhex(annexInitial), key[:], key[:8]} {
		if bytes.Contains(file, secret) {
			t.Error("a key is in the file")
		}
	}
}

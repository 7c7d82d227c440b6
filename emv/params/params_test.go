package params

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testKey is a key of our own making: 128 bytes of modulus, with its true checksum.
func testKey(index byte) CAKey {
	modulus := bytes.Repeat([]byte{0xC3}, 128)
	modulus[127] = 0x01 | index<<1
	k := CAKey{
		CAKey: oda.CAKey{
			RID: [5]byte{0xA0, 0, 0, 3, 0x33}, Index: index, Modulus: modulus, Exponent: []byte{3},
			Expires: time.Date(2030, 12, 31, 0, 0, 0, 0, time.UTC),
		},
		Hash: 1, Algorithm: RSA,
	}
	sum := sha1.Sum(append(append(append(append([]byte{}, k.RID[:]...), index), modulus...), 3))
	k.SHA1 = sum[:]
	return k
}

func TestCAKey(t *testing.T) {
	k := testKey(2)
	got, err := ParseCAKey(k.Append(nil))
	if err != nil || !reflect.DeepEqual(got, k) {
		t.Fatalf("%+v %v", got, err)
	}
	rows := []struct {
		name, want string
		change     func(*CAKey) []byte
		err        error
	}{
		{"checksum", "SHA-1", func(k *CAKey) []byte { k.Modulus[5] ^= 1; return k.Append(nil) }, oda.ErrChecksum},
		{"packed expiry", "DF05", func(k *CAKey) []byte {
			return bytes.Replace(k.Append(nil), unhex(t, "DF05083230333031323331"), unhex(t, "DF050420301231"), 1)
		}, ErrFormat},
		{"no such day", "DF05 at byte 12", func(k *CAKey) []byte {
			return bytes.Replace(k.Append(nil), []byte("20301231"), []byte("20301331"), 1)
		}, ErrFormat},
		{"no modulus", "DF02 is missing", func(k *CAKey) []byte {
			i := bytes.Index(k.Append(nil), unhex(t, "DF02"))
			return k.Append(nil)[:i]
		}, ErrFormat},
		{"twice", "9F22 at byte", func(k *CAKey) []byte { return append(k.Append(nil), unhex(t, "9F220102")...) }, ErrFormat},
		{"cut", "at byte", func(k *CAKey) []byte { b := k.Append(nil); return b[:len(b)-1] }, ErrFormat},
	}
	for _, row := range rows {
		bad := testKey(2)
		_, err := ParseCAKey(row.change(&bad))
		if !errors.Is(err, row.err) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}

// An SM2 key is kept, and not given to the kernel.
func TestSM2KeyIsKeptUnchecked(t *testing.T) {
	k := testKey(7)
	k.Algorithm, k.Modulus, k.Exponent, k.SHA1 = 4, bytes.Repeat([]byte{1}, 64), nil, bytes.Repeat([]byte{2}, 32)
	if _, err := ParseCAKey(k.Append(nil)); err != nil {
		t.Error(err)
	}
}

func testApplication() Application {
	return Application{
		Application: kernel.Application{
			AID: []byte{0xA0, 0, 0, 3, 0x33, 1, 1, 1}, Partial: true, Version: [2]byte{0, 0x20},
			TACDefault: emv.TVR(0xD84000A800), TACOnline: emv.TVR(0xD84004F800), TACDenial: emv.TVR(0x0010000000),
			FloorLimitMinor: 20000, RandomThreshold: 5000, RandomTarget: 20, RandomMaxTarget: 50,
			DefaultDDOL: tlv.DOL{0x9F, 0x37, 0x04},
		},
		OnlinePIN: true, CashLimit: 100000, ContactlessFloor: 0, ContactlessLimit: 500000, ContactlessCVM: 30000,
	}
}

func TestApplication(t *testing.T) {
	// The message set's objects, in the order of the download.
	data := unhex(t, "9F0608A000000333010101 DF010100 9F08020020 DF1105D84000A800 DF1205D84004F800 DF13050010000000"+
		"9F1B0400004E20 DF150400001388 DF160150 DF170120 DF14039F3704 DF180101 9F7B06000000100000"+
		"DF1906000000000000 DF2006000000500000 DF2106000000030000")
	got, err := ParseApplication(data)
	if err != nil || !reflect.DeepEqual(got, testApplication()) {
		t.Fatalf("%+v %v", got, err)
	}
	again, err := ParseApplication(got.Append(nil))
	if err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("%+v %v", again, err)
	}
	rows := []struct{ name, from, to, want string }{
		{"not decimal", "DF160150", "DF16015A", "DF16 at byte"},
		{"short TAC", "DF1105D84000A800", "DF1104D84000A8", "DF11 at byte 20"},
		{"selection", "DF010100", "DF010102", "DF01 at byte 11"},
		{"target above its most", "DF170120", "DF170160", "DF17 and DF16"},
		{"bad DDOL", "DF14039F3704", "DF14029F37", "DF14 at byte"},
		{"no floor limit", "9F1B0400004E20", "", "9F1B is missing"},
	}
	for _, row := range rows {
		bad := bytes.Replace(data, unhex(t, row.from), unhex(t, row.to), 1)
		if _, err := ParseApplication(bad); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}

func TestTerminal(t *testing.T) {
	list := "1101" + "1245" + "135" + "17" + "4008001234    " + "181" + "1910" + "201" + "211" + "232" + "242" + "253" + "26FFBFFFFF" + "2730"
	got, err := ParseTerminal([]byte(list))
	want := DefaultTerminal()
	want.Group, want.Timeout, want.Retries, want.Hotline, want.Tip, want.TipMost = 1, 45*time.Second, 5, "4008001234", true, 10
	want.Manual, want.SignOff, want.Resends, want.AtOnce, want.MasterKey, want.Functions, want.Stored = true, true, 2, false, 3, 0xFFBFFFFF, 30
	if err != nil || got != want {
		t.Fatalf("%+v\n%+v %v", got, want, err)
	}
	got.Merchant = "测试商户"
	again, err := ParseTerminal(got.Append(nil))
	if err != nil || again != got {
		t.Errorf("%+v %v", again, err)
	}
	if got.Functions.Has("offline_adjust") || !got.Functions.Has("sale") || !got.Functions.Has("something else") {
		t.Errorf("%08X", got.Functions)
	}
}

func TestTerminalKeepsWithinBounds(t *testing.T) {
	got, err := ParseTerminal([]byte("12011999"))
	if err != nil || got.Timeout != 10*time.Second || got.TipMost != maxTipMost {
		t.Errorf("%+v %v", got, err)
	}
	if got, _ := ParseTerminal(nil); got != DefaultTerminal() {
		t.Errorf("%+v", got)
	}
}

func TestTerminalErrorsNameTagAndPlace(t *testing.T) {
	for _, row := range []struct{ list, want string }{
		{"126018", `tag 18 at byte 4: 0 characters`},
		{"1260991", `tag "99" at byte 4`},
		{"12601260", "tag 12 at byte 4 is there twice"},
		{"1260182", "tag 18 at byte 4"},
		{"243", "tag 24 at byte 0"},
		{"126", "tag 12 at byte 0: 1 characters"},
		{"1", "byte 0: half a tag"},
		{"26GGGGGGGG", "tag 26 at byte 0"},
		{"17\x1b@\xff\xff          ", "tag 17 at byte 0"},
	} {
		if _, err := ParseTerminal([]byte(row.list)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: %v, want %q", row.list, err, row.want)
		}
	}
}

func TestQuick(t *testing.T) {
	got, err := ParseQuick([]byte("FF805D0010FF803A003020FF8058012000000030000FF80540011FF80990025X"))
	want := DefaultQuick()
	want.RetapSame, want.NoPINLimit, want.NoPIN = 20*time.Second, 30000, true
	if err != nil || got != want {
		t.Fatalf("%+v %v", got, err)
	}
	if again, err := ParseQuick(got.Append(nil)); err != nil || again != got {
		t.Errorf("%+v %v", again, err)
	}
	for _, bad := range []string{"FF805D", "FF805D002", "FF805DXXX", "FF805D0012", "FF80580031 0", "FF80540011FF80540010"} {
		if _, err := ParseQuick([]byte(bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPage(t *testing.T) {
	got, err := ParseBINs([]byte("0150662770008622588000"))
	if err == nil {
		t.Errorf("%v: an entry is cut", got)
	}
	p, err := ParsePage([]byte("015066277000862258800"), 4, 12)
	if err != nil || p.From != 15 || !reflect.DeepEqual(p.Entries, []string{"627700", "62258800"}) {
		t.Fatalf("%+v %v", p, err)
	}
	if string(p.Append(nil)) != "015066277000862258800" {
		t.Errorf("%s", p.Append(nil))
	}
	full := Page{Entries: strings.Fields(strings.Repeat("627700 ", PageSize+1))}
	if _, err := ParsePage(full.Append(nil), 4, 12); !errors.Is(err, ErrLimit) {
		t.Errorf("%d entries: %v", PageSize+1, err)
	}
	const pan = "6277000000000017"
	if _, err := ParseBlackList([]byte("00016" + pan[:15] + "X")); err == nil || strings.Contains(err.Error(), pan[:12]) {
		t.Errorf("%v", err)
	}
}

func TestStatus(t *testing.T) {
	s := Status{Devices: [5]uint8{1, 1, 1, 1, 1}}
	if got := string(s.Append(nil)); got != "011021031041051" {
		t.Errorf("%s", got)
	}
	s.Dialled = &Dialling{12, 345, 6}
	if got, err := ParseStatus(s.Append(nil)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestOrders(t *testing.T) {
	var o Orders
	for _, digit := range []byte{0, 4, 5, 4, 7, 9, 15} {
		o.Add(digit)
	}
	if got := o.Waiting(); !reflect.DeepEqual(got, []Job{JobCAKeys, JobApplications, JobQPS}) {
		t.Errorf("%v", got)
	}
	job, ok := o.Next()
	o.Add(byte(job)) // an answer of the download has the digit too
	o.Done(job)
	if next, _ := o.Next(); !ok || job != JobCAKeys || next != JobApplications {
		t.Errorf("%v, then %v", job, next)
	}
	if lists := JobQPS.Lists(); len(lists) != 3 || JobSignOn.Lists() != nil {
		t.Errorf("%v", lists)
	}
}

func FuzzParsers(f *testing.F) {
	f.Add(testKey(1).Append(nil))
	f.Add(testApplication().Append(nil))
	f.Add(DefaultTerminal().Append(nil))
	f.Add(DefaultQuick().Append(nil))
	f.Add([]byte("000066277000862258800"))
	f.Add([]byte("011021031041051"))
	f.Fuzz(func(t *testing.T, data []byte) {
		roundTrip(t, data, ParseCAKey, CAKey.Append)
		roundTrip(t, data, ParseApplication, Application.Append)
		roundTrip(t, data, ParseTerminal, Terminal.Append)
		roundTrip(t, data, ParseQuick, Quick.Append)
		roundTrip(t, data, ParseStatus, Status.Append)
		roundTrip(t, data, func(b []byte) (Page, error) { return ParsePage(b, 4, 19) }, Page.Append)
		_, _ = parseKeyNames(data)
		_, _ = parseAIDNames(data)
		_, _ = ParseBlackList(data)
	})
}

// roundTrip: what is read is written so that it is read again as the same.
func roundTrip[T any](t *testing.T, data []byte, parse func([]byte) (T, error), write func(T, []byte) []byte) {
	t.Helper()
	got, err := parse(data)
	if err != nil {
		return
	}
	again, err := parse(write(got, nil))
	if err != nil || !reflect.DeepEqual(again, got) {
		t.Fatalf("%+v, and then %+v %v", got, again, err)
	}
}

func TestNamesOfKeys(t *testing.T) {
	one := "9F0605A0000003339F220102DF05083230333031323331"
	got, err := parseKeyNames(unhex(t, one+strings.Replace(one, "220102", "220103", 1)))
	if err != nil || len(got) != 2 || !bytes.Equal(got[1], unhex(t, "A00000033303")) {
		t.Fatalf("%X %v", got, err)
	}
	for _, bad := range []string{one + one, "9F220102", "9F0605A000000333", "9F0604A0000003", "9F0605A0000003339F2201"} {
		if _, err := parseKeyNames(unhex(t, bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestMerchantNameReachesTheKernel(t *testing.T) {
	s := &Set{Terminal: DefaultTerminal(), Applications: []Application{testApplication()}, CAKeys: []oda.CAKey{testKey(1).CAKey}}
	s.Terminal.Merchant = "SHOP"
	base := kernel.Config{Data: map[tlv.Tag][]byte{tag.TerminalCapabilities: {0xE0, 0xF0, 0xC8}}, UsePSE: true}
	base.Applications = []kernel.Application{{AID: testApplication().AID, SkipVelocity: true, DefaultTDOL: tlv.DOL{0x9F, 0x02, 0x06}}}
	got := s.Kernel(base)
	a := got.Applications[0]
	if string(got.Data[tag.MerchantNameAndLocation]) != "SHOP" || len(got.CAKeys) != 1 || a.FloorLimitMinor != 20000 || !a.SkipVelocity || len(a.DefaultTDOL) != 3 || !got.UsePSE {
		t.Errorf("%+v", got)
	}
	if len(base.Data) != 1 || base.Applications[0].FloorLimitMinor != 0 {
		t.Error("base was changed")
	}
	empty := (&Set{}).Kernel(base)
	if !reflect.DeepEqual(empty, base) {
		t.Errorf("nothing downloaded: %+v", empty)
	}
}

type kind string

func (k kind) String() string { return string(k) }

func TestAllows(t *testing.T) {
	s := &Set{Terminal: DefaultTerminal()}
	if !s.Allows(kind("sale")) || s.Allows(kind("tip_adjust")) || !s.Allows(kind("offline_sale")) {
		t.Error("defaults")
	}
	s.Terminal.Tip, s.Terminal.Stored = true, 0
	s.Terminal.Functions = Everything.Without("refund")
	if !s.Allows(kind("tip_adjust")) || s.Allows(kind("offline_sale")) || s.Allows(kind("refund")) || !s.Allows(kind("void")) {
		t.Error("as sent")
	}
}

// Every character that GBK has comes back as it was.
func TestTextsInGBK(t *testing.T) {
	for high := 0x81; high <= 0xFE; high++ {
		for low := 0x40; low <= 0xFE; low++ {
			list := append([]byte("17"), byte(high), byte(low))
			list = append(list, "            "...)
			got, err := ParseTerminal(list)
			if err != nil {
				continue
			}
			if again, err := ParseTerminal(got.Append(nil)); err != nil || again != got {
				t.Fatalf("%02X%02X: %q, and then %q %v", high, low, got.Hotline, again.Hotline, err)
			}
		}
	}
}

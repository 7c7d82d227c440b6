package vfpad

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"posd/device"
	"posd/emv"
)

func TestFrameBytes(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    frame
		want string
	}{
		{"cancel", frame{stx, []byte("72")}, "\x0272\x03\x06"},            // 37 xor 32 xor 03
		{"select slot 0", frame{si, []byte("080")}, "\x0F080\x0E\x36"},    // 30 xor 38 xor 30 xor 0E
		{"show", frame{stx, []byte("Z2\x1AA")}, "\x02Z2\x1AA\x03\x30"},    // 5A 32 1A 41 03
		{"separator", frame{stx, []byte("Z6\x1C")}, "\x02Z6\x1C\x03\x73"}, // 5A 36 1C 03
	} {
		got, err := tc.f.append(nil)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: % X, %v, want % X", tc.name, got, err, tc.want)
		}
	}
}

func TestFramesThatCannotBe(t *testing.T) {
	for name, b := range map[string]string{
		"empty":           "",
		"no start":        "72\x03\x06",
		"wrong end":       "\x0272\x0E\x0B",
		"check":           "\x0272\x03\x07",
		"one byte":        "\x027\x03\x34",
		"control inside":  "\x027\x052\x03\x03",
		"more after it":   "\x0272\x03\x06\x06",
		"nothing but end": "\x02\x03\x03",
	} {
		if f, err := parse([]byte(b)); !errors.Is(err, errFrame) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	for name, f := range map[string]frame{
		"ETX in the data": {stx, []byte("Z2\x03")},
		"too long":        {stx, make([]byte, maxData+1)},
		"another start":   {0x01, []byte("72")},
	} {
		if b, err := f.append(nil); !errors.Is(err, errFrame) {
			t.Errorf("%s: % X, %v", name, b, err)
		}
	}
}

func TestReadSession(t *testing.T) {
	req, bypass := limits{4, 6, false}, limits{4, 6, true}
	for _, tc := range []struct {
		name string
		l    limits
		data string
		want error
	}{
		{"good", req, "71.004010123456789ABCDEF", nil},
		{"null PIN", bypass, "71.000010000000000000000", device.ErrBypassed},
		{"null PIN without block", bypass, "71.00001", device.ErrBypassed},
		{"null PIN that was not allowed", req, "71.000010000000000000000", device.ErrProtocol},
		{"more digits than allowed", req, "71.007010123456789ABCDEF", device.ErrRefused},
		{"more digits than there are", req, "71.013010123456789ABCDEF", device.ErrProtocol},
		{"error", req, "719", device.ErrRefused},
		{"error that nobody knows", req, "71z", device.ErrRefused},
		{"short", req, "71.00401012345", device.ErrProtocol},
		{"another format", req, "71.00404" + strings.Repeat("01", 16), device.ErrProtocol},
		{"not hexadecimal", req, "71.00401012345678XABCDEF", device.ErrProtocol},
		{"number that is none", req, "71.0x4010123456789ABCDEF", device.ErrProtocol},
		{"nothing", req, "71", device.ErrProtocol},
	} {
		sealed, err := readSession([]byte(tc.data), formats["01"], tc.l)
		if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		if tc.want == nil && (sealed.Digits != 4 || hex.EncodeToString(sealed.Block) != "0123456789abcdef") {
			t.Errorf("%s: %+v", tc.name, sealed)
		}
	}
}

func TestReadDUKPT(t *testing.T) {
	const ksn, block = "9876543210E00001", "0123456789ABCDEF"
	for _, tc := range []struct {
		name, data string
		bypass     bool
		want       error
		ksn        string
	}{
		{"71, without the F on the left", "710" + ksn + block, false, nil, "ffff9876543210e00001"},
		{"71, whole", "710FFFF" + ksn + block, false, nil, "ffff9876543210e00001"},
		{"71, an odd number of digits", "7101234567890ABCDE" + block, false, nil, "fffff1234567890abcde"},
		{"73", "73.00000" + ksn + block, false, nil, "ffff9876543210e00001"},
		{"AES keys", "710" + "123456789012345600000001" + block + block, false, nil, "123456789012345600000001"},
		{"no key", "71A", false, device.ErrRefused, ""},
		{"no account, and no bypass", "710", false, device.ErrRefused, ""},
		{"no PIN", "710", true, device.ErrBypassed, ""},
		{"no PIN, zeros", "7100000000000000000", true, device.ErrBypassed, ""},
		{"no PIN, 73", "73.00000", true, device.ErrBypassed, ""},
		{"no PIN that was not allowed, 73", "73.00000", false, device.ErrProtocol, ""},
		{"master and session", "71.00401" + block, false, device.ErrProtocol, ""},
		{"block alone", "710" + block, false, device.ErrProtocol, ""},
		{"too long", "710" + ksn + ksn + block, false, device.ErrProtocol, ""},
		{"not hexadecimal", "710" + ksn + "0123456789ABCDEX", false, device.ErrProtocol, ""},
		{"nothing", "71", false, device.ErrProtocol, ""},
	} {
		sealed, err := readDUKPT([]byte(tc.data), tc.bypass)
		if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		if got := hex.EncodeToString(sealed.KSN); got != tc.ksn {
			t.Errorf("%s: KSN %s, want %s", tc.name, got, tc.ksn)
		}
		if wantLen := map[int]int{0: 8, 4: 16}[sealed.Format]; tc.want == nil && len(sealed.Block) != wantLen {
			t.Errorf("%s: block of %d bytes of format %d", tc.name, len(sealed.Block), sealed.Format)
		}
	}
}

func TestReadTracks(t *testing.T) {
	const one, two, three = "B6277000000000011^TEST^3012", "6277000000000011=30122010000", "016277000000000011"
	track2, err := emv.ParseTrack2(two)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"three":          "81." + one + "\x1C" + two + "\x1C" + three,
		"with sentinels": "81.%" + one + "?\x1C;" + two + "?\x1C+" + three + "?",
		"without point":  "81" + one + "\x1C" + two + "\x1C" + three,
		"another order":  "81.;" + two + "?\x1C%" + one + "?\x1C+" + three,
	} {
		s, err := readTracks([]byte(data))
		if err != nil || string(s.Track1) != one || s.Track2 != track2 || string(s.Track3) != three {
			t.Errorf("%s: %d, %d, %d characters, %v", name, len(s.Track1), s.Track2.Len(), len(s.Track3), err)
		}
	}
	if s, err := readTracks([]byte("81." + two)); err != nil || s.Track2.Len() != len(two) || s.Track1 != nil {
		t.Errorf("one track: %v", err)
	}
	for name, data := range map[string]string{
		"empty": "81", "nothing read": "81.\x1C\x1C", "track 2 that is none": "81." + one,
	} {
		if _, err := readTracks([]byte(data)); !errors.Is(err, device.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readTracks([]byte("81.1\x1C2\x1C3\x1C4")); !errors.Is(err, device.ErrProtocol) {
		t.Errorf("four tracks: %v", err)
	}
}

func TestAmountIn(t *testing.T) {
	for text, want := range map[string]string{
		"CNY 12.00 ENTER YOUR PIN": "12.00", "R$ 1234.56": "1234.56", "0.01": "0.01", "12345.67 BRL": "12345.67",
	} {
		if got, err := amountIn(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ENTER PIN", "12", "123456.78", ".50", "12.5", "1.2.3", "12.00.", "a2.00"} {
		if got, err := amountIn(text); err == nil {
			t.Errorf("%q has %q", text, got)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tc := range []struct{ text, first, second string }{
		{"ENTER PIN", "ENTER PIN", ""},
		{"CNY 12.00 ENTER YOUR PIN", "CNY 12.00 ENTER", "YOUR PIN"},
		{"0123456789ABCDEF GHI", "0123456789ABCDEF", "GHI"},
		{"0123456789ABCDEFGHI", "0123456789ABCDEF", "GHI"},
		{"A BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "A", "BBBBBBBBBBBBBBBB"},
	} {
		if first, second := split(tc.text); first != tc.first || second != tc.second {
			t.Errorf("%q: %q and %q", tc.text, first, second)
		}
	}
}

// FuzzFrame: what is read is written again byte for byte, and the other way round.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x0272\x03\x06"))
	f.Add([]byte("\x0F080\x0E\x36"))
	f.Add([]byte("Z62.6277000000000011\x1C0123456789ABCDEF0412NPIN?\x1C\x1C"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := parse(b); err == nil {
			again, err := got.append(nil)
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("% X was written as % X, %v", b, again, err)
			}
		}
		for _, start := range []byte{stx, si} {
			written, err := frame{start, b}.append(nil)
			if err != nil {
				continue
			}
			if got, err := parse(written); err != nil || got.start != start || !bytes.Equal(got.data, b) {
				t.Errorf("% X was read as %+v, %v", written, got, err)
			}
		}
	})
}

// FuzzAnswers: no answer of a pad does harm, or gives what it has not.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"71.004010123456789ABCDEF", "7109876543210E000010123456789ABCDEF", "73.00000", "81.1\x1C2=3\x1C4",
		"Z670123456789ABCDEF0", "Z671", "910", "911A",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 3 {
			return
		}
		for _, form := range []format{formats["01"], {4, "04", 16}} {
			sealed, err := readSession(b, form, limits{4, 12, true})
			if err == nil && (sealed.Digits < 4 || sealed.Digits > 12 || len(sealed.Block) != form.length) {
				t.Errorf("%q: %+v", b, sealed)
			}
		}
		sealed, err := readDUKPT(b, true)
		if n := len(sealed.KSN); err == nil && (n != 10 && n != 12 || len(sealed.Block) != 8*(1+sealed.Format/4)) {
			t.Errorf("%q: %+v", b, sealed)
		}
		if stripe, err := readTracks(b); err != nil && !stripe.Track2.IsZero() {
			t.Errorf("%q: a track beside %v", b, err)
		}
		_, _ = readMAC(b)
		_ = checkMore(b)
		_ = loaded(b)
	})
}

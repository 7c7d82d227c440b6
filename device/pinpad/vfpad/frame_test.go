package vfpad

import (
	"bytes"
	"errors"
	"testing"

	"posd/device"
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

func TestReadBlock(t *testing.T) {
	req := device.PINRequest{MinDigits: 4, MaxDigits: 6}
	bypass := device.PINRequest{MinDigits: 4, MaxDigits: 6, AllowBypass: true}
	for _, tc := range []struct {
		name string
		req  device.PINRequest
		data string
		want error
	}{
		{"good", req, "71.004010123456789ABCDEF", nil},
		{"null PIN", bypass, "71.000010000000000000000", device.ErrBypassed},
		{"null PIN without block", bypass, "71.00001", device.ErrBypassed},
		{"null PIN that was not allowed", req, "71.000010000000000000000", device.ErrProtocol},
		{"more digits than allowed", req, "71.007010123456789ABCDEF", device.ErrProtocol},
		{"error", req, "719", device.ErrRefused},
		{"error that nobody knows", req, "71z", device.ErrRefused},
		{"short", req, "71.00401012345", device.ErrProtocol},
		{"not hexadecimal", req, "71.00401012345678XABCDEF", device.ErrProtocol},
		{"number that is none", req, "71.0x4010123456789ABCDEF", device.ErrProtocol},
		{"nothing", req, "71", device.ErrProtocol},
	} {
		block, err := readBlock([]byte(tc.data), tc.req)
		if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		if tc.want == nil && (block.Digits != 4 || block.Block != [8]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF}) {
			t.Errorf("%s: %+v", tc.name, block)
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
		if block, err := readBlock(b, device.PINRequest{MinDigits: 4, MaxDigits: 12}); err == nil && (block.Digits < 4 || block.Digits > 12) {
			t.Errorf("%q: %d digits", b, block.Digits)
		}
	})
}

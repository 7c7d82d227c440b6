package keyblock

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// shared/domain/unionpay_vectors.txt, vector 3: field 62 of a sign-on, three times 16
// bytes of cryptogram and 4 of check value; the second key has 8 bytes and 8 zeros.
func TestWorkingKeysOfASignOn(t *testing.T) {
	master := unhex("0123456789ABCDEFFEDCBA9876543210")
	field62 := unhex("9B3A7B883A100F73B4ABA2BB791C50E7D2B91CC55ADC39F46164960E0000000000000000ADC67D8417B9F1B1A1B2D33C00396833D152DA8E6B941819")
	if kcv, err := CheckValue(master); err != nil || kcv != KCV(unhex("08D7B4FB")) {
		t.Errorf("master key has check value %X, %v", kcv, err)
	}
	tests := []struct {
		name   string
		at, n  int
		wanted string
	}{
		{"TPK", 0, 16, "11111111111111112222222222222222"},
		{"TAK", 20, 8, "3333333333333333"},
		{"TDK", 40, 16, "44444444444444445555555555555555"},
	}
	for _, tt := range tests {
		c := Cryptogram{Bytes: field62[tt.at : tt.at+tt.n], KCV: KCV(field62[tt.at+16 : tt.at+20])}
		key, err := UnwrapECB(master, c)
		if err != nil || !bytes.Equal(key, unhex(tt.wanted)) {
			t.Errorf("%s: %X, %v", tt.name, key, err)
		}
		again, err := WrapECB(master, unhex(tt.wanted))
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%s: wrapped %+v, %v", tt.name, again, err)
		}
		c.KCV[3] ^= 1
		if _, err := UnwrapECB(master, c); !errors.Is(err, ErrKCV) {
			t.Errorf("%s with a wrong check value: %v", tt.name, err)
		}
		if _, err := UnwrapECB3(master, c); err != nil {
			t.Errorf("%s with three bytes of check value: %v", tt.name, err)
		}
		c.KCV[0] ^= 1
		if _, err := UnwrapECB3(master, c); !errors.Is(err, ErrKCV) {
			t.Errorf("%s with a wrong first byte: %v", tt.name, err)
		}
	}
}

func TestECBRefusesLengths(t *testing.T) {
	good := make([]byte, 16)
	for _, tt := range []struct{ master, key int }{{8, 16}, {0, 16}, {16, 0}, {16, 7}, {16, 24}, {32, 8}} {
		if _, err := WrapECB(make([]byte, tt.master), make([]byte, tt.key)); !errors.Is(err, ErrKey) {
			t.Errorf("wrap %d under %d: %v", tt.key, tt.master, err)
		}
		if _, err := UnwrapECB(make([]byte, tt.master), Cryptogram{Bytes: make([]byte, tt.key)}); !errors.Is(err, ErrKey) {
			t.Errorf("unwrap %d under %d: %v", tt.key, tt.master, err)
		}
	}
	if _, err := CheckValue(good[:9]); !errors.Is(err, ErrKey) {
		t.Errorf("check value of 9 bytes: %v", err)
	}
	for n, want := range map[int]error{8: nil, 16: nil, 24: nil, 0: ErrKey, 9: ErrKey, 32: ErrKey} {
		if _, err := NewCipher(make([]byte, n)); !errors.Is(err, want) {
			t.Errorf("cipher of %d bytes: %v", n, err)
		}
	}
}

// NIST SP 800-38B, examples D.1 (AES-128) and D.4 (three-key TDES).
func TestCMAC(t *testing.T) {
	message := unhex("6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411E5FBC1191A0A52EFF69F2445DF4F9B17AD2B417BE66C3710")
	key, err := aes.NewCipher(unhex("2B7E151628AED2A6ABF7158809CF4F3C"))
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{0: "BB1D6929E95937287FA37D129B756746", 16: "070A16B46B4D4144F79BDD9DD04A287C", 40: "DFA66747DE9AE63030CA32611497C827", 64: "51F0BEBF7E3B9D92FC49741779363CFE"} {
		if got := cmac(key, message[:n]); !bytes.Equal(got, unhex(want)) {
			t.Errorf("AES, %d bytes: %X, want %s", n, got, want)
		}
	}
	tdes, err := newTDES(unhex("8AA83BF8CBDA10620BC1BF19FBB6CD58BC313D4A371CA8B5"))
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{0: "B7A688E122FFAF95", 8: "8E8F293136283797", 20: "743DDBE0CE2DC2ED", 32: "33E6B1092400EAE5"} {
		if got := cmac(tdes, message[:n]); !bytes.Equal(got, unhex(want)) {
			t.Errorf("TDES, %d bytes: %X, want %s", n, got, want)
		}
	}
}

var published = []struct {
	source, protection, key, padding, block string
	header                                  Header
}{
	{
		"ANSI TR-31:2018, A.7.2.2", "DD7515F2BFC17F85CE48F3CA25CB21F6", "3F419E1CB7079442AA37474C2EFBF8B8", "",
		"B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E",
		Header{VersionB, UsagePINEncryption, AlgorithmTDES, ModeEncrypt, "00", ExportableTrusted, nil},
	},
	{
		"ANSI TR-31:2018, A.7.3.2", "1D22BF32387C600AD97F9B97A51311AC", "E8BC63E5479455E26577F715D587FE68", "",
		"B0104B0TX12S0100KS1800604B120F9292800000BB68BE8680A400D9191AD4ECE45B6E6C0D21C4738A52190E248719E24B433627",
		Header{VersionB, UsageBDK, AlgorithmTDES, ModeDerive, "12", ExportableSensitive, []Block{{"KS", "00604B120F9292800000"}}},
	},
	{
		"ANSI TR-31:2018, A.7.4", "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6", "3F419E1CB7079442AA37474C2EFBF8B8", "1C2965473CE206BB855B01533782",
		"D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34",
		Header{VersionD, UsagePINEncryption, AlgorithmAES, ModeEncrypt, "00", ExportableTrusted, nil},
	},
}

func TestPublishedKeyBlocks(t *testing.T) {
	for _, v := range published {
		h, key, err := Unwrap(unhex(v.protection), v.block)
		if err != nil || !bytes.Equal(key, unhex(v.key)) || !reflect.DeepEqual(h, v.header) {
			t.Errorf("%s: %+v, %X, %v", v.source, h, key, err)
		}
		padding := unhex(v.padding)
		if v.padding == "" {
			padding = paddingOf(t, unhex(v.protection), v.block, len(key))
		}
		if got, err := Wrap(unhex(v.protection), v.header, unhex(v.key), padding); err != nil || got != v.block {
			t.Errorf("%s: wrapped\n%s, want\n%s, %v", v.source, got, v.block, err)
		}
	}
}

// paddingOf finds the padding of a block whose source does not print it, by unwrapping
// a longer key: a block is the same whether its tail counts as key or as padding but
// for the length field, so it is recovered with the package's own parts.
func paddingOf(t *testing.T, protection []byte, s string, keyLength int) []byte {
	t.Helper()
	h, n, err := ParseHeader(s)
	if err != nil {
		t.Fatal(err)
	}
	encryption, _, err := bind(protection, h.Version)
	if err != nil {
		t.Fatal(err)
	}
	body := unhex(s[n:])
	size := h.Version.blockSize()
	previous := body[len(body)-size:]
	var out []byte
	for body = body[:len(body)-size]; len(body) > 0; body = body[size:] {
		block := make([]byte, size)
		encryption.Decrypt(block, body[:size])
		xor(block, previous)
		out, previous = append(out, block...), body[:size]
	}
	return out[2+keyLength:]
}

// One character of header, cipher text or MAC changed: refused, each one.
func TestEveryCharacterIsProtected(t *testing.T) {
	for _, v := range published {
		for i := range v.block {
			garbled := []byte(v.block)
			if garbled[i] == '0' {
				garbled[i] = '1'
			} else {
				garbled[i] = '0'
			}
			_, key, err := Unwrap(unhex(v.protection), string(garbled))
			if !errors.Is(err, ErrMAC) && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrKey) {
				t.Errorf("%s: character %d changed: key of %d bytes, %v", v.source, i+1, len(key), err)
			}
		}
		wrong := unhex(v.protection)
		wrong[0] ^= 0x02
		if _, _, err := Unwrap(wrong, v.block); !errors.Is(err, ErrMAC) {
			t.Errorf("%s: under another key: %v", v.source, err)
		}
	}
}

func TestHeadersThatCannotBe(t *testing.T) {
	body := strings.Repeat("0", 64)
	tests := []struct{ name, text, says string }{
		{"empty", "", "characters"},
		{"too short", "B0080P0TE00E00", "characters"},
		{"too long", strings.Repeat("B", MaxLength+1), "characters"},
		{"version A", "A0080P0TE00E0000" + body, "version"},
		{"length field differs", "B0081P0TE00E0000" + body, "length field"},
		{"length field with a sign", "B+080P0TE00E0000" + body, "length field"},
		{"number of blocks is no number", "B0080P0TE00E0x00" + body, "optional blocks"},
		{"too many blocks", "B0080P0TE00E9900" + body, "optional blocks"},
		{"reserved field", "B0080P0TE00E0001" + body, "reserved"},
		{"block of length 1", "B0080P0TE00E0100KS01" + body[4:], "optional block 1"},
		{"block that overruns", "B0080P0TE00E0100KSFF" + body[4:], "optional block 1"},
		{"block length is lower case", "B0080P0TE00E0100KS0a" + body[4:], "optional block 1"},
		{"extended length of nothing", "B0080P0TE00E0100KS0000" + body[6:], "optional block 1"},
		{"extended length of five digits", "B0080P0TE00E0100KS000500010" + body[11:], "optional block 1"},
		{"padding before the end", "B0080P0TE00E0200PB0800008888" + body[12:], "padding"},
		{"header that is no multiple", "B0080P0TE00E0100KS05A" + body[5:], "multiple"},
		{"control character", "B0080P0TE00E\x0000" + body + "0", "printable"},
	}
	for _, tt := range tests {
		if _, _, err := ParseHeader(tt.text); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestBodiesThatCannotBe(t *testing.T) {
	protection := make([]byte, 16)
	for _, body := range []string{"", strings.Repeat("0", 16), strings.Repeat("0", 40)[:38] + "00", strings.Repeat("G", 32), strings.Repeat("0", 33)} {
		block := []byte("B0000P0TE00E0000" + body)
		n := len(block)
		copy(block[1:], []byte{'0', '0' + byte(n/100), '0' + byte(n/10%10), '0' + byte(n%10)})
		if _, _, err := Unwrap(protection, string(block)); !errors.Is(err, ErrFormat) {
			t.Errorf("%d characters: %v", len(body), err)
		}
	}
}

func TestWrapRefuses(t *testing.T) {
	h := published[0].header
	tests := []struct {
		name       string
		protection int
		change     func(*Header)
		key, pad   int
		want       error
	}{
		{"no key", 16, nil, 0, 6, ErrKey},
		{"key too long", 16, nil, MaxKey + 1, 5, ErrKey},
		{"padding does not fill", 16, nil, 16, 5, ErrFormat},
		{"padding without end", 16, nil, 16, 1006, ErrFormat},
		{"single DES protection", 8, nil, 16, 6, ErrKey},
		{"AES protection for version B", 32, nil, 16, 6, ErrKey},
		{"version C", 16, func(h *Header) { h.Version = 'C' }, 16, 6, ErrFormat},
		{"usage of 3", 16, func(h *Header) { h.Usage = "P00" }, 16, 6, ErrFormat},
		{"mode not printable", 16, func(h *Header) { h.Mode = 0 }, 16, 6, ErrFormat},
		{"padding block by hand", 16, func(h *Header) { h.Blocks = []Block{{"PB", "0000"}} }, 16, 6, ErrFormat},
		{"too many blocks", 16, func(h *Header) { h.Blocks = make([]Block, MaxBlocks) }, 16, 6, ErrFormat},
		{"block too long", 16, func(h *Header) { h.Blocks = []Block{{"KS", strings.Repeat("0", MaxLength)}} }, 16, 6, ErrFormat},
	}
	for _, tt := range tests {
		header := h
		if tt.change != nil {
			tt.change(&header)
		}
		if _, err := Wrap(make([]byte, tt.protection), header, make([]byte, tt.key), make([]byte, tt.pad)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestOptionalBlocksSurvive(t *testing.T) {
	for _, v := range []Version{VersionB, VersionD} {
		for _, data := range []string{"", "1", "12345678", strings.Repeat("x", 251), strings.Repeat("x", 252), strings.Repeat("y", 300)} {
			h := Header{v, UsageMACAlgorithm3, AlgorithmTDES, ModeMAC, "c1", ExportableNever, []Block{{"KC", "00ABCDEF"}, {"10", data}}}
			text, err := Wrap(make([]byte, 16), h, make([]byte, 16), make([]byte, 14))
			if err != nil {
				t.Fatal(err)
			}
			if got, key, err := Unwrap(make([]byte, 16), text); err != nil || !reflect.DeepEqual(got, h) || len(key) != 16 {
				t.Errorf("%c with %d characters: %+v, %v", v, len(data), got, err)
			}
		}
	}
}

// Nothing makes a panic, and a header that is read is written the same way, unless it
// came with padding or an extended length that it did not need.
func FuzzUnwrap(f *testing.F) {
	for _, v := range published {
		f.Add(unhex(v.protection), v.block)
	}
	f.Add(make([]byte, 16), "B0096P0TE00E0200KS0800000000000PB080000"+strings.Repeat("0", 57))
	f.Fuzz(func(t *testing.T, protection []byte, s string) {
		h, n, err := ParseHeader(s)
		if err != nil {
			return
		}
		if again, err := h.format(len(s) - n); err == nil && len(again) == n && len(again)+len(s[n:]) == len(s) {
			if back, _, err := ParseHeader(again + s[n:]); err != nil || !reflect.DeepEqual(back, h) {
				t.Errorf("%q: %+v came back as %+v, %v", s, h, back, err)
			}
		}
		if h, key, err := Unwrap(protection, s); err == nil {
			if len(key) == 0 || len(key) > MaxKey {
				t.Errorf("%+v: key of %d bytes", h, len(key))
			}
		}
	})
}

package iso8583

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"posd/emv/keyblock"
)

func sprint(m Message) string { return fmt.Sprintf("%v %+v %#v", m, m, m) }

// signOnVector is unionpay_vectors.txt, 3: computed with Go's crypto/des by its author.
const signOnVector = "9B3A7B883A100F73B4ABA2BB791C50E7D2B91CC5" +
	"5ADC39F46164960E0000000000000000ADC67D84" +
	"17B9F1B1A1B2D33C00396833D152DA8E6B941819"

func tdes(t testing.TB, key string) cipher.Block {
	t.Helper()
	block, err := keyblock.NewCipher(unhexString(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// TestMACVectors: unionpay_vectors.txt, 1 (blog.csdn.net/zfr_xuexiao66/article/details/94665452)
// and 2 (data and keys from blog.youkuaiyun.com/zhu244912654/article/details/80005341).
func TestMACVectors(t *testing.T) {
	for _, v := range []struct{ name, key, mab, want string }{
		{
			"0830, double-length key", "55036372B17543ECB173730768B8D6C4",
			"08300000000002C000153030363730303436343238393733373031373933323330303200110000000137200277319F0605A0000003339F220103DF050832303234313233319F0605A0000003339F220104DF050832303234313233319F0605A0000003339F220102DF050832303231313233319F0605A0000000039F220107DF050832303137313233319F0605A0000000039F220108DF050832303233313233319F0605A0000000039F220109DF050832303233313233319F0605A0000000659F220110DF050832303232313233319F0605A0000000659F220112DF050832303232313233319F0605A0000000659F220114DF050832303232313233319F0605A0000000049F220104DF050832303137313233319F0605A0000000049F220105DF050832303231313233319F0605A0000000049F220106DF05083230323131323331",
			"5FE058DB",
		},
		{
			"0200, single-length key", "C24A8FB57AA20123",
			"0200302004C020C0981100000000000000005100183402100006324392260009942820D1312101120084393136363838303134303030303030303030303030303031313536ACF46E73838A82F92600000000000000000822000001",
			"8A9E91B8",
		},
	} {
		t.Run(v.name, func(t *testing.T) {
			mab := unhexString(t, v.mab)
			if got := MAC(tdes(t, v.key), mab); string(got[:]) != v.want {
				t.Fatalf("got %s, want %s", got, v.want)
			}
			frame := append(append(unhexString(t, "60000100006000 00000000"), mab...), v.want...)
			d := CUP()
			if err := d.VerifyMAC(frame, tdes(t, v.key)); err != nil {
				t.Error(err)
			}
			h, m, err := d.Parse(frame)
			if err != nil {
				t.Fatal(err)
			}
			if packed, err := d.Seal(nil, h, m, tdes(t, v.key)); err != nil || !bytes.Equal(packed, frame) {
				t.Errorf("seal: %v\n got %X\nwant %X", err, packed, frame)
			}
		})
	}
}

// TestVerifyMACNoticesEveryBit flips each bit of a sealed frame from the message type on.
func TestVerifyMACNoticesEveryBit(t *testing.T) {
	d, key := CUP(), tdes(t, "3333333333333333")
	frame, err := d.Seal(nil, request, goldens(t)["sale-request"].message, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.VerifyMAC(frame, key); err != nil {
		t.Fatal(err)
	}
	for i := 8 * headerLength; i < 8*len(frame); i++ {
		frame[i/8] ^= 0x80 >> (i % 8)
		if err := d.VerifyMAC(frame, key); !errors.Is(err, ErrMAC) && !errors.Is(err, ErrNoMAC) {
			t.Errorf("bit %d: %v", i, err)
		}
		frame[i/8] ^= 0x80 >> (i % 8)
	}
}

func TestVerifyMACRefuses(t *testing.T) {
	d, key := CUP(), tdes(t, "3333333333333333")
	sale := fixture(t, "sale-request")
	for _, row := range []struct {
		name  string
		frame []byte
		want  string
	}{
		{"another key", sale, "iso8583: verify MAC of 0200: wrong MAC"},
		{"no field 64", fixture(t, "echo-request"), "iso8583: verify MAC of 0820: no MAC"},
		{"nothing", nil, "iso8583: verify MAC: 0 bytes, at least 21: frame truncated"},
		{"bitmap and half a MAC", sale[:25], "iso8583: verify MAC: 25 bytes, at least 29: frame truncated"},
		{"cut by a byte", sale[:len(sale)-1], "iso8583: verify MAC of 0200: wrong MAC"},
	} {
		if err := d.VerifyMAC(row.frame, key); err == nil || err.Error() != row.want {
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
}

func TestSealRefusesWhatCannotBePacked(t *testing.T) {
	m := &FinancialRequest{Type: Sale, PANSequence: -1}
	dst, err := CUP().Seal([]byte{1, 2}, request, m, tdes(t, "3333333333333333"))
	if err == nil || len(dst) != 2 || m.MAC != [8]byte{} {
		t.Errorf("got % X, MAC % X, %v", dst, m.MAC, err)
	}
}

// TestSignOnKeys: unionpay_vectors.txt, 3, and the two shorter forms cut from it.
func TestSignOnKeys(t *testing.T) {
	whole := unhexString(t, signOnVector)
	for _, row := range []struct {
		name            string
		field           []byte
		pin, mac, track int
	}{
		{"001: 24 bytes", append(append([]byte(nil), whole[:12]...), whole[20:32]...), 8, 8, 0},
		{"003: 40 bytes", whole[:40], 16, 8, 0},
		{"003: 40 bytes, MAC key of double length", append(append([]byte(nil), whole[:20]...), whole[:20]...), 16, 16, 0},
		{"004: 60 bytes", whole, 16, 8, 16},
	} {
		t.Run(row.name, func(t *testing.T) {
			k, err := parseTDESKeys(row.field)
			if err != nil {
				t.Fatal(err)
			}
			if len(k.PIN.Bytes) != row.pin || len(k.MAC.Bytes) != row.mac || len(k.Track.Bytes) != row.track {
				t.Errorf("lengths %d, %d, %d", len(k.PIN.Bytes), len(k.MAC.Bytes), len(k.Track.Bytes))
			}
			back, err := AppendSignOnKeys(nil, k)
			if err != nil || !bytes.Equal(back, row.field) {
				t.Errorf("%v\n got %X\nwant %X", err, back, row.field)
			}
		})
	}
}

func TestSignOnKeysUnwrapToTheVector(t *testing.T) {
	k, err := parseTDESKeys(unhexString(t, signOnVector))
	if err != nil {
		t.Fatal(err)
	}
	master := unhexString(t, "0123456789ABCDEFFEDCBA9876543210")
	for _, row := range []struct {
		name string
		key  keyblock.Cryptogram
		want string
	}{
		{"TPK", k.PIN, "11111111111111112222222222222222"},
		{"TAK", k.MAC, "3333333333333333"},
		{"TDK", k.Track, "44444444444444445555555555555555"},
	} {
		clearKey, err := keyblock.UnwrapECB(master, row.key)
		if err != nil || !strings.EqualFold(hex.EncodeToString(clearKey), row.want) {
			t.Errorf("%s: got %X, %v; want %s", row.name, clearKey, err, row.want)
		}
	}
}

func TestSignOnKeysRefused(t *testing.T) {
	for _, n := range []int{0, 23, 25, 39, 41, 59, 61, 120} {
		if _, err := parseTDESKeys(make([]byte, n)); !errors.Is(err, ErrValue) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	odd := SignOnKeys{PIN: keyblock.Cryptogram{Bytes: make([]byte, 8)}, MAC: keyblock.Cryptogram{Bytes: make([]byte, 16)}}
	if _, err := AppendSignOnKeys(nil, odd); err == nil ||
		err.Error() != "iso8583: sign-on keys of 8, 16 and 0 bytes have no form: bad value" {
		t.Errorf("got %v", err)
	}
}

func TestSequence(t *testing.T) {
	field, err := AppendSequence(nil, "3060", "00000000")
	if err != nil || string(field) != "Sequence No12306000000000" {
		t.Fatalf("got %q, %v", field, err)
	}
	certificate, serial, err := ParseSequence(append(field, "V1.0"...))
	if err != nil || certificate != "3060" || serial != "00000000" {
		t.Errorf("got %q, %q, %v", certificate, serial, err)
	}
	for _, bad := range []string{"", "Sequence No", "Sequence No1", "Sequence NoXY306000000000", "Sequence No13306000000000", "Sequence No043060", "sequence No12306000000000"} {
		if _, _, err := ParseSequence([]byte(bad)); !errors.Is(err, ErrValue) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range [][2]string{{"306", "1"}, {"3060", ""}, {"3060", strings.Repeat("1", 96)}} {
		if _, err := AppendSequence(nil, bad[0], bad[1]); !errors.Is(err, ErrValue) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestTrackVector: unionpay_vectors.txt, 5.
func TestTrackVector(t *testing.T) {
	key := tdes(t, "44444444444444445555555555555555")
	track := track2(t, "6225760008219524D2512101123456789")
	s, err := SealTrack(key, track)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%X", s.packed[:17]); got != "6225760008219524848AC1FD0ED9045C90" {
		t.Errorf("got %s", got)
	}
	if got, err := s.Open(key); err != nil || got != track {
		t.Errorf("open: %v", err)
	}
	if _, err := s.Open(tdes(t, "0123456789ABCDEF")); !errors.Is(err, ErrTrack) {
		t.Errorf("another key: %v", err)
	}
	if s.String() != "sealed track2(33)" || fmt.Sprintf("%x", s) != s.String() {
		t.Errorf("prints %x", s)
	}
}

func TestTrackOfEveryLength(t *testing.T) {
	key := tdes(t, "44444444444444445555555555555555")
	const digits = "123456789012345678901234567890123456"
	for n := 9; n <= 36; n++ {
		track := track2(t, digits[:n-1]+"D"+digits[:1])
		s, err := SealTrack(key, track)
		if err != nil {
			t.Fatal(err)
		}
		if want := max(n+1, shortestTrack); s.Len() != want {
			t.Errorf("%d characters: sealed to %d, want %d", n+1, s.Len(), want)
		}
		if got, err := s.Open(key); err != nil || got != track {
			t.Errorf("%d characters: %v", n+1, err)
		}
	}
}

func TestSecurityControl(t *testing.T) {
	for want, args := range map[string][3]bool{
		"":                 {false, true, false},
		"2600000000000000": {true, true, false},
		"2000000000000000": {true, false, false},
		"2610000000000000": {true, true, true},
		"0610000000000000": {false, true, true},
	} {
		if got := SecurityControl(args[0], args[1], args[2]); got != want {
			t.Errorf("%v: got %s, want %s", args, got, want)
		}
	}
}

package abecs

import (
	"bytes"
	"crypto/aes"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"posd/device"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The packets that the specification prints: Abecs 2.20, 2.2.2.
func TestPacketBytes(t *testing.T) {
	for name, tc := range map[string]struct{ data, want string }{
		"OPN":      {"4F 50 4E", "16 4F 50 4E 17 A8 A9"},
		"response": {"44 53 50 30 30 30", "16 44 53 50 30 30 30 17 39 63"},
		"DSP": {
			"44 53 50 30 33 32 20 20 20 20 4F 50 45 52 41 C7 C3 4F 20 20 20 20 20 20 20 46 49 4E 41 4C 49 5A 41 44 41 20 20 20",
			"16 44 53 50 30 33 32 20 20 20 20 4F 50 45 52 41 C7 C3 4F 20 20 20 20 20 20 20 46 49 4E 41 4C 49 5A 41 44 41 20 20 20 17 52 13",
		},
		"GCD": {
			"47 43 44 30 31 36 00 0C 00 01 3C 00 0E 00 01 0A 00 0B 00 02 00 09",
			"16 47 43 44 30 31 36 00 0C 00 01 3C 00 0E 00 01 0A 00 0B 00 02 00 09 17 C1 42",
		},
	} {
		got, err := appendPacket(nil, unhex(t, tc.data))
		if err != nil || !bytes.Equal(got, unhex(t, tc.want)) {
			t.Errorf("%s: % X, %v", name, got, err)
		}
		back, err := parsePacket(unhex(t, tc.want))
		if err != nil || !bytes.Equal(back, unhex(t, tc.data)) {
			t.Errorf("%s: read as % X, %v", name, back, err)
		}
	}
}

func TestSubstitution(t *testing.T) {
	got, err := appendPacket(nil, []byte{0x12, 0x13, 0x14, 0x16, 0x17, 0x18})
	if err != nil || !bytes.Equal(got[:11], unhex(t, "16 12 13 33 14 13 36 13 37 18 17")) {
		t.Errorf("% X, %v", got, err)
	}
}

func TestPacketsThatCannotBe(t *testing.T) {
	for name, b := range map[string]string{
		"empty": "", "no data": "16 17 00 00", "no start": "4F 50 4E 17 A8 A9", "CRC": "16 4F 50 4E 17 A8 A8",
		"no end": "16 4F 50 4E 4E A8 A9", "SYN inside": "16 4F 16 4E 17 A8 A9", "ETB inside": "16 4F 17 4E 17 A8 A9",
		"DC3 alone": "16 4F 50 13 17 A8 A9", "DC3 before another byte": "16 4F 13 34 17 A8 A9", "more after it": "16 4F 50 4E 17 A8 A9 00",
	} {
		if data, err := parsePacket(unhex(t, b)); !errors.Is(err, errPacket) {
			t.Errorf("%s: % X, %v", name, data, err)
		}
	}
	for _, n := range []int{0, maxData + 1} {
		if _, err := appendPacket(nil, make([]byte, n)); !errors.Is(err, errPacket) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestResponses(t *testing.T) {
	r, err := parseResponse([]byte("CHP0000070026A86"))
	if err != nil || r.id != "CHP" || r.status != 0 || string(r.block(0)) != "0026A86" || r.block(1) != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err = parseResponse([]byte("GPN013")); err != nil || r.status != 13 || len(r.blocks) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "OPN00", "OPN0x0", "OPN00000", "OPN000005abc", "OPN000-01", "OPN000000000000000"} {
		if r, err := parseResponse([]byte(bad)); !errors.Is(err, errMessage) {
			t.Errorf("%q: %+v, %v", bad, r, err)
		}
	}
	// Abecs 2.20, 3.3.1: an event, and a track that nobody asked for.
	r = response{id: "CEX", blocks: [][]byte{append(unhex(t, "80 42 00 02 31 32"), unhex(t, "80 40 00 02 39 30")...)}}
	if event, err := r.find(ppEVENT); err != nil || string(event) != "90" {
		t.Errorf("event %q, %v", event, err)
	}
	for _, bad := range []string{"", "80 40 00", "80 40 00 03 39 30"} {
		r.blocks = [][]byte{unhex(t, bad)}
		if _, err := r.find(ppEVENT); !errors.Is(err, device.ErrProtocol) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestTwoLines(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "                                ",
		"OPERA\u00c7\u00c3O FINALIZADA":        "OPERA\xC7\xC3O        FINALIZADA      ",
		"R$ 12.00 DIGITE SUA SENHA":            "R$ 12.00 DIGITE SUA SENHA       ",
		"请":                                    "?                               ",
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ": "0123456789ABCDEFGHIJKLMNOPQRSTUV",
		"A\x17\x7f":                            "A??                             ",
	} {
		if got := twoLines(text); string(got) != want || len(got) != 32 {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// The examples of secure communication: Abecs 2.20, 3.2.2 and 5.2.2.
func TestSessionVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/opn.txt")
	if err != nil {
		t.Fatal(err)
	}
	parts, name := map[string]string{}, ""
	for line := range strings.Lines(string(raw)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "#"):
		case strings.ToLower(line) == line && line != "":
			name = line
		default:
			parts[name] += line
		}
	}
	number := func(s string) *big.Int { return new(big.Int).SetBytes(unhex(t, s)) }
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: number(parts["modulus"]), E: 13}, D: number(parts["private"])}
	s, err := openSession(key, []byte("256"+parts["answer"]))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.seal(unhex(t, "47 49 58 30 31 34 00 01 00 0A 80 01 80 04 80 34 91 01 91 0E"))
	want := unhex(t, "12 EA 22 9E DD 36 F8 4C 2A A7 E0 02 75 10 5C 3A 8A 78 7F C9 B2 88 35 40 AE E8 27 BA 1C 5A 03 94 96")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("GIX: % X, %v", got, err)
	}
	for name, bad := range map[string]string{
		"length": "255" + parts["answer"], "short": "256" + parts["answer"][2:],
		"not hexadecimal": "256" + parts["answer"][:510] + "XX", "another cryptogram": "256" + strings.Repeat("11", 256),
	} {
		if _, err := openSession(key, []byte(bad)); !errors.Is(err, device.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testSession(t testing.TB) *session {
	block, err := aes.NewCipher(unhex(t, "DB3B4D015432AB3223555A1F81759A94"))
	if err != nil {
		t.Fatal(err)
	}
	return &session{block}
}

func TestSealedMessagesThatCannotBe(t *testing.T) {
	s := testSession(t)
	good, err := s.seal([]byte("OPN000"))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"nothing": {dc2}, "not whole blocks": good[:16], "another byte": append(bytes.Clone(good[:16]), good[16]^1),
	} {
		if got, err := s.unseal(bytes.Clone(bad)); !errors.Is(err, errMessage) {
			t.Errorf("%s: % X, %v", name, got, err)
		}
	}
	if _, err := s.seal(make([]byte, maxClear+1)); !errors.Is(err, errMessage) {
		t.Errorf("too long: %v", err)
	}
}

// FuzzPacket: what is read is written again byte for byte, and the other way round, in clear
// and enciphered.
func FuzzPacket(f *testing.F) {
	f.Add([]byte("\x16OPN\x17\xA8\xA9"))
	f.Add([]byte("CHP0000070026A86"))
	f.Add([]byte{0x12, 0x13, 0x16, 0x17, 0x33})
	f.Fuzz(func(t *testing.T, b []byte) {
		if data, err := parsePacket(b); err == nil {
			again, err := appendPacket(nil, data)
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("% X was written as % X, %v", b, again, err)
			}
		}
		packet, err := appendPacket(nil, b)
		if err == nil {
			if back, err := parsePacket(packet); err != nil || !bytes.Equal(back, b) {
				t.Errorf("% X was read as % X, %v", packet, back, err)
			}
		}
		s := testSession(t)
		if sealed, err := s.seal(b); err == nil {
			if back, err := s.unseal(sealed); err != nil || !bytes.Equal(back, b) {
				t.Errorf("% X was opened as % X, %v", b, back, err)
			}
		}
	})
}

// FuzzResponse: no response does harm; one that is read is written again byte for byte.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{"OPN000", "CEX000006\x80\x40\x00\x0292", "CHP0000070026A86", "GPN000036" + strings.Repeat("0", 36), "NTM000003ABC"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseResponse(b)
		if err != nil {
			return
		}
		again, err := appendCommand(nil, r.id+string(b[3:6]), r.blocks...)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q was written as %q, %v", b, again, err)
		}
		if v, err := r.find(ppEVENT); err == nil && len(v) > len(b) {
			t.Errorf("event of %d bytes in %d", len(v), len(b))
		}
		if apdu, err := readCHP(r.block(0)); err == nil && len(apdu) > len(b) {
			t.Errorf("APDU of %d bytes in %d", len(apdu), len(b))
		}
		_, _, _ = readPIN(r.block(0))
	})
}

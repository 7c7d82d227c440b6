package card_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"posd/device/sim/card"
	"posd/device/sim/cards"
	"posd/emv/apdu"
)

func TestSelection(t *testing.T) {
	c := load(t, "signature", "", "")
	fci := find(t, send(t, c, apdu.Select([]byte("1PAY.SYS.DDF01"), false), apdu.OK), 0x6F)
	if sfi := find(t, fci, 0xA5, 0x88); sfi[0] != 1 {
		t.Errorf("directory in SFI %d", sfi[0])
	}
	second := find(t, send(t, c, apdu.ReadRecord(1, 2), apdu.OK), 0x70, 0x61)
	if got := find(t, second, 0x4F); hex.EncodeToString(got) != "a00000033301010201" {
		t.Errorf("second entry % X", got)
	}
	if got := find(t, second, 0x87); got[0] != 0x81 {
		t.Errorf("priority % X: confirmation is missing", got)
	}
	send(t, c, apdu.ReadRecord(1, 3), apdu.RecordNotFound)

	part := unhex("A000000333")
	for _, want := range []string{"a000000333010101", "a00000033301010201"} {
		fci := find(t, send(t, c, apdu.Select(part, want != "a000000333010101"), apdu.OK), 0x6F)
		if got := find(t, fci, 0x84); hex.EncodeToString(got) != want {
			t.Errorf("DF name % X, want %s", got, want)
		}
	}
	send(t, c, apdu.Select(part, true), apdu.FileNotFound)
	send(t, c, apdu.Select(unhex("A000000004"), false), apdu.FileNotFound)
	send(t, load(t, "union-sda", "", ""), apdu.Select([]byte("1PAY.SYS.DDF01"), false), apdu.FileNotFound)
}

func TestMalformedCommands(t *testing.T) {
	for _, tc := range []struct {
		name string
		cmd  string
		want uint16
	}{
		{"unknown instruction", "00 12 00 00 00", 0x6D00},
		{"wrong class", "80 A4 04 00 05 A000000333", 0x6E00},
		{"SELECT by another way", "00 A4 00 00 05 A000000333", 0x6A86},
		{"SELECT with data missing", "00 A4 04 00 08 A000000333", 0x6700},
		{"SELECT of four bytes", "00 A4 04 00 04 A0000003", 0x6700},
		{"SFI 0", "00 B2 01 04 00", 0x6A86},
		{"record 0", "00 B2 00 0C 00", 0x6A86},
		{"file that is not there", "00 B2 01 A4 00", 0x6A82},
		{"GPO without template", "80 A8 00 00 02 8200", 0x6A80},
		{"GPO with PDOL data that were not asked for", "80 A8 00 00 03 830101", 0x6A80},
		{"GET DATA of a tag that is not there", "80 CA 9F 02 00", 0x6A88},
		{"GENERATE AC before GPO", "80 AE 80 00 01 00", 0x6985},
		{"GENERATE AC of kind 11", "80 AE C0 00 01 00", 0x6A86},
		{"VERIFY before GPO", "00 20 00 80 08 24 1234 FFFFFFFFFF", 0x6985},
		{"EXTERNAL AUTHENTICATE before an ARQC", "00 82 00 00 08 0000000000000000", 0x6985},
		{"GET RESPONSE with nothing there", "00 C0 00 00 10", 0x6985},
		{"two bytes", "00 A4", 0x6700},
	} {
		c := load(t, "union-rich", "", "")
		send(t, c, apdu.Select(debit, false), apdu.OK)
		if got := c.Transmit(unhex(tc.cmd)); fmt.Sprintf("%04X", tc.want) != fmt.Sprintf("%X", got) {
			t.Errorf("%s: %X, want %04X", tc.name, got, tc.want)
		}
	}
}

func TestLengthsAtT0(t *testing.T) {
	c := load(t, "union-rich", "", "")
	answer := c.Transmit(unhex("00 A4 04 00 08 A000000333010101"))
	if len(answer) != 2 || answer[0] != 0x61 {
		t.Fatalf("SELECT: % X, want 61xx", answer)
	}
	n := answer[1]
	if got := c.Transmit([]byte{0, 0xC0, 0, 0, n + 1}); !bytes.Equal(got, []byte{0x6C, n}) {
		t.Errorf("GET RESPONSE for more: % X", got)
	}
	first := c.Transmit([]byte{0, 0xC0, 0, 0, 10})
	if !bytes.Equal(first[10:], []byte{0x61, n - 10}) {
		t.Errorf("GET RESPONSE for ten bytes ends % X", first[10:])
	}
	rest := c.Transmit([]byte{0, 0xC0, 0, 0, n - 10})
	if whole := append(first[:10:10], rest...); whole[0] != 0x6F || len(whole) != int(n)+2 {
		t.Errorf("in two parts: % X", whole)
	}
	for _, tc := range []struct{ command, want string }{
		{"80 CA 9F 36 00", "6C05"}, {"80 CA 9F 36 05", "9F360200009000"}, {"80 CA 9F 36 04", "6C05"},
	} {
		if got := c.Transmit(unhex(tc.command)); !bytes.Equal(got, unhex(tc.want)) {
			t.Errorf("%s: % X, want %s", tc.command, got, tc.want)
		}
	}
	if got := c.Transmit(unhex("00 84 00 00 00")); !bytes.Equal(got, unhex("6C08")) {
		t.Errorf("GET CHALLENGE: % X", got)
	}
}

func TestMisbehaviour(t *testing.T) {
	gpo := apdu.GetProcessingOptions([]byte{0x83, 0})
	good := send(t, started(t, ""), apdu.ReadRecord(1, 1), apdu.OK)
	for _, tc := range []struct {
		line string
		want string
	}{
		{"gpo sw 6985", "6985"},
		{"gpo answer 8002 0000 9000", "800200009000"},
		{"any 2 sw 6F00", "6F00"},
		{"gpo mute", ""},
		{"gpo 2 mute", "80"},
		{"gpo cut 1", "809000"},
		{"gpo flip 1", "81"},
	} {
		c := load(t, "union-rich", "misbehave: "+tc.line, "")
		send(t, c, apdu.Select(debit, false), apdu.OK)
		got := c.Exchange(gpo.Append(nil))
		if want := unhex(tc.want); !bytes.HasPrefix(got, want) || tc.want == "" && got != nil {
			t.Errorf("%s: % X, want % X", tc.line, got, want)
		}
		if tc.want == "" && (c.Exchange(gpo.Append(nil)) != nil || c.Reset() == nil) {
			t.Errorf("%s: a mute card stays mute until its reset", tc.line)
		}
	}
	flipped := send(t, started(t, "misbehave: read-record 1 flip -1"), apdu.ReadRecord(1, 1), apdu.OK)
	if flipped[len(flipped)-1] != good[len(good)-1]^1 || !bytes.Equal(flipped[:len(good)-1], good[:len(good)-1]) {
		t.Errorf("flip -1: % X", flipped)
	}
	if got := load(t, "union-rich", "misbehave: atr mute", "").Reset(); got != nil {
		t.Errorf("mute at the reset: % X", got)
	}
	if got := load(t, "union-rich", "misbehave: atr answer 3B00", "").Reset(); !bytes.Equal(got, unhex("3B00")) {
		t.Errorf("another ATR: % X", got)
	}
}

func started(t *testing.T, top string) *card.Card {
	c := load(t, "union-rich", top, "")
	begin(t, c, debit, nil)
	return c
}

func TestNewWants(t *testing.T) {
	p, err := cards.Load("union-rich")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.New(p, nil); err == nil {
		t.Error("New took a card without random source")
	}
	if _, err := card.New(&card.Profile{}, new(counter)); err == nil {
		t.Error("New took a card without application")
	}
	for _, shown := range []string{fmt.Sprint(p), fmt.Sprintf("%+v", p), fmt.Sprintf("%#v", p)} {
		if shown != "card union-rich" {
			t.Errorf("a profile prints as %q: it has keys and a PIN", shown)
		}
	}
}

func FuzzTransmit(f *testing.F) {
	for _, seed := range []string{"00A4040005A000000333", "80A80000028300", "00B2010C00", "80AE8000", "00C0000010", "841E000008", "0020008008241234"} {
		f.Add(unhex(seed), unhex("80CA9F3605"))
	}
	p, err := cards.Load("union-cda")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c, err := card.New(p, new(counter))
		if err != nil {
			t.Fatal(err)
		}
		c.Reset()
		c.Exchange(apdu.Select(credit, false).Append(nil))
		c.Exchange(unhex("80A8000005 8303 015622 00"))
		for _, tpdu := range [][]byte{first, second, first} {
			if got := c.Transmit(tpdu); len(got) < 2 || len(got) > apdu.MaxResponseData+2 {
				t.Errorf("% X: %d bytes", tpdu, len(got))
			}
		}
	})
}

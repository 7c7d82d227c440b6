package apdu

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"posd/emv"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// Every command of EMV 4.4 Book 3, 6.5 (and SELECT of Book 1, 11.3) as the Books code it.
func TestCommands(t *testing.T) {
	tests := []struct {
		name    string
		command Command
		want    string
	}{
		{"SELECT by name", Select(unhex("A000000333010101"), false), "00A40400 08 A000000333010101 00"},
		{"SELECT next", Select(unhex("A000000333"), true), "00A40402 05 A000000333 00"},
		{"READ RECORD 1 of file 1", ReadRecord(1, 1), "00B2010C 00"},
		{"READ RECORD 2 of file 30", ReadRecord(30, 2), "00B202F4 00"},
		{"GET PROCESSING OPTIONS", GetProcessingOptions(unhex("8300")), "80A80000 02 8300 00"},
		{"GET DATA ATC", GetData(0x9F36), "80CA9F36 00"},
		{"GENERATE AC, ARQC", GenerateAC(emv.ARQC, false, unhex("01")), "80AE8000 01 01 00"},
		{"GENERATE AC, TC with CDA", GenerateAC(emv.TC, true, unhex("01")), "80AE5000 01 01 00"},
		{"GENERATE AC, AAC without data", GenerateAC(emv.AAC, false, nil), "80AE0000 00"},
		{"INTERNAL AUTHENTICATE", InternalAuthenticate(unhex("A1B2C3D4")), "00880000 04 A1B2C3D4 00"},
		{"EXTERNAL AUTHENTICATE", ExternalAuthenticate(unhex("0102030405060708 3030")), "00820000 0A 0102030405060708 3030"},
		{"GET CHALLENGE", GetChallenge(), "00840000 00"},
		{"VERIFY in plain", Verify(PlaintextPIN, unhex("241234FFFFFFFFFF")), "00200080 08 241234FFFFFFFFFF"},
		{"VERIFY enciphered", Verify(EncipheredPIN, unhex("01")), "00200088 01 01"},
	}
	for _, tt := range tests {
		if got := tt.command.Append(nil); !bytes.Equal(got, unhex(tt.want)) {
			t.Errorf("%s: %X, want %s", tt.name, got, tt.want)
		}
	}
}

func TestParseCommand(t *testing.T) {
	tests := []struct {
		name, text string
		want       Command
	}{
		{"case 1", "84180000", Command{CLA: 0x84, INS: 0x18}},
		{"case 2", "00C00000 1C", Command{INS: 0xC0, Ne: 28}},
		{"case 2, Le 00", "00B2010C 00", Command{INS: 0xB2, P1: 1, P2: 0x0C, Ne: 256}},
		{"case 3", "00820000 02 3030", Command{INS: 0x82, Data: unhex("3030")}},
		{"case 3, one byte", "00820000 01 00", Command{INS: 0x82, Data: unhex("00")}},
		{"case 4", "00A40400 01 A0 00", Command{INS: 0xA4, P1: 4, Data: unhex("A0"), Ne: 256}},
		{"case 4, 255 bytes", "80AE8000 FF" + strings.Repeat("41", 255) + "10", Command{CLA: 0x80, INS: 0xAE, P1: 0x80, Data: bytes.Repeat([]byte{0x41}, 255), Ne: 16}},
	}
	for _, tt := range tests {
		got, err := ParseCommand(unhex(tt.text))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestParseCommandRefuses(t *testing.T) {
	tests := []struct{ name, text, says string }{
		{"nothing", "", "0 bytes"},
		{"three bytes", "00A404", "3 bytes"},
		{"data too short", "00A40400 05 A000", "Lc 05 with 2 bytes"},
		{"data too long", "00A40400 01 A000 00 00", "Lc 01 with 4 bytes"},
		{"Lc 00 with data", "00A40400 00 A0", "Lc 00 with 1 bytes"},
		{"extended length", "00A40400 000001 A0", "Lc 00 with 3 bytes"},
	}
	for _, tt := range tests {
		if _, err := ParseCommand(unhex(tt.text)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Data that no card gets: a mistake of ours, so a panic and not a silent cut.
func TestAppendPanicsOnWhatDoesNotFit(t *testing.T) {
	for _, c := range []Command{{Data: make([]byte, 256)}, {Ne: 257}, {Ne: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d bytes of data and Ne %d were written", len(c.Data), c.Ne)
				}
			}()
			c.Append(nil)
		}()
	}
}

func TestParseResponse(t *testing.T) {
	r, err := ParseResponse(unhex("6F00 9000"))
	if err != nil || r.SW != OK || !bytes.Equal(r.Data, unhex("6F00")) || !bytes.Equal(r.Append(nil), unhex("6F00 9000")) {
		t.Errorf("%+v, %v", r, err)
	}
	_ = append(r.Data, 0xEE) // must not reach the status word
	if !bytes.Equal(r.Append(nil), unhex("6F00 9000")) {
		t.Error("the data can be grown")
	}
	for _, n := range []int{0, 1, 259} {
		if _, err := ParseResponse(make([]byte, n)); !errors.Is(err, ErrFormat) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if r, err := ParseResponse(make([]byte, 258)); err != nil || len(r.Data) != 256 {
		t.Errorf("258 bytes: %d, %v", len(r.Data), err)
	}
}

func TestSW(t *testing.T) {
	if err := OK.Err(); err != nil {
		t.Errorf("9000: %v", err)
	}
	err := fmt.Errorf("kernel: read record: %w", RecordNotFound.Err())
	var sw SW
	if !errors.As(err, &sw) || sw != RecordNotFound || sw.Error() != "status word 6A83" {
		t.Errorf("%v, %v", sw, err)
	}
	for sw, want := range map[SW]bool{0x6200: true, 0x6283: true, 0x63C2: true, 0x6400: false, 0x9000: false, 0x6100: false} {
		if sw.Warning() != want {
			t.Errorf("%v: warning %v", sw, sw.Warning())
		}
	}
}

func TestNoAllocations(t *testing.T) {
	data, buf := unhex("01020304"), make([]byte, 0, 261)
	n := testing.AllocsPerRun(100, func() {
		buf = GenerateAC(emv.ARQC, true, data).Append(buf[:0])
		if _, err := ParseCommand(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseResponse(buf); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzCommand: what is read is written the same, byte for byte.
func FuzzCommand(f *testing.F) {
	f.Add(unhex("00A40400 08 A000000333010101 00"))
	f.Add(unhex("84180000"))
	f.Add(unhex("00B2010C 00"))
	f.Add(unhex("00820000 02 3030"))
	f.Add(unhex("00A40400 000001 A0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCommand(b)
		if err != nil {
			return
		}
		if again := c.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("%X came back as %X", b, again)
		}
	})
}

// FuzzResponse: what is read is written the same, byte for byte.
func FuzzResponse(f *testing.F) {
	f.Add(unhex("9000"))
	f.Add(unhex("6F00 6283"))
	f.Add([]byte{0x90})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseResponse(b)
		if err != nil {
			return
		}
		if again := r.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("%X came back as %X", b, again)
		}
	})
}

package iso7816

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"posd/device"
)

// script is a card as a list of "command > response" in hexadecimal.
type script struct {
	t     *testing.T
	lines []string
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(s), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s *script) send(_ context.Context, tpdu []byte) ([]byte, error) {
	s.t.Helper()
	if len(s.lines) == 0 {
		s.t.Fatalf("TPDU % X after the end of the script", tpdu)
	}
	want, answer, _ := strings.Cut(s.lines[0], ">")
	s.lines = s.lines[1:]
	if !bytes.Equal(tpdu, unhex(s.t, want)) {
		s.t.Errorf("TPDU % X, want %s", tpdu, want)
	}
	return unhex(s.t, answer), nil
}

// The rows follow ISO/IEC 7816-3, 12.2 and the T=0 examples in the annex of EMV 4.4
// Book 1.
func TestT0(t *testing.T) {
	for _, row := range []struct {
		name, command string
		card          []string
		want          string
	}{
		{"case 1", "00 70 00 00", []string{"00 70 00 00 00 > 90 00"}, "90 00"},
		{"case 1, a card that offers data nobody wants", "00 70 00 00", []string{"00 70 00 00 00 > 61 05"}, "61 05"},
		{"case 2, exact", "00 B2 01 0C 03", []string{"00 B2 01 0C 03 > 01 02 03 90 00"}, "01 02 03 90 00"},
		{"case 2, 6C", "00 B2 01 0C 00", []string{"00 B2 01 0C 00 > 6C 02", "00 B2 01 0C 02 > 01 02 90 00"}, "01 02 90 00"},
		{"case 2, 61", "00 B2 01 0C 00", []string{"00 B2 01 0C 00 > 61 02", "00 C0 00 00 02 > 01 02 90 00"}, "01 02 90 00"},
		{"case 2, refused", "80 CA 9F 36 00", []string{"80 CA 9F 36 00 > 6A 88"}, "6A 88"},
		{"case 2, warning with data", "00 B2 01 0C 02", []string{"00 B2 01 0C 02 > 01 02 62 81"}, "01 02 62 81"},
		{"case 3", "00 82 00 00 02 AA BB", []string{"00 82 00 00 02 AA BB > 90 00"}, "90 00"},
		{"case 3, 61 is the card's answer", "00 82 00 00 02 AA BB", []string{"00 82 00 00 02 AA BB > 61 08"}, "61 08"},
		{"case 4, 61", "00 A4 04 00 02 3F 00 00", []string{"00 A4 04 00 02 3F 00 > 61 03", "00 C0 00 00 03 > 6F 01 84 90 00"}, "6F 01 84 90 00"},
		{"case 4, 61 00 is 256", "00 A4 04 00 02 3F 00 00", []string{"00 A4 04 00 02 3F 00 > 61 00", "00 C0 00 00 00 > 6C 02", "00 C0 00 00 02 > 6F 00 90 00"}, "6F 00 90 00"},
		{"case 4, less wanted than the card has", "00 A4 04 00 02 3F 00 02", []string{"00 A4 04 00 02 3F 00 > 61 05", "00 C0 00 00 02 > 6F 03 61 03"}, "6F 03 90 00"},
		{"case 4, 61 in two parts", "00 A4 04 00 02 3F 00 00", []string{"00 A4 04 00 02 3F 00 > 61 02", "00 C0 00 00 02 > 01 02 61 01", "00 C0 00 00 01 > 03 90 00"}, "01 02 03 90 00"},
		{"case 4, done without data", "00 A4 04 00 02 3F 00 00", []string{"00 A4 04 00 02 3F 00 > 90 00"}, "90 00"},
		{"case 4, refused", "00 A4 04 00 02 3F 00 00", []string{"00 A4 04 00 02 3F 00 > 6A 82"}, "6A 82"},
		{"case 4, GET RESPONSE refused", "00 A4 04 00 02 3F 00 00", []string{"00 A4 04 00 02 3F 00 > 61 02", "00 C0 00 00 02 > 69 85"}, "69 85"},
		{"case 4, warning with data: the warning stays", "00 A4 04 00 02 3F 00 00", []string{"00 A4 04 00 02 3F 00 > 62 83", "00 C0 00 00 00 > 6C 02", "00 C0 00 00 02 > 6F 00 90 00"}, "6F 00 62 83"},
		{"case 4, 9xxx is a warning too", "80 AE 80 00 01 00 00", []string{"80 AE 80 00 01 00 > 91 10", "00 C0 00 00 00 > 6C 01", "00 C0 00 00 01 > 07 90 00"}, "07 91 10"},
		{"case 3, warning: there is nothing to fetch", "00 20 00 80 01 00", []string{"00 20 00 80 01 00 > 63 C2"}, "63 C2"},
		{"case 4, warning without data", "80 AE 80 00 01 00 00", []string{"80 AE 80 00 01 00 > 63 C2", "00 C0 00 00 00 > 6F 00"}, "63 C2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			card := &script{t, row.card}
			got, err := T0(t.Context(), unhex(t, row.command), card.send)
			if err != nil || !bytes.Equal(got, unhex(t, row.want)) {
				t.Errorf("got % X, %v; want %s", got, err, row.want)
			}
			if len(card.lines) > 0 {
				t.Errorf("not reached: %q", card.lines)
			}
		})
	}
}

func TestT0CardThatAnswersNonsense(t *testing.T) {
	for _, row := range []struct{ name, command, answer, want string }{
		{"6C for ever", "00 B2 01 0C 00", "6C 05", "no end"},
		{"61 for ever", "00 A4 04 00 01 3F 00", "61 05", "no end"},
		{"one byte", "00 B2 01 0C 00", "90", "response of 1 bytes"},
		{"nothing", "00 B2 01 0C 00", "", "response of 0 bytes"},
		{"more than asked for", "00 B2 01 0C 01", "01 02 90 00", "2 bytes where 1 were asked for"},
		{"data to a command that brings none", "00 82 00 00 01 AA", "01 90 00", "1 bytes where 0"},
	} {
		answer := unhex(t, row.answer)
		_, err := T0(t.Context(), unhex(t, row.command), func(context.Context, []byte) ([]byte, error) { return answer, nil })
		if !errors.Is(err, device.ErrProtocol) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q in it", row.name, err, row.want)
		}
	}
	// A response that grows beyond an APDU.
	_, err := T0(t.Context(), unhex(t, "00 A4 04 00 01 3F 00"), func(_ context.Context, tpdu []byte) ([]byte, error) {
		if tpdu[1] == 0xA4 {
			return []byte{0x61, 0xF0}, nil
		}
		return append(make([]byte, tpdu[4]), 0x61, 0xF0), nil
	})
	if err != nil && !errors.Is(err, device.ErrProtocol) {
		t.Errorf("too much: %v", err)
	}
}

func TestT0CommandThatIsNone(t *testing.T) {
	for _, bad := range []string{"", "00 A4 04", "00 A4 04 00 05 01", "00 60 00 00", "00 9A 00 00 00"} {
		_, err := T0(t.Context(), unhex(t, bad), func(context.Context, []byte) ([]byte, error) {
			t.Errorf("%q was sent", bad)
			return nil, nil
		})
		if err == nil {
			t.Errorf("%q: taken", bad)
		}
	}
}

// FuzzT0 has a card that answers with whatever comes: an APDU ends within its limits.
func FuzzT0(f *testing.F) {
	f.Add([]byte{0x00, 0xA4, 4, 0, 1, 0x3F, 0}, []byte{2, 0x61, 0x05, 7, 1, 2, 3, 4, 5, 0x90, 0x00})
	f.Fuzz(func(t *testing.T, command, card []byte) {
		sent := 0
		got, err := T0(t.Context(), command, func(context.Context, []byte) ([]byte, error) {
			sent++
			if len(card) == 0 {
				return nil, device.ErrMute
			}
			n := min(int(card[0]), len(card)-1)
			answer := card[1 : 1+n : 1+n]
			card = card[1+n:]
			return answer, nil
		})
		if sent > maxRounds {
			t.Errorf("%d TPDUs", sent)
		}
		if err == nil && (len(got) < 2 || len(got) > 258) {
			t.Errorf("response of %d bytes", len(got))
		}
	})
}

package emv

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const (
	testPAN   = "6277000000000017"
	testTrack = "6277000000000017D30122010000000000000"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func TestPAN(t *testing.T) {
	for _, digits := range []string{"12345678", testPAN, "6277000000000000017", "00000000", "9999999999999999999"} {
		for _, parse := range []func() (PAN, error){
			func() (PAN, error) { return ParsePAN(digits) },
			func() (PAN, error) { return ParsePAN([]byte(digits)) },
			func() (PAN, error) { return PANFromCN(unhex(digits + strings.Repeat("F", 20-len(digits)))) },
		} {
			p, err := parse()
			if err != nil || p.Reveal() != digits || p.Len() != len(digits) || p.IsZero() || string(p.Append([]byte("x"))) != "x"+digits {
				t.Errorf("%d digits: %v", len(digits), err)
			}
		}
	}
	one, _ := ParsePAN(testPAN)
	other, _ := PANFromCN(unhex(testPAN))
	if one != other || one == (PAN{}) {
		t.Error("== does not compare card numbers")
	}
	if !(PAN{}).IsZero() || (PAN{}).Reveal() != "" || (PAN{}).Masked() != "" {
		t.Error("no card number shows something")
	}
}

func TestPANRefuses(t *testing.T) {
	for _, digits := range []string{"", "1234567", "12345678901234567890", "62770000O0000017", "6277 000000017"} {
		if _, err := ParsePAN(digits); !errors.Is(err, ErrPAN) || strings.Contains(err.Error(), "6277") {
			t.Errorf("%d digits: %v", len(digits), err)
		}
	}
	for name, cn := range map[string]string{
		"digit after padding":     "62770000F0000017",
		"padding split by a byte": "6277000000F0",
		"letter":                  "62770000A0000017",
		"too long":                "6277000000000000000012",
		"only padding":            "FFFF",
		"nothing":                 "",
	} {
		if _, err := PANFromCN(unhex(cn)); !errors.Is(err, ErrPAN) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The first six and last four digits, and no more; fewer than 13 digits show four.
func TestMasked(t *testing.T) {
	for digits, want := range map[string]string{
		testPAN:               "627700******0017",
		"6277000000000000017": "627700*********0017",
		"6277000000017":       "627700***0017",
		"627700000017":        "********0017",
		"12345678":            "****5678",
	} {
		p, err := ParsePAN(digits)
		if err != nil || p.Masked() != want {
			t.Errorf("%s, want %s, %v", p.Masked(), want, err)
		}
	}
}

// No verb, logger or encoder shows what a PAN or a track hides, alone, in a struct
// (exported or not), behind a pointer, or in an error.
func TestSecretsAreNeverPrinted(t *testing.T) {
	pan, err := ParsePAN(testPAN)
	if err != nil {
		t.Fatal(err)
	}
	track, err := ParseTrack2(testTrack)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		PAN     PAN
		Track   Track2
		inner   PAN // fmt calls no method of an unexported field
		track   Track2
		pointer *PAN
	}
	all := holder{pan, track, pan, track, &pan}
	var out bytes.Buffer
	for _, verb := range strings.Split("vsdxXqtbcoOUeEfFgGTp", "") {
		for _, flag := range []string{"", "+", "#", "40", "-40.3", " ", "0"} {
			for _, v := range []any{pan, &pan, track, &track, all, &all, []PAN{pan}, map[string]Track2{"t": track}, any(pan)} {
				fmt.Fprintf(&out, "%"+flag+verb+"\n", v)
			}
		}
	}
	fmt.Fprintln(&out, pan, track, all)
	fmt.Fprintln(&out, fmt.Errorf("kernel: card %v with %v: %w", pan, track, ErrPAN))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("card", "pan", pan, "track", track, "both", all, "pointer", &pan)
	}
	if data, err := json.Marshal(all); err == nil {
		t.Errorf("JSON was written: %s", data)
	}
	if _, err := json.Marshal(track); err == nil {
		t.Error("a track was written as JSON")
	}
	if !strings.Contains(out.String(), "627700******0017") {
		t.Fatal("nothing was printed")
	}
	secret := testPAN[6:12] // what the mask hides, as digits, as hexadecimal of them, and as a list of bytes
	for _, form := range []string{testPAN, "7700" + secret, hex.EncodeToString([]byte(testPAN)[4:12]), strings.ToUpper(hex.EncodeToString([]byte(testPAN)[4:12])), fmt.Sprint([]byte(testPAN)[4:12])[1:20], testTrack[16:]} {
		if at := strings.Index(out.String(), form); at >= 0 {
			t.Errorf("shown: %s", out.String()[max(0, at-60):at+20])
		}
	}
}

func TestTrack2(t *testing.T) {
	for _, text := range []string{testTrack, strings.Replace(testTrack, "D", "=", 1)} {
		track, err := ParseTrack2(text)
		if err != nil || track.Reveal() != testTrack || track.Len() != 37 || string(track.Append(nil)) != testTrack || track.IsZero() {
			t.Errorf("%v", err)
		}
	}
	track, err := Track2FromCN(unhex(testTrack + "F"))
	if err != nil || track.Reveal() != testTrack {
		t.Errorf("of tag 57: %v", err)
	}
	if !(Track2{}).IsZero() || (Track2{}).Reveal() != "" {
		t.Error("no track is a track")
	}
	for _, text := range []string{"D", "1D", "D1", "12345678D3012", "00000000000000000D0", "000000000000000000D", "0000000000000000000D000"} {
		if track, err := ParseTrack2(text); err != nil || track.Reveal() != text {
			t.Errorf("%s came back as %s, %v", text, track.Reveal(), err)
		}
	}
}

func TestTrack2Refuses(t *testing.T) {
	for name, text := range map[string]string{
		"no separator":   "6277000000000017",
		"two separators": "6277000000000017D3012D201",
		"a letter":       "6277000000000017D3012X",
		"38 characters":  testTrack + "0",
		"300 characters": strings.Repeat("0", 300),
		"nothing":        "",
	} {
		if _, err := ParseTrack2(text); !errors.Is(err, ErrTrack) || strings.Contains(err.Error(), "6277") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, cn := range map[string]string{
		"20 bytes":            strings.Repeat("00", 20),
		"digit after padding": "6277000000000017D3012F01",
		"letter":              "6277000000000017D3012A",
		"38 nibbles":          testTrack + "0",
	} {
		if _, err := Track2FromCN(unhex(cn)); !errors.Is(err, ErrTrack) || strings.Contains(err.Error(), "6277") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzFromCN: tags 5A and 57 never make a panic, and what is read has the digits that
// were there.
func FuzzFromCN(f *testing.F) {
	f.Add(unhex(testPAN))
	f.Add(unhex(testTrack + "F"))
	f.Add(unhex("F062"))
	f.Fuzz(func(t *testing.T, b []byte) {
		written := strings.ToUpper(hex.EncodeToString(b))
		if p, err := PANFromCN(b); err == nil && strings.TrimRight(written, "F") != p.Reveal() {
			t.Errorf("%s: a card number of %d digits", written, p.Len())
		}
		if track, err := Track2FromCN(b); err == nil && strings.TrimRight(written, "F") != track.Reveal() {
			t.Errorf("%s: a track of %d characters", written, track.Len())
		}
	})
}

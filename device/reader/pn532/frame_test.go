package pn532

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// parseFrame reads one whole frame, from preamble to postamble.
func parseFrame(b []byte) (frame, error) {
	if len(b) < 6 || b[0] != 0 || b[len(b)-1] != 0 {
		return frame{}, fmt.Errorf("frame of %d bytes without preamble or postamble", len(b))
	}
	f, size, err := parse(b[1:])
	switch {
	case err != nil:
		return frame{}, err
	case f.kind == none:
		return frame{}, fmt.Errorf("frame of %d bytes, %d more are wanted", len(b), size-len(b)+1)
	case size != len(b)-2:
		return frame{}, fmt.Errorf("frame of %d bytes where its length says %d", len(b), size+2)
	}
	return f, nil
}

// Frames as UM0701-02 and its users print them: GetFirmwareVersion and its answer, and
// the three short ones.
func TestFramesOfTheManual(t *testing.T) {
	for _, row := range []struct {
		name string
		f    frame
		want []byte
	}{
		{"GetFirmwareVersion", frame{kind: information, tfi: fromHost, code: 0x02}, []byte{0, 0, 0xFF, 2, 0xFE, 0xD4, 2, 0x2A, 0}},
		{
			"its answer",
			frame{kind: information, tfi: fromChip, code: 0x03, data: []byte{0x32, 1, 6, 7}},
			[]byte{0, 0, 0xFF, 6, 0xFA, 0xD5, 3, 0x32, 1, 6, 7, 0xE8, 0},
		},
		{
			"SAMConfiguration",
			frame{kind: information, tfi: fromHost, code: 0x14, data: []byte{1, 0x14, 1}},
			[]byte{0, 0, 0xFF, 5, 0xFB, 0xD4, 0x14, 1, 0x14, 1, 2, 0},
		},
		{"ACK", frame{kind: ack}, []byte{0, 0, 0xFF, 0, 0xFF, 0}},
		{"NACK", frame{kind: nack}, []byte{0, 0, 0xFF, 0xFF, 0, 0}},
		{"error", frame{kind: syntaxError}, []byte{0, 0, 0xFF, 1, 0xFF, 0x7F, 0x81, 0}},
	} {
		if got := row.f.appendFrame(nil); !bytes.Equal(got, row.want) {
			t.Errorf("%s: got % X, want % X", row.name, got, row.want)
		}
		if got, err := parseFrame(row.want); err != nil || got.kind != row.f.kind || !bytes.Equal(got.data, row.f.data) {
			t.Errorf("%s: read as %+v, %v", row.name, got, err)
		}
	}
}

// A frame is extended from 256 bytes of TFI, code and data on.
func TestTheLongestNormalFrameAndTheShortestExtended(t *testing.T) {
	for _, row := range []struct {
		data int
		want []byte
	}{
		{253, []byte{0, 0, 0xFF, 0xFF, 0x01, 0xD5}},
		{254, []byte{0, 0, 0xFF, 0xFF, 0xFF, 0x01, 0x00, 0xFF, 0xD5}},
		{maxData, []byte{0, 0, 0xFF, 0xFF, 0xFF, 0x01, 0x09, 0xF6, 0xD5}},
	} {
		f := frame{kind: information, tfi: fromChip, code: 0x41, data: make([]byte, row.data)}
		b := f.appendFrame(nil)
		if !bytes.HasPrefix(b, row.want) {
			t.Errorf("%d bytes of data: % X…, want % X", row.data, b[:9], row.want)
		}
		if got, err := parseFrame(b); err != nil || len(got.data) != row.data {
			t.Errorf("%d bytes of data: %d, %v", row.data, len(got.data), err)
		}
	}
}

func TestParseFrameNamesWhatIsWrong(t *testing.T) {
	good := frame{kind: information, tfi: fromChip, code: 0x41, data: []byte{0, 0x90, 0}}.appendFrame(nil)
	change := func(at int, b byte) []byte {
		f := bytes.Clone(good)
		f[at] = b
		return f
	}
	for _, row := range []struct {
		name  string
		frame []byte
		want  string
	}{
		{"nothing", nil, "0 bytes"},
		{"cut", append(good[:9:9], 0), "more are wanted"},
		{"no postamble", change(len(good)-1, 7), "postamble"},
		{"no start code", change(2, 0xFE), "no start code"},
		{"wrong LCS", change(4, 0xFE), "LCS FE"},
		{"wrong DCS", change(8, 0x91), "DCS"},
		{"a 00 lost, so that the postamble passes for DCS", []byte{0, 0, 0xFF, 4, 0xFC, 0xD5, 0x41, 1, 0xE9, 0, 0x33, 0}, "no postamble"},
		{"another TFI", []byte{0, 0, 0xFF, 2, 0xFE, 0xD3, 2, 0x2B, 0}, "TFI D3"},
		{"longer than its length", append(bytes.Clone(good), 0), "its length says 12"},
		{"extended, longer than allowed", []byte{0, 0, 0xFF, 0xFF, 0xFF, 1, 0x0A, 0xF5, 0}, "LEN 266"},
		{"extended, of no length", []byte{0, 0, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}, "LEN 0"},
		{"extended, wrong LCS", []byte{0, 0, 0xFF, 0xFF, 0xFF, 0, 3, 0, 0}, "LCS 00"},
	} {
		if _, err := parseFrame(row.frame); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q in it", row.name, err, row.want)
		}
	}
}

// The first frame is found behind anything that is none.
func TestScan(t *testing.T) {
	good := frame{kind: information, tfi: fromChip, code: 0x03, data: []byte{1}}.appendFrame(nil)
	for _, row := range []struct {
		name   string
		before []byte
		junk   bool
	}{
		{"nothing", nil, false},
		{"a postamble and a long preamble", make([]byte, 20), false},
		{"noise", []byte{0x12, 0x34}, true},
		{"a start code that leads nowhere", []byte{0x00, 0xFF, 0x07, 0x07}, true},
		{"an ACK whose last FF was garbled", []byte{0, 0, 0xFF, 0, 0, 0}, true},
		{"an ACK whose 00 became FF", []byte{0, 0, 0xFF, 0xFF, 0xFF, 0}, true},
		{"a frame with a wrong check", []byte{0, 0, 0xFF, 2, 0xFE, 0xD5, 3, 0x99, 0}, true},
	} {
		f, _, _, junk := scan(append(row.before, good...))
		if f.kind != information || f.code != 0x03 || junk != row.junk {
			t.Errorf("%s: %+v, junk %v, want junk %v", row.name, f, junk, row.junk)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(frame{kind: information, tfi: fromHost, code: 0x02}.appendFrame(nil))
	f.Add(frame{kind: information, tfi: fromChip, code: 0x41, data: bytes.Repeat([]byte{0xA5}, maxData)}.appendFrame(nil))
	f.Add(frame{kind: information, tfi: fromChip, code: 0x41, data: []byte{0}, extended: true}.appendFrame(nil))
	f.Add(frame{kind: ack}.appendFrame(nil))
	f.Add(frame{kind: nack}.appendFrame(nil))
	f.Add(frame{kind: syntaxError}.appendFrame(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, skip, size, _ := scan(b); skip > len(b) || g.kind != none && skip+size > len(b) || g.kind == none && size < 1 {
			t.Errorf("% X: kind %d, skip %d, size %d", b, g.kind, skip, size)
		}
		got, err := parseFrame(b)
		if err != nil {
			return
		}
		if again := got.appendFrame(nil); !bytes.Equal(again, b) {
			t.Errorf("% X became % X", b, again)
		}
	})
}

package ccid

import (
	"bytes"
	"strings"
	"testing"
)

// The slot-status question as a GemPC Twin serial gets it: the ten bytes are those of
// USB CCID 1.1, 6.1.4.
func TestFrameOfTheSlotStatusQuestion(t *testing.T) {
	got := message{kind: 0x65, seq: 0x07}.appendFrame(nil)
	want := []byte{0x03, 0x06, 0x65, 0, 0, 0, 0, 0, 0x07, 0, 0, 0, 0x03 ^ 0x06 ^ 0x65 ^ 0x07}
	if !bytes.Equal(got, want) {
		t.Errorf("got % X, want % X", got, want)
	}
}

func TestParseFrameNamesWhatIsWrong(t *testing.T) {
	good := message{kind: 0x80, seq: 1, data: []byte{0x90, 0x00}}.appendFrame(nil)
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
		{"cut", good[:12], "12 bytes"},
		{"another SYNC", change(0, 0x02), "begins with 02 06"},
		{"NAK with a message", change(1, ctrlNAK), "begins with 03 15"},
		{"longer than a message may be", change(4, 0x02), "length 514"},
		{"longer than the frame", change(3, 3), "length says 16"},
		{"a flipped bit", change(12, 0x91), "LRC"},
	} {
		if _, err := parseFrame(row.frame); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q in it", row.name, err, row.want)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(message{kind: 0x65}.appendFrame(nil))
	f.Add(message{kind: 0x80, seq: 255, params: [3]byte{0x40, 0xFE, 0}, data: bytes.Repeat([]byte{0xA5}, maxData)}.appendFrame(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseFrame(b)
		if err != nil {
			return
		}
		if again := m.appendFrame(nil); !bytes.Equal(again, b) {
			t.Errorf("% X became % X", b, again)
		}
	})
}

package pole

import (
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	for _, row := range []struct {
		name, in string
		want     string // both rows, without the blanks at their ends
		unknown  int
	}{
		{"text", "HELLO", "HELLO|", 0},
		{"from row to row", strings.Repeat("a", 20) + "b", strings.Repeat("a", 20) + "|b", 0},
		{"round the end", strings.Repeat("a", 40) + "b", "b" + strings.Repeat("a", 19) + "|" + strings.Repeat("a", 20), 0},
		{"clear", "HELLO\x0cx", "x|", 0},
		{"home", "HELLO\x0bJ", "JELLO|", 0},
		{"to a place", "\x1f$\x03\x02x", "|  x", 0},
		{"a place that is not there", "\x1f$\x15\x01x", "x|", 4},
		{"return, line feed, back", "abc\rX\nY\bZ", "Xbc| Z", 0},
		{"up, to the end, to the bottom", "\x1fBx\x1f\ny\x1f\rz", " y                 z|x", 0},
		{"clear the row", "abc\x18d", "d|", 0},
		{"initialise", "abc\x1b@d", "d|", 0},
		{"brightness, blinking, code page", "\x1fX\x04\x1fE\x00\x1bt\x00\x1bR\x00ok", "ok|", 0},
		{"unknown", "\x1bZ\x01ok", "ok|", 3},
	} {
		for _, whole := range []bool{true, false} {
			d := New(nil)
			if whole {
				d.Take([]byte(row.in))
			} else {
				for i := range len(row.in) {
					d.Take([]byte{row.in[i]})
				}
			}
			rows := d.Rows()
			got := strings.TrimRight(rows[0], " ") + "|" + strings.TrimRight(rows[1], " ")
			if got != row.want || d.Unknown() != row.unknown {
				t.Errorf("%s: %q with %d unknown, want %q with %d", row.name, got, d.Unknown(), row.want, row.unknown)
			}
		}
	}
}

// FuzzTake feeds the same bytes whole and one at a time.
func FuzzTake(f *testing.F) {
	f.Add([]byte("\x1b@\x1f\x01\x1fC\x00\x1f$\x01\x01TOTAL\x0c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, parts := New(nil), New(nil)
		whole.Take(b)
		for i := range b {
			parts.Take(b[i : i+1])
		}
		if whole.Rows() != parts.Rows() || whole.Unknown() != parts.Unknown() {
			t.Errorf("whole %q, in parts %q", whole.Rows(), parts.Rows())
		}
	})
}

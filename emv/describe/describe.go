package describe

import (
	"errors"
	"fmt"
	"strings"
)

// Options say how much is shown.
type Options struct {
	Unmasked bool // card numbers, tracks and PIN blocks as they are
	// Longest is the most bytes of a value that are written out; the rest is counted. 0
	// writes everything.
	Longest int
}

// Line is one line of a description.
type Line struct {
	Depth int    // 0 is outermost
	Name  string // what stands there: "95 Terminal Verification Results", "byte 1 bit 8"
	Value string // its bytes or its meaning, may be empty
	Note  string // what else there is to say, may be empty
}

// String indents by two spaces a level.
func (l Line) String() string {
	var b strings.Builder
	b.WriteString(strings.Repeat("  ", l.Depth))
	b.WriteString(l.Name)
	if l.Value != "" {
		b.WriteString(": " + l.Value)
	}
	if l.Note != "" {
		b.WriteString("  (" + l.Note + ")")
	}
	return b.String()
}

// ErrFormat is the cause of every refusal to describe bytes.
var ErrFormat = errors.New("not of this kind")

// ErrKind says that there is no such kind.
var ErrKind = errors.New("no such kind")

// wrongLength refuses bytes whose number does not fit the kind.
func wrongLength(got int, want string) error {
	return fmt.Errorf("%d bytes, %s wanted: %w", got, want, ErrFormat)
}

// indented returns the lines one level deeper.
func indented(lines []Line) []Line {
	for i := range lines {
		lines[i].Depth++
	}
	return lines
}

// flag is one bit of a field: the byte, counted from 1, and its mask in it.
type flag struct {
	at   int
	mask byte
	name string
}

// flags returns a line for each bit that is set, in the order of the bytes. skip are
// masks of bits, by byte, that somebody else reads.
func flags(b []byte, table []flag, skip ...byte) []Line {
	var lines []Line
	for i, c := range b {
		for bit := 8; bit >= 1; bit-- {
			mask := byte(1) << (bit - 1)
			if c&mask == 0 || i < len(skip) && skip[i]&mask != 0 {
				continue
			}
			lines = append(lines, Line{Name: bitName(i+1, bit), Value: flagName(table, i+1, mask)})
		}
	}
	if len(lines) == 0 {
		lines = append(lines, Line{Name: "no bit is set"})
	}
	return lines
}

func bitName(byteNumber, bit int) string { return fmt.Sprintf("byte %d bit %d", byteNumber, bit) }

func flagName(table []flag, at int, mask byte) string {
	for _, f := range table {
		if f.at == at && f.mask == mask {
			return f.name
		}
	}
	return "reserved"
}

// hexadecimal writes bytes in capitals, and counts what the options leave out.
func (o Options) hexadecimal(b []byte) string {
	if o.Longest > 0 && len(b) > o.Longest {
		return fmt.Sprintf("%X… (%d bytes)", b[:o.Longest], len(b))
	}
	return fmt.Sprintf("%X", b)
}

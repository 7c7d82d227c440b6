package serial

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"posd/device"
)

func TestMarksBecomeErrorsInTheirPlace(t *testing.T) {
	const bad = -1
	for _, row := range []struct {
		name string
		in   []byte
		want []int
	}{
		{"nothing marked", []byte{1, 2, 0}, []int{1, 2, 0}},
		{"a true FF", []byte{1, 0xFF, 0xFF, 2}, []int{1, 0xFF, 2}},
		{"a parity error", []byte{1, 0xFF, 0x00, 0x42, 2}, []int{1, bad, 2}},
		{"a break", []byte{0xFF, 0x00, 0x00}, []int{bad}},
		{"an error in an FF, then a true FF", []byte{0xFF, 0x00, 0xFF, 0xFF, 0xFF}, []int{bad, 0xFF}},
	} {
		for _, cut := range []struct {
			name string
			wrap func(io.Reader) io.Reader
		}{{"whole", func(r io.Reader) io.Reader { return r }}, {"byte by byte", iotest.OneByteReader}} {
			var m marks
			var got []int
			from, buf := cut.wrap(bytes.NewReader(row.in)), make([]byte, 2)
			for {
				n, err := m.read(from, buf)
				for _, b := range buf[:n] {
					got = append(got, int(b))
				}
				if err == io.EOF {
					break
				}
				if errors.Is(err, device.ErrProtocol) {
					got = append(got, bad)
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if len(got) != len(row.want) {
				t.Errorf("%s, %s: got %d, want %d", row.name, cut.name, got, row.want)
				continue
			}
			for i := range got {
				if got[i] != row.want[i] {
					t.Errorf("%s, %s: got %d, want %d", row.name, cut.name, got, row.want)
					break
				}
			}
		}
	}
}

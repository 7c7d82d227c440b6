package qrtext

import (
	"strings"
	"testing"

	"rsc.io/qr"
)

// Read back, every point is that of the code, and the edge is light.
func TestBlocksAreTheCode(t *testing.T) {
	code, err := qr.Encode("posd-enrol://host:1?sn=1", qr.M)
	if err != nil {
		t.Fatal(err)
	}
	light := map[rune][2]bool{'█': {true, true}, '▀': {true, false}, '▄': {false, true}, ' ': {}}
	lines := strings.Split(strings.TrimSuffix(Blocks(code), "\n"), "\n")
	if want := (code.Size + 2*quiet + 1) / 2; len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	for row, line := range lines {
		for x, r := range []rune(line) {
			for k, shown := range light[r] {
				if shown == code.Black(x-quiet, 2*row+k-quiet) {
					t.Fatalf("point %d,%d is wrong", x-quiet, 2*row+k-quiet)
				}
			}
		}
	}
}

package main

import (
	"testing"
)

// FuzzATR: any bytes are described or refused.
func FuzzATR(f *testing.F) {
	f.Add([]byte{0x3B, 0x65, 0, 0, 0x20, 0x63, 0xCB, 0x68, 0})
	f.Add([]byte{0x3B, 0xE8, 0, 0, 0x81, 0x31, 0xFE, 0x45, 0x4A, 0x43, 0x4F, 0x50, 0x33, 0x31, 0x56, 0x32, 0x93})
	f.Add([]byte{0x3F, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := describeATR(b)
		if (err == nil) != (len(lines) > 0) {
			t.Errorf("%X: %d lines, error %v", b, len(lines), err)
		}
	})
}

// TestEMVFlags: one dash will do for the flags of posctl emv, and only for them.
func TestEMVFlags(t *testing.T) {
	for _, row := range []struct {
		args []string
		at   int
		want string
	}{
		{[]string{"emv", "replay", "-bench", "10", "f"}, 2, "--bench"},
		{[]string{"emv", "replay", "-bench=10", "f"}, 2, "--bench=10"},
		{[]string{"emv", "decode", "-reveal", "-"}, 2, "--reveal"},
		{[]string{"emv", "decode", "-reveal", "-"}, 3, "-"},
		{[]string{"emv", "replay", "-v", "f"}, 2, "-v"},
		{[]string{"emv", "decode", "--", "-as"}, 3, "-as"},
		{[]string{"pay", "-as"}, 1, "-as"},
	} {
		before := row.args[row.at]
		if got := emvFlags(row.args)[row.at]; got != row.want || row.args[row.at] != before {
			t.Errorf("%q: got %q, want %q", row.args, got, row.want)
		}
	}
}

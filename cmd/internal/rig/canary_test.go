package rig

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"
)

// A canary is found in every form in which a program may leave it, wherever it begins.
func TestCanaryIsFound(t *testing.T) {
	const digits = "6277001357924688"
	c := NewCanary("card number", digits)
	rows := map[string][]byte{
		"text":              []byte("x" + digits + "y"),
		"json":              fmt.Appendf(nil, `{"pan":%q}`, digits),
		"packed":            {0x5A, 0x08, 0x62, 0x77, 0x00, 0x13, 0x57, 0x92, 0x46, 0x88, 0x9F},
		"packed, odd":       {0x36, 0x27, 0x70, 0x01, 0x35, 0x79, 0x24, 0x68, 0x8D},
		"hexadecimal":       []byte(hex.EncodeToString([]byte(digits))),
		"packed, in hex":    []byte("5A08" + digits),
		"UTF-16":            {'6', 0, '2', 0, '7', 0, '7', 0, '0', 0, '0', 0, '1', 0, '3', 0, '5', 0, '7', 0, '9', 0, '2', 0, '4', 0, '6', 0, '8', 0, '8', 0},
		"base64, first":     []byte(base64.StdEncoding.EncodeToString([]byte(digits + "tail"))),
		"base64, second":    []byte(base64.StdEncoding.EncodeToString([]byte("a" + digits))),
		"base64, third":     []byte(base64.StdEncoding.EncodeToString([]byte("ab" + digits + "z"))),
		"packed, in base64": []byte(base64.StdEncoding.EncodeToString([]byte("\x57\x62\x77\x00\x13\x57\x92\x46\x88\x00"))),
		"a number":          binary.LittleEndian.AppendUint64([]byte{1, 2, 3}, 6277001357924688),
	}
	for name, content := range rows {
		if len(c.Find(name, content)) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if hits := c.Find("nothing", []byte("6277001357924687 62770013579246")); len(hits) > 0 {
		t.Errorf("found where it is not: %v", hits)
	}
}

package qrtext

import (
	"strings"

	"rsc.io/qr"
)

// quiet is the white edge, in points, that ISO/IEC 18004 wants.
const quiet = 4

// Blocks is the code with its quiet zone as lines of half blocks.
func Blocks(code *qr.Code) string {
	var out strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			out.WriteString(half(!code.Black(x, y), !code.Black(x, y+1)))
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// half is the character of two points, light or dark.
func half(upper, lower bool) string {
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}

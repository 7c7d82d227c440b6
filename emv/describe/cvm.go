package describe

import (
	"errors"
	"fmt"

	"posd/emv/cvm"
)

// methods are the names of CVM codes. EMV 4.4 Book 3, Annex C3.
var methods = map[cvm.Method]string{
	0x00: "fail CVM processing",
	0x01: "plaintext PIN, verified by the card",
	0x02: "enciphered PIN, verified online",
	0x03: "plaintext PIN, verified by the card, and signature",
	0x04: "enciphered PIN, verified by the card",
	0x05: "enciphered PIN, verified by the card, and signature",
	0x06: "facial biometric, verified by the card",
	0x07: "facial biometric, verified online",
	0x08: "finger biometric, verified by the card",
	0x09: "finger biometric, verified online",
	0x0A: "palm biometric, verified by the card",
	0x0B: "palm biometric, verified online",
	0x0C: "iris biometric, verified by the card",
	0x0D: "iris biometric, verified online",
	0x0E: "voice biometric, verified by the card",
	0x0F: "voice biometric, verified online",
	0x1E: "signature",
	0x1F: "no CVM required",
}

// Method names a CVM code without its bit 7; one that EMV does not know comes with its
// number.
func Method(m cvm.Method) string {
	if name, ok := methods[m]; ok {
		return name
	}
	if m >= 0x20 && m <= 0x2F {
		return fmt.Sprintf("method %02X of the payment system", byte(m))
	}
	if m >= 0x30 && m <= 0x3E {
		return fmt.Sprintf("method %02X of the issuer", byte(m))
	}
	return fmt.Sprintf("method %02X, reserved", byte(m))
}

// condition says when a rule counts, with the list's amounts put in.
func condition(c byte, x, y string) string {
	switch c {
	case 0x00:
		return "always"
	case 0x01:
		return "if unattended cash"
	case 0x02:
		return "if neither unattended cash nor manual cash nor purchase with cashback"
	case 0x03:
		return "if the terminal supports it"
	case 0x04:
		return "if manual cash"
	case 0x05:
		return "if purchase with cashback"
	case 0x06:
		return "if in the application currency and under " + x
	case 0x07:
		return "if in the application currency and over " + x
	case 0x08:
		return "if in the application currency and under " + y
	case 0x09:
		return "if in the application currency and over " + y
	}
	if c >= 0x80 {
		return fmt.Sprintf("condition %02X of the payment system", c)
	}
	return fmt.Sprintf("condition %02X, reserved", c)
}

func describeCVMList(b []byte, _ Options) ([]Line, error) {
	list, err := cvm.Parse(b)
	switch {
	case errors.Is(err, cvm.ErrNoRules):
		return []Line{{Name: "no rules"}}, nil
	case err != nil:
		return nil, wrongLength(len(b), "8 and 2 for each rule")
	}
	lines := []Line{
		{Name: "amount X", Value: fmt.Sprintf("%d minor units", list.X)},
		{Name: "amount Y", Value: fmt.Sprintf("%d minor units", list.Y)},
	}
	for i := range list.Len() {
		r := list.Rule(i)
		l := Line{
			Name:  fmt.Sprintf("rule %d  %02X%02X", i+1, r.Code, r.Condition),
			Value: Method(r.Method()) + ", " + condition(r.Condition, fmt.Sprintf("X (%d)", list.X), fmt.Sprintf("Y (%d)", list.Y)),
			Note:  "if it fails, verification fails",
		}
		if r.GoesOn() {
			l.Note = "if it fails, the next rule counts"
		}
		if r.Code&0x80 != 0 {
			l.Note += "; bit 8 is reserved"
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func describeCVMResults(b []byte, _ Options) ([]Line, error) {
	if len(b) != 3 {
		return nil, wrongLength(len(b), "3")
	}
	return CVMResults([3]byte(b)), nil
}

// CVMResults describes tag 9F34: method, condition, result.
func CVMResults(r [3]byte) []Line {
	result := map[byte]string{
		0: "unknown: somebody else says, as for a signature or an online PIN", 1: "failed", 2: "successful",
	}[r[2]]
	if result == "" {
		result = fmt.Sprintf("reserved %02X", r[2])
	}
	method := Method(cvm.Method(r[0] & 0x3F))
	if r[0] == 0x3F {
		method = "no CVM performed"
	}
	lines := []Line{{Name: "method", Value: method}}
	if r[0] != 0x3F {
		if r[0]&0x40 != 0 {
			lines[0].Note = "if it fails, the next rule counts"
		}
		lines = append(lines, Line{Name: "condition", Value: condition(r[1], "X", "Y")})
	}
	return append(lines, Line{Name: "result", Value: result})
}

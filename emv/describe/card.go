package describe

import (
	"fmt"
	"strings"

	"posd/emv"
)

// describeCID reads what kind of cryptogram the card gave and why. EMV 4.4 Book 3, 6.5.5.
func describeCID(b []byte, _ Options) ([]Line, error) {
	if len(b) != 1 {
		return nil, wrongLength(len(b), "1")
	}
	lines := []Line{{Name: "cryptogram", Value: cryptogramName(b[0] & 0xC0)}}
	if b[0]&0x30 != 0 {
		lines = append(lines, Line{Name: "bits 6 and 5", Value: fmt.Sprintf("%d", b[0]>>4&3), Note: "the payment system's own"})
	}
	if b[0]&0x08 != 0 {
		lines = append(lines, Line{Name: "advice", Value: "required"})
	}
	if reason := b[0] & 0x07; reason != 0 {
		names := [...]string{1: "service not allowed", 2: "PIN try limit exceeded", 3: "issuer authentication failed"}
		l := Line{Name: "reason", Value: fmt.Sprintf("reserved %d", reason)}
		if int(reason) < len(names) {
			l.Value = names[reason]
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// cryptogramName names a kind with what it stands for.
func cryptogramName(kind byte) string {
	switch c := emv.Cryptogram(kind); c {
	case emv.AAC:
		return "AAC, declined"
	case emv.TC:
		return "TC, approved"
	case emv.ARQC:
		return "ARQC, online authorisation requested"
	}
	return "reserved"
}

// describeARC reads the answer code of the issuer, or the terminal's own.
func describeARC(b []byte, _ Options) ([]Line, error) {
	if len(b) != 2 {
		return nil, wrongLength(len(b), "2")
	}
	words := map[string]string{
		"00": "approved by the issuer", "10": "partially approved by the issuer", "11": "approved by the issuer, VIP",
		"01": "refer to the issuer", "02": "refer to the issuer, special condition",
		"Y1": "approved offline", "Z1": "declined offline",
		"Y2": "approved after a referral by the card", "Z2": "declined after a referral by the card",
		"Y3": "unable to go online, approved offline", "Z3": "unable to go online, declined offline",
	}[string(b)]
	if words == "" {
		words = "any other code declines"
	}
	return []Line{{Name: quoted(b), Value: words}}, nil
}

// describeScripts reads what became of the issuer's scripts, five bytes each.
func describeScripts(b []byte, _ Options) ([]Line, error) {
	if len(b) == 0 || len(b)%5 != 0 {
		return nil, wrongLength(len(b), "5 for each script")
	}
	var lines []Line
	for i := 0; i < len(b); i += 5 {
		l := Line{Name: fmt.Sprintf("script %X", b[i+1:i+5])}
		switch command := b[i] & 0x0F; b[i] >> 4 {
		case 0:
			l.Value = "not performed"
		case 1:
			l.Value = fmt.Sprintf("failed at command %d", command)
			if command == 0x0F {
				l.Value = "failed at command 15 or later"
			}
			if command == 0 {
				l.Value = "failed at a command that is not told"
			}
		case 2:
			l.Value = "successful"
		default:
			l.Value = fmt.Sprintf("reserved %02X", b[i])
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func describeSW(b []byte, _ Options) ([]Line, error) {
	if len(b) != 2 {
		return nil, wrongLength(len(b), "2")
	}
	return []Line{{Name: fmt.Sprintf("%X", b), Value: StatusWord(uint16(b[0])<<8 | uint16(b[1]))}}, nil
}

// StatusWord says what a status word means. EMV 4.4 Book 3, 6.3.5; ISO/IEC 7816-4.
func StatusWord(sw uint16) string {
	names := map[uint16]string{
		0x9000: "done",
		0x6283: "warning: selected file is invalidated, an application that is blocked",
		0x6300: "warning: authentication failed",
		0x6400: "execution error, nothing changed",
		0x6581: "memory failure",
		0x6700: "wrong length",
		0x6881: "logical channel not supported",
		0x6882: "secure messaging not supported",
		0x6982: "security status not satisfied",
		0x6983: "authentication method blocked",
		0x6984: "referenced data invalidated",
		0x6985: "conditions of use not satisfied",
		0x6986: "command not allowed",
		0x6987: "secure messaging object missing",
		0x6988: "secure messaging object wrong",
		0x6A80: "wrong data",
		0x6A81: "function not supported",
		0x6A82: "file not found",
		0x6A83: "record not found",
		0x6A84: "not enough memory",
		0x6A86: "wrong parameters P1 P2",
		0x6A88: "referenced data not found",
		0x6B00: "wrong parameters P1 P2",
		0x6D00: "instruction not supported",
		0x6E00: "class not supported",
		0x6F00: "no precise diagnosis",
	}
	if name, ok := names[sw]; ok {
		return name
	}
	switch {
	case sw>>8 == 0x61:
		return fmt.Sprintf("%d more bytes by GET RESPONSE", length256(sw))
	case sw>>8 == 0x6C:
		return fmt.Sprintf("wrong Le, %d bytes are there", length256(sw))
	case sw&0xFFF0 == 0x63C0:
		return fmt.Sprintf("warning: verification failed, %d tries left", sw&0x0F)
	case sw>>8 == 0x62 || sw>>8 == 0x63:
		return "warning"
	case sw>>12 == 9:
		return "the application's own"
	}
	return "error"
}

// length256 is the low byte as a length, of which 0 is 256.
func length256(sw uint16) int {
	if n := int(sw & 0xFF); n != 0 {
		return n
	}
	return 256
}

// quoted writes characters in quotation marks, and others as dots.
func quoted(b []byte) string {
	return `"` + strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(string(b), ".")) + `"`
}

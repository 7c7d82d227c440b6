package describe

import (
	"encoding/binary"
	"fmt"

	"posd/emv"
)

// describeTVR reads the TVR, and the action codes, which have its layout.
func describeTVR(b []byte, _ Options) ([]Line, error) {
	tvr, err := emv.TVRFromBytes(b)
	if err != nil {
		return nil, wrongLength(len(b), "5")
	}
	return TVR(tvr), nil
}

// TVR describes the bits of a TVR that are set, each with the clause that sets it.
func TVR(tvr emv.TVR) []Line {
	var lines []Line
	for at := range 5 {
		for bit := 8; bit >= 1; bit-- {
			one := emv.TVR(1) << ((4-at)*8 + bit - 1)
			if tvr&one == 0 {
				continue
			}
			l := Line{Name: bitName(at+1, bit), Value: "reserved"}
			if clause := one.Clause(); clause != "" {
				l.Value, l.Note = one.Names(), clause
			}
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		lines = append(lines, Line{Name: "no bit is set"})
	}
	return lines
}

func describeTSI(b []byte, _ Options) ([]Line, error) {
	if len(b) != 2 {
		return nil, wrongLength(len(b), "2")
	}
	return TSI(emv.TSI(binary.BigEndian.Uint16(b))), nil
}

// TSI describes the bits of a TSI that are set.
func TSI(tsi emv.TSI) []Line {
	var lines []Line
	for at := range 2 {
		for bit := 8; bit >= 1; bit-- {
			one := emv.TSI(1) << ((1-at)*8 + bit - 1)
			if tsi&one == 0 {
				continue
			}
			l := Line{Name: bitName(at+1, bit), Value: "reserved"}
			if clause := one.Clause(); clause != "" {
				l.Value, l.Note = one.Names(), clause
			}
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		lines = append(lines, Line{Name: "no bit is set"})
	}
	return lines
}

// fixed reads a field of single bits and a known length.
func fixed(length int, table []flag) func([]byte) ([]Line, error) {
	return func(b []byte) ([]Line, error) {
		if len(b) != length {
			return nil, wrongLength(len(b), fmt.Sprint(length))
		}
		return flags(b, table), nil
	}
}

func describeAIP(b []byte, _ Options) ([]Line, error) {
	return fixed(2, []flag{
		{1, 0x80, "XDA is supported"},
		{1, 0x40, "SDA is supported"},
		{1, 0x20, "DDA is supported"},
		{1, 0x10, "cardholder verification is supported"},
		{1, 0x08, "terminal risk management is to be performed"},
		{1, 0x04, "issuer authentication by EXTERNAL AUTHENTICATE is supported"},
		{1, 0x02, "on-device cardholder verification is supported (contactless)"},
		{1, 0x01, "CDA is supported"},
		{2, 0x80, "EMV mode is supported (contactless)"},
		{2, 0x01, "relay resistance protocol is supported (contactless, Mastercard)"},
	})(b)
}

func describeAUC(b []byte, _ Options) ([]Line, error) {
	return fixed(2, []flag{
		{1, 0x80, "valid for cash at home"},
		{1, 0x40, "valid for cash abroad"},
		{1, 0x20, "valid for goods at home"},
		{1, 0x10, "valid for goods abroad"},
		{1, 0x08, "valid for services at home"},
		{1, 0x04, "valid for services abroad"},
		{1, 0x02, "valid at ATMs"},
		{1, 0x01, "valid at terminals other than ATMs"},
		{2, 0x80, "cashback allowed at home"},
		{2, 0x40, "cashback allowed abroad"},
	})(b)
}

func describeCapabilities(b []byte, _ Options) ([]Line, error) {
	return fixed(3, []flag{
		{1, 0x80, "card data by manual key entry"},
		{1, 0x40, "card data from the magnetic stripe"},
		{1, 0x20, "card data from the chip by contacts"},
		{2, 0x80, "plaintext PIN for verification by the card"},
		{2, 0x40, "enciphered PIN for verification online"},
		{2, 0x20, "signature"},
		{2, 0x10, "enciphered PIN for verification by the card"},
		{2, 0x08, "no CVM required"},
		{2, 0x04, "biometric verified online"},
		{2, 0x02, "biometric verified by the card"},
		{2, 0x01, "enciphered PIN for verification by the card, elliptic curves"},
		{3, 0x80, "SDA"},
		{3, 0x40, "DDA"},
		{3, 0x20, "card capture"},
		{3, 0x08, "CDA"},
		{3, 0x04, "XDA"},
	})(b)
}

func describeAdditional(b []byte, _ Options) ([]Line, error) {
	return fixed(5, []flag{
		{1, 0x80, "cash"},
		{1, 0x40, "goods"},
		{1, 0x20, "services"},
		{1, 0x10, "cashback"},
		{1, 0x08, "inquiry"},
		{1, 0x04, "transfer"},
		{1, 0x02, "payment"},
		{1, 0x01, "administrative"},
		{2, 0x80, "cash deposit"},
		{3, 0x80, "numeric keys"},
		{3, 0x40, "alphabetic and special keys"},
		{3, 0x20, "command keys"},
		{3, 0x10, "function keys"},
		{4, 0x80, "print for the attendant"},
		{4, 0x40, "print for the cardholder"},
		{4, 0x20, "display for the attendant"},
		{4, 0x10, "display for the cardholder"},
		{4, 0x02, "code table ISO 8859-10"},
		{4, 0x01, "code table ISO 8859-9"},
		{5, 0x80, "code table ISO 8859-8"},
		{5, 0x40, "code table ISO 8859-7"},
		{5, 0x20, "code table ISO 8859-6"},
		{5, 0x10, "code table ISO 8859-5"},
		{5, 0x08, "code table ISO 8859-4"},
		{5, 0x04, "code table ISO 8859-3"},
		{5, 0x02, "code table ISO 8859-2"},
		{5, 0x01, "code table ISO 8859-1"},
	})(b)
}

// describeTTQ reads the qualifiers that a contactless reader offers. UnionPay and JCB
// leave some of the bits to themselves.
func describeTTQ(b []byte, _ Options) ([]Line, error) {
	return fixed(4, []flag{
		{1, 0x80, "magnetic stripe mode supported"},
		{1, 0x40, "full contactless transaction supported (UnionPay; reserved elsewhere)"},
		{1, 0x20, "EMV mode supported"},
		{1, 0x10, "EMV contact chip supported"},
		{1, 0x08, "offline-only reader"},
		{1, 0x04, "online PIN supported"},
		{1, 0x02, "signature supported"},
		{1, 0x01, "offline data authentication for online authorisations supported"},
		{2, 0x80, "online cryptogram required"},
		{2, 0x40, "CVM required"},
		{2, 0x20, "offline PIN supported (contact chip)"},
		{3, 0x80, "issuer update processing supported"},
		{3, 0x40, "consumer device CVM supported"},
		{3, 0x08, "consumer device CVM required"},
		{4, 0x80, "fDDA version 1.0 supported"},
	})(b)
}

// describeTerminalType reads who owns the terminal, and where it stands.
func describeTerminalType(b []byte, _ Options) ([]Line, error) {
	if len(b) != 1 {
		return nil, wrongLength(len(b), "1")
	}
	owner := map[byte]string{1: "financial institution", 2: "merchant", 3: "cardholder"}[b[0]>>4]
	place := map[byte]string{
		1: "attended, online only", 2: "attended, offline with online capability", 3: "attended, offline only",
		4: "unattended, online only", 5: "unattended, offline with online capability", 6: "unattended, offline only",
	}[b[0]&0x0F]
	if owner == "" || place == "" {
		return []Line{{Name: "reserved"}}, nil
	}
	return []Line{{Name: "operated by", Value: owner}, {Name: "environment", Value: place}}, nil
}

func describeAFL(b []byte, _ Options) ([]Line, error) {
	if len(b) == 0 || len(b)%4 != 0 {
		return nil, wrongLength(len(b), "a multiple of 4")
	}
	var lines []Line
	for i := 0; i < len(b); i += 4 {
		e := b[i : i+4]
		l := Line{Name: fmt.Sprintf("file %d", e[0]>>3), Value: fmt.Sprintf("records %d to %d", e[1], e[2])}
		switch {
		case e[3] == 1:
			l.Note = "the first is signed"
		case e[3] > 1:
			l.Note = fmt.Sprintf("the first %d are signed", e[3])
		}
		if sfi := e[0] >> 3; e[0]&7 != 0 || sfi < 1 || sfi > 30 || e[1] == 0 || e[2] < e[1] || int(e[3]) > int(e[2])-int(e[1])+1 {
			l.Note = "breaks the rules of Book 3, 10.2"
		}
		lines = append(lines, l)
	}
	return lines, nil
}

package describe

import "fmt"

// describeIAD reads issuer application data by the layout that they look like. Nothing in
// them says whose they are, so that the first line says it is a guess.
func describeIAD(b []byte, o Options) ([]Line, error) {
	var read func([]byte, Options) ([]Line, error)
	switch {
	case len(b) == 32 && b[0] == 0x0F && b[16] == 0x0F:
		read = describeIADCCD
	case len(b) >= 7 && b[0] == 0x06 && b[3] == 0x03, len(b) == 32 && b[0] == 0x1F:
		read = describeIADVisa
	case len(b) >= 7 && b[0] == 0x07 && b[3] == 0x03:
		read = describeIADUnionPay
	case mastercardLength(len(b)) && b[1]&0xF0 == 0x10:
		read = describeIADMastercard
	default:
		return []Line{{Name: "layout not recognised", Value: count(len(b))}}, nil
	}
	return read(b, o)
}

// The layouts of Mastercard have no length byte, only these lengths.
func mastercardLength(n int) bool { return n == 18 || n == 20 || n == 26 || n == 28 }

// field is a line for bytes that have no bits to tell of.
func field(name string, b []byte) Line { return Line{Name: name, Value: fmt.Sprintf("%X", b)} }

// describeIADCCD reads the layout of the Common Core Definitions, format A.
// EMV 4.4 Book 3, Annexes C7 and C9.
func describeIADCCD(b []byte, _ Options) ([]Line, error) {
	if len(b) != 32 || b[0] != 0x0F || b[16] != 0x0F {
		return nil, wrongLength(len(b), "32 with 0F at byte 1 and 17")
	}
	version := map[byte]string{5: "TDES", 6: "AES"}[b[1]&0x0F]
	if b[1]&0xF0 != 0xA0 || version == "" {
		version = "not of the CCD"
	}
	lines := []Line{
		{Name: "layout", Value: "Common Core Definitions"},
		{Name: "common core identifier", Value: fmt.Sprintf("%02X", b[1]), Note: version},
		field("derivation key index", b[2:3]),
		field("card verification results", b[3:8]),
	}
	lines = append(lines, indented(ccdCVR(b[3:8]))...)
	return append(lines, field("counters", b[8:16]), field("issuer's own", b[17:])), nil
}

// cryptograms reads the first byte of every scheme's results: what the card answered to
// the second and to the first GENERATE AC.
func cryptograms(c byte) []Line {
	kinds := func(bits byte, two string) string {
		return [...]string{"AAC", "TC", two, "reserved"}[bits&3]
	}
	return []Line{
		{Name: "second GENERATE AC", Value: kinds(c>>6, "not requested")},
		{Name: "first GENERATE AC", Value: kinds(c>>4, "ARQC")},
	}
}

func ccdCVR(b []byte) []Line {
	lines := append(cryptograms(b[0]),
		Line{Name: "PIN try counter, low nibble", Value: fmt.Sprint(b[1] >> 4)},
		Line{Name: "script commands done under secure messaging", Value: fmt.Sprint(b[3] >> 4)})
	return append(lines, flags(b, []flag{
		{1, 0x08, "CDA performed"},
		{1, 0x04, "offline DDA performed"},
		{1, 0x02, "issuer authentication not performed"},
		{1, 0x01, "issuer authentication failed"},
		{2, 0x08, "offline PIN verification performed"},
		{2, 0x04, "offline PIN verification performed and PIN not successfully verified"},
		{2, 0x02, "PIN try limit exceeded"},
		{2, 0x01, "last online transaction not completed"},
		{3, 0x80, "lower offline transaction count limit exceeded"},
		{3, 0x40, "upper offline transaction count limit exceeded"},
		{3, 0x20, "lower cumulative offline amount limit exceeded"},
		{3, 0x10, "upper cumulative offline amount limit exceeded"},
		{3, 0x08, "issuer's own bit 1"},
		{3, 0x04, "issuer's own bit 2"},
		{3, 0x02, "issuer's own bit 3"},
		{3, 0x01, "issuer's own bit 4"},
		{4, 0x08, "issuer script processing failed"},
		{4, 0x04, "offline data authentication failed on the previous transaction"},
		{4, 0x02, "go online on the next transaction was set"},
		{4, 0x01, "unable to go online"},
	}, 0xF0, 0xF0, 0, 0xF0)...)
}

// describeIADVisa reads Visa's formats 0, 1 and 3 (a length byte of 06) and 2 and 4 (1F).
func describeIADVisa(b []byte, _ Options) ([]Line, error) {
	switch {
	case len(b) >= 7 && b[0] == 0x06 && b[3] == 0x03:
		lines := []Line{
			{Name: "layout", Value: "Visa, format 0, 1 or 3"},
			field("derivation key index", b[1:2]),
			cvn(b[2]),
			field("card verification results", b[3:7]),
		}
		lines = append(lines, indented(visaCVR(b[4:7]))...)
		return appendDiscretionary(lines, b[7:]), nil
	case len(b) == 32 && b[0] == 0x1F:
		lines := []Line{
			{Name: "layout", Value: "Visa, format 2 or 4"},
			cvn(b[1]),
			field("derivation key index", b[2:3]),
			field("card verification results", b[3:8]),
		}
		lines = append(lines, indented(append([]Line{field("device verification", b[3:4])}, visaCVR2(b[4:8])...))...)
		return append(lines, field("issuer's own", b[8:])), nil
	}
	return nil, wrongLength(len(b), "7 or more beginning 06, or 32 beginning 1F,")
}

// cvn writes a cryptogram version number as the schemes speak of it: in decimal for 0A
// and 12 (10 and 18), in hexadecimal for 22.
func cvn(v byte) Line {
	spoken := fmt.Sprintf("CVN %d", v)
	if v >= 0x20 {
		spoken = fmt.Sprintf("CVN '%02X'", v)
	}
	return Line{Name: "cryptogram version number", Value: fmt.Sprintf("%02X", v), Note: spoken}
}

// appendDiscretionary appends what the issuer put behind the scheme's part: a length byte
// and that many bytes.
func appendDiscretionary(lines []Line, b []byte) []Line {
	switch {
	case len(b) == 0:
		return lines
	case int(b[0]) != len(b)-1:
		l := field("issuer's own", b)
		l.Note = fmt.Sprintf("its length byte says %d of %d", b[0], len(b)-1)
		return append(lines, l)
	}
	return append(lines, field("issuer's own", b[1:]))
}

// visaFlags are the last three bytes of Visa's results, which UnionPay took over.
func visaFlags() []flag {
	return []flag{
		{1, 0x08, "issuer authentication performed and failed"},
		{1, 0x04, "offline PIN verification performed"},
		{1, 0x02, "offline PIN verification failed"},
		{1, 0x01, "unable to go online"},
		{2, 0x80, "last online transaction not completed"},
		{2, 0x40, "PIN try limit exceeded"},
		{2, 0x20, "velocity checking counters exceeded"},
		{2, 0x10, "new card"},
		{2, 0x08, "issuer authentication failed on the last online transaction"},
		{2, 0x04, "issuer authentication not performed after online authorisation"},
		{2, 0x02, "application blocked by the card because the PIN try limit was exceeded"},
		{2, 0x01, "SDA failed on the last transaction, which was declined offline"},
		{3, 0x08, "issuer script processing failed on the last transaction"},
		{3, 0x04, "DDA failed on the last transaction, which was declined offline"},
		{3, 0x02, "DDA performed"},
		{3, 0x01, "PIN verification command not received although the card expected one"},
	}
}

// visaCVR reads the three bytes after the length byte 03.
func visaCVR(b []byte) []Line {
	lines := append(cryptograms(b[0]), Line{Name: "issuer script commands on the last transaction", Value: fmt.Sprint(b[2] >> 4)})
	return append(lines, flags(b, visaFlags(), 0xF0, 0, 0xF0)...)
}

// visaCVR2 reads bytes 2 to 5 of the results of formats 2 and 4, the last of which is
// about the phone that holds the card.
func visaCVR2(b []byte) []Line {
	table := visaFlags()
	for i := range table {
		switch {
		case table[i].at == 1 && table[i].mask == 0x04:
			table[i].name = "verification on the device performed"
		case table[i].at == 1 && table[i].mask == 0x02:
			table[i].name = "reserved"
		}
	}
	lines := append(cryptograms(b[0]), Line{Name: "issuer script commands on the last transaction", Value: fmt.Sprint(b[2] >> 4)})
	return append(lines, flags(b, table, 0xF0, 0, 0xF0, 0xFF)...)
}

// describeIADUnionPay reads the layout of UnionPay, which is Visa's with the algorithm
// behind the results.
func describeIADUnionPay(b []byte, _ Options) ([]Line, error) {
	if len(b) < 7 || b[0] != 0x07 || b[3] != 0x03 {
		return nil, wrongLength(len(b), "7 or more beginning 07")
	}
	lines := []Line{
		{Name: "layout", Value: "UnionPay"},
		field("derivation key index", b[1:2]),
		cvn(b[2]),
		field("card verification results", b[3:7]),
	}
	lines = append(lines, indented(visaCVR(b[4:7]))...)
	if len(b) == 7 {
		return append(lines, Line{Name: "algorithm", Value: "missing", Note: "the length byte says 7 of 6"}), nil
	}
	algorithm := map[byte]string{1: "TDES", 4: "SM4"}[b[7]]
	lines = append(lines, Line{Name: "algorithm", Value: fmt.Sprintf("%02X", b[7]), Note: algorithm})
	return appendDiscretionary(lines, b[8:]), nil
}

// describeIADMastercard reads M/Chip 4 and M/Chip Advance: no length byte, key index
// first.
func describeIADMastercard(b []byte, _ Options) ([]Line, error) {
	if !mastercardLength(len(b)) {
		return nil, wrongLength(len(b), "18, 20, 26 or 28")
	}
	lines := []Line{
		{Name: "layout", Value: "Mastercard M/Chip"},
		field("derivation key index", b[0:1]),
		mchipCVN(b[1]),
		field("card verification results", b[2:8]),
	}
	lines = append(lines, indented(mchipCVR(b[2:8]))...)
	lines = append(lines, field("DAC or ICC dynamic number", b[8:10]), field("counters", b[10:18]))
	if len(b) > 18 {
		lines = append(lines, field("further counters", b[18:]))
	}
	return lines, nil
}

func mchipCVN(v byte) Line {
	l := Line{Name: "cryptogram version number", Value: fmt.Sprintf("%02X", v), Note: "not of M/Chip"}
	if v&0xF0 != 0x10 {
		return l
	}
	l.Note = "Mastercard session key"
	if v&0x06 == 0x04 {
		l.Note = "EMV session key"
	}
	if v&0x01 != 0 {
		l.Note += ", counters in the cryptogram"
	}
	return l
}

func mchipCVR(b []byte) []Line {
	lines := append(cryptograms(b[0]),
		Line{Name: "script counter, low nibble", Value: fmt.Sprint(b[2] >> 4)},
		Line{Name: "PIN try counter, low nibble", Value: fmt.Sprint(b[2] & 0x0F)})
	return append(lines, flags(b, []flag{
		{1, 0x08, "date check failed"},
		{1, 0x04, "offline PIN verification performed"},
		{1, 0x02, "offline encrypted PIN verification performed"},
		{1, 0x01, "offline PIN verification successful"},
		{2, 0x80, "DDA returned"},
		{2, 0x40, "CDA returned in the first GENERATE AC"},
		{2, 0x20, "CDA returned in the second GENERATE AC"},
		{2, 0x10, "issuer authentication performed"},
		{2, 0x08, "card issuer action code default skipped on CAT3"},
		{2, 0x04, "offline change of the PIN successful"},
		{2, 0x02, "issuer's own"},
		{2, 0x01, "issuer's own"},
		{4, 0x80, "last online transaction not completed"},
		{4, 0x40, "unable to go online"},
		{4, 0x20, "offline PIN verification not performed"},
		{4, 0x10, "offline PIN verification failed"},
		{4, 0x08, "PIN try limit exceeded"},
		{4, 0x04, "international transaction"},
		{4, 0x02, "domestic transaction"},
		{4, 0x01, "terminal erroneously considers offline PIN OK"},
		{5, 0x80, "lower consecutive offline limit exceeded"},
		{5, 0x40, "upper consecutive offline limit exceeded"},
		{5, 0x20, "lower cumulative offline limit exceeded"},
		{5, 0x10, "upper cumulative offline limit exceeded"},
		{5, 0x08, "go online on the next transaction was set"},
		{5, 0x04, "issuer authentication failed"},
		{5, 0x02, "script received"},
		{5, 0x01, "script failed"},
		{6, 0x80, "lower limit of consecutive counter 2 exceeded"},
		{6, 0x40, "upper limit of consecutive counter 2 exceeded"},
		{6, 0x20, "lower limit of cumulative accumulator 2 exceeded"},
		{6, 0x10, "upper limit of cumulative accumulator 2 exceeded"},
		{6, 0x08, "maximum transaction amount exceeded"},
		{6, 0x04, "number of days offline exceeded"},
		{6, 0x02, "match found in the additional check table"},
		{6, 0x01, "no match found in the additional check table"},
	}, 0xF0, 0, 0xFF)...)
}

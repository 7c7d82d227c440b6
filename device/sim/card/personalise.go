package card

import (
	"encoding/binary"
	"fmt"
	"slices"

	"posd/emv"
	"posd/emv/tlv"
)

// Data objects that the card knows. EMV 4.4 Book 3, Annex A.
const (
	tagLabel        tlv.Tag = 0x50
	tagTrack2       tlv.Tag = 0x57
	tagPAN          tlv.Tag = 0x5A
	tagEntry        tlv.Tag = 0x61
	tagFCI          tlv.Tag = 0x6F
	tagRecord       tlv.Tag = 0x70
	tagFormat2      tlv.Tag = 0x77
	tagFormat1      tlv.Tag = 0x80
	tagAIP          tlv.Tag = 0x82
	tagCommand      tlv.Tag = 0x83
	tagDFName       tlv.Tag = 0x84
	tagPriority     tlv.Tag = 0x87
	tagSFI          tlv.Tag = 0x88
	tagARC          tlv.Tag = 0x8A
	tagCDOL1        tlv.Tag = 0x8C
	tagCDOL2        tlv.Tag = 0x8D
	tagCVMList      tlv.Tag = 0x8E
	tagCAIndex      tlv.Tag = 0x8F
	tagIssuerCert   tlv.Tag = 0x90
	tagIssuerAuth   tlv.Tag = 0x91
	tagIssuerRem    tlv.Tag = 0x92
	tagSSAD         tlv.Tag = 0x93
	tagAFL          tlv.Tag = 0x94
	tagProprietary  tlv.Tag = 0xA5
	tagADF          tlv.Tag = 0x4F
	tagCardholder   tlv.Tag = 0x5F20
	tagExpiry       tlv.Tag = 0x5F24
	tagEffective    tlv.Tag = 0x5F25
	tagCountry      tlv.Tag = 0x5F28
	tagLanguage     tlv.Tag = 0x5F2D
	tagServiceCode  tlv.Tag = 0x5F30
	tagPANSequence  tlv.Tag = 0x5F34
	tagUsage        tlv.Tag = 0x9F07
	tagVersion      tlv.Tag = 0x9F08
	tagIACDefault   tlv.Tag = 0x9F0D
	tagIACDenial    tlv.Tag = 0x9F0E
	tagIACOnline    tlv.Tag = 0x9F0F
	tagIAD          tlv.Tag = 0x9F10
	tagCodeTable    tlv.Tag = 0x9F11
	tagPreferred    tlv.Tag = 0x9F12
	tagLastOnline   tlv.Tag = 0x9F13
	tagLower        tlv.Tag = 0x9F14
	tagPINTries     tlv.Tag = 0x9F17
	tagUpper        tlv.Tag = 0x9F23
	tagAC           tlv.Tag = 0x9F26
	tagCID          tlv.Tag = 0x9F27
	tagIssuerExp    tlv.Tag = 0x9F32
	tagATC          tlv.Tag = 0x9F36
	tagUN           tlv.Tag = 0x9F37
	tagPDOL         tlv.Tag = 0x9F38
	tagCurrency     tlv.Tag = 0x9F42
	tagICCCert      tlv.Tag = 0x9F46
	tagICCExp       tlv.Tag = 0x9F47
	tagICCRem       tlv.Tag = 0x9F48
	tagDDOL         tlv.Tag = 0x9F49
	tagStaticTags   tlv.Tag = 0x9F4A
	tagSDAD         tlv.Tag = 0x9F4B
	tagLogEntry     tlv.Tag = 0x9F4D
	tagLogFormat    tlv.Tag = 0x9F4F
	tagIssuerPublic tlv.Tag = 0xBF0C
)

// Short file identifiers of the files that every application has.
const (
	sfiTrack  = 1
	sfiStatic = 2 // what certificates sign
	sfiKeys   = 3
	sfiLog    = 11
)

// authenticationCode is tag 9F45 of every SDA card.
var authenticationCode = [2]byte{0xDA, 0xC0}

const (
	logSize      = 10
	recordTarget = 220 // bytes of objects after which a new record begins
	recordLimit  = 253 // bytes of objects that a record can hold
)

// defaultCDOL asks for what the cryptogram is made of, and for the time.
var defaultCDOL = tlv.DOL{
	0x9F, 0x02, 6, 0x9F, 0x03, 6, 0x9F, 0x1A, 2, 0x95, 5, 0x5F, 0x2A, 2, 0x9A, 3, 0x9C, 1, 0x9F, 0x37, 4, 0x9F, 0x21, 3,
}

// logFormat is tag 9F4F: date, amount, currency, type, ATC.
var logFormat = tlv.DOL{0x9A, 3, 0x9F, 0x02, 6, 0x5F, 0x2A, 2, 0x9C, 1, 0x9F, 0x36, 2}

func newApplication(aid []byte) *Application {
	return &Application{
		AID: aid, Label: "TEST", Priority: 1, PANSequence: -1, ServiceCode: "220",
		Country: 156, Currency: 156, Version: [2]byte{0x00, 0x30}, UsageControl: []byte{0xFF, 0xC0},
		IACDefault: 0xD8609CA800, IACDenial: 0x0010000000, IACOnline: 0xD8689CF800,
		CDOL1: defaultCDOL, DDOL: tlv.DOL{0x9F, 0x37, 4}, LowerLimit: -1, Upper: -1,
		CVN: 18, DKI: 1, ARPCMethod: 1, AC1: "as-asked", AC2: "as-asked",
	}
}

// defaultCDOL2 is CDOL1 after the response code, and after the issuer's cryptogram
// where the card takes it there.
func defaultCDOL2(cdol1 tlv.DOL, issuerAuth bool) tlv.DOL {
	out := tlv.DOL{0x8A, 2}
	if issuerAuth {
		out = append(out, 0x91, 10)
	}
	return append(out, cdol1...)
}

// personalise builds files, AFL and FCI, certificates included.
func (a *Application) personalise() error {
	static := a.staticObjects()
	records, err := pack(static)
	if err != nil {
		return err
	}
	a.files = map[byte][][]byte{sfiStatic: records}
	if a.files[sfiTrack], err = pack(a.trackObjects()); err != nil {
		return err
	}
	signed := 0
	if a.ODA.any() {
		signed = len(records)
		if a.files[sfiKeys], err = packEach(a.keyObjects(a.signedData(static))); err != nil {
			return err
		}
	}
	a.afl = nil
	for _, sfi := range []byte{sfiTrack, sfiStatic, sfiKeys} {
		n := byte(len(a.files[sfi]))
		switch {
		case n == 0:
		case sfi == sfiStatic:
			a.afl = append(a.afl, sfi<<3, 1, n, byte(signed))
		default:
			a.afl = append(a.afl, sfi<<3, 1, n, 0)
		}
	}
	a.fci = a.fileControl()
	return nil
}

// object is one data object; an empty value leaves it out.
type object = tlv.Object

func (a *Application) trackObjects() []object {
	return []object{
		{Tag: tagTrack2, Value: packTrack(a.Track2)},
		{Tag: tagCardholder, Value: []byte(a.Cardholder)},
	}
}

func (a *Application) staticObjects() []object {
	objects := []object{
		{Tag: tagPAN, Value: packDigits(a.PAN.Reveal(), (a.PAN.Len()+1)/2)},
		{Tag: tagPANSequence, Value: optionalBCD(a.PANSequence)},
		{Tag: tagExpiry, Value: a.Expiry[:]},
		{Tag: tagEffective, Value: optionalDate(a.Effective)},
		{Tag: tagUsage, Value: a.UsageControl},
		{Tag: tagCountry, Value: numeric3(a.Country)},
		{Tag: tagCurrency, Value: numeric3(a.Currency)},
		{Tag: tagVersion, Value: a.Version[:]},
		{Tag: tagServiceCode, Value: packServiceCode(a.ServiceCode)},
		{Tag: tagCVMList, Value: a.CVMList},
		{Tag: tagIACDefault, Value: actionBytes(a.IACDefault)},
		{Tag: tagIACDenial, Value: actionBytes(a.IACDenial)},
		{Tag: tagIACOnline, Value: actionBytes(a.IACOnline)},
		{Tag: tagCDOL1, Value: a.CDOL1},
		{Tag: tagCDOL2, Value: a.CDOL2},
		{Tag: tagLower, Value: optionalByte(a.LowerLimit)},
		{Tag: tagUpper, Value: optionalByte(a.Upper)},
	}
	if a.ODA.DDA {
		objects = append(objects, object{Tag: tagDDOL, Value: a.DDOL})
	}
	if a.ODA.any() {
		objects = append(objects, object{Tag: tagStaticTags, Value: []byte{byte(tagAIP)}})
	}
	return append(objects, a.Extra...)
}

// signedData is what certificates sign: the objects of the signed records, then the
// AIP, which tag 9F4A names. EMV 4.4 Book 3, 10.3.
func (a *Application) signedData(objects []object) []byte {
	return append(appendObjects(nil, objects), byte(a.AIP>>8), byte(a.AIP))
}

func (a *Application) keyObjects(static []byte) []object {
	issuer := issuerCertificate(a.CAKey, a.IssuerKey, a.PAN, a.Expiry)
	objects := []object{
		{Tag: tagCAIndex, Value: []byte{a.CAIndex}},
		{Tag: tagIssuerExp, Value: issuer.exponent},
		{Tag: tagIssuerRem, Value: issuer.remainder},
		{Tag: tagIssuerCert, Value: issuer.signed},
	}
	if a.ODA.SDA {
		objects = append(objects, object{Tag: tagSSAD, Value: signedStatic(a.IssuerKey, authenticationCode, static)})
	}
	if a.ODA.DDA || a.ODA.CDA {
		icc := iccCertificate(a.IssuerKey, a.ICCKey, a.PAN, a.Expiry, static)
		objects = append(objects,
			object{Tag: tagICCExp, Value: icc.exponent},
			object{Tag: tagICCRem, Value: icc.remainder},
			object{Tag: tagICCCert, Value: icc.signed})
	}
	return objects
}

func (a *Application) fileControl() []byte {
	proprietary := appendObjects(nil, []object{
		{Tag: tagLabel, Value: []byte(a.Label)},
		{Tag: tagPriority, Value: []byte{a.Priority}},
		{Tag: tagPDOL, Value: a.PDOL},
		{Tag: tagLanguage, Value: []byte(a.Language)},
	})
	if a.PreferredName != "" {
		proprietary = tlv.Append(proprietary, tagCodeTable, []byte{0x01})
		proprietary = tlv.Append(proprietary, tagPreferred, []byte(a.PreferredName))
	}
	log := tlv.Append(nil, tagLogEntry, []byte{sfiLog, logSize})
	proprietary = tlv.Append(proprietary, tagIssuerPublic, log)
	body := tlv.Append(nil, tagDFName, a.AID)
	return tlv.Append(nil, tagFCI, tlv.Append(body, tagProprietary, proprietary))
}

func appendObjects(dst []byte, objects []object) []byte {
	for _, o := range objects {
		if len(o.Value) > 0 {
			dst = tlv.Append(dst, o.Tag, o.Value)
		}
	}
	return dst
}

// pack puts objects into records in their order.
func pack(objects []object) (records [][]byte, err error) {
	var body []byte
	for _, o := range objects {
		if more := appendObjects(body, []object{o}); len(more) <= recordTarget || len(body) == 0 {
			body = more
			continue
		}
		records = append(records, tlv.Append(nil, tagRecord, body))
		body = appendObjects(nil, []object{o})
	}
	if len(body) > recordLimit {
		return nil, fmt.Errorf("an object of %d bytes does not fit a record", len(body))
	}
	return append(records, tlv.Append(nil, tagRecord, body)), nil
}

// packEach gives long objects, which keys and certificates are, records of their own.
func packEach(objects []object) (records [][]byte, err error) {
	var small []object
	for _, o := range objects {
		if len(o.Value) < 64 {
			small = append(small, o)
			continue
		}
		more, err := pack([]object{o})
		if err != nil {
			return nil, err
		}
		records = append(records, more...)
	}
	first, err := pack(small)
	return slices.Concat(first, records), err
}

func packTrack(t emv.Track2) []byte {
	chars := t.Reveal()
	out := make([]byte, (len(chars)+1)/2)
	for i := range 2 * len(out) {
		nibble := byte(0xF)
		if i < len(chars) {
			nibble = chars[i] & 0xF
			if chars[i] == 'D' {
				nibble = 0xD
			}
		}
		out[i/2] |= nibble << (4 * (1 - i%2))
	}
	return out
}

// packServiceCode is n 3, so right-aligned in two bytes.
func packServiceCode(s string) []byte { return packDigits("0"+s, 2) }

// numeric3 packs a code of three digits into two bytes of BCD.
func numeric3(n uint16) []byte { return packDigits(fmt.Sprintf("%04d", n), 2) }

func optionalBCD(n int) []byte {
	if n < 0 {
		return nil
	}
	return []byte{byte(n/10<<4 | n%10)}
}

func optionalByte(n int) []byte {
	if n < 0 {
		return nil
	}
	return []byte{byte(n)}
}

func optionalDate(d [3]byte) []byte {
	if d == [3]byte{} {
		return nil
	}
	return d[:]
}

func actionBytes(t emv.TVR) []byte {
	b := t.Bytes()
	return b[:]
}

func uint16Bytes(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

package hosttest

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"posd/emv"
	"posd/emv/issuer"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// Card is a card that signs by CVN 18 or CVN 10.
type Card struct {
	PAN    emv.PAN
	PSN    int
	Expiry string // YYMM
	PIN    string // empty: pays without
	IMK    []byte // 16 bytes
	Index  byte   // derivation key index
	CVN    byte   // 10 or 18
	ATC    uint16 // of the last payment
}

// IMK is the issuer master key of the test cards.
var IMK = []byte{
	0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10,
}

// NewCard returns a card of CVN 18, sequence number 1, key index 1, expiry 3512.
func NewCard(pan, pin string) *Card {
	p, err := emv.ParsePAN(pan)
	if err != nil {
		panic(err)
	}
	return &Card{PAN: p, PSN: 1, Expiry: "3512", PIN: pin, IMK: IMK, Index: 1, CVN: 18}
}

// Values are the objects of field 55 by tag.
type Values map[tlv.Tag][]byte

// order is the order of the objects in field 55.
var order = []tlv.Tag{
	tag.ApplicationCryptogram, tag.CryptogramInformationData, tag.IssuerApplicationData, tag.UnpredictableNumber, tag.ATC,
	tag.TVR, tag.TransactionDate, tag.TransactionType, tag.AmountAuthorised, tag.TransactionCurrencyCode, tag.AIP,
	tag.TerminalCountryCode, tag.AmountOther, tag.TerminalCapabilities, tag.CVMResults, tag.TerminalType, tag.DFName,
}

// signed is the input of the cryptogram before the part that the version adds.
var signed = []tlv.Tag{
	tag.AmountAuthorised, tag.AmountOther, tag.TerminalCountryCode, tag.TVR, tag.TransactionCurrencyCode,
	tag.TransactionDate, tag.TransactionType, tag.UnpredictableNumber, tag.AIP, tag.ATC,
}

// Sign makes the next payment's field 55, as objects that may be changed before they
// are packed.
func (c *Card) Sign(amount int64, currency emv.Currency, pin bool) Values {
	c.ATC++
	iad := []byte{0x06, c.Index, c.CVN, 0x03, 0xA0, 0x00, 0x00}
	v := Values{
		tag.CryptogramInformationData: {0x80},
		tag.IssuerApplicationData:     iad,
		tag.UnpredictableNumber:       {0xDE, 0xAD, 0xBE, 0xEF},
		tag.ATC:                       binary.BigEndian.AppendUint16(nil, c.ATC),
		tag.TVR:                       {0x80, 0, 0, 0, 0},
		tag.TransactionDate:           {0x26, 0x11, 0x23},
		tag.TransactionType:           {0},
		tag.AmountAuthorised:          bcd(amount, 12),
		tag.AmountOther:               bcd(0, 12),
		tag.TransactionCurrencyCode:   bcd(int64(currency), 4),
		tag.TerminalCountryCode:       {0x01, 0x56},
		tag.AIP:                       {0x7C, 0x00},
		tag.TerminalCapabilities:      {0xE0, 0xE9, 0xC8},
		tag.CVMResults:                {0x1E, 0x03, 0x00},
		tag.TerminalType:              {0x22},
		tag.DFName:                    {0xA0, 0, 0, 0x03, 0x33, 1, 1, 1},
	}
	if pin {
		v[tag.TVR] = []byte{0x80, 0, 0x04, 0, 0}
		v[tag.CVMResults] = []byte{0x42, 0x03, 0x00}
	}
	v[tag.ApplicationCryptogram] = c.mac(v)
	return v
}

// mac computes the cryptogram over what v says.
func (c *Card) mac(v Values) []byte {
	var data []byte
	for _, t := range signed {
		data = append(data, v[t]...)
	}
	key := must(issuer.DeriveICCMasterKey(c.IMK, c.PAN, c.PSN))
	iad := v[tag.IssuerApplicationData]
	if c.CVN == 10 {
		mac := must(issuer.MAC(key, append(data, iad[3:7]...), issuer.PadZeros))
		return mac[:]
	}
	key = must(issuer.SessionKeyCommon(key, binary.BigEndian.Uint16(v[tag.ATC])))
	mac := must(issuer.ARQC(key, append(data, iad...)))
	return mac[:]
}

// Again signs v anew, after it was changed.
func (c *Card) Again(v Values) Values {
	v[tag.ApplicationCryptogram] = c.mac(v)
	return v
}

// CheckARPC tells whether tags 91 and 8A of an answer are the issuer's, by method 1,
// for the payment that v was.
func (c *Card) CheckARPC(v Values, icc []byte) error {
	data, _ := tlv.Find(icc, tag.IssuerAuthenticationData)
	code, _ := tlv.Find(icc, tag.AuthorisationResponseCode)
	if len(data) != 10 || len(code) != 2 {
		return fmt.Errorf("tags 91 and 8A have %d and %d bytes", len(data), len(code))
	}
	key := must(issuer.DeriveICCMasterKey(c.IMK, c.PAN, c.PSN))
	if c.CVN != 10 {
		key = must(issuer.SessionKeyCommon(key, binary.BigEndian.Uint16(v[tag.ATC])))
	}
	want := must(issuer.ARPC1(key, [8]byte(v[tag.ApplicationCryptogram]), [2]byte(code)))
	if string(want[:])+string(code) != string(data) {
		return fmt.Errorf("tag 91 is %X, %X%X wanted", data, want, code)
	}
	return nil
}

// Pack writes the objects as field 55.
func (v Values) Pack() []byte {
	var out []byte
	for _, t := range order {
		if value, ok := v[t]; ok {
			out = tlv.Append(out, t, value)
		}
	}
	return out
}

func bcd(n int64, digits int) []byte {
	text := fmt.Sprintf("%0*d", digits, n)
	out := make([]byte, 0, digits/2)
	for i := 0; i < digits; i += 2 {
		b, err := strconv.ParseUint(text[i:i+2], 16, 8)
		if err != nil {
			panic(err)
		}
		out = append(out, byte(b))
	}
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

package emv

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Shifts that put a bit into its byte of a 5-byte field, byte 1 first.
const (
	byte1 = 32
	byte2 = 24
	byte3 = 16
	byte4 = 8
	byte5 = 0
)

// TVR is the Terminal Verification Results, tag 95: 5 bytes, byte 1 first. A
// constant carries its byte as well as its bit, so a bit cannot be set in the
// wrong byte. Terminal and issuer action codes have the same layout.
// EMV 4.4 Book 3, Annex C5.
type TVR uint64

const (
	ODANotPerformed TVR = 0x80 << byte1 // offline data authentication was not performed
	SDAFailed       TVR = 0x40 << byte1
	ICCDataMissing  TVR = 0x20 << byte1
	OnExceptionFile TVR = 0x10 << byte1 // card appears on terminal exception file
	DDAFailed       TVR = 0x08 << byte1
	CDAFailed       TVR = 0x04 << byte1 // combined DDA/AC generation failed
	SDASelected     TVR = 0x02 << byte1
	XDASelected     TVR = 0x01 << byte1

	VersionsDiffer   TVR = 0x80 << byte2 // ICC and terminal have different application versions
	Expired          TVR = 0x40 << byte2 // expired application
	NotYetEffective  TVR = 0x20 << byte2
	ServiceForbidden TVR = 0x10 << byte2 // requested service not allowed for card product
	NewCard          TVR = 0x08 << byte2

	CVMFailed        TVR = 0x80 << byte3 // cardholder verification was not successful
	CVMUnknown       TVR = 0x40 << byte3 // unrecognised CVM
	PINTryLimit      TVR = 0x20 << byte3 // PIN try limit exceeded
	PINPadMissing    TVR = 0x10 << byte3 // PIN entry required and PIN pad not present or not working
	PINNotEntered    TVR = 0x08 << byte3 // PIN entry required, PIN pad present, but PIN was not entered
	OnlinePINEntered TVR = 0x04 << byte3

	FloorLimitExceeded   TVR = 0x80 << byte4 // transaction exceeds floor limit
	LowerLimitExceeded   TVR = 0x40 << byte4 // lower consecutive offline limit exceeded
	UpperLimitExceeded   TVR = 0x20 << byte4 // upper consecutive offline limit exceeded
	SelectedRandomly     TVR = 0x10 << byte4 // transaction selected randomly for online processing
	MerchantForcedOnline TVR = 0x08 << byte4

	DefaultTDOLUsed        TVR = 0x80 << byte5
	IssuerAuthFailed       TVR = 0x40 << byte5 // issuer authentication failed
	ScriptFailedBeforeGAC2 TVR = 0x20 << byte5 // script processing failed before final GENERATE AC
	ScriptFailedAfterGAC2  TVR = 0x10 << byte5 // script processing failed after final GENERATE AC
)

var tvrNames = []struct {
	bit  TVR
	name string
}{
	{ODANotPerformed, "offline data authentication not performed"},
	{SDAFailed, "SDA failed"},
	{ICCDataMissing, "ICC data missing"},
	{OnExceptionFile, "card on exception file"},
	{DDAFailed, "DDA failed"},
	{CDAFailed, "CDA failed"},
	{SDASelected, "SDA selected"},
	{XDASelected, "XDA selected"},
	{VersionsDiffer, "application versions differ"},
	{Expired, "expired application"},
	{NotYetEffective, "application not yet effective"},
	{ServiceForbidden, "service not allowed for card product"},
	{NewCard, "new card"},
	{CVMFailed, "cardholder verification not successful"},
	{CVMUnknown, "unrecognised CVM"},
	{PINTryLimit, "PIN try limit exceeded"},
	{PINPadMissing, "PIN pad not present or not working"},
	{PINNotEntered, "PIN not entered"},
	{OnlinePINEntered, "online PIN entered"},
	{FloorLimitExceeded, "floor limit exceeded"},
	{LowerLimitExceeded, "lower consecutive offline limit exceeded"},
	{UpperLimitExceeded, "upper consecutive offline limit exceeded"},
	{SelectedRandomly, "selected randomly for online processing"},
	{MerchantForcedOnline, "merchant forced online"},
	{DefaultTDOLUsed, "default TDOL used"},
	{IssuerAuthFailed, "issuer authentication failed"},
	{ScriptFailedBeforeGAC2, "script failed before final GENERATE AC"},
	{ScriptFailedAfterGAC2, "script failed after final GENERATE AC"},
}

// TVRFromBytes reads 5 bytes; it also reads a terminal or issuer action code.
func TVRFromBytes(b []byte) (TVR, error) {
	if len(b) != 5 {
		return 0, fmt.Errorf("emv: TVR or action code of %d bytes, 5 wanted", len(b))
	}
	return TVR(b[0])<<byte1 | TVR(binary.BigEndian.Uint32(b[1:])), nil
}

// Bytes returns the 5 bytes of tag 95.
func (t TVR) Bytes() [5]byte {
	return [5]byte{byte(t >> byte1), byte(t >> byte2), byte(t >> byte3), byte(t >> byte4), byte(t)}
}

// String returns 10 hexadecimal digits.
func (t TVR) String() string { return fmt.Sprintf("%010X", uint64(t)) }

// Names returns the set bits in words, joined by commas; bits without a meaning
// come as RFU with their mask.
func (t TVR) Names() string {
	var names []string
	for _, row := range tvrNames {
		if t&row.bit != 0 {
			names = append(names, row.name)
			t &^= row.bit
		}
	}
	if t != 0 {
		names = append(names, "RFU "+t.String())
	}
	return strings.Join(names, ", ")
}

// TSI is the Transaction Status Information, tag 9B: 2 bytes, of which the first
// is in use. EMV 4.4 Book 3, Annex C6.
type TSI uint16

const (
	ODAPerformed            TSI = 0x8000 // offline data authentication was performed
	CVMPerformed            TSI = 0x4000 // cardholder verification was performed
	CardRiskPerformed       TSI = 0x2000 // card risk management was performed
	IssuerAuthPerformed     TSI = 0x1000
	TerminalRiskPerformed   TSI = 0x0800 // terminal risk management was performed
	ScriptProcessingApplied TSI = 0x0400 // script processing was performed
)

// Bytes returns the 2 bytes of tag 9B.
func (t TSI) Bytes() [2]byte { return [2]byte{byte(t >> 8), byte(t)} }

// String returns 4 hexadecimal digits.
func (t TSI) String() string { return fmt.Sprintf("%04X", uint16(t)) }

// AIP is the Application Interchange Profile, tag 82: 2 bytes. EMV 4.4 Book 3, Annex C1.
type AIP uint16

const (
	SDASupported         AIP = 0x4000
	DDASupported         AIP = 0x2000
	CVMSupported         AIP = 0x1000 // cardholder verification is supported
	TerminalRiskRequired AIP = 0x0800 // terminal risk management is to be performed
	IssuerAuthSupported  AIP = 0x0400 // EXTERNAL AUTHENTICATE is supported
	CDASupported         AIP = 0x0100
)

// Cryptogram is the kind of an application cryptogram: bits 8 and 7 of the
// Cryptogram Information Data (9F27) and of P1 of GENERATE AC. EMV 4.4 Book 3, 6.5.5.
type Cryptogram byte

const (
	AAC  Cryptogram = 0x00 // declined
	TC   Cryptogram = 0x40 // approved offline, or after going online
	ARQC Cryptogram = 0x80 // asks to go online
)

// String names the kind.
func (c Cryptogram) String() string {
	switch c {
	case AAC:
		return "AAC"
	case TC:
		return "TC"
	case ARQC:
		return "ARQC"
	}
	return fmt.Sprintf("RFU cryptogram %02X", byte(c))
}

// Outcome is how a card session or a payment ended. An outcome is a value, not an
// error: a decline is a good answer. The zero value is no outcome.
type Outcome uint8

const (
	Approved    Outcome = iota + 1 // online, or with a TC offline: see the cryptogram and the authorisation response code
	Declined                       // by the card, the issuer or the terminal
	NotAccepted                    // no application in common
	Terminated                     // the card broke the rules: no money moved on its word
	Cancelled                      // by cardholder, merchant or time
)

// String names the outcome in one word.
func (o Outcome) String() string {
	names := [...]string{"none", "approved", "declined", "not accepted", "terminated", "cancelled"}
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

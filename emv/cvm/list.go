package cvm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What can be wrong with a CVM list.
var (
	// ErrNoRules says that the list is absent or ends after its two amounts: the card's
	// data are incomplete, but the session goes on. EMV 4.4 Book 3, 10.5.
	ErrNoRules = errors.New("no rules")
	// ErrFormat says that the list cannot be read: the session ends.
	ErrFormat = errors.New("not a CVM list")
)

// maxList is the longest CVM list, tag 8E: 252 bytes. EMV 4.4 Book 3, Annex A.
const maxList = 252

// List is a card's CVM list, tag 8E. X and Y are amounts in minor units of the
// application currency (tag 9F42).
type List struct {
	X, Y  uint32
	rules []byte
}

// Rule is one cardholder verification rule: a method and its condition.
type Rule struct {
	Code      byte // method in bits 6 to 1; bit 7: go on with the next rule if it fails
	Condition byte
}

// Parse reads tag 8E. The list aliases b. Errors wrap ErrNoRules (absent, or amounts
// alone) or ErrFormat (an odd length, or not even two amounts).
func Parse(b []byte) (List, error) {
	switch n := len(b); {
	case n == 0 || n == 8:
		return List{}, fmt.Errorf("cvm: list of %d bytes: %w", n, ErrNoRules)
	case n < 8 || n%2 != 0 || n > maxList:
		return List{}, fmt.Errorf("cvm: list of %d bytes: %w", n, ErrFormat)
	}
	return List{
		X:     binary.BigEndian.Uint32(b),
		Y:     binary.BigEndian.Uint32(b[4:]),
		rules: b[8:len(b):len(b)],
	}, nil
}

// Append appends the list as tag 8E carries it.
func (l List) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, l.X)
	dst = binary.BigEndian.AppendUint32(dst, l.Y)
	return append(dst, l.rules...)
}

// Len returns the number of rules.
func (l List) Len() int { return len(l.rules) / 2 }

// Rule returns rule i, counted from 0.
func (l List) Rule(i int) Rule { return Rule{l.rules[2*i], l.rules[2*i+1]} }

// Method returns the rule's method, without bit 7.
func (r Rule) Method() Method { return Method(r.Code & 0x3F) }

// GoesOn tells that the next rule counts if this one fails (bit 7).
func (r Rule) GoesOn() bool { return r.Code&0x40 != 0 }

// Method is how a cardholder is verified: bits 6 to 1 of a CVM code.
// EMV 4.4 Book 3, Annex C3.
type Method byte

// Methods that this terminal can carry out, or fail.
const (
	Fail                      Method = 0x00 // "fail CVM processing": never succeeds
	PlaintextPIN              Method = 0x01 // verified by the card
	OnlinePIN                 Method = 0x02 // enciphered, verified by the issuer
	PlaintextPINAndSignature  Method = 0x03
	EncipheredPIN             Method = 0x04 // verified by the card
	EncipheredPINAndSignature Method = 0x05
	Signature                 Method = 0x1E
	NoCVM                     Method = 0x1F // none required
)

// Biometric methods of EMV 4.4 (facial, finger, palm, iris, voice; offline and online).
// A terminal of 4.4 recognises them; this one supports none.
const (
	firstBiometric Method = 0x06
	lastBiometric  Method = 0x0F
)

// recognised tells that the code has a meaning in EMV 4.4.
func (m Method) recognised() bool { return m <= lastBiometric || m == Signature || m == NoCVM }

// OfflinePIN tells that the card verifies a PIN, with or without a signature.
func (m Method) OfflinePIN() bool {
	switch m {
	case PlaintextPIN, PlaintextPINAndSignature, EncipheredPIN, EncipheredPINAndSignature:
		return true
	}
	return false
}

// Enciphered tells that the offline PIN goes to the card enciphered.
func (m Method) Enciphered() bool { return m == EncipheredPIN || m == EncipheredPINAndSignature }

// Signs tells that the cardholder's signature is part of the method.
func (m Method) Signs() bool {
	return m == Signature || m == PlaintextPINAndSignature || m == EncipheredPINAndSignature
}

// String names the method.
func (m Method) String() string {
	switch m {
	case Fail:
		return "fail CVM processing"
	case PlaintextPIN:
		return "plaintext PIN"
	case OnlinePIN:
		return "online PIN"
	case PlaintextPINAndSignature:
		return "plaintext PIN and signature"
	case EncipheredPIN:
		return "enciphered PIN"
	case EncipheredPINAndSignature:
		return "enciphered PIN and signature"
	case Signature:
		return "signature"
	case NoCVM:
		return "no CVM"
	}
	return fmt.Sprintf("CVM %02X", byte(m))
}

package oda

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"time"

	"posd/emv"
)

// Bytes that every certificate and signature has. EMV 4.4 Book 2, Annex A2.1.
const (
	header        = 0x6A
	trailer       = 0xBC
	algorithmSHA1 = 0x01
	algorithmRSA  = 0x01
)

// kind is what tells one sort of certificate from another: its name for errors, its
// format byte, and how many bytes name its subject.
type kind struct {
	name    string
	format  byte
	subject int
}

// certificate is a recovered public key certificate:
//
//	6A | format | subject (4 or 10) | expiry MMYY (2) | serial (3) | hash algorithm |
//	key algorithm | key length | exponent length | key, leftmost bytes | hash (20) | BC
//
// EMV 4.4 Book 2, tables of 5.3 (issuer, 36 bytes around the key) and 6.4 (ICC, 42).
type certificate struct {
	kind
	message   []byte
	remainder []byte
	exponent  []byte
}

func (c certificate) subject() []byte       { return c.message[2 : 2+c.kind.subject] }
func (c certificate) fields() []byte        { return c.message[2+c.kind.subject:] }
func (c certificate) expiry() (mm, yy byte) { return c.fields()[0], c.fields()[1] }
func (c certificate) serial() (s [3]byte)   { return [3]byte(c.fields()[2:5]) }
func (c certificate) hashAlgorithm() byte   { return c.fields()[5] }
func (c certificate) keyAlgorithm() byte    { return c.fields()[6] }
func (c certificate) keyLength() int        { return int(c.fields()[7]) }
func (c certificate) exponentLength() int   { return int(c.fields()[8]) }
func (c certificate) keyPart() []byte       { return c.message[c.kind.subject+11 : len(c.message)-21] }

func (c certificate) errorf(format string, args ...any) error {
	return fmt.Errorf("oda: "+c.name+": "+format, args...)
}

// RecoverIssuer recovers the issuer's public key from its certificate (tag 90),
// remainder (92, empty where the card has none) and exponent (9F32). on is the
// transaction date. Errors: [ErrLength], [ErrHeader], [ErrTrailer], [ErrFormat],
// [ErrAlgorithm], [ErrHash], [ErrIssuerID], [ErrExpired], [ErrRevoked], [ErrExponent].
// EMV 4.4 Book 2, 5.3 and 6.3.
func RecoverIssuer(ca CAKey, cert, remainder, exponent []byte, pan emv.PAN, on time.Time, revoked []Revoked) (PublicKey, error) {
	c, err := open(kind{"issuer certificate", 0x02, 4}, PublicKey{ca.Modulus, ca.Exponent}, cert, remainder, exponent, nil)
	if err != nil {
		return PublicKey{}, err
	}
	if !identifies(c.subject(), pan) {
		return PublicKey{}, c.errorf("issuer identifier: %w", ErrIssuerID)
	}
	if err := c.checkExpiry(on); err != nil {
		return PublicKey{}, err
	}
	for _, r := range revoked {
		if r.RID == ca.RID && r.Index == ca.Index && r.Serial == c.serial() {
			return PublicKey{}, c.errorf("serial number %X: %w", c.serial(), ErrRevoked)
		}
	}
	return c.key()
}

// RecoverICC recovers the card's public key from its certificate (tag 9F46), remainder
// (9F48) and exponent (9F47). static is the static data to be authenticated: records,
// then the AIP where tag 9F4A asks for it. Errors as of [RecoverIssuer], with
// [ErrPANMismatch] for the subject. EMV 4.4 Book 2, 6.4.
func RecoverICC(issuer PublicKey, cert, remainder, exponent []byte, pan emv.PAN, static []byte, on time.Time) (PublicKey, error) {
	return recoverCard("ICC certificate", issuer, cert, remainder, exponent, pan, static, on)
}

// RecoverPIN recovers the card's public key for PIN encipherment from its certificate
// (tag 9F2D), remainder (9F2F) and exponent (9F2E), which does not sign static data.
// Errors as of [RecoverICC]. EMV 4.4 Book 2, 7.1.
func RecoverPIN(issuer PublicKey, cert, remainder, exponent []byte, pan emv.PAN, on time.Time) (PublicKey, error) {
	return recoverCard("PIN encipherment certificate", issuer, cert, remainder, exponent, pan, nil, on)
}

func recoverCard(name string, issuer PublicKey, cert, remainder, exponent []byte, pan emv.PAN, static []byte, on time.Time) (PublicKey, error) {
	c, err := open(kind{name, 0x04, 10}, issuer, cert, remainder, exponent, static)
	if err != nil {
		return PublicKey{}, err
	}
	if !names(c.subject(), pan) {
		return PublicKey{}, c.errorf("application PAN: %w", ErrPANMismatch)
	}
	if err := c.checkExpiry(on); err != nil {
		return PublicKey{}, err
	}
	return c.key()
}

// open recovers a certificate and makes the checks that all kinds share, in the Book's
// order, up to the hash.
func open(k kind, signer PublicKey, cert, remainder, exponent, static []byte) (certificate, error) {
	c := certificate{kind: k, remainder: remainder, exponent: exponent}
	if fixed := k.subject + 32; len(cert) <= fixed {
		return c, c.errorf("%d bytes, more than %d wanted: %w", len(cert), fixed, ErrLength)
	}
	message, err := raise(signer, cert)
	if err != nil {
		return c, c.errorf("%w", err)
	}
	c.message = message
	if err := checkFrame(message, k.format); err != nil {
		return c, c.errorf("%w", err)
	}
	if c.hashAlgorithm() != algorithmSHA1 {
		return c, c.errorf("hash algorithm %02X: %w", c.hashAlgorithm(), ErrAlgorithm)
	}
	if !hashed(message, remainder, exponent, static) {
		return c, c.errorf("%w", ErrHash)
	}
	return c, nil
}

// checkFrame checks header, trailer and format byte of a recovered message.
func checkFrame(message []byte, format byte) error {
	switch {
	case message[len(message)-1] != trailer:
		return fmt.Errorf("trailer %02X, %02X wanted: %w", message[len(message)-1], trailer, ErrTrailer)
	case message[0] != header:
		return fmt.Errorf("header %02X, %02X wanted: %w", message[0], header, ErrHeader)
	case message[1] != format:
		return fmt.Errorf("format %02X, %02X wanted: %w", message[1], format, ErrFormat)
	}
	return nil
}

// hashed tells whether the message's hash is SHA-1 over what stands between header and
// hash, followed by the parts.
func hashed(message []byte, parts ...[]byte) bool {
	at := len(message) - 1 - sha1.Size
	h := sha1.New()
	h.Write(message[1:at])
	for _, part := range parts {
		h.Write(part)
	}
	return bytes.Equal(h.Sum(make([]byte, 0, sha1.Size)), message[at:at+sha1.Size])
}

// checkExpiry compares MMYY with the month of the date: a certificate is good to the
// end of its month. The bytes are compared as they are, for the Books ask for no
// month check; YY of 50 to 99 is 19YY (EMV 4.4 Book 4, 6.7.3).
func (c certificate) checkExpiry(on time.Time) error {
	mm, yy := c.expiry()
	century := 20
	if yy >= 0x50 {
		century = 19
	}
	y, m, _ := on.Date()
	until := century<<16 | int(yy)<<8 | int(mm)
	now := y/100<<16 | bcd(y%100)<<8 | bcd(int(m))
	if until < now {
		return c.errorf("expiry date %02X/%02X: %w", mm, yy, ErrExpired)
	}
	return nil
}

func bcd(n int) int { return n/10<<4 | n%10 }

// key joins the part of the key that the certificate holds with its remainder. The
// remainder has exactly the bytes that are missing, so none where none are.
func (c certificate) key() (PublicKey, error) {
	part, n := c.keyPart(), c.keyLength()
	switch {
	case c.keyAlgorithm() != algorithmRSA:
		return PublicKey{}, c.errorf("key algorithm %02X: %w", c.keyAlgorithm(), ErrAlgorithm)
	case n == 0 || n > MaxModulus:
		return PublicKey{}, c.errorf("key length %d, 1 to %d wanted: %w", n, MaxModulus, ErrLength)
	case len(c.remainder) != max(0, n-len(part)):
		return PublicKey{}, c.errorf("remainder of %d bytes, %d wanted: %w", len(c.remainder), max(0, n-len(part)), ErrLength)
	case len(c.exponent) != c.exponentLength():
		return PublicKey{}, c.errorf("exponent of %d bytes, %d wanted: %w", len(c.exponent), c.exponentLength(), ErrLength)
	}
	if _, err := exponentSquarings(c.exponent); err != nil {
		return PublicKey{}, c.errorf("%w", err)
	}
	modulus := make([]byte, 0, n)
	modulus = append(append(modulus, part[:min(n, len(part))]...), c.remainder...)
	if err := checkModulus(modulus); err != nil {
		return PublicKey{}, c.errorf("key: %w", err)
	}
	return PublicKey{modulus, c.exponent}, nil
}

// identifies tells whether the issuer identifier is the card number's beginning: 3 to 8
// digits, padded with F to 8, at any nibble. EMV 4.4 Book 2, 6.3 step 8.
func identifies(id []byte, pan emv.PAN) bool {
	var buf [19]byte
	digits := pan.Append(buf[:0])
	n := 0
	for n < 2*len(id) && nibble(id, n) != 0xF {
		if n >= len(digits) || nibble(id, n) != digits[n]-'0' {
			return false
		}
		n++
	}
	return n >= 3 && padded(id, n)
}

// names tells whether the subject is the card number, all of it, padded with F on the
// right. EMV 4.4 Book 2, 6.4 step 8.
func names(subject []byte, pan emv.PAN) bool {
	var buf [19]byte
	digits := pan.Append(buf[:0])
	for i, d := range digits {
		if nibble(subject, i) != d-'0' {
			return false
		}
	}
	return len(digits) > 0 && padded(subject, len(digits))
}

// padded tells whether all nibbles from the i-th on are F.
func padded(b []byte, i int) bool {
	for ; i < 2*len(b); i++ {
		if nibble(b, i) != 0xF {
			return false
		}
	}
	return true
}

func nibble(b []byte, i int) byte { return b[i/2] >> (4 * (1 - i%2)) & 0xF }

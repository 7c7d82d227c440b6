package card

import (
	"crypto/sha1" // the Books know no other hash for certificates
	"fmt"
	"slices"

	"posd/emv"
)

// Lengths of the fixed parts of certificates, in bytes. EMV 4.4 Book 2, 5 and 6.
const (
	issuerOverhead  = 36 // of an issuer certificate, beside the key
	iccOverhead     = 42
	ssadOverhead    = 26
	dynamicOverhead = 25
)

// recoverable builds header, body, hash and trailer and signs them. The hash is over
// the body and what follows it outside of the signature.
func recoverable(k *Key, body, outside []byte) []byte {
	sum := sha1.Sum(append(slices.Clone(body), outside...))
	block := append([]byte{0x6A}, body...)
	block = append(append(block, sum[:]...), 0xBC)
	return k.apply(block)
}

// certificate is a public key signed by the level above it.
type certificate struct {
	signed    []byte // tag 90 or 9F46
	remainder []byte // tag 92 or 9F48: what did not fit
	exponent  []byte // tag 9F32 or 9F47
}

// certify signs subject's key by signer. id is what the format puts before the
// expiry: 4 bytes of issuer identifier, or the 10 bytes of the card number.
func certify(signer, subject *Key, format byte, id []byte, expiry [3]byte, static []byte) certificate {
	room := signer.Size() - issuerOverhead + 4 - len(id)
	modulus, exponent := subject.Modulus(), subject.Exponent()
	inside, remainder := modulus, []byte(nil)
	if len(modulus) > room {
		inside, remainder = modulus[:room], modulus[room:]
	}
	body := append([]byte{format}, id...)
	body = append(body, expiry[1], expiry[0])  // MMYY
	body = append(body, 0x00, 0x00, format>>1) // serial number: 1 for issuers, 2 for cards
	body = append(body, 0x01, 0x01)            // SHA-1, RSA
	body = append(body, byte(len(modulus)), byte(len(exponent)))
	body = append(body, inside...)
	for range room - len(inside) {
		body = append(body, 0xBB)
	}
	outside := slices.Concat(remainder, exponent, static)
	return certificate{recoverable(signer, body, outside), remainder, exponent}
}

// issuerCertificate is tag 90. EMV 4.4 Book 2, 5.1 and 6.1.
func issuerCertificate(ca, issuer *Key, pan emv.PAN, expiry [3]byte) certificate {
	id := packDigits(pan.Reveal()[:6], 4)
	return certify(ca, issuer, 0x02, id, expiry, nil)
}

// iccCertificate is tag 9F46, over the static data too. EMV 4.4 Book 2, 6.1.
func iccCertificate(issuer, icc *Key, pan emv.PAN, expiry [3]byte, static []byte) certificate {
	return certify(issuer, icc, 0x04, packDigits(pan.Reveal(), 10), expiry, static)
}

// signedStatic is tag 93; code is the data authentication code. EMV 4.4 Book 2, 5.1.
func signedStatic(issuer *Key, code [2]byte, static []byte) []byte {
	body := []byte{0x03, 0x01, code[0], code[1]} // format, SHA-1
	for range issuer.Size() - ssadOverhead {
		body = append(body, 0xBB)
	}
	return recoverable(issuer, body, static)
}

// signedDynamic is tag 9F4B: over dynamic data inside, and terminal data outside.
// EMV 4.4 Book 2, 6.5.1 and 6.6.1.
func signedDynamic(icc *Key, dynamic, outside []byte) []byte {
	body := append([]byte{0x05, 0x01, byte(len(dynamic))}, dynamic...)
	for range icc.Size() - len(dynamic) - dynamicOverhead {
		body = append(body, 0xBB)
	}
	return recoverable(icc, body, outside)
}

// packDigits packs decimal digits two a byte into n bytes, padded with nibbles F.
func packDigits(digits string, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = 0xFF
	}
	for i := range len(digits) {
		shift := 4 * (1 - i%2)
		out[i/2] = out[i/2]&^(0xF<<shift) | (digits[i]-'0')<<shift
	}
	return out
}

// checkKeys tells whether each key's signature can hold what it must.
func (a *Application) checkKeys() error {
	if !a.ODA.any() {
		return nil
	}
	if a.CAKey == nil || a.IssuerKey == nil {
		return fmt.Errorf("oda needs ca-key and issuer-key")
	}
	if a.IssuerKey.Size() > a.CAKey.Size() {
		return fmt.Errorf("issuer-key %s is longer than ca-key %s", a.IssuerKey.Name, a.CAKey.Name)
	}
	if !a.ODA.DDA && !a.ODA.CDA {
		return nil
	}
	if a.ICCKey == nil {
		return fmt.Errorf("oda dda and cda need icc-key")
	}
	if a.ICCKey.Size() > a.IssuerKey.Size() {
		return fmt.Errorf("icc-key %s is longer than issuer-key %s", a.ICCKey.Name, a.IssuerKey.Name)
	}
	return nil
}

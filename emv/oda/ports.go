package oda

import "time"

// CAKey is a certification authority's public key, as the terminal holds it.
// EMV 4.4 Book 2, 11.2.
type CAKey struct {
	RID      [5]byte
	Index    byte // tag 9F22
	Modulus  []byte
	Exponent []byte    // 1 or 3 bytes: 3 or 65537
	SHA1     []byte    // published checksum over RID, index, modulus, exponent; 20 bytes, or empty where none is published
	Expires  time.Time // last day of use; zero for none
}

// Revoked is one line of the certification revocation list: an issuer certificate
// that is refused. EMV 4.4 Book 2, 5.1.2.
type Revoked struct {
	RID    [5]byte
	Index  byte
	Serial [3]byte
}

// PublicKey is an RSA key recovered from a certificate.
type PublicKey struct {
	Modulus  []byte
	Exponent []byte // 1 or 3 bytes
}

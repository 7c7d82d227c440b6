package oda

import (
	"bytes"
	"crypto/sha1"
	"fmt"
)

// VerifySSAD verifies Signed Static Application Data (tag 93) over the static data and
// returns the Data Authentication Code (9F45). Errors: [ErrLength], [ErrHeader],
// [ErrTrailer], [ErrFormat], [ErrAlgorithm], [ErrHash]. EMV 4.4 Book 2, 5.4:
//
//	6A | 03 | hash algorithm | data authentication code (2) | BB … | hash (20) | BC
func VerifySSAD(issuer PublicKey, ssad, static []byte) (dac [2]byte, err error) {
	message, err := unseal(issuer, ssad, 0x03, 26)
	if err == nil && !hashed(message, static) {
		err = ErrHash
	}
	if err != nil {
		return dac, fmt.Errorf("oda: signed static application data: %w", err)
	}
	return [2]byte(message[3:5]), nil
}

// VerifyDDA verifies the card's answer to INTERNAL AUTHENTICATE (tag 9F4B) over the
// DDOL data that was sent, and returns the ICC Dynamic Number (9F4C), 2 to 8 bytes.
// Errors as of [VerifySSAD]. EMV 4.4 Book 2, 6.5.2.
func VerifyDDA(icc PublicKey, sdad, ddolData []byte) (dynamicNumber []byte, err error) {
	dynamic, err := openSDAD(icc, sdad, ddolData)
	if err == nil {
		dynamicNumber, _, err = cutDynamicNumber(dynamic)
	}
	if err != nil {
		return nil, fmt.Errorf("oda: signed dynamic application data: %w", err)
	}
	return dynamicNumber, nil
}

// CDA is what a combined signature carries: the ICC Dynamic Number (tag 9F4C, 2 to 8
// bytes), the Cryptogram Information Data (9F27) and the application cryptogram
// (9F26). The kernel compares CID with the one outside of the signature.
type CDA struct {
	DynamicNumber []byte
	CID           byte
	Cryptogram    [8]byte
}

// VerifyCDA verifies the signature (tag 9F4B) in an answer to GENERATE AC. un is the
// Unpredictable Number (9F37) of this GENERATE AC; txData is what the Transaction Data
// Hash Code covers: the values of the PDOL, of CDOL1 and, at the second GENERATE AC, of
// CDOL2, then the answer's objects but 9F4B, with tag and length, in the card's order.
// Errors as of [VerifySSAD], and [ErrTransactionHash]. EMV 4.4 Book 2, 6.6.2. The ICC
// dynamic data is
//
//	length of the number | number (2 to 8) | CID | cryptogram (8) | hash code (20)
func VerifyCDA(icc PublicKey, sdad []byte, un [4]byte, txData []byte) (CDA, error) {
	cda, err := openCDA(icc, sdad, un, txData)
	if err != nil {
		return CDA{}, fmt.Errorf("oda: signed dynamic application data with cryptogram: %w", err)
	}
	return cda, nil
}

func openCDA(icc PublicKey, sdad []byte, un [4]byte, txData []byte) (CDA, error) {
	dynamic, err := openSDAD(icc, sdad, un[:])
	if err != nil {
		return CDA{}, err
	}
	number, rest, err := cutDynamicNumber(dynamic)
	if err != nil {
		return CDA{}, err
	}
	if want := 1 + 8 + sha1.Size; len(rest) < want {
		return CDA{}, fmt.Errorf("ICC dynamic data has %d bytes after its number, %d wanted: %w", len(rest), want, ErrLength)
	}
	if sum := sha1.Sum(txData); !bytes.Equal(sum[:], rest[9:9+sha1.Size]) {
		return CDA{}, ErrTransactionHash
	}
	return CDA{DynamicNumber: number, CID: rest[0], Cryptogram: [8]byte(rest[1:9])}, nil
}

// openSDAD recovers the signature, checks it over the terminal's data and returns the
// ICC dynamic data. EMV 4.4 Book 2, 6.5.2:
//
//	6A | 05 | hash algorithm | length | ICC dynamic data | BB … | hash (20) | BC
func openSDAD(icc PublicKey, sdad, terminal []byte) ([]byte, error) {
	message, err := unseal(icc, sdad, 0x05, 25)
	if err != nil {
		return nil, err
	}
	if !hashed(message, terminal) {
		return nil, ErrHash
	}
	n, room := int(message[3]), len(message)-25
	if n > room {
		return nil, fmt.Errorf("ICC dynamic data of %d bytes where %d fit: %w", n, room, ErrLength)
	}
	return message[4 : 4+n], nil
}

// unseal recovers a signature and checks everything but its hash. fixed is how many
// bytes of it are not padding.
func unseal(key PublicKey, signature []byte, format byte, fixed int) ([]byte, error) {
	if len(signature) < fixed {
		return nil, fmt.Errorf("%d bytes, at least %d wanted: %w", len(signature), fixed, ErrLength)
	}
	message, err := raise(key, signature)
	if err != nil {
		return nil, err
	}
	if err := checkFrame(message, format); err != nil {
		return nil, err
	}
	if message[2] != algorithmSHA1 {
		return nil, fmt.Errorf("hash algorithm %02X: %w", message[2], ErrAlgorithm)
	}
	return message, nil
}

// cutDynamicNumber splits ICC dynamic data after its number. EMV 4.4 Book 2, 6.5.1: the
// number has 2 to 8 bytes. Public kernels take 0 and 1 as well; the Book does not.
func cutDynamicNumber(dynamic []byte) (number, rest []byte, err error) {
	if len(dynamic) == 0 {
		return nil, nil, fmt.Errorf("ICC dynamic data is empty: %w", ErrLength)
	}
	n := int(dynamic[0])
	if n < 2 || n > 8 || n > len(dynamic)-1 {
		return nil, nil, fmt.Errorf("ICC dynamic number of %d bytes in %d, 2 to 8 wanted: %w", n, len(dynamic)-1, ErrLength)
	}
	return dynamic[1 : 1+n : 1+n], dynamic[1+n:], nil
}

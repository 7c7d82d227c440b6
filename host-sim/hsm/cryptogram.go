package hsm

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"posd/emv"
	"posd/emv/issuer"
	"posd/emv/keyblock"
)

// CVN is a cryptogram version number, the third byte of the Issuer Application Data.
type CVN byte

const (
	// CVN10 signs with the card's own key and pads with zeros.
	CVN10 CVN = 10
	// CVN18 signs with the EMV common session key and pads with 80 and zeros.
	CVN18 CVN = 18
)

// Cryptogram is what a card signed, and the signature.
type Cryptogram struct {
	PAN     emv.PAN
	PSN     int     // 0 to 99
	Version CVN     // how it was signed
	ATC     [2]byte // tag 9F36
	Data    []byte  // what was signed, not padded
	ARQC    [8]byte // tag 9F26
}

// Card status update of ARPC method 2: byte 2, bit 8 says that the issuer approves.
// EMV Common Payment Application, card status update; Book 2, 8.2.2 leaves it open.
const csuApproves = 0x80

// VerifyARQC tells whether the card made the cryptogram. EMV 4.4 Book 2, 8.1.
func (m *Module) VerifyARQC(imk Key, c Cryptogram) (ok bool, err error) {
	err = m.withCardKey(imk, c, func(key []byte) error {
		padding := issuer.Pad80
		if c.Version == CVN10 {
			padding = issuer.PadZeros
		}
		want, err := issuer.MAC(key, c.Data, padding)
		ok = err == nil && subtle.ConstantTimeCompare(want[:], c.ARQC[:]) == 1
		return err
	})
	return ok, err
}

// ARPC makes tag 91 by method 1 (ARPC 8 bytes, code 2) or 2 (ARPC 4 bytes, card status
// update 4). code is field 39. EMV 4.4 Book 2, 8.2.
func (m *Module) ARPC(imk Key, c Cryptogram, method int, code string) (data []byte, err error) {
	if len(code) != 2 {
		return nil, fmt.Errorf("hsm: ARPC for code %q: 2 characters wanted", code)
	}
	err = m.withCardKey(imk, c, func(key []byte) error {
		if method == 2 {
			data, err = arpc2(key, c.ARQC, code == "00")
			return err
		}
		arpc, err := issuer.ARPC1(key, c.ARQC, [2]byte{code[0], code[1]})
		data = append(arpc[:], code...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

func arpc2(key []byte, arqc [8]byte, approve bool) ([]byte, error) {
	var csu [4]byte
	if approve {
		csu[1] = csuApproves
	}
	arpc, err := issuer.ARPC2(key, arqc, csu, nil)
	return append(arpc[:], csu[:]...), err
}

// withCardKey derives the key that the card signed with, for as long as fn runs.
func (m *Module) withCardKey(imk Key, c Cryptogram, fn func(key []byte) error) error {
	return m.use(IMK, imk, func(_ keyblock.Suite, clear []byte) error {
		card, err := issuer.DeriveICCMasterKey(clear, c.PAN, c.PSN)
		if err != nil {
			return fmt.Errorf("hsm: derive card key: %w", err)
		}
		defer zero(card)
		switch c.Version {
		case CVN10:
			return fn(card)
		case CVN18:
			session, err := issuer.SessionKeyCommon(card, binary.BigEndian.Uint16(c.ATC[:]))
			if err != nil {
				return fmt.Errorf("hsm: derive session key: %w", err)
			}
			defer zero(session)
			return fn(session)
		}
		return fmt.Errorf("hsm: cryptogram version %d is not known", c.Version)
	})
}

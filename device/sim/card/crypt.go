package card

import (
	"fmt"

	"posd/emv/issuer"
)

// Versions of cryptograms. Both are over [cryptogramInput], AIP and ATC.
const (
	cvn10 = 10 // the card's key itself; then card verification results; zero padding
	cvn18 = 18 // common session key; then the whole IAD; padding 80
)

// must is for keys of 16 bytes and card numbers that the file's reader has checked.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("card: a checked profile does not compute: %v", err))
	}
	return v
}

// key is the key of this transaction for cryptograms, both ways.
func (a *state) key() []byte {
	mk := must(issuer.DeriveICCMasterKey(a.IMK[:], a.PAN, a.PANSequence))
	if a.CVN == cvn10 {
		return mk
	}
	return must(issuer.SessionKeyCommon(mk, a.atc))
}

// sign computes the application cryptogram. EMV 4.4 Book 2, 8.1.
func (a *state) sign(data []byte) [8]byte {
	padding := issuer.Pad80
	if a.CVN == cvn10 {
		padding = issuer.PadZeros
	}
	return must(issuer.MAC(a.key(), data, padding))
}

func (a *state) arpc1(ac [8]byte, arc [2]byte) [8]byte {
	return must(issuer.ARPC1(a.key(), ac, arc))
}

func (a *state) arpc2(ac [8]byte, csu [4]byte, proprietary []byte) [4]byte {
	return must(issuer.ARPC2(a.key(), ac, csu, proprietary))
}

// scriptMAC is over header, ATC and cryptogram, under the session key that the
// cryptogram diversifies. EMV 4.4 Book 2, 9.2 and Annex A1.3.1.
func (a *state) scriptMAC(ac [8]byte, header []byte) [8]byte {
	mk := must(issuer.DeriveICCMasterKey(a.IMKMAC[:], a.PAN, a.PANSequence))
	data := append(append(header[:5:5], byte(a.atc>>8), byte(a.atc)), ac[:]...)
	return must(issuer.MAC(must(issuer.SessionKeyFrom(mk, ac)), data, issuer.Pad80))
}

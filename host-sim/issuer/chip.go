package issuer

import (
	"encoding/binary"
	"errors"
	"fmt"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
	"posd/host-sim/hsm"
)

// maxICC bounds field 55, as its length of three digits does.
const maxICC = 255

// signed is what the card computes its cryptogram over, in order, before the part of
// the Issuer Application Data that the version adds. Lengths in bytes.
var signed = []struct {
	tag    tlv.Tag
	length int
}{
	{tag.AmountAuthorised, 6},
	{tag.AmountOther, 6},
	{tag.TerminalCountryCode, 2},
	{tag.TVR, 5},
	{tag.TransactionCurrencyCode, 2},
	{tag.TransactionDate, 3},
	{tag.TransactionType, 1},
	{tag.UnpredictableNumber, 4},
	{tag.AIP, 2},
	{tag.ATC, 2},
}

// Places in the Issuer Application Data of CVN 10 and 18: length, derivation key
// index, CVN, then the CVR with its length byte.
const (
	iadIndex   = 1
	iadCVN     = 2
	iadCVR     = 3
	iadMinimum = 7
)

// Bits of the second byte of the CVR.
const (
	cvrFirstAC     = 0x30 // kind of the first cryptogram
	cvrFirstARQC   = 0x20
	cvrPINChecked  = 0x04 // offline PIN verification was performed
	cvrPINMismatch = 0x02 // and failed
)

// Methods of the first byte of CVM Results, bit 7 cleared. EMV 4.4 Book 3, Annex C3.
const (
	cvmPlaintextPIN  = 0x01
	cvmOnlinePIN     = 0x02
	cvmPINSignature  = 0x03
	cvmEncipheredPIN = 0x04
	cvmEncipheredSig = 0x05
)

// chip is what field 55 of a request says.
type chip struct {
	amount     int64
	currency   emv.Currency
	tvr        emv.TVR
	cvm        [3]byte // CVM Results
	hasCVM     bool
	kind       emv.Cryptogram
	atc        int
	keyIndex   int
	cvr        byte // second byte
	cryptogram hsm.Cryptogram
}

// errChip is the cause of every refusal of field 55.
var errChip = errors.New("field 55 cannot be verified")

// parseChip reads field 55 strictly: each object once, each that the cryptogram needs
// present and of its length.
func parseChip(icc []byte) (chip, error) {
	values, err := objects(icc)
	if err != nil {
		return chip{}, err
	}
	var c chip
	for _, row := range signed {
		v := values[row.tag]
		if len(v) != row.length {
			return chip{}, fmt.Errorf("tag %v has %d bytes, %d wanted: %w", row.tag, len(v), row.length, errChip)
		}
		c.cryptogram.Data = append(c.cryptogram.Data, v...)
	}
	if err := c.readIAD(values[tag.IssuerApplicationData]); err != nil {
		return chip{}, err
	}
	if err := c.readAC(values); err != nil {
		return chip{}, err
	}
	return c, c.readFacts(values)
}

func objects(icc []byte) (map[tlv.Tag][]byte, error) {
	if len(icc) > maxICC {
		return nil, fmt.Errorf("%d bytes, at most %d: %w", len(icc), maxICC, errChip)
	}
	values := make(map[tlv.Tag][]byte)
	for obj, err := range tlv.All(icc) {
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errChip, err)
		}
		if _, twice := values[obj.Tag]; twice {
			return nil, fmt.Errorf("tag %v comes twice: %w", obj.Tag, errChip)
		}
		values[obj.Tag] = obj.Value
	}
	return values, nil
}

// readIAD reads version, key index and CVR, and adds to the signed data what the
// version says: CVN 10 the CVR, CVN 18 the whole IAD.
func (c *chip) readIAD(iad []byte) error {
	if len(iad) < iadMinimum {
		return fmt.Errorf("tag 9F10 has %d bytes, at least %d wanted: %w", len(iad), iadMinimum, errChip)
	}
	c.keyIndex, c.cvr = int(iad[iadIndex]), iad[iadCVR+1]
	c.cryptogram.Version = hsm.CVN(iad[iadCVN])
	switch c.cryptogram.Version {
	case hsm.CVN10:
		c.cryptogram.Data = append(c.cryptogram.Data, iad[iadCVR:iadMinimum]...)
	case hsm.CVN18:
		c.cryptogram.Data = append(c.cryptogram.Data, iad...)
	default:
		return fmt.Errorf("cryptogram version %d is not known: %w", iad[iadCVN], errChip)
	}
	return nil
}

func (c *chip) readAC(values map[tlv.Tag][]byte) error {
	ac, cid := values[tag.ApplicationCryptogram], values[tag.CryptogramInformationData]
	if len(ac) != 8 || len(cid) != 1 {
		return fmt.Errorf("tags 9F26 and 9F27 have %d and %d bytes, 8 and 1 wanted: %w", len(ac), len(cid), errChip)
	}
	c.kind = emv.Cryptogram(cid[0] & 0xC0)
	copy(c.cryptogram.ARQC[:], ac)
	atc := values[tag.ATC]
	copy(c.cryptogram.ATC[:], atc)
	c.atc = int(binary.BigEndian.Uint16(atc))
	return nil
}

func (c *chip) readFacts(values map[tlv.Tag][]byte) (err error) {
	if c.amount, err = bcd(values[tag.AmountAuthorised]); err != nil {
		return err
	}
	currency, err := bcd(values[tag.TransactionCurrencyCode])
	if err != nil {
		return err
	}
	c.currency = emv.Currency(currency)
	if c.tvr, err = emv.TVRFromBytes(values[tag.TVR]); err != nil {
		return fmt.Errorf("%w: %w", errChip, err)
	}
	if cvm, ok := values[tag.CVMResults]; ok {
		c.hasCVM = copy(c.cvm[:], cvm) == 3 && len(cvm) == 3
	}
	return nil
}

func bcd(b []byte) (n int64, err error) {
	for _, x := range b {
		if x>>4 > 9 || x&0xF > 9 {
			return 0, fmt.Errorf("byte %02X of a number: %w", x, errChip)
		}
		n = n*100 + int64(x>>4)*10 + int64(x&0xF)
	}
	return n, nil
}

// doubt says what in field 55 does not fit to the payment or to itself, or "" for
// nothing. It asks whether the cryptogram covers this amount, and whether terminal
// and card tell the same story about the PIN.
func (c *chip) doubt(r Request) string {
	method, success := c.cvm[0]&0x3F, c.cvm[2] == 0x02
	switch {
	case c.amount != r.Amount || c.currency != r.Currency:
		return "the cryptogram is for another amount or currency"
	case r.Question == Offline && c.kind != emv.TC:
		return "the card did not approve"
	case r.Question != Offline && (c.kind != emv.ARQC || c.cvr&cvrFirstAC != cvrFirstARQC):
		return "the card did not ask to go online"
	case (c.tvr&emv.OnlinePINEntered != 0) != (len(r.PINBlock) > 0):
		return "TVR and PIN block differ on whether a PIN was entered"
	case c.hasCVM && method == cvmOnlinePIN && success && len(r.PINBlock) == 0:
		return "CVM Results claim an online PIN that did not come"
	case c.hasCVM && success && offlinePIN(method) && c.cvr&(cvrPINChecked|cvrPINMismatch) != cvrPINChecked:
		return "CVM Results claim an offline PIN that the card did not see right"
	case c.tvr&notAuthentic != 0 && len(r.PINBlock) == 0:
		return "the card's data were not authenticated, and no PIN came"
	}
	return ""
}

// notAuthentic are the failures of data authentication. The list by which the terminal
// verified the cardholder is part of those data: who changed it on the way changed it in
// his favour, so only a PIN that the issuer itself checks counts then.
const notAuthentic = emv.SDAFailed | emv.DDAFailed | emv.CDAFailed

func offlinePIN(method byte) bool {
	switch method {
	case cvmPlaintextPIN, cvmPINSignature, cvmEncipheredPIN, cvmEncipheredSig:
		return true
	}
	return false
}

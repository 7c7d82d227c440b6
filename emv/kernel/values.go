package kernel

import (
	"crypto/sha1"
	"encoding/binary"
	"math"
	"time"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// value returns the value of a data object, or nil where neither terminal nor card has
// it: what this session itself made, then the terminal's own data, then the card's. It
// is good until the next call.
func (s *session) value(t tlv.Tag) []byte {
	if v := s.made(t); v != nil {
		return v
	}
	if v, ok := s.cfg.Data[t]; ok {
		return v
	}
	if t == tag.POSEntryMode {
		return []byte{0x05} // integrated circuit card read. ISO 8583:1987
	}
	return s.objects.get(t)
}

// made returns an object that the session makes, in the scratch space.
func (s *session) made(t tlv.Tag) []byte {
	buf := s.scratch[:0]
	switch t {
	case tag.AmountAuthorised, tag.AmountAuthorisedBinary, tag.AmountOther, tag.AmountOtherBinary,
		tag.TransactionCurrencyCode, tag.TransactionCurrencyExponent, tag.TransactionType,
		tag.TransactionDate, tag.TransactionTime, tag.TransactionSequenceCounter:
		return s.tx.appendObject(buf, t)
	case tag.AIDTerminal:
		return s.chosen.candidate.AID // the DF name. Book 1, 12.4
	case tag.ApplicationVersionNumberTerminal:
		return append(buf, s.chosen.app.Version[:]...)
	case tag.TerminalFloorLimit:
		return appendBinary(buf, s.chosen.app.FloorLimitMinor)
	case tag.UnpredictableNumber:
		un := s.un()
		return append(buf, un[:]...)
	case tag.TVR:
		b := s.tvr.Bytes()
		return append(buf, b[:]...)
	case tag.TSI:
		b := s.tsi.Bytes()
		return append(buf, b[:]...)
	case tag.CVMResults:
		return append(buf, s.verified.Results[:]...)
	case tag.AuthorisationResponseCode:
		if s.arc != [2]byte{} {
			return append(buf, s.arc[:]...)
		}
	case tag.IssuerAuthenticationData:
		return s.online.issuer
	case tag.IssuerScriptResults:
		return s.scripts
	case tag.TCHashValue:
		return s.tcHash()
	}
	return nil
}

// appendObject appends an object of the transaction.
func (tx *Transaction) appendObject(dst []byte, t tlv.Tag) []byte {
	switch t {
	case tag.AmountAuthorised:
		return appendDigits(dst, tx.Amount.Minor, 6)
	case tag.AmountAuthorisedBinary:
		return appendBinary(dst, tx.Amount.Minor)
	case tag.AmountOther:
		return appendDigits(dst, tx.Cashback, 6)
	case tag.AmountOtherBinary:
		return appendBinary(dst, tx.Cashback)
	case tag.TransactionCurrencyCode:
		return appendDigits(dst, int64(tx.Amount.Currency), 2)
	case tag.TransactionCurrencyExponent:
		return appendDigits(dst, int64(tx.Amount.Currency.Exponent()), 1)
	case tag.TransactionType:
		return append(dst, tx.Type)
	case tag.TransactionDate:
		return appendDate(dst, tx.Time)
	case tag.TransactionTime:
		hour, minute, second := tx.Time.Clock()
		return appendDigits(dst, int64(hour*10000+minute*100+second), 3)
	case tag.TransactionSequenceCounter:
		return appendDigits(dst, int64(tx.Sequence), 4)
	}
	return nil
}

// appendDigits appends v as n bytes of decimal digits, the lowest where it is too long.
func appendDigits(dst []byte, v int64, n int) []byte {
	start := len(dst)
	for range n {
		dst = append(dst, 0)
	}
	for i := len(dst) - 1; i >= start; i-- {
		dst[i] = byte(v/10%10<<4 | v%10)
		v /= 100
	}
	return dst
}

// appendDate appends YYMMDD.
func appendDate(dst []byte, on time.Time) []byte {
	year, month, day := on.Date()
	return appendDigits(dst, int64(year%100*10000+int(month)*100+day), 3)
}

// appendBinary appends an amount as 4 bytes; one that does not fit is absent, and a DOL
// then gets zeros: tag 9F02 carries it whole.
func appendBinary(dst []byte, minor int64) []byte {
	if minor > math.MaxUint32 {
		return nil
	}
	return binary.BigEndian.AppendUint32(dst, uint32(minor))
}

// tcHash is tag 98: the hash over what the card's TDOL asks for, or over the terminal's
// own list where the card has none, and then TVR says so. EMV 4.4 Book 3, 9.2.2.
func (s *session) tcHash() []byte {
	dol := tlv.DOL(s.objects.get(tag.TDOL))
	if len(dol) == 0 {
		dol = s.chosen.app.DefaultTDOL
	}
	if dol.Has(tag.TCHashValue) {
		return nil // a list that asks for its own hash
	}
	data, err := s.dolData(tag.TDOL, dol)
	if err != nil {
		return nil
	}
	sum := sha1.Sum(data)
	return sum[:]
}

// noteDefaultTDOL sets the TVR bit before the TVR itself goes into a CDOL that asks for
// the hash.
func (s *session) noteDefaultTDOL(cdol tlv.DOL) {
	if cdol.Has(tag.TCHashValue) && len(s.objects.get(tag.TDOL)) == 0 {
		s.tvr |= emv.DefaultTDOLUsed
	}
}

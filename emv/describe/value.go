package describe

import (
	"fmt"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// reading says in words what a value of a known tag is, where the dictionary's format or
// the tag itself tells; empty where there is no more to it than its bytes.
func reading(obj tlv.Object, format tag.Format) string {
	v := obj.Value
	switch obj.Tag {
	case tag.TransactionDate, tag.ApplicationExpirationDate, tag.ApplicationEffectiveDate:
		return date(v)
	case tag.TransactionTime:
		return fmt.Sprintf("%02X:%02X:%02X", v[0], v[1], v[2])
	case tag.AmountAuthorised, tag.AmountOther:
		return minor(number(v))
	case tag.AmountAuthorisedBinary, tag.AmountOtherBinary, tag.TerminalFloorLimit:
		return minor(unsigned(v))
	case tag.TransactionCurrencyCode, tag.ApplicationCurrencyCode:
		return emv.Currency(number(v)).String()
	case tag.TransactionType:
		return transactionType(v[0])
	case tag.ApplicationPriorityIndicator:
		return priority(v[0])
	case tag.ATC, tag.LastOnlineATC, tag.PINTryCounter, tag.SFI, tag.LowerConsecutiveOfflineLimit, tag.UpperConsecutiveOfflineLimit:
		return fmt.Sprint(unsigned(v))
	case tag.AuthorisationResponseCode, tag.DFName, tag.ADFName, tag.DDFName:
		return printable(v)
	}
	if format == tag.A || format == tag.AN || format == tag.ANS {
		return quoted(v)
	}
	return ""
}

// printable quotes a name that is written in letters, as that of the payment system
// environment is.
func printable(v []byte) string {
	for _, c := range v {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return quoted(v)
}

// date reads YYMMDD; years 50 to 99 are of the twentieth century. EMV 4.4 Book 4, 6.7.3.
func date(v []byte) string {
	century := 20
	if v[0] >= 0x50 {
		century = 19
	}
	return fmt.Sprintf("%d%02X-%02X-%02X", century, v[0], v[1], v[2])
}

func minor(n uint64) string { return fmt.Sprintf("%d minor units", n) }

// number reads decimal digits that Check has seen.
func number(v []byte) (n uint64) {
	for _, c := range v {
		n = n*100 + uint64(c>>4)*10 + uint64(c&0x0F)
	}
	return n
}

// unsigned reads at most 8 bytes.
func unsigned(v []byte) (n uint64) {
	for _, c := range v {
		n = n<<8 | uint64(c)
	}
	return n
}

func transactionType(t byte) string {
	switch t {
	case 0x00:
		return "goods and services"
	case 0x01:
		return "cash"
	case 0x09:
		return "purchase with cashback"
	case 0x20:
		return "refund"
	case 0x21:
		return "deposit"
	case 0x31:
		return "balance inquiry"
	}
	return ""
}

func priority(p byte) string {
	words := "no priority"
	if p&0x0F != 0 {
		words = fmt.Sprintf("priority %d", p&0x0F)
	}
	if p&0x80 != 0 {
		words += ", not without the cardholder's confirmation"
	}
	return words
}

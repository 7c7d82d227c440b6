package kernel

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"posd/emv"
	"posd/emv/tag"
)

// restrict compares versions, dates and usage. It never ends the session: what does not
// fit becomes TVR bits. EMV 4.4 Book 3, 10.4.
func (s *session) restrict(context.Context) (Phase, error) {
	s.tvr |= versions(s.objects.get(tag.ApplicationVersionNumber), s.chosen.app.Version)
	bits, err := validity(s.tx.Time, s.objects.get(tag.ApplicationEffectiveDate), s.objects.get(tag.ApplicationExpirationDate))
	if err != nil {
		return Done, broken(err, "dates")
	}
	s.tvr |= bits | s.usage()
	return Verifying, nil
}

// versions compares the application version numbers; a card without one has the
// terminal's. EMV 4.4 Book 3, 10.4.1.
func versions(card []byte, terminal [2]byte) emv.TVR {
	if card != nil && [2]byte(card) != terminal {
		return emv.VersionsDiffer
	}
	return 0
}

// validity compares the day of the transaction with the card's dates, YYMMDD each; the
// first and the last day count. A card may have no effective date. EMV 4.4 Book 3, 10.4.3.
func validity(on time.Time, effective, expiration []byte) (emv.TVR, error) {
	year, month, day := on.Date()
	today := year*10000 + int(month)*100 + day
	var bits emv.TVR
	if effective != nil {
		from, err := parseDate(effective)
		if err != nil {
			return 0, fmt.Errorf("tag %v: %w", tag.ApplicationEffectiveDate, err)
		}
		if today < from {
			bits |= emv.NotYetEffective
		}
	}
	until, err := parseDate(expiration)
	if err != nil {
		return 0, fmt.Errorf("tag %v: %w", tag.ApplicationExpirationDate, err)
	}
	if today > until {
		bits |= emv.Expired
	}
	return bits, nil
}

// parseDate reads YYMMDD into a number that sorts: YYYYMMDD. Years 50 to 99 are of the
// twentieth century. EMV 4.4 Book 4, 6.7.3.
func parseDate(b []byte) (int, error) {
	if len(b) != 3 {
		return 0, fmt.Errorf("date of %d bytes", len(b))
	}
	year, month, day := digits(b[0]), digits(b[1]), digits(b[2])
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, fmt.Errorf("date %X", b)
	}
	if year >= 50 {
		year -= 100
	}
	return (2000+year)*10000 + month*100 + day, nil
}

func digits(b byte) int { return int(b>>4)*10 + int(b&0x0F) }

// usageControl is the Application Usage Control, tag 9F07. EMV 4.4 Book 3, Annex C2.
type usageControl uint16

const (
	domesticCash     usageControl = 0x8000
	foreignCash      usageControl = 0x4000
	domesticGoods    usageControl = 0x2000
	foreignGoods     usageControl = 0x1000
	domesticServices usageControl = 0x0800
	foreignServices  usageControl = 0x0400
	atATM            usageControl = 0x0200
	elsewhere        usageControl = 0x0100
	domesticCashback usageControl = 0x0080
	foreignCashback  usageControl = 0x0040
)

// usage looks whether the card is good for this kind of payment in this country.
func (s *session) usage() emv.TVR {
	raw, issuer := s.objects.get(tag.ApplicationUsageControl), s.objects.get(tag.IssuerCountryCode)
	if raw == nil {
		return 0
	}
	control := usageControl(binary.BigEndian.Uint16(raw))
	place := elsewhere
	if s.terminal.atm() {
		place = atATM
	}
	if control&place == 0 {
		return emv.ServiceForbidden
	}
	if issuer == nil {
		return 0
	}
	return allowed(control, s.tx.Type, s.tx.Cashback > 0, [2]byte(issuer) == s.terminal.country)
}

// allowed is point 23: a purchase needs the card to be good for goods or for services,
// either is enough; cash and cashback have bits of their own, and each bit has a twin
// for abroad. EMV 4.4 Book 3, 10.4.2.
func allowed(control usageControl, transaction byte, cashback, domestic bool) emv.TVR {
	pick := func(home, abroad usageControl) bool {
		if domestic {
			return control&home != 0
		}
		return control&abroad != 0
	}
	switch {
	case transaction == cashTransaction && !pick(domesticCash, foreignCash),
		purchase(transaction) && !pick(domesticGoods|domesticServices, foreignGoods|foreignServices),
		cashback && !pick(domesticCashback, foreignCashback):
		return emv.ServiceForbidden
	}
	return 0
}

// Transaction types, tag 9C: the first two digits of the processing code of ISO 8583.
const (
	goodsTransaction    = 0x00
	cashTransaction     = 0x01
	cashbackTransaction = 0x09
)

func purchase(t byte) bool { return t == goodsTransaction || t == cashbackTransaction }

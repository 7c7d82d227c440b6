package hosttest

import (
	"posd/emv"
	"posd/emv/tag"
	"posd/transport/iso8583"
)

// Request makes the next payment of a type: as a sale where the card takes part, without
// cryptogram where it is about an earlier payment.
func (t *Terminal) Request(kind iso8583.TransactionType, c *Card, amount int64) *iso8583.FinancialRequest {
	switch kind {
	case iso8583.Sale, iso8583.Preauth, iso8583.Balance:
		m := t.Sale(c, amount)
		m.Type = kind
		return m
	case iso8583.OfflineChip:
		m := t.Sale(c, amount)
		c.ATC-- // of the sale's cryptogram, which is not sent
		m.Type, m.PINBlock, m.PINCapture, m.Security = kind, nil, 0, ""
		m.ICC, m.EntryMode = c.Approve(amount, emv.CNY).Pack(), "052"
		return m
	}
	t.STAN++
	return &iso8583.FinancialRequest{
		Type: kind, PAN: c.PAN, Amount: amount, STAN: t.STAN, Expiry: c.Expiry, EntryMode: "052", PANSequence: c.PSN,
		Terminal: t.TID, Merchant: t.MID, Currency: emv.CNY, Private: iso8583.Private{Batch: t.Batch, Capability: 5},
	}
}

// About makes the next payment of a type about an earlier one, which the host answered with
// resp: all that fields 37, 38 and 61 can say.
func (t *Terminal) About(kind iso8583.TransactionType, c *Card, amount int64, old *iso8583.FinancialRequest, resp *iso8583.FinancialResponse) *iso8583.FinancialRequest {
	m := t.Request(kind, c, amount)
	m.RRN, m.AuthCode = resp.RRN, resp.AuthCode
	m.Original = iso8583.Original{Batch: old.Private.Batch, STAN: old.STAN, Date: resp.Date}
	return m
}

// Approve makes field 55 of a payment that the card approved without its issuer.
func (c *Card) Approve(amount int64, currency emv.Currency) Values {
	v := c.Sign(amount, currency, false)
	v[tag.CryptogramInformationData] = []byte{0x40}
	v[tag.IssuerApplicationData][4] = 0x10 // the first cryptogram was a TC
	return c.Again(v)
}

// Stripe makes the next sale by track 2: fallback says that the chip failed.
func (t *Terminal) Stripe(c *Card, amount int64, track string, fallback bool) *iso8583.FinancialRequest {
	m := t.Sale(c, amount)
	m.ICC, m.PAN, m.PANSequence = nil, emv.PAN{}, -1
	m.EntryMode = "02" + m.EntryMode[2:]
	m.Track2 = must(emv.ParseTrack2(track))
	if fallback {
		m.Private.Condition = 2
	}
	return m
}

// Typed makes the next sale by a typed card number.
func (t *Terminal) Typed(c *Card, amount int64) *iso8583.FinancialRequest {
	m := t.Sale(c, amount)
	m.ICC, m.PANSequence, m.EntryMode = nil, -1, "01"+m.EntryMode[2:]
	return m
}

// Settlement makes 0500 with the totals that are given.
func (t *Terminal) Settlement(domestic, foreign iso8583.Totals) *iso8583.SettlementRequest {
	t.STAN++
	return &iso8583.SettlementRequest{
		STAN: t.STAN, Terminal: t.TID, Merchant: t.MID, Batch: t.Batch, Currency: emv.CNY, Operator: "01", Domestic: domestic, Foreign: foreign,
	}
}

// Upload makes 0320 of a function, or of none.
func (t *Terminal) Upload(f iso8583.Function) *iso8583.UploadRequest {
	t.STAN++
	return &iso8583.UploadRequest{
		Function: f, STAN: t.STAN, Terminal: t.TID, Merchant: t.MID, PANSequence: -1, Currency: emv.CNY,
		Private: iso8583.Private{Batch: t.Batch, Digits: 11},
	}
}

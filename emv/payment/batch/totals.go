package batch

import (
	"strings"

	"posd/emv"
	"posd/emv/payment"
)

// MaxNumber is the most payments of one batch: a number of payments has three digits in
// field 48, and each payment counts once at most.
const MaxNumber = 999

// Due tells whether the batch has to be settled before the next payment: it has n payments
// and holds limit. A limit of 0, or one above [MaxNumber], is MaxNumber.
func Due(n, limit int) bool {
	if limit <= 0 || limit > MaxNumber {
		limit = MaxNumber
	}
	return n >= limit
}

// Cards says which cards are domestic (内卡), for the two halves of the totals: those with
// an application of one of the schemes, and those whose number begins with one of the
// digits.
type Cards struct {
	RIDs []string // the first 5 bytes of an AID, as bytes
	BINs []string // leading digits, 1 to 6
}

// UnionPay are the domestic cards of a Chinese terminal: RID A000000333, and numbers that
// begin with 62.
func UnionPay() Cards {
	return Cards{RIDs: []string{"\xA0\x00\x00\x03\x33"}, BINs: []string{"62"}}
}

// Domestic tells on which half of the totals a payment counts. It reads the application
// and the first six digits only, which a record has without its card number.
func (c Cards) Domestic(rec *payment.Record) bool {
	for _, rid := range c.RIDs {
		if strings.HasPrefix(string(rec.Facts.AID), rid) {
			return true
		}
	}
	for _, bin := range c.BINs {
		if strings.HasPrefix(rec.Masked, bin) {
			return true
		}
	}
	return false
}

// count is the batch as its records tell it.
type count struct {
	cards             Cards
	records, owed     int
	domestic, foreign Totals
	unsent            []*payment.Record // stored, and refused by the host
	items             []item            // what counts or has a cryptogram, in the order of the records
	seen              map[payment.ID]counted
}

// counted is what a payment about an earlier one needs of it.
type counted struct {
	domestic, money bool
	minor           int64 // its amount after the adjustments so far
}

// item is one payment that the host may want to see.
type item struct {
	id       payment.ID
	domestic bool
	kind     UploadKind // 0: as a line of a group, or not at all if not money
	money    bool       // it is in the totals
	proof    UploadKind // UploadTC, UploadBadARPC, or 0 for neither
}

func newCount(cards Cards) *count {
	return &count{cards: cards, seen: make(map[payment.ID]counted)}
}

// owes tells that the host has to hear of the payment before the batch can be settled.
func owes(rec *payment.Record) bool {
	return rec.State.Debt() || rec.State == payment.Stored || (rec.Script != nil && rec.Script.Answer == nil)
}

// add counts one record. Only completed payments are money; what was reversed, declined,
// resolved or refused is not.
func (c *count) add(rec *payment.Record) {
	c.records++
	if owes(rec) {
		c.owed++
	}
	switch rec.State {
	case payment.Stored, payment.Refused:
		c.unsent = append(c.unsent, rec)
	case payment.Completed:
		c.complete(rec)
	}
}

func (c *count) complete(rec *payment.Record) {
	rules, original := rec.Kind.Rules(), c.original(rec)
	it := item{id: rec.ID, domestic: c.cards.Domestic(rec), kind: uploadKind(rec.Kind), proof: proof(rec)}
	if original != nil {
		it.domestic = original.domestic
	}
	switch {
	case rules.Side == payment.Neither:
	case !rules.Adjusts:
		it.money = true
		c.side(it.domestic, rules.Side, Count{rec.Amount.Minor, 1})
	case original != nil && original.money:
		it.money = true
		c.side(it.domestic, rules.Side, Count{rec.Amount.Minor - original.minor, 0})
		original.minor = rec.Amount.Minor
		c.seen[rec.Original.ID] = *original
	}
	c.seen[rec.ID] = counted{it.domestic, it.money, rec.Amount.Minor}
	if it.money || it.proof != 0 {
		c.items = append(c.items, it)
	}
}

// original returns what is known of the payment of this batch that rec is about.
func (c *count) original(rec *payment.Record) *counted {
	if rec.Original == nil {
		return nil
	}
	if o, ok := c.seen[rec.Original.ID]; ok {
		return &o
	}
	return nil
}

func (c *count) side(domestic bool, side payment.Side, by Count) {
	totals := &c.foreign
	if domestic {
		totals = &c.domestic
	}
	to := &totals.Debit
	if side == payment.Credit {
		to = &totals.Credit
	}
	to.Amount += by.Amount
	to.Number += by.Number
}

// uploadKind says how the details of a payment go up: 0 for those made online, which go
// in groups.
func uploadKind(k payment.Kind) UploadKind {
	switch {
	case k == payment.OfflineChip:
		return UploadOffline
	case k.Rules().Unanswered == payment.Repeat:
		return UploadNotice
	}
	return 0
}

// proof says whether a payment has a cryptogram of the card that the issuer is shown after
// the settlement: the TC of a chip payment that the host approved, or the same where the
// card approved although the issuer's own cryptogram (ARPC) was wrong.
func proof(rec *payment.Record) UploadKind {
	rules := rec.Kind.Rules()
	switch {
	case rules.Card != payment.FullEMV || rules.Unanswered != payment.Reverse || len(rec.Final) == 0:
		return 0
	case rec.Facts.TVR&emv.IssuerAuthFailed != 0:
		return UploadBadARPC
	}
	return UploadTC
}

// wire returns the totals as field 48 has room for them. A number that has none is sent
// as 999: the host then finds the totals different, and is shown every payment.
func (t Totals) wire() Totals {
	t.Debit.Number = min(t.Debit.Number, MaxNumber)
	t.Credit.Number = min(t.Credit.Number, MaxNumber)
	return t
}

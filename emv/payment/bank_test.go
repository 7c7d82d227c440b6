package payment_test

import (
	"context"
	"fmt"

	"posd/emv/payment"
)

// mode says what becomes of one exchange with the host.
type mode string

const (
	answers   mode = "answers"
	declines  mode = "declines"
	swallows  mode = "swallows the answer"
	unsent    mode = "is not reached"
	lost      mode = "never hears it"
	forged    mode = "answers with a wrong MAC"
	partially mode = "approves a part"
	refuses   mode = "cannot do it now"
)

// bank is the host: idempotent by ID, with a tombstone for a reversal that comes first.
// It looks after no rules of a void or a refund: that is the terminal's part here.
type bank struct {
	journal   *memJournal
	charged   map[payment.ID]int64 // what each payment moved; a credit is negative
	closed    map[payment.ID]bool  // reversed, or refused for ever
	content   map[payment.ID]string
	notified  map[payment.ID]bool
	sale      mode
	reversal  mode // of reversals, stored payments and notices
	scripts   bool // the answers have a script for the card
	reversals int
	missing   []string // what the model saw that must never be
}

func newBank(j *memJournal) *bank {
	return &bank{
		journal: j, charged: map[payment.ID]int64{}, closed: map[payment.ID]bool{},
		content: map[payment.ID]string{}, notified: map[payment.ID]bool{}, sale: answers, reversal: answers,
	}
}

func (b *bank) never(format string, args ...any) {
	b.missing = append(b.missing, fmt.Sprintf(format, args...))
}

// worth is what a payment moves on the account; false for one that moves nothing.
func worth(rec *payment.Record) (int64, bool) {
	rules := rec.Kind.Rules()
	switch {
	case rec.Kind == payment.Balance:
		return 0, false
	case rules.Side == payment.Credit || rec.Kind == payment.PreauthVoid:
		return -rec.Amount.Minor, true
	}
	return rec.Amount.Minor - rec.Before.Minor, true
}

func (b *bank) Authorize(_ context.Context, req payment.AuthRequest) (payment.Answer, error) {
	if req.Record.PAN.IsZero() {
		b.never("%v has no card number", req.Record.ID)
	}
	if req.Record.Kind.Rules().Forward {
		b.never("%v, a %v, is asked about on line", req.Record.ID, req.Record.Kind)
	}
	return b.exchange(b.sale, req.Record)
}

func (b *bank) exchange(m mode, rec *payment.Record) (payment.Answer, error) {
	if _, known := b.charged[rec.ID]; known && m == declines {
		m = answers // a repeat gets the answer that was given
	}
	icc := []byte(nil)
	if b.scripts {
		icc = []byte{0x72, 0x02, 0x86, 0x00}
	}
	switch m {
	case unsent:
		return payment.Answer{}, fmt.Errorf("link down: %w", payment.ErrNotSent)
	case lost:
		return payment.Answer{}, payment.ErrNoAnswer
	case declines:
		return payment.Answer{Code: "51", ICC: icc}, nil
	case refuses:
		return payment.Answer{Code: "96"}, nil
	}
	if b.closed[rec.ID] {
		return payment.Answer{Code: "94"}, nil
	}
	answer := payment.Answer{Code: "00", AuthCode: "123456", RRN: "000000123456", Time: "0801101113", Amount: rec.Amount.Minor, ICC: icc}
	b.charge(m, rec, &answer)
	switch m {
	case swallows:
		return payment.Answer{}, payment.ErrNoAnswer
	case forged:
		return payment.Answer{}, payment.ErrBadMAC
	}
	return answer, nil
}

func (b *bank) charge(m mode, rec *payment.Record, answer *payment.Answer) {
	money, moves := worth(rec)
	if !moves {
		balance := int64(4200)
		answer.Balance = &balance
		return
	}
	if m == partially && rec.Kind.Rules().Unanswered == payment.Reverse { // of a notice there are no parts
		answer.Code, answer.Amount, money = "10", rec.Amount.Minor/2, money/2
	}
	if before, ok := b.charged[rec.ID]; ok && before != money {
		b.never("%v was charged %d, and then %d", rec.ID, before, money)
	}
	b.charged[rec.ID] = money
}

func (b *bank) Reverse(_ context.Context, rec *payment.Record) (payment.Answer, error) {
	b.reversals++
	if rec.Reversal == nil || rec.State != payment.ReversalOwed {
		b.never("reversal of %v in state %v", rec.ID, rec.State)
	}
	if rec.Kind.Rules().Unanswered != payment.Reverse {
		b.never("reversal of %v, a %v", rec.ID, rec.Kind)
	}
	switch b.reversal {
	case unsent:
		return payment.Answer{}, payment.ErrNotSent
	case lost:
		return payment.Answer{}, payment.ErrNoAnswer
	case refuses, declines:
		return payment.Answer{Code: "96"}, nil
	}
	delete(b.charged, rec.ID)
	b.closed[rec.ID] = true
	if b.reversal == forged {
		return payment.Answer{}, payment.ErrBadMAC
	}
	if b.reversal == swallows {
		return payment.Answer{}, payment.ErrNoAnswer
	}
	return payment.Answer{Code: "00"}, nil
}

func (b *bank) Forward(_ context.Context, rec *payment.Record) (payment.Answer, error) {
	if rec.State != payment.Stored || rec.PAN.IsZero() {
		b.never("%v goes up as %v, card number there: %v", rec.ID, rec.State, !rec.PAN.IsZero())
	}
	for id, other := range b.journal.recs {
		if other.State == payment.Stored && id.STAN < rec.ID.STAN {
			b.never("%v overtakes %v", rec.ID, id)
		}
		if other.State.Debt() {
			b.never("%v goes up before the reversal of %v", rec.ID, id)
		}
	}
	content := fmt.Sprint(rec.Kind, rec.Amount, rec.PAN, rec.EntryMode, rec.Request, rec.Original)
	if before, ok := b.content[rec.ID]; ok && before != content {
		b.never("%v went up as %s, and then as %s", rec.ID, before, content)
	}
	b.content[rec.ID] = content
	return b.exchange(b.reversal, rec)
}

func (b *bank) Notify(_ context.Context, rec *payment.Record) (payment.Answer, error) {
	if rec.Script == nil || rec.Script.Answer != nil {
		b.never("notice of %v, which owes none", rec.ID)
	}
	switch b.reversal {
	case unsent:
		return payment.Answer{}, payment.ErrNotSent
	case lost:
		return payment.Answer{}, payment.ErrNoAnswer
	case refuses:
		return payment.Answer{Code: "96"}, nil
	}
	b.notified[rec.ID] = true
	if b.reversal == forged {
		return payment.Answer{}, payment.ErrBadMAC
	}
	if b.reversal == swallows {
		return payment.Answer{}, payment.ErrNoAnswer
	}
	return payment.Answer{Code: "00"}, nil
}

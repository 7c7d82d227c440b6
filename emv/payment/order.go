package payment

import (
	"fmt"
	"slices"

	"posd/emv"
)

// Order is what the merchant wants. What a kind needs of it, its [Rules] say.
type Order struct {
	Kind Kind
	// Amount is what is to be paid, or given back. It may be zero where the original says
	// it (a void); for an adjustment it is the new total. A balance inquiry has its
	// currency only.
	Amount emv.Amount
	// Tip, in minor units, stands for the new total of a tip adjustment.
	Tip      int64
	Operator string // two digits
	// Supervisor is who allows what a cashier may not; two digits, empty for nobody. Who
	// that is was checked before.
	Supervisor string
	// Original names the payment that this one is about: the ID (batch 0 for the current
	// one), or what its receipt says. Of an OfflineSale it holds the authorisation code that
	// was said on the telephone.
	Original Original
	// Card is a card number that was typed; zero for a card that is there.
	Card TypedCard
	// Swipe asks for the stripe at once, for a card without a chip.
	Swipe bool
}

// TypedCard is a card number that somebody typed.
type TypedCard struct {
	PAN    emv.PAN
	Expiry string // YYMM
}

// check finds what no person at a till can order: a caller's mistake.
func (o Order) check() error {
	rules, ok := kinds[o.Kind]
	needless := rules.Bound == NoAmount || rules.Bound == WholeAmount || rules.Bound == WithTip && o.Tip > 0
	switch {
	case !ok || o.Kind == OfflineChip:
		return fmt.Errorf("payment: order: %v is not a kind of payment to order", o.Kind)
	case o.Amount.Minor < 0 || o.Amount.Minor > emv.MaxMinor || o.Amount.Minor == 0 && !needless:
		return fmt.Errorf("payment: order: amount %d minor units: 1 to %d wanted", o.Amount.Minor, emv.MaxMinor)
	case o.Amount.Minor != 0 && rules.Bound == NoAmount:
		return fmt.Errorf("payment: order: a %v has no amount", o.Kind)
	case o.Tip < 0 || o.Tip > emv.MaxMinor || o.Tip != 0 && (rules.Bound != WithTip || o.Amount.Minor != 0):
		return fmt.Errorf("payment: order: tip of %d minor units for a %v of %d", o.Tip, o.Kind, o.Amount.Minor)
	case !o.Card.PAN.IsZero() && (o.Swipe || rules.Card == NoCard):
		return fmt.Errorf("payment: order: a typed card number for a %v that has a card already", o.Kind)
	}
	return nil
}

// Policy is what the terminal's parameters allow. It may be replaced between payments, by
// the goroutine that owns the Terminal.
type Policy struct {
	Off      []Kind // kinds that the terminal does not offer
	Manual   bool   // typed card numbers, where a kind reads a card
	Stripe   bool   // cards without a chip, by their stripe
	Fallback bool   // the stripe of a chip card whose chip failed
	// AskPIN are the kinds besides those of full EMV for which a PIN is asked.
	AskPIN []Kind
	// CompletionPercent is the most that a completion may be of its pre-authorisation; 0 is
	// 115, as the scheme's rules have it.
	CompletionPercent int
	// TipPercent is the most that a tip may be of its sale; 0 for no tips.
	TipPercent int
	Offline    OfflinePolicy
}

// OfflinePolicy is what may be taken without asking the host. Amounts are minor units.
type OfflinePolicy struct {
	Allowed bool  // chip payments that card and terminal approve between them
	Most    int64 // a chip payment's; 0 for none
	// MaxCount and MaxTotal bound what waits for the host, this payment included; 0 for no
	// bound. The count holds for every kind that goes up later, the total for chip payments.
	MaxCount int
	MaxTotal int64
}

func (p Policy) completionPercent() int64 {
	if p.CompletionPercent == 0 {
		return 115
	}
	return int64(p.CompletionPercent)
}

// refusal is an order that the terminal does not carry out. Nothing is on disk of it.
type refusal struct{ code, why string }

// Error says why.
func (r refusal) Error() string { return r.why }

func refuse(code, format string, args ...any) error {
	return refusal{code, fmt.Sprintf(format, args...)}
}

// permits checks an order against policy and roles, before anything is looked up.
func (t *Terminal) permits(o Order, rules Rules) error {
	switch {
	case slices.Contains(t.Policy.Off, o.Kind):
		return refuse(CodeNotOffered, "this terminal does not offer: %v", o.Kind)
	case rules.Role == Supervisor && o.Operator != "00" && o.Supervisor == "":
		return refuse(CodeSupervisor, "a %v needs a supervisor", o.Kind)
	case rules.Bound == WithTip && t.Policy.TipPercent == 0:
		return refuse(CodeNotOffered, "this terminal takes no tips")
	case o.Swipe && !t.Policy.Stripe:
		return refuse(CodeNoStripe, "this terminal does not take the stripe of a card without a chip")
	}
	return t.permitsTyped(o)
}

func (t *Terminal) permitsTyped(o Order) error {
	switch {
	case o.Card.PAN.IsZero():
		return nil
	case !t.Policy.Manual:
		return refuse(CodeManual, "this terminal takes no typed card numbers")
	case !o.Card.PAN.CheckDigit():
		return refuse(CodeCardNumber, "the typed card number is mistyped: its check digit is wrong")
	case !validMonth(o.Card.Expiry):
		return refuse(CodeCardNumber, "the typed expiry is no month: YYMM wanted")
	}
	return nil
}

func validMonth(yymm string) bool {
	return allDigits(yymm, 4) && yymm[2:] >= "01" && yymm[2:] <= "12"
}

func allDigits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

package route

import (
	"fmt"
	"time"
)

// What a stand-in does with a PIN, which it cannot verify: the value is the issuer's.
const (
	RefusePIN = "refuse"
	AcceptPIN = "accept" // unverified, at the acquirer's risk
)

// Policy says what the host approves in place of an issuer whose network is down. A BIN
// without policy has none: its payments get code 91.
type Policy struct {
	BIN       string // six digits
	Max       int64  // largest payment, minor units
	DayAmount int64  // of one card on one day
	DayCount  int    // payments of one card on one day
	PIN       string // RefusePIN or AcceptPIN, for payments that come with a PIN
}

func (p Policy) check() error {
	switch {
	case len(p.BIN) != 6 || !digits(p.BIN):
		return fmt.Errorf("BIN %q, six digits wanted", p.BIN)
	case p.Max <= 0 || p.DayAmount < p.Max || p.DayCount <= 0:
		return fmt.Errorf("at most %d, %d a day in %d payments: each above zero, and the day's amount no smaller than one payment's", p.Max, p.DayAmount, p.DayCount)
	case p.PIN != RefusePIN && p.PIN != AcceptPIN:
		return fmt.Errorf("PIN %q, %s or %s wanted", p.PIN, RefusePIN, AcceptPIN)
	}
	return nil
}

// Doubt says why the policy does not cover a payment of amount, on a day on which the card
// had count stand-in payments of sum already; "" where it does.
func (p Policy) Doubt(amount int64, count int, sum int64, pin bool) string {
	switch {
	case pin && p.PIN != AcceptPIN:
		return "stand-in cannot verify the PIN"
	case amount > p.Max:
		return "above the stand-in limit"
	case count >= p.DayCount:
		return "stand-in payments of the card's day are used up"
	case amount > p.DayAmount-sum:
		return "stand-in amount of the card's day is used up"
	}
	return ""
}

// States of an advice. They are stored as they read here.
const (
	Queued    = "queued"    // the issuer does not have it
	Posted    = "posted"    // the issuer's account has it
	Differs   = "differs"   // the issuer would have declined: the loss is the acquirer's
	Withdrawn = "withdrawn" // the payment was reversed
)

// Advice is a payment that the host approved in place of its issuer.
type Advice struct {
	RRN     string // of the payment
	Network string
	PANHash []byte
	PSN     int
	Account int64 // of the card
	Amount  int64 // minor units, as approved
	Day     string
	State   string
	Posting int64  // that brought it to the issuer, or to the loss; 0 for none
	Why     string // in words, of Differs
	At      time.Time
	Done    time.Time // the epoch for one that waits
}

package route

import (
	"errors"
	"fmt"
	"strings"
)

// Rule is one row of the route table. An empty or zero field asks nothing.
type Rule struct {
	ID        int64
	Merchant  string // 15 characters
	Group     string // of merchants
	Low, High string // BIN range, eight digits each, both inside
	Kind      string // type of transaction as the message set names it: "sale", "refund", …
	Min, Max  int64  // minor units, both inside; Max 0 is no bound
	From      int    // minute of the day, inside; a window may go over midnight
	Until     int    // minute of the day, outside; equal to From: all day
	Priority  int    // the highest wins; among equals the lowest ID
	Network   string
	Fallback  string // network to use while Network is not up; empty for none
}

// Query is what a payment is to the route table.
type Query struct {
	Merchant, Group string
	BIN             string // first eight digits of the card number
	Kind            string
	Amount          int64 // minor units
	Minute          int   // of the day, local time of the merchant
}

const (
	binDigits    = 8
	minutesOfDay = 24 * 60
)

// BIN returns the first eight digits of a card number or of its beginning, with zeros where
// it is shorter.
func BIN(prefix string) string {
	if len(prefix) >= binDigits {
		return prefix[:binDigits]
	}
	return prefix + strings.Repeat("0", binDigits-len(prefix))
}

// Range makes a BIN range of a prefix of up to eight digits, or of two with a hyphen.
func Range(text string) (low, high string, err error) {
	first, last, two := strings.Cut(text, "-")
	if !two {
		last = first
	}
	if !digits(first) || !digits(last) || len(first) > binDigits || len(last) > binDigits {
		return "", "", fmt.Errorf("route: read BIN range %q: up to eight digits, or two such with a hyphen, wanted", text)
	}
	low, high = BIN(first), last+strings.Repeat("9", binDigits-len(last))
	if low > high {
		return "", "", fmt.Errorf("route: read BIN range %q: it ends before it begins", text)
	}
	return low, high, nil
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func (r Rule) check() error {
	switch {
	case len(r.Low) != binDigits || len(r.High) != binDigits || !digits(r.Low+r.High) || r.Low > r.High:
		return fmt.Errorf("BIN range %q to %q", r.Low, r.High)
	case r.Min < 0 || r.Max < 0 || (r.Max != 0 && r.Max < r.Min):
		return fmt.Errorf("amounts %d to %d", r.Min, r.Max)
	case r.From < 0 || r.From >= minutesOfDay || r.Until < 0 || r.Until >= minutesOfDay:
		return fmt.Errorf("window of minutes %d to %d", r.From, r.Until)
	case r.Network == "" || r.Network == r.Fallback:
		return errors.New("a network, and another one to fall back on, are wanted")
	}
	return nil
}

// Match tells whether a payment is one of those that the rule is for.
func (r Rule) Match(q Query) bool {
	return (r.Merchant == "" || r.Merchant == q.Merchant) &&
		(r.Group == "" || r.Group == q.Group) &&
		r.Low <= q.BIN && q.BIN <= r.High &&
		(r.Kind == "" || r.Kind == q.Kind) &&
		r.Min <= q.Amount && (r.Max == 0 || q.Amount <= r.Max) &&
		r.open(q.Minute)
}

// open tells whether the rule's window has a minute of the day.
func (r Rule) open(minute int) bool {
	switch {
	case r.From == r.Until:
		return true
	case r.From < r.Until:
		return r.From <= minute && minute < r.Until
	}
	return minute >= r.From || minute < r.Until
}

// Choose returns the rule that a payment is routed by: of those that match the one of the
// highest priority, and of several such that of the lowest number. The order of rules does
// not matter.
func Choose(rules []Rule, q Query) (best Rule, ok bool) {
	for _, r := range rules {
		if !r.Match(q) {
			continue
		}
		if !ok || r.Priority > best.Priority || (r.Priority == best.Priority && r.ID < best.ID) {
			best, ok = r, true
		}
	}
	return best, ok
}

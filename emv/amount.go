package emv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Currency is a numeric currency code of ISO 4217, as tag 5F2A carries it in
// decimal digits: 156 is CNY.
type Currency uint16

// Currencies that the code itself names.
const (
	CNY Currency = 156
	JPY Currency = 392
	USD Currency = 840
	EUR Currency = 978
)

var currencies = map[Currency]struct {
	alpha    string
	exponent int
}{
	CNY: {"CNY", 2}, JPY: {"JPY", 0}, USD: {"USD", 2}, EUR: {"EUR", 2},
	344: {"HKD", 2}, 446: {"MOP", 2}, 702: {"SGD", 2}, 826: {"GBP", 2}, 410: {"KRW", 0},
}

// String returns the alphabetic code of ISO 4217, or the number where the table
// does not know it.
func (c Currency) String() string {
	if row, ok := currencies[c]; ok {
		return row.alpha
	}
	return fmt.Sprintf("%03d", uint16(c))
}

// Exponent returns the number of decimal places of the currency (tag 5F36); 2
// for a currency that the table does not know.
func (c Currency) Exponent() int {
	if row, ok := currencies[c]; ok {
		return row.exponent
	}
	return 2
}

// MaxMinor is the largest amount of a payment, in minor units: 12 digits, the
// width of tag 9F02 and of data element 4.
const MaxMinor int64 = 999_999_999_999

// ErrAmount is the cause of every refusal by [ParseAmount].
var ErrAmount = errors.New("not an amount")

// Amount is a count of minor units (fen, cents) of a currency.
type Amount struct {
	Minor    int64
	Currency Currency
}

// String returns the amount in major units without its currency, for example
// "12.00". The currency's exponent says how many decimals there are.
func (a Amount) String() string {
	sign, minor := "", uint64(a.Minor)
	if a.Minor < 0 {
		sign, minor = "-", -minor
	}
	exp := a.Currency.Exponent()
	digits := fmt.Sprintf("%0*d", exp+1, minor)
	if exp == 0 {
		return sign + digits
	}
	return sign + digits[:len(digits)-exp] + "." + digits[len(digits)-exp:]
}

// ParseAmount reads an amount in major units, as a person types it: "12", "12.5"
// or "12.00". It refuses signs, grouping, more decimals than the currency has,
// zero, and anything above [MaxMinor].
func ParseAmount(s string, c Currency) (Amount, error) {
	whole, frac, dotted := strings.Cut(s, ".")
	exp := c.Exponent()
	if dotted && (frac == "" || len(frac) > exp) {
		return Amount{}, fmt.Errorf("emv: amount %q in %v: %d decimals at most: %w", s, c, exp, ErrAmount)
	}
	digits := whole + frac + strings.Repeat("0", exp-len(frac))
	if whole == "" || len(digits) > 12 || strings.Trim(digits, "0123456789") != "" {
		return Amount{}, fmt.Errorf("emv: amount %q: 1 to 12 digits with at most one point: %w", s, ErrAmount)
	}
	minor, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || minor == 0 {
		return Amount{}, fmt.Errorf("emv: amount %q: must be above zero: %w", s, ErrAmount)
	}
	return Amount{Minor: minor, Currency: c}, nil
}

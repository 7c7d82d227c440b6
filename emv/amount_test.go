package emv

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestParseAmount(t *testing.T) {
	tests := []struct {
		text     string
		currency Currency
		minor    int64
		back     string
	}{
		{"12", CNY, 1200, "12.00"},
		{"12.5", CNY, 1250, "12.50"},
		{"12.00", CNY, 1200, "12.00"},
		{"0.01", CNY, 1, "0.01"},
		{"007", CNY, 700, "7.00"},
		{"9999999999.99", CNY, MaxMinor, "9999999999.99"},
		{"12", JPY, 12, "12"},
		{"999999999999", JPY, MaxMinor, "999999999999"},
		{"1.23", Currency(999), 123, "1.23"},
	}
	for _, tt := range tests {
		got, err := ParseAmount(tt.text, tt.currency)
		if err != nil || got != (Amount{tt.minor, tt.currency}) || got.String() != tt.back {
			t.Errorf("%q %v: %+v %q, %v", tt.text, tt.currency, got, got, err)
		}
	}
}

func TestParseAmountRefuses(t *testing.T) {
	for _, text := range []string{"", ".", ".5", "12.", "12.345", "1,000", "-1", "+1", "1e3", " 1", "0", "0.00", "10000000000.00", "12.0.0", "１２", strings.Repeat("9", 50)} {
		if got, err := ParseAmount(text, CNY); !errors.Is(err, ErrAmount) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"1.0", "1.", "1000000000000"} {
		if got, err := ParseAmount(text, JPY); !errors.Is(err, ErrAmount) {
			t.Errorf("%q JPY: %+v, %v", text, got, err)
		}
	}
}

func TestAmountString(t *testing.T) {
	for want, a := range map[string]Amount{
		"0.00":                  {0, CNY},
		"-0.05":                 {-5, CNY},
		"-12":                   {-12, JPY},
		"-92233720368547758.08": {math.MinInt64, CNY},
	} {
		if a.String() != want {
			t.Errorf("%d: %q, want %q", a.Minor, a, want)
		}
	}
}

func TestCurrency(t *testing.T) {
	if CNY.String() != "CNY" || Currency(36).String() != "036" || CNY.Exponent() != 2 || JPY.Exponent() != 0 || Currency(36).Exponent() != 2 {
		t.Error(CNY, Currency(36), CNY.Exponent(), JPY.Exponent(), Currency(36).Exponent())
	}
}

// FuzzParseAmount: what is read is within the limits and reads the same when written.
func FuzzParseAmount(f *testing.F) {
	f.Add("12.50", uint16(156))
	f.Add("12", uint16(392))
	f.Add("-1.", uint16(0))
	f.Fuzz(func(t *testing.T, s string, currency uint16) {
		a, err := ParseAmount(s, Currency(currency))
		if err != nil {
			return
		}
		if a.Minor <= 0 || a.Minor > MaxMinor {
			t.Errorf("%q is %d", s, a.Minor)
		}
		if again, err := ParseAmount(a.String(), a.Currency); err != nil || again != a {
			t.Errorf("%q: %v came back as %v, %v", s, a, again, err)
		}
	})
}

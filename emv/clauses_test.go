package emv

import "testing"

// Every bit that has a name has a place in the Books, and no other has.
func TestEachNamedBitHasAClause(t *testing.T) {
	for _, row := range tvrNames {
		if row.bit.Clause() == "" {
			t.Errorf("TVR bit %q has no clause", row.name)
		}
	}
	for _, row := range tsiNames {
		if row.bit.Clause() == "" {
			t.Errorf("TSI bit %q has no clause", row.name)
		}
	}
	for _, none := range []TVR{0, 0x07 << byte2, 0x03 << byte3, 0x07 << byte4, 0x0F} {
		if got := none.Clause(); got != "" {
			t.Errorf("TVR %v: clause %q, want none", none, got)
		}
	}
}

func TestClause(t *testing.T) {
	for _, row := range []struct{ got, want string }{
		{FloorLimitExceeded.Clause(), "floor limits, Book 3, 10.6.1"},
		{(Expired | FloorLimitExceeded).Clause(), "effective and expiration dates, Book 3, 10.4.3"},
		{IssuerAuthPerformed.Clause(), "issuer authentication, Book 3, 10.9"},
		{TSI(0x00FF).Clause(), ""},
		{(ODAPerformed | TerminalRiskPerformed).Names(), "offline data authentication was performed, terminal risk management was performed"},
		{TSI(0x0201).Names(), "RFU 0201"},
		{TSI(0).Names(), ""},
	} {
		if row.got != row.want {
			t.Errorf("got %q, want %q", row.got, row.want)
		}
	}
}

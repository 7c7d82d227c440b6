package emv

import (
	"strings"
	"testing"
)

// EMV 4.4 Book 3, Annex C5: byte, bit, meaning, for every bit that has one.
func TestTVRBits(t *testing.T) {
	tests := []struct {
		bit       TVR
		byte, pos int // as the Annex counts: byte 1 first, bit 8 the highest
	}{
		{ODANotPerformed, 1, 8},
		{SDAFailed, 1, 7},
		{ICCDataMissing, 1, 6},
		{OnExceptionFile, 1, 5},
		{DDAFailed, 1, 4},
		{CDAFailed, 1, 3},
		{SDASelected, 1, 2},
		{XDASelected, 1, 1},
		{VersionsDiffer, 2, 8},
		{Expired, 2, 7},
		{NotYetEffective, 2, 6},
		{ServiceForbidden, 2, 5},
		{NewCard, 2, 4},
		{CVMFailed, 3, 8},
		{CVMUnknown, 3, 7},
		{PINTryLimit, 3, 6},
		{PINPadMissing, 3, 5},
		{PINNotEntered, 3, 4},
		{OnlinePINEntered, 3, 3},
		{FloorLimitExceeded, 4, 8},
		{LowerLimitExceeded, 4, 7},
		{UpperLimitExceeded, 4, 6},
		{SelectedRandomly, 4, 5},
		{MerchantForcedOnline, 4, 4},
		{DefaultTDOLUsed, 5, 8},
		{IssuerAuthFailed, 5, 7},
		{ScriptFailedBeforeGAC2, 5, 6},
		{ScriptFailedAfterGAC2, 5, 5},
	}
	var all TVR
	for _, tt := range tests {
		var want [5]byte
		want[tt.byte-1] = 1 << (tt.pos - 1)
		if got := tt.bit.Bytes(); got != want {
			t.Errorf("%s: %X, want %X", tt.bit.Names(), got, want)
		}
		if back, err := TVRFromBytes(want[:]); err != nil || back != tt.bit {
			t.Errorf("%X: %v, %v", want, back, err)
		}
		if names := tt.bit.Names(); names == "" || strings.Contains(names, ",") || strings.Contains(names, "RFU") {
			t.Errorf("%v is called %q", tt.bit, names)
		}
		all |= tt.bit
	}
	if len(tests) != len(tvrNames) || strings.Count(all.Names(), ",") != len(tests)-1 {
		t.Errorf("%d bits here, %d with a name, together %q", len(tests), len(tvrNames), all.Names())
	}
}

func TestTVRText(t *testing.T) {
	tvr := CDAFailed | FloorLimitExceeded | 0x01<<byte5
	if got := tvr.String(); got != "0400008001" {
		t.Errorf("%s", got)
	}
	if got := tvr.Names(); got != "CDA failed, floor limit exceeded, RFU 0000000001" {
		t.Errorf("%q", got)
	}
	if got := TVR(0).Names(); got != "" {
		t.Errorf("nothing is called %q", got)
	}
	for _, n := range []int{0, 4, 6} {
		if _, err := TVRFromBytes(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
}

// EMV 4.4 Book 3, Annexes C6 (TSI) and C1 (AIP): the first byte counts from bit 8 down.
func TestTSIAndAIPBits(t *testing.T) {
	for i, bit := range []TSI{ODAPerformed, CVMPerformed, CardRiskPerformed, IssuerAuthPerformed, TerminalRiskPerformed, ScriptProcessingApplied} {
		if want := [2]byte{0x80 >> i, 0}; bit.Bytes() != want {
			t.Errorf("TSI %v, want %X", bit, want)
		}
	}
	if got := (ODAPerformed | TerminalRiskPerformed).String(); got != "8800" {
		t.Errorf("TSI %s", got)
	}
	for bit, want := range map[AIP]uint16{SDASupported: 1 << 14, DDASupported: 1 << 13, CVMSupported: 1 << 12, TerminalRiskRequired: 1 << 11, IssuerAuthSupported: 1 << 10, CDASupported: 1 << 8} {
		if uint16(bit) != want {
			t.Errorf("AIP %04X, want %04X", uint16(bit), want)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		AAC.String(): "AAC", TC.String(): "TC", ARQC.String(): "ARQC", Cryptogram(0xC0).String(): "RFU cryptogram C0",
		Outcome(0).String(): "none", Approved.String(): "approved", Declined.String(): "declined", NotAccepted.String(): "not accepted",
		Terminated.String(): "terminated", Cancelled.String(): "cancelled", Outcome(99).String(): "outcome 99",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

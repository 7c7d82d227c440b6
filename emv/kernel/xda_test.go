package kernel

import (
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/tag"
)

// xdaSupported is the card's claim, byte 1, bit 8 of the AIP of EMV 4.4.
const xdaSupported emv.AIP = 0x8000

// TestXDACard: point 22. A card that knows XDA is authenticated by the next method that
// both sides know, and by none where there is none; TVR never says "XDA selected".
func TestXDACard(t *testing.T) {
	for _, row := range []struct {
		aip  emv.AIP
		want method
	}{
		{xdaSupported, noMethod},
		{xdaSupported | emv.SDASupported, sda},
		{xdaSupported | emv.SDASupported | emv.DDASupported, dda},
		{xdaSupported | emv.DDASupported | emv.CDASupported, cda},
	} {
		if got := chooseMethod(row.aip, canSDA|canDDA|canCDA); got != row.want {
			t.Errorf("AIP %04X: method %d, want %d", uint16(row.aip), got, row.want)
		}
	}
	u := newSetup(plain())
	u.card.on("80A8", "80069C0008010100 9000")
	r := u.run(t)
	r.want(t, emv.Approved, "00", false)
	if r.Facts.TVR&(emv.ODANotPerformed|emv.XDASelected) != emv.ODANotPerformed || r.Facts.TSI&emv.ODAPerformed != 0 {
		t.Errorf("TVR %s, TSI %v", r.Facts.TVR.Names(), r.Facts.TSI)
	}
	if sent := u.card.sentWith("80AE80"); len(sent) != 1 {
		t.Errorf("a signature was asked for: %v", u.card.sentWith("80AE"))
	}
}

// TestXDAIsNotClaimed: point 22. A terminal cannot be set up to promise what package
// emv/oda/ecc says is missing.
func TestXDAIsNotClaimed(t *testing.T) {
	for _, capabilities := range []string{"E0F8CC", "E0F9C8"} {
		u := newSetup(plain())
		u.cfg.Data[tag.TerminalCapabilities] = unhex(capabilities)
		if _, err := New(u.cfg); err == nil || !strings.Contains(err.Error(), "emv/oda/ecc") {
			t.Errorf("capabilities %s: %v", capabilities, err)
		}
	}
}

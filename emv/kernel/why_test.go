package kernel

import (
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/cvm"
	"posd/emv/tag"
)

// reasonsOf collects the reasons of a session, and what its phases came to.
func reasonsOf(t *testing.T, u *setup) (map[emv.TVR]Reason, map[emv.TSI]Reason, []string) {
	t.Helper()
	tvr, tsi, came := map[emv.TVR]Reason{}, map[emv.TSI]Reason{}, []string{}
	u.cfg.Trace = func(e Event) {
		for _, r := range e.Reasons {
			if r.TVR != 0 {
				tvr[r.TVR] = r
			} else {
				tsi[r.TSI] = r
			}
		}
		if e.Command == nil {
			came = append(came, e.Phase+" ("+e.Ref+"): "+e.Came)
		}
	}
	u.run(t)
	return tvr, tsi, came
}

// TestWhy: each bit comes with what of card, terminal or payment set it, and where the
// Books say so.
func TestWhy(t *testing.T) {
	cvmFails := func(u *setup) { u.cfg.Data[tag.TerminalCapabilities] = unhex("E040C8") }
	for _, row := range []struct {
		situation string
		rec       func(record)
		change    func(*setup)
		bit       emv.TVR
		why       string
	}{
		{"no method in common", nil, nil, emv.ODANotPerformed, "AIP 1C00 and terminal capabilities E0F8C8 have no method in common"},
		{"versions", func(r record) { r[tag.ApplicationVersionNumber] = "0001" }, nil, emv.VersionsDiffer, "the card's version is 0001 (9F08), the terminal's 0020 (9F09)"},
		{"expired", func(r record) { r[tag.ApplicationExpirationDate] = "200131" }, nil, emv.Expired, "good until 200131 (5F24), today is 260801"},
		{"early", func(r record) { r[tag.ApplicationEffectiveDate] = "270101" }, nil, emv.NotYetEffective, "good from 270101 (5F25), today is 260801"},
		{"usage", func(r record) { r[tag.ApplicationUsageControl] = "8000" }, nil, emv.ServiceForbidden, "usage control 8000"},
		{"no list", func(r record) { r[tag.CVMList] = "0000000000000000" }, nil, emv.ICCDataMissing, "no CVM list (8E) with rules"},
		{"no rule fits", nil, cvmFails, emv.CVMFailed, "no rule of the CVM list"},
		{"an unknown method", func(r record) { r[tag.CVMList] = "0000000000000000 6000 1F00" }, nil, emv.CVMUnknown, "EMV does not know"},
		{"dear", nil, func(u *setup) { u.tx.Amount.Minor = 100000 }, emv.FloorLimitExceeded, "amount 100000 and logged amount 0 reach the floor limit 100000"},
		{
			"chosen", nil, func(u *setup) { u.tx.Draw, u.app().RandomTarget, u.app().RandomMaxTarget = 3, 5, 50 },
			emv.SelectedRandomly, "the draw 3 is within the target of 5 to 50 percent",
		},
		{"forced", nil, func(u *setup) { u.tx.ForceOnline = true }, emv.MerchantForcedOnline, "merchant wants"},
		{
			"listed", nil, func(u *setup) { u.tx.OnExceptionFile = func(emv.PAN, int) bool { return true } },
			emv.OnExceptionFile, "exception file",
		},
		{"many offline", limits, counters("9F3602002A", "9F13020001"), emv.LowerLimitExceeded, "ATC 002A, last online ATC 0001: more than 3 apart"},
		{"many more offline", limits, counters("9F3602002A", "9F13020001"), emv.UpperLimitExceeded, "more than 5 apart"},
		{"new", limits, counters("9F3602002A", "9F13020000"), emv.NewCard, "was never online"},
		{"no counter", limits, counters("", ""), emv.ICCDataMissing, "could not be read"},
		{"issuer's word is refused", nil, refuses, emv.IssuerAuthFailed, "the card answered 6300 to EXTERNAL AUTHENTICATE"},
		{"script", nil, func(u *setup) { u.issuer.answer.ICC = unhex("7206 8604 00D6 0000") }, emv.ScriptFailedAfterGAC2, "script 00000000 failed at command 1"},
		{"unreadable script", nil, func(u *setup) { u.issuer.answer.ICC = unhex("7103 8A0130") }, emv.ScriptFailedBeforeGAC2, "could not be read"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			rec := plain()
			if row.rec != nil {
				row.rec(rec)
			}
			u := newSetup(rec)
			if row.change != nil {
				row.change(u)
			}
			tvr, _, _ := reasonsOf(t, u)
			if got := tvr[row.bit]; !strings.Contains(got.Why, row.why) || got.Clause != row.bit.Clause() || got.Clause == "" {
				t.Errorf("%s: got %+v, want %q", row.bit.Names(), got, row.why)
			}
		})
	}
}

func limits(r record) {
	r[tag.LowerConsecutiveOfflineLimit], r[tag.UpperConsecutiveOfflineLimit] = "03", "05"
}

func counters(atc, last string) func(*setup) {
	return func(u *setup) {
		if atc != "" {
			u.card.on("80CA9F36", atc+"9000").on("80CA9F13", last+"9000")
		}
	}
}

func refuses(u *setup) {
	u.issuer.answer.ICC = unhex("91080102030405060708")
	u.card.on("0082", "6300")
}

// TestCame: what the phases came to reads as the session's story.
func TestCame(t *testing.T) {
	_, tsi, came := reasonsOf(t, newSetup(plain()))
	want := []string{
		"listing (Book 1, 12.3): 1 candidates", "selecting (Book 1, 12.4): application A000000333010101",
		"initiating (Book 3, 10.1): AIP 1C00, AFL 08010100", "reading (Book 3, 10.2): ", "authenticating (Book 3, 10.3): no data authentication",
		"restricting (Book 3, 10.4): ", "verifying (Book 3, 10.5): CVM Results 1F0002", "assessing (Book 3, 10.6): ",
		"deciding (Book 3, 10.7): ARQC by the online codes: offline data authentication not performed", "asking (Book 3, 10.8): ARQC",
		`going online (Book 3, 10.9): the issuer answers "00"`, "scripting before (Book 3, 10.10): ", "completing (Book 3, 10.11): TC",
		"scripting after (Book 3, 10.10): approved by issuer and card",
	}
	if got := strings.Join(came, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	for _, bit := range []emv.TSI{emv.CVMPerformed, emv.CardRiskPerformed, emv.TerminalRiskPerformed} {
		if r := tsi[bit]; r.Why == "" || r.Clause == "" {
			t.Errorf("TSI %v: %+v", bit, r)
		}
	}
}

// TestCameToAnError: a phase that ends early says why.
func TestCameToAnError(t *testing.T) {
	u := newSetup(plain())
	u.card.on("80AE80", "6985")
	_, _, came := reasonsOf(t, u)
	if last := came[len(came)-1]; last != "asking (Book 3, 10.8): GENERATE AC: status word 6985" {
		t.Errorf("got %q", last)
	}
}

// TestReplayDecides: what a recording decides, nobody is asked about.
func TestReplayDecides(t *testing.T) {
	rec := plain()
	rec[tag.CVMList] = "0000000000000000 0200"
	u := newSetup(rec)
	tc, stopped, un := emv.TC, false, ""
	var asked []cvm.Method
	k, err := NewReplay(u.cfg, Recording{
		First: &tc,
		PIN:   func(m cvm.Method) (cvm.Attempt, error) { asked = append(asked, m); return cvm.PadFailed, nil },
		After: func(m Moment) bool {
			if m.Phase == Listing && m.Value(tag.TVR) != nil {
				t.Error("a value before an application is selected")
			}
			un = string(m.Value(tag.UnpredictableNumber))
			stopped = m.Phase == Asking
			return stopped
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := k.Run(t.Context(), u.tx, u.card, u.holder, u.issuer)
	switch {
	case err != nil:
		t.Fatal(err)
	case len(asked) != 1 || asked[0] != cvm.OnlinePIN || len(u.holder.asked) != 0:
		t.Errorf("asked %v, the cardholder %d times", asked, len(u.holder.asked))
	case r.Facts.TVR&emv.PINPadMissing == 0:
		t.Errorf("TVR %s", r.Facts.TVR.Names())
	case len(u.card.sentWith("80AE40")) != 1:
		t.Errorf("sent %v, a TC was to be asked for", u.card.sent)
	case !stopped || un != "\xA1\xB2\xC3\xD4":
		t.Errorf("stopped %v, unpredictable number %X", stopped, un)
	}
}

// TestNoReasonWithoutTrace: a terminal that traces nothing spends nothing on reasons.
func TestNoReasonWithoutTrace(t *testing.T) {
	s := &session{Kernel: &Kernel{}}
	s.tvr = emv.CVMFailed
	if n := testing.AllocsPerRun(10, func() { s.traceEnd(Done, nil); s.trace(Event{Command: &apdu.Command{}}) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

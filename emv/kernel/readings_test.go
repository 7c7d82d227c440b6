package kernel

import (
	"fmt"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
)

// TestSelectNextEnds: point 8. A card that answers with the very name that was asked for
// is not asked for the next, also where a longer name would do: EMV 4.4 Book 1, 12.3.3,
// step 4 goes on to the terminal's next AID.
func TestSelectNextEnds(t *testing.T) {
	const rid = "A000000333"
	for _, row := range []struct {
		situation string
		first     string
		next      []string
		asked     int
		want      string
	}{
		{"the very name at once", fciOf(rid), []string{fciOf(rid + "02")}, 0, "[A000000333]"},
		{"a longer one, then the very name", fciOf(rid + "01"), []string{fciOf(rid), fciOf(rid + "03")}, 1, "[A00000033301 A000000333]"},
		{"the very name is blocked", strings.TrimSuffix(fciOf(rid), "9000") + "6283", []string{fciOf(rid + "02")}, 0, "[]"},
	} {
		u := newSetup(plain())
		u.cfg.Applications[0].AID, u.cfg.Applications[0].Partial = unhex(rid), true
		u.card.on("00A4040005"+rid, row.first).on("00A4040205"+rid, row.next...)
		s := newSession(&Kernel{cfg: u.cfg}, u.tx, u.card, u.holder, u.issuer)
		s.left = phases[Listing].bound
		if err := s.tryEach(t.Context()); err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, c := range s.listed.list {
			names = append(names, fmt.Sprintf("%X", c.AID))
		}
		if n := len(u.card.sentWith("00A40402")); n != row.asked || fmt.Sprint(names) != row.want {
			t.Errorf("%s: asked %d times for the next, candidates %v, want %d, %s", row.situation, n, names, row.asked, row.want)
		}
	}
}

// TestSuspicionWithoutRiskManagement: points 31 and 34. Exception file and a merchant
// who wants to go online count although card and acquirer ask for no risk management
// (EMV 4.4 Book 4, 6.3.5: regardless of the AIP); TSI does not claim any.
func TestSuspicionWithoutRiskManagement(t *testing.T) {
	listed := func(emv.PAN, int) bool { return true }
	for _, row := range []struct {
		situation string
		change    func(*setup)
		tvr       emv.TVR
	}{
		{"neither", func(*setup) {}, 0},
		{"exception file", func(u *setup) { u.tx.OnExceptionFile = listed }, emv.OnExceptionFile},
		{"forced online", func(u *setup) { u.tx.ForceOnline = true }, emv.MerchantForcedOnline},
		{"both, above the floor limit", func(u *setup) {
			u.tx.OnExceptionFile, u.tx.ForceOnline, u.tx.LogAmount = listed, true, 1_000_000
		}, emv.OnExceptionFile | emv.MerchantForcedOnline},
	} {
		u := newSetup(plain())
		u.card.on("80A8", "8006140008010100 9000")
		row.change(u)
		r := u.run(t)
		if r.Facts.TVR != row.tvr|emv.ODANotPerformed || r.Facts.TSI&emv.TerminalRiskPerformed != 0 {
			t.Errorf("%s: TVR %s, TSI %v", row.situation, r.Facts.TVR.Names(), r.Facts.TSI)
		}
	}
}

// TestForcedOnlineAndDenial: point 34. Denial comes before the merchant's wish (ADVT 4).
func TestForcedOnlineAndDenial(t *testing.T) {
	u := newSetup(plain())
	u.tx.ForceOnline = true
	u.app().TACOnline, u.app().TACDenial = emv.MerchantForcedOnline, emv.ODANotPerformed
	u.run(t).want(t, emv.Declined, "Z1", false)
}

// TestBypassUnattended: point 28. Where nobody attends the terminal a PIN cannot be
// bypassed: the cardholder has given up.
func TestBypassUnattended(t *testing.T) {
	rec := plain()
	rec[tag.CVMList] = "0000000000000000" + "4100" + "1F00"
	for kind, want := range map[string]emv.Outcome{"22": emv.Approved, "21": emv.Approved, "25": emv.Cancelled, "24": emv.Cancelled} {
		u := newSetup(rec)
		u.cfg.Data[tag.TerminalType] = unhex(kind)
		u.card.on("80CA9F17", "9F170103 9000")
		u.holder.pins = []PINResult{{Status: PINBypassed}}
		if r := u.run(t); r.Outcome != want || r.Facts.TVR&emv.PINNotEntered == 0 && want == emv.Approved {
			t.Errorf("type %s: %v (%s), TVR %s", kind, r.Outcome, r.Why, r.Facts.TVR.Names())
		}
	}
}

// TestUnknownTagInDOL: point 4. A tag that no dictionary knows is zeros, although a
// record has it, unless it is one of the terminal's own data.
func TestUnknownTagInDOL(t *testing.T) {
	rec := plain()
	rec[0xDF7F], rec[tag.CDOL1] = "AABB", "DF7F02 DF7E01 9F3704"
	u := newSetup(rec)
	u.cfg.Data[0xDF7E] = []byte{0x77}
	u.run(t)
	if got := u.card.sentWith("80AE80")[0]; got != "80AE800007"+"0000"+"77"+"A1B2C3D4"+"00" {
		t.Errorf("sent %s", got)
	}
	u = newSetup(rec)
	u.cfg.Data[0xDF7F] = []byte{0x11, 0x22} // both have it: the terminal's word counts
	u.run(t)
	if got := u.card.sentWith("80AE80")[0]; got != "80AE800007"+"1122"+"00"+"A1B2C3D4"+"00" {
		t.Errorf("sent %s", got)
	}
}

// TestMissingRemainder: point 18, and the first row of the readings on it. A certificate
// that needs a remainder the card does not have fails, for each method, and the failure
// is that of the certificate: both judges of the vectors leave "ICC data missing" clear,
// though a reader of Book 3, 7.5 could want it set.
func TestMissingRemainder(t *testing.T) {
	for name, want := range map[string]string{
		"sda-issuer-remainder-dropped": "4200000000",
		"cda-issuer-remainder-dropped": "0400000000",
		"dda-icc-remainder-dropped":    "0800000000",
	} {
		sc := named(t, name)
		p := sc.play(t)
		if got := p.phases[Authenticating].tvr.String(); got != want || p.phases[Authenticating].tsi&emv.ODAPerformed == 0 {
			t.Errorf("%s: TVR %s, TSI %v, want %s", name, got, p.phases[Authenticating].tsi, want)
		}
		if sent := p.phases[Authenticating].sent; len(sent) != 0 {
			t.Errorf("%s: sent %v", name, sent)
		}
	}
}

// TestCardRiskBit: point 36. TSI "card risk management was performed" is set by the first
// GENERATE AC that the card answers, neither before it nor without it. EMV 4.4 Book 3,
// 10.8 and Annex C6.
func TestCardRiskBit(t *testing.T) {
	for _, row := range []struct {
		situation, answer string
		set               bool
	}{
		{"ARQC", arqc, true},
		{"AAC", aac1, true},
		{"refused", "6985", false},
		{"no cryptogram", "7700 9000", false},
	} {
		u := newSetup(plain())
		u.card.on("80AE80", row.answer)
		var before emv.TSI
		u.cfg.Trace = func(e Event) {
			if e.Command != nil && e.Command.INS == apdu.InsGenerateAC && before == 0 {
				before = e.TSI
			}
		}
		r := u.run(t)
		if got := r.Facts.TSI&emv.CardRiskPerformed != 0; got != row.set || before&emv.CardRiskPerformed != 0 {
			t.Errorf("%s: TSI %v, before the command %v", row.situation, r.Facts.TSI, before)
		}
	}
}

// TestScriptLimit: point 41. All scripts of an answer count together, 71 and 72, tags and
// lengths included; what goes over the limit is not run, what came before it is.
func TestScriptLimit(t *testing.T) {
	script := func(template, commands int) string {
		return fmt.Sprintf("%02X%02X", template, 6*commands) + strings.Repeat("8604841E0000", commands)
	}
	for _, row := range []struct {
		situation string
		limit     int
		icc       string
		results   string
	}{
		{"128 bytes to the byte", 0, script(0x71, 10) + script(0x72, 10) + "7202" + "8600", "20 20 11"}, // 62 + 62 + 4
		{"one byte over", 127, script(0x71, 10) + script(0x72, 10) + "7202" + "8600", "20 20 00"},
		{"72 is counted before 71 that follows it", 0, script(0x72, 11) + script(0x71, 11), "00 20"},
		{"a higher limit", 255, script(0x72, 11) + script(0x71, 11), "20 20"},
		{"other objects do not count", 0, "9F5C" + "7F" + strings.Repeat("00", 127) + script(0x71, 1), "20"},
	} {
		u := newSetup(plain())
		u.cfg.ScriptLimit = row.limit
		u.card.on("841E", "9000")
		u.issuer.answer.ICC = unhex(row.icc)
		r := u.run(t)
		var got []string
		for i := 0; i < len(r.ScriptResults); i += 5 {
			got = append(got, fmt.Sprintf("%02X", r.ScriptResults[i]))
		}
		if strings.Join(got, " ") != row.results {
			t.Errorf("%s: %v, want %s", row.situation, got, row.results)
		}
	}
}

// TestNeverTwice: point 40. Two objects 91 are one EXTERNAL AUTHENTICATE; point 42: a
// session has two GENERATE ACs at most, whatever the scripts say.
func TestNeverTwice(t *testing.T) {
	u := newSetup(plain())
	u.card.on("841E", "9000")
	u.issuer.answer.ICC = answer55("91080102030405060708", "91081112131415161718", object(0x71, "860D8082000008A1A2A3A4A5A6A7A8"), object(0x72, "8604841E0000"))
	u.run(t)
	if sent := u.card.sentWith("0082"); len(sent) != 1 || !strings.Contains(sent[0], "0102030405060708") {
		t.Errorf("EXTERNAL AUTHENTICATE: %v", sent)
	}
	if n := len(u.card.sentWith("80AE")); n != 2 {
		t.Errorf("%d GENERATE ACs", n)
	}
}

// TestSwiped: point 11, the magnetic-stripe fall-back decision (2CM.019, 2CM.086).
func TestSwiped(t *testing.T) {
	track := func(service string) emv.Track2 {
		tr, err := emv.ParseTrack2("6277000000000017D3012" + service + "0000")
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	for _, row := range []struct {
		situation string
		track     emv.Track2
		works     bool
		chip      *Result
		want      Stripe
	}{
		{"a card without chip", track("101"), true, nil, StripeTaken},
		{"international chip card", track("201"), true, nil, StripeAskChip},
		{"domestic chip card", track("601"), true, nil, StripeAskChip},
		{"chip card, reader broken", track("201"), false, nil, StripeTaken},
		{"chip card whose chip allowed it", track("201"), true, &Result{Outcome: emv.NotAccepted, Fallback: true}, StripeTaken},
		{"chip card whose chip is blocked", track("201"), true, &Result{Outcome: emv.NotAccepted}, StripeRefused},
		{"chip declined", track("101"), true, &Result{Outcome: emv.Declined}, StripeRefused},
		{"chip declined, reader broken since", track("201"), false, &Result{Outcome: emv.Declined}, StripeRefused},
	} {
		if got := Swiped(row.track, row.works, row.chip); got != row.want {
			t.Errorf("%s: %d, want %d", row.situation, got, row.want)
		}
	}
	short, err := emv.ParseTrack2("6277000000000017D3012")
	if err != nil {
		t.Fatal(err)
	}
	if got := Swiped(short, true, nil); got != StripeTaken {
		t.Errorf("a track that ends before its service code: %d", got)
	}
}

// TestUnsupportedRulesOnly: point 27. Rules that count but name methods that the
// terminal cannot or does not know perform nothing: 3F0001, and TVR says why each.
func TestUnsupportedRulesOnly(t *testing.T) {
	const onlineOnly = "E040C8" // no other method
	for _, row := range []struct {
		situation, rules string
		tvr              emv.TVR
	}{
		{"unknown method", "6000" + "2100", emv.CVMUnknown},
		{"signature", "5E00" + "1E00", 0},
		{"offline PIN where there is no pad for it (point 26)", "4100" + "0400", emv.PINPadMissing},
		{"none counts", "4106" + "1F0B", 0},
	} {
		rec := plain()
		rec[tag.CVMList] = "0000000000000000" + row.rules
		u := newSetup(rec)
		u.cfg.Data[tag.TerminalCapabilities] = unhex(onlineOnly)
		r := u.run(t)
		bits := emv.CVMUnknown | emv.PINPadMissing | emv.CVMFailed
		if got := fmt.Sprintf("%X", r.Facts.CVMResults); got != "3F0001" || r.Facts.TVR&bits != row.tvr|emv.CVMFailed {
			t.Errorf("%s: results %s, TVR %s", row.situation, got, r.Facts.TVR.Names())
		}
	}
}

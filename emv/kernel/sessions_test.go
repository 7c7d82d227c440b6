package kernel

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// want compares the parts of a result that say how a session ended.
func (r Result) want(t *testing.T, o emv.Outcome, arc string, reverse bool) {
	t.Helper()
	got := strings.Trim(string(r.ARC[:]), "\x00")
	if r.Outcome != o || got != arc || r.Reverse != reverse {
		t.Errorf("%v, ARC %q, reverse %v (%s), want %v, %q, %v", r.Outcome, got, r.Reverse, r.Why, o, arc, reverse)
	}
	if r.Why == "" {
		t.Error("no reason given")
	}
}

func TestOnlineApproval(t *testing.T) {
	u := newSetup(plain())
	r := u.run(t)
	r.want(t, emv.Approved, "00", false)
	if !r.Online || r.Facts.Kind != emv.TC || fmt.Sprintf("%X", r.Facts.Cryptogram) != "C0FFEE0000000002" {
		t.Errorf("online %v, %v %X", r.Online, r.Facts.Kind, r.Facts.Cryptogram)
	}
	if got := u.card.sentWith("80AE"); len(got) != 2 ||
		got[0] != "80AE80001D00000000120000000000000001568000000000015626080100A1B2C3D400" ||
		got[1] != "80AE400011303011223344800000000000000000120000" {
		t.Errorf("sent %q", got)
	}
	// Terminal without capability in common with the card: B1b8, TSI of CVM, card and terminal risk.
	if r.Facts.TVR != emv.ODANotPerformed || r.Facts.TSI != emv.CVMPerformed|emv.CardRiskPerformed|emv.TerminalRiskPerformed {
		t.Errorf("TVR %v, TSI %v", r.Facts.TVR, r.Facts.TSI)
	}
	if r.Facts.UN != u.tx.UN[1] {
		t.Errorf("UN %X: the final cryptogram has the second number", r.Facts.UN)
	}
}

// TestRequestIsComplete: point 38.
func TestRequestIsComplete(t *testing.T) {
	u := newSetup(plain())
	u.run(t)
	got := u.issuer.got
	want := "9F2608C0FFEE0000000001" + "9F270180" + "9F100707010103A00000" + "9F3704A1B2C3D4" + "9F36020042" +
		"95058000000000" + "9A03260801" + "9C0100" + "9F0206000000001200" + "5F2A020156" + "82021C00" + "9F1A020156" +
		"9F0306000000000000" + "9F3303E0F8C8" + "9F34031F0002" + "9F350122" + "8408A000000333010101" + "9F09020020" +
		"9F410400000007" + "5F340101"
	if fmt.Sprintf("%X", got.ICC) != want {
		t.Errorf("field 55\n%X, want\n%s", got.ICC, want)
	}
	if got.PAN.Reveal() != "6277000000000017" || got.Track2.IsZero() || got.PANSequence != 1 || got.Expiry != [3]byte{0x30, 0x12, 0x31} {
		t.Errorf("request %v %v %d %X", got.PAN, got.Track2, got.PANSequence, got.Expiry)
	}
	if got.OnlinePIN || got.Facts.Kind != emv.ARQC || got.Facts.ATC != 0x42 {
		t.Errorf("PIN %v, %v, ATC %d", got.OnlinePIN, got.Facts.Kind, got.Facts.ATC)
	}
}

// TestEndings: one row a way in which a session ends at or after the first GENERATE AC.
// Points 35, 37, 39, 42.
func TestEndings(t *testing.T) {
	for _, row := range []struct {
		situation string
		change    func(*setup)
		outcome   emv.Outcome
		arc       string
		reverse   bool
		commands  int // GENERATE ACs
	}{
		{"issuer declines", func(u *setup) { u.issuer.answer.ARC = [2]byte{'5', '1'} }, emv.Declined, "51", false, 2},
		{"referral declines", func(u *setup) { u.issuer.answer.ARC = [2]byte{'0', '1'} }, emv.Declined, "01", false, 2},
		{"partial approval approves", func(u *setup) { u.issuer.answer.ARC = [2]byte{'1', '0'} }, emv.Approved, "10", false, 2},
		{"card declines after the issuer approved", func(u *setup) { u.card.on("80AE40", aac1) }, emv.Declined, "00", true, 2},
		{"card goes on after the issuer declined", func(u *setup) {
			u.issuer.answer.ARC = [2]byte{'0', '5'}
			u.card.on("80AE00", tc1)
		}, emv.Declined, "05", false, 2},
		{"second ARQC", func(u *setup) { u.card.on("80AE40", arqc) }, emv.Terminated, "00", true, 2},
		{"card breaks off after approval", func(u *setup) { u.card.on("80AE40", "6985") }, emv.Terminated, "00", true, 2},
		{"unable, default codes empty", func(u *setup) { u.issuer.err = ErrUnableToGoOnline }, emv.Approved, "Y3", false, 2},
		{"unable, TAC default hits", func(u *setup) {
			u.issuer.err = fmt.Errorf("line: %w", ErrUnableToGoOnline)
			u.app().TACDefault = emv.ODANotPerformed
		}, emv.Declined, "Z3", false, 2},
		{"unable, card declines", func(u *setup) {
			u.issuer.err = ErrUnableToGoOnline
			u.card.on("80AE40", aac1)
		}, emv.Declined, "Y3", false, 2},
		{"unable at an online-only terminal", func(u *setup) {
			u.issuer.err = ErrUnableToGoOnline
			u.cfg.Data[tag.TerminalType] = []byte{0x21}
		}, emv.Declined, "Z3", false, 2},
		{"response code of spaces is no answer", func(u *setup) { u.issuer.answer.ARC = [2]byte{' ', ' '} }, emv.Approved, "Y3", false, 2},
		{"response code absent is no answer", func(u *setup) { u.issuer.answer = OnlineAnswer{} }, emv.Approved, "Y3", false, 2},
		{"approved offline", func(u *setup) { u.card.on("00B2010C", withoutIACOnline()) }, emv.Approved, "Y1", false, 1},
		{"declined by the card", func(u *setup) { u.card.on("80AE80", aac1) }, emv.Declined, "Z1", false, 1},
		{"declined by the terminal", func(u *setup) { u.app().TACDenial = emv.ODANotPerformed }, emv.Declined, "Z1", false, 1},
		{"card answers higher than asked", func(u *setup) { u.card.on("80AE80", tc1) }, emv.Terminated, "", false, 1},
		{"reserved cryptogram", func(u *setup) { u.card.on("80AE80", "800BC00042C0FFEE00000000019000") }, emv.Terminated, "", false, 1},
		{"service not allowed", func(u *setup) { u.card.on("80AE80", "800B010042C0FFEE00000000019000") }, emv.Terminated, "", false, 1},
		{"answer too short", func(u *setup) { u.card.on("80AE80", "800A800042C0FFEE000000009000") }, emv.Terminated, "", false, 1},
		{"format 2 without counter", func(u *setup) { u.card.on("80AE80", "770F9F2701809F2608C0FFEE00000000019000") }, emv.Terminated, "", false, 1},
		{"format 2 without cryptogram", func(u *setup) { u.card.on("80AE80", "77099F2701809F360200429000") }, emv.Terminated, "", false, 1},
		{"format 2 with a counter twice", func(u *setup) {
			u.card.on("80AE80", "77199F2701809F360200429F360200439F2608C0FFEE00000000019000")
		}, emv.Terminated, "", false, 1},
		{"offline-only terminal does not ask the issuer", func(u *setup) {
			u.cfg.Data[tag.TerminalType] = []byte{0x23}
			u.card.on("80AE40", arqc, tc1)
		}, emv.Approved, "Y3", false, 2},
		{"offline-only terminal, default codes", func(u *setup) {
			u.cfg.Data[tag.TerminalType] = []byte{0x26}
			u.app().TACDefault = emv.ODANotPerformed
		}, emv.Declined, "Z1", false, 1},
	} {
		t.Run(row.situation, func(t *testing.T) {
			u := newSetup(plain())
			row.change(u)
			r := u.run(t)
			r.want(t, row.outcome, row.arc, row.reverse)
			if n := len(u.card.sentWith("80AE")); n != row.commands {
				t.Errorf("%d GENERATE ACs, want %d", n, row.commands)
			}
		})
	}
}

func withoutIACOnline() string {
	r := plain()
	r[tag.IssuerActionCodeOnline] = "0000000000"
	return r.String() + "9000"
}

// TestDeclineKeepsCryptogram: point 38, 2CA.054. Advice: point 37, 2CM.040.
func TestDeclineKeepsCryptogram(t *testing.T) {
	u := newSetup(plain())
	u.card.on("80AE80", "8012 08 0042 C0FFEE0000000009 07010103A00000 9000")
	r := u.run(t)
	r.want(t, emv.Declined, "Z1", false)
	if !r.Advice || fmt.Sprintf("%X", r.Facts.Cryptogram) != "C0FFEE0000000009" || r.Facts.ATC != 0x42 {
		t.Errorf("advice %v, cryptogram %X, ATC %d", r.Advice, r.Facts.Cryptogram, r.Facts.ATC)
	}
}

// answer55 writes field 55 of an issuer's answer.
func answer55(parts ...string) []byte { return unhex(strings.Join(parts, "")) }

// TestIssuerAuthentication: point 40.
func TestIssuerAuthentication(t *testing.T) {
	const data = "91100102030405060708090A0B0C0D0E0F10"
	for _, row := range []struct {
		situation, gpo, icc, sw string
		sent                    string
		tvr                     emv.TVR
		tsi                     emv.TSI
	}{
		{"accepted", "1C00", data, "9000", "00820000100102030405060708090A0B0C0D0E0F10", 0, emv.IssuerAuthPerformed},
		{"refused", "1C00", data, "6300", "00820000100102030405060708090A0B0C0D0E0F10", emv.IssuerAuthFailed, emv.IssuerAuthPerformed},
		{"not the time for it", "1C00", data, "6985", "00820000100102030405060708090A0B0C0D0E0F10", emv.IssuerAuthFailed, emv.IssuerAuthPerformed},
		{"card knows no EXTERNAL AUTHENTICATE", "1800", data, "9000", "", 0, 0},
		{"no data", "1C00", "", "9000", "", 0, 0},
		{"data too short", "1C00", "910701020304050607", "9000", "", 0, 0},
	} {
		u := newSetup(plain())
		u.card.on("80A8", "8006"+row.gpo+"08010100 9000").on("0082", row.sw)
		u.issuer.answer.ICC = answer55(row.icc)
		r := u.run(t)
		r.want(t, emv.Approved, "00", false)
		if got := strings.Join(u.card.sentWith("0082"), " "); got != row.sent {
			t.Errorf("%s: sent %s, want %s", row.situation, got, row.sent)
		}
		if r.Facts.TVR&emv.IssuerAuthFailed != row.tvr || r.Facts.TSI&emv.IssuerAuthPerformed != row.tsi {
			t.Errorf("%s: TVR %v, TSI %v", row.situation, r.Facts.TVR, r.Facts.TSI)
		}
	}
}

// TestIssuerDataGoIntoCDOL2: without EXTERNAL AUTHENTICATE tag 91 goes there and only there.
func TestIssuerDataGoIntoCDOL2(t *testing.T) {
	rec := plain()
	rec[tag.CDOL2] = "910A8A02"
	u := newSetup(rec)
	u.card.on("80A8", "8006180008010100 9000")
	u.issuer.answer.ICC = answer55("910A0102030405060708 3030")
	u.run(t)
	if got := u.card.sentWith("80AE40"); len(got) != 1 || got[0] != "80AE40000C01020304050607083030303000" {
		t.Errorf("sent %q", got)
	}
	for _, wrong := range []string{"910701020304050607", "91110102030405060708090A0B0C0D0E0F1011"} {
		u := newSetup(rec)
		u.issuer.answer.ICC = answer55(wrong)
		u.run(t)
		if got := u.card.sentWith("80AE40"); len(got) != 1 || got[0] != "80AE40000C00000000000000000000303000" {
			t.Errorf("%s: sent %q", wrong, got)
		}
	}
}

// TestScripts: point 41.
func TestScripts(t *testing.T) {
	const (
		unblock = "8609 84240000 04 01020304"
		block   = "860D 841E0000 08 0102030405060708"
	)
	script := func(t tlv.Tag, parts ...string) string { return object(t, strings.Join(parts, "")) }
	fifteen := strings.Repeat("8604841E0000", 15)
	for _, row := range []struct {
		situation string
		icc       []string
		sws       map[string]string
		results   string
		sent      int
		tvr       emv.TVR
	}{
		{"71 before, in order", []string{script(0x71, "9F180401020304", unblock, block)}, nil, "2001020304", 2, 0},
		{"72 after", []string{script(0x72, "9F1804AABBCCDD", unblock)}, nil, "20AABBCCDD", 1, 0},
		{"several, and one without identifier", []string{script(0x72, unblock), script(0x71, block), script(0x72, block)}, nil, "2000000000 2000000000 2000000000", 3, 0},
		{"warning goes on", []string{script(0x71, block, unblock)}, map[string]string{"841E": "6282"}, "2000000000", 2, 0},
		{"error stops the script, the next runs", []string{script(0x71, unblock, block, unblock), script(0x71, unblock)}, map[string]string{"841E": "6985"}, "1200000000 2000000000", 3, emv.ScriptFailedBeforeGAC2},
		{"failure after the final GENERATE AC", []string{script(0x72, block)}, map[string]string{"841E": "6A80"}, "1100000000", 1, emv.ScriptFailedAfterGAC2},
		{"foreign tag", []string{script(0x71, "9F180401020304", "8A023030", unblock)}, nil, "0001020304", 0, emv.ScriptFailedBeforeGAC2},
		{"identifier of a wrong length", []string{script(0x72, "9F1803010203", unblock)}, nil, "0000000000", 0, emv.ScriptFailedAfterGAC2},
		{"command that is none", []string{script(0x71, "8603841E00")}, nil, "1100000000", 0, emv.ScriptFailedBeforeGAC2},
		{"cut off", []string{"7120", unblock}, nil, "0000000000", 0, emv.ScriptFailedBeforeGAC2},
		{"too long", []string{script(0x71, strings.Repeat(unblock, 12))}, nil, "0000000000", 0, emv.ScriptFailedBeforeGAC2},
		{"fifteenth command fails", []string{script(0x72, fifteen, "8604842C0000")}, map[string]string{"842C": "6A80"}, "1F00000000", 16, emv.ScriptFailedAfterGAC2},
	} {
		t.Run(row.situation, func(t *testing.T) {
			u := newSetup(plain())
			u.card.on("841E", "9000").on("8424", "9000").on("842C", "9000")
			for prefix, sw := range row.sws {
				u.card.on(prefix, sw)
			}
			u.issuer.answer.ICC = answer55(row.icc...)
			r := u.run(t)
			r.want(t, emv.Approved, "00", false)
			if got, want := fmt.Sprintf("%X", r.ScriptResults), strings.ReplaceAll(row.results, " ", ""); got != want {
				t.Errorf("results %s, want %s", got, want)
			}
			if n := len(u.card.sentWith("84")); n != row.sent {
				t.Errorf("%d script commands, want %d", n, row.sent)
			}
			bits := emv.ScriptFailedBeforeGAC2 | emv.ScriptFailedAfterGAC2
			if r.Facts.TVR&bits != row.tvr || r.Facts.TSI&emv.ScriptProcessingApplied == 0 {
				t.Errorf("TVR %v, TSI %v", r.Facts.TVR, r.Facts.TSI)
			}
		})
	}
}

// TestScriptsAroundFinalCryptogram: 71 goes before the second GENERATE AC, 72 after it,
// and TVR in CDOL2 tells what became of 71 (point 42).
func TestScriptsAroundFinalCryptogram(t *testing.T) {
	u := newSetup(plain())
	u.card.on("841E", "6A80").on("8424", "9000")
	u.issuer.answer.ICC = answer55(object(0x72, "8604842400 00"), object(0x71, "8604841E0000"))
	u.run(t)
	var order []string
	for _, s := range u.card.sent {
		if s[:2] == "84" || s[:4] == "80AE" {
			order = append(order, s[:6])
		}
	}
	if got := strings.Join(order, " "); got != "80AE80 841E00 80AE40 842400" {
		t.Errorf("order %s", got)
	}
	if second := u.card.sentWith("80AE40"); !strings.Contains(second[0], "8000000020") {
		t.Errorf("second GENERATE AC without the script's failure: %s", second)
	}
}

// TestPulledDuringScriptAfter: the payment is complete with the TC.
func TestPulledDuringScriptAfter(t *testing.T) {
	u := newSetup(plain())
	u.issuer.answer.ICC = answer55(object(0x72, "8604841E0000"))
	u.card.pullAt = 7
	r := u.run(t)
	r.want(t, emv.Approved, "00", false)
	if fmt.Sprintf("%X", r.ScriptResults) != "1100000000" || r.Facts.TVR&emv.ScriptFailedAfterGAC2 == 0 {
		t.Errorf("results %X, TVR %v", r.ScriptResults, r.Facts.TVR)
	}
}

// TestPulledAfterApproval: point 43.
func TestPulledAfterApproval(t *testing.T) {
	for _, row := range []struct {
		situation string
		pullAt    int
		reverse   bool
	}{
		{"at the first GENERATE AC", 5, false},
		{"at EXTERNAL AUTHENTICATE", 6, true},
		{"at the script", 7, true},
		{"at the second GENERATE AC", 8, true},
	} {
		u := newSetup(plain())
		u.issuer.answer.ICC = answer55("91080102030405060708", object(0x71, "8604841E0000"))
		u.card.pullAt = row.pullAt
		r, err := u.try(t)
		if !errors.Is(err, errPulled) || r.Reverse != row.reverse || r.Outcome != 0 {
			t.Errorf("%s: %v, reverse %v, %v", row.situation, err, r.Reverse, r.Outcome)
		}
	}
}

// TestIssuerPortBroken: neither an answer nor a time-out, so the world failed.
func TestIssuerPortBroken(t *testing.T) {
	u := newSetup(plain())
	u.issuer.err = errors.New("journal is full")
	r, err := u.try(t)
	if !errors.Is(err, u.issuer.err) || r.Reverse || r.Facts.Kind != emv.ARQC {
		t.Errorf("%v, reverse %v, %v", err, r.Reverse, r.Facts.Kind)
	}
}

// TestFreshCryptogramTags: point 36. What the second answer does not bring, the first
// does not lend it; and a card pulled at the second leaves the first standing.
func TestFreshCryptogramTags(t *testing.T) {
	tags := []tlv.Tag{tag.ATC, tag.IssuerApplicationData, tag.ApplicationCryptogram}
	u := newSetup(plain())
	u.cfg.CompletionTags = tags
	u.card.on("80AE40", "7714 9F270140 9F36020043 9F2608C0FFEE0000000002 9000")
	if r := u.run(t); fmt.Sprintf("%X", r.ICC) != "9F36020043"+"9F2608C0FFEE0000000002" {
		t.Errorf("completion %X", r.ICC)
	}
	u = newSetup(plain())
	u.cfg.CompletionTags = tags
	u.card.pullAt = 6
	if r, err := u.try(t); err == nil || fmt.Sprintf("%X", r.ICC) != "9F36020042"+"9F100707010103A00000"+"9F2608C0FFEE0000000001" {
		t.Errorf("after a pulled card: %X, %v", r.ICC, err)
	}
}

// TestDefaultTDOL: point 4. A CDOL that asks for the hash, a card without TDOL: the bit
// is in the TVR that the same command carries.
func TestDefaultTDOL(t *testing.T) {
	rec := plain()
	rec[tag.CDOL1] = "95059814"
	u := newSetup(rec)
	r := u.run(t)
	// SHA-1 of nothing: the terminal has no default TDOL either.
	if got := u.card.sentWith("80AE80")[0]; got != "80AE8000198000000080DA39A3EE5E6B4B0D3255BFEF95601890AFD8070900" {
		t.Errorf("sent %s", got)
	}
	if r.Facts.TVR&emv.DefaultTDOLUsed == 0 {
		t.Errorf("TVR %v", r.Facts.TVR)
	}
	rec[tag.TDOL] = "9F3704"
	u = newSetup(rec)
	if r = u.run(t); r.Facts.TVR&emv.DefaultTDOLUsed != 0 {
		t.Errorf("with a TDOL: TVR %v", r.Facts.TVR)
	}
}

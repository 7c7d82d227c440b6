package kernel

import (
	"testing"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/cvm"
	"posd/emv/tag"
)

// TestJudge: point 28.
func TestJudge(t *testing.T) {
	for _, row := range []struct {
		sw   apdu.SW
		a    cvm.Attempt
		left int
		ends bool
	}{
		{0x9000, cvm.Succeeded, 0, false},
		{0x63C2, 0, 2, false},
		{0x63C1, 0, 1, false},
		{0x63CF, 0, 15, false},
		{0x63C0, cvm.TryLimit, 0, false},
		{0x6983, cvm.TryLimit, 0, false},
		{0x6984, cvm.TryLimit, 0, false},
		{0x6985, 0, 0, true},
		{0x6300, 0, 0, true},
		{0x6A80, 0, 0, true},
	} {
		if a, left, err := judge(row.sw); a != row.a || left != row.left || (err != nil) != row.ends {
			t.Errorf("%04X: %d, %d left, %v", uint16(row.sw), a, left, err)
		}
	}
}

// TestFloorLimit: point 31.
func TestFloorLimit(t *testing.T) {
	for _, row := range []struct {
		amount, prior, limit int64
		want                 emv.TVR
	}{
		{9999, 0, 10000, 0},
		{10000, 0, 10000, emv.FloorLimitExceeded},
		{5000, 4999, 10000, 0},
		{5000, 5000, 10000, emv.FloorLimitExceeded},
		{0, 0, 0, emv.FloorLimitExceeded},
		{999_999_999_999, 999_999_999_999, 999_999_999_999, emv.FloorLimitExceeded},
	} {
		if got := floorLimit(row.amount, row.prior, row.limit); got != row.want {
			t.Errorf("%d after %d of %d: %v", row.amount, row.prior, row.limit, got)
		}
	}
}

// TestRiskByTerminal: point 31, which parts apply to whom.
func TestRiskByTerminal(t *testing.T) {
	always := func(u *setup) {
		u.app().RandomTarget, u.app().RandomMaxTarget, u.tx.Draw = 99, 99, 1
	}
	for _, row := range []struct {
		situation, gpo string
		change         func(*setup)
		tvr            emv.TVR
		done           bool
	}{
		{"online-capable", "1C00", always, emv.SelectedRandomly, true},
		{"offline only: no random selection", "1C00", func(u *setup) { always(u); u.cfg.Data[tag.TerminalType] = []byte{0x23} }, 0, true},
		{"online only: no random selection", "1C00", func(u *setup) { always(u); u.cfg.Data[tag.TerminalType] = []byte{0x21} }, 0, true},
		{"card does not ask for it", "1400", always, 0, false},
		{"acquirer asks for it", "1400", func(u *setup) { always(u); u.app().AlwaysAssess = true }, emv.SelectedRandomly, true},
		{"exception file (point 34)", "1C00", func(u *setup) {
			u.tx.OnExceptionFile = func(pan emv.PAN, seq int) bool { return pan.Reveal() == "6277000000000017" && seq == 1 }
		}, emv.OnExceptionFile, true},
		{"forced online (point 34)", "1C00", func(u *setup) { u.tx.ForceOnline = true }, emv.MerchantForcedOnline, true},
		{"split sale", "1C00", func(u *setup) { u.tx.LogAmount = 98800 }, emv.FloorLimitExceeded, true},
	} {
		u := newSetup(plain())
		u.card.on("80A8", "8006"+row.gpo+"08010100 9000")
		row.change(u)
		r := u.run(t)
		bits := emv.SelectedRandomly | emv.OnExceptionFile | emv.MerchantForcedOnline | emv.FloorLimitExceeded
		if r.Facts.TVR&bits != row.tvr || (r.Facts.TSI&emv.TerminalRiskPerformed != 0) != row.done {
			t.Errorf("%s: TVR %v, TSI %v", row.situation, r.Facts.TVR, r.Facts.TSI)
		}
	}
}

// TestSelects: point 32.
func TestSelects(t *testing.T) {
	app := Application{FloorLimitMinor: 10000, RandomThreshold: 2000, RandomTarget: 10, RandomMaxTarget: 50}
	for _, row := range []struct {
		situation string
		amount    int64
		draw      uint8
		want      bool
	}{
		{"below the threshold, at the target", 1999, 10, true},
		{"below the threshold, above the target", 1999, 11, false},
		{"at the threshold the rise is nothing", 2000, 10, true},
		{"at the threshold, above the target", 2000, 11, false},
		{"half way, half the rise", 6000, 30, true},
		{"half way, above it", 6000, 31, false},
		{"just below the limit", 9999, 49, true},
		{"just below the limit, above it", 9999, 50, false},
		{"at the limit", 10000, 1, false},
	} {
		if got := app.selects(row.amount, row.draw); got != row.want {
			t.Errorf("%s: %v", row.situation, got)
		}
	}
	same := Application{FloorLimitMinor: 2000, RandomThreshold: 2000, RandomTarget: 10, RandomMaxTarget: 50}
	if same.selects(2000, 1) || !same.selects(1999, 1) {
		t.Error("threshold at the floor limit")
	}
	if none := (Application{}); none.selects(0, 1) {
		t.Error("a floor limit of 0")
	}
}

// TestConsecutive: point 33.
func TestConsecutive(t *testing.T) {
	both := emv.LowerLimitExceeded | emv.UpperLimitExceeded
	for _, row := range []struct {
		situation, atc, last string
		want                 emv.TVR
	}{
		{"within both", "0003", "0001", 0},
		{"at the lower limit", "0004", "0001", 0},
		{"over the lower", "0005", "0001", emv.LowerLimitExceeded},
		{"at the upper limit", "0007", "0001", emv.LowerLimitExceeded},
		{"over the upper", "0008", "0001", both},
		{"counter stands", "0005", "0005", both},
		{"counter fell", "0004", "0005", both},
		{"new card", "0001", "0000", emv.NewCard},
		{"new card, long offline", "0009", "0000", emv.NewCard | both},
		{"counter unreadable", "", "0001", emv.ICCDataMissing | both},
		{"last online unreadable", "0001", "", emv.ICCDataMissing | both},
		{"counter unreadable, new card", "", "0000", emv.ICCDataMissing | both | emv.NewCard},
	} {
		bin := func(s string) []byte {
			if s == "" {
				return nil
			}
			return unhex(s)
		}
		if got := consecutive(bin(row.atc), bin(row.last), 3, 6); got != row.want {
			t.Errorf("%s: %s", row.situation, got.Names())
		}
	}
}

// TestVelocityCommands: point 33 and the table of readings: GET DATA is sent only where
// the card has both limits, and also where denial is sure (2CJ.038).
func TestVelocityCommands(t *testing.T) {
	limits := plain()
	limits[tag.LowerConsecutiveOfflineLimit], limits[tag.UpperConsecutiveOfflineLimit] = "03", "06"
	one := plain()
	one[tag.LowerConsecutiveOfflineLimit] = "03"
	for _, row := range []struct {
		situation string
		record    record
		change    func(*setup)
		sent      int
		tvr       emv.TVR
	}{
		{"no limits", plain(), func(*setup) {}, 0, 0},
		{"one limit", one, func(*setup) {}, 0, 0},
		{"both", limits, func(u *setup) { u.card.on("80CA9F36", "9F36020042 9000").on("80CA9F13", "9F13020041 9000") }, 2, 0},
		{"both, denial sure", limits, func(u *setup) { u.app().TACDenial = emv.ODANotPerformed }, 2, emv.ICCDataMissing | emv.LowerLimitExceeded | emv.UpperLimitExceeded},
		{"answer in another form", limits, func(u *setup) { u.card.on("80CA9F36", "9F360142 9000").on("80CA9F13", "0041 9000") }, 2, emv.ICCDataMissing | emv.LowerLimitExceeded | emv.UpperLimitExceeded},
		{"terminal skips it", limits, func(u *setup) { u.app().SkipVelocity = true }, 0, 0},
	} {
		u := newSetup(row.record)
		row.change(u)
		r := u.run(t)
		bits := emv.ICCDataMissing | emv.LowerLimitExceeded | emv.UpperLimitExceeded
		if n := len(u.card.sentWith("80CA")); n != row.sent || r.Facts.TVR&bits != row.tvr {
			t.Errorf("%s: %d GET DATA, TVR %v", row.situation, n, r.Facts.TVR)
		}
	}
}

// TestAnalyse: point 35.
func TestAnalyse(t *testing.T) {
	const bit = emv.ODANotPerformed
	online, both, offline := terminal{kind: 0x21}, terminal{kind: 0x22}, terminal{kind: 0x26}
	for _, row := range []struct {
		situation string
		tvr       emv.TVR
		codes     actionCodes
		t         terminal
		want      emv.Cryptogram
	}{
		{"nothing set", 0, actionCodes{allBits, allBits, allBits}, both, emv.TC},
		{"denial", bit, actionCodes{denial: bit}, both, emv.AAC},
		{"denial comes before online", bit, actionCodes{denial: bit, online: bit}, both, emv.AAC},
		{"denial at an online-only terminal", bit, actionCodes{denial: bit}, online, emv.AAC},
		{"online", bit, actionCodes{online: bit}, both, emv.ARQC},
		{"another bit", bit, actionCodes{online: emv.NewCard, denial: emv.NewCard}, both, emv.TC},
		{"online codes are not for an offline-only terminal", bit, actionCodes{online: bit}, offline, emv.TC},
		{"default codes are", bit, actionCodes{byDefault: bit}, offline, emv.AAC},
		{"default codes are not for one that can go online", bit, actionCodes{byDefault: bit}, both, emv.TC},
		{"online-only always goes online", 0, actionCodes{}, online, emv.ARQC},
	} {
		if got := analyse(row.tvr, row.codes, row.t); got != row.want {
			t.Errorf("%s: %v", row.situation, got)
		}
	}
}

// TestIssuerCodes: point 35, what an absent code of the card stands for.
func TestIssuerCodes(t *testing.T) {
	if issuerCode(nil, allBits) != allBits || issuerCode(nil, 0) != 0 || issuerCode(unhex("0000000001"), allBits) != 1 {
		t.Error("issuer action codes")
	}
	rec := plain()
	delete(rec, tag.IssuerActionCodeOnline)
	delete(rec, tag.IssuerActionCodeDefault)
	delete(rec, tag.IssuerActionCodeDenial)
	u := newSetup(rec)
	u.issuer.err = ErrUnableToGoOnline
	if r := u.run(t); string(r.ARC[:]) != "Z3" {
		t.Errorf("a card without codes: %v %s", r.Outcome, r.ARC)
	}
}

// TestLowerOrEqual: point 37.
func TestLowerOrEqual(t *testing.T) {
	kinds := []emv.Cryptogram{emv.AAC, emv.ARQC, emv.TC}
	for i, asked := range kinds {
		for j, got := range kinds {
			if lowerOrEqual(got, asked) != (j <= i) {
				t.Errorf("%v where %v was asked for", got, asked)
			}
		}
	}
}

// TestExternalAuthenticate: point 40.
func TestExternalAuthenticate(t *testing.T) {
	for _, row := range []struct {
		aip  emv.AIP
		n    int
		want bool
	}{
		{emv.IssuerAuthSupported, 8, true},
		{emv.IssuerAuthSupported, 16, true},
		{emv.IssuerAuthSupported, 7, false},
		{emv.IssuerAuthSupported, 17, false},
		{emv.IssuerAuthSupported, 0, false},
		{^emv.IssuerAuthSupported, 8, false},
	} {
		if got := externalAuthenticate(row.aip, make([]byte, row.n)); got != row.want {
			t.Errorf("AIP %04X, %d bytes: %v", uint16(row.aip), row.n, got)
		}
	}
}

// TestResponseCodes: point 39.
func TestResponseCodes(t *testing.T) {
	for code, want := range map[string][2]bool{ // valid, approves
		"00": {true, true}, "10": {true, true}, "11": {true, true}, "01": {true, false}, "51": {true, false},
		"A4": {true, false}, "Y3": {true, false}, "  ": {false, false}, "\x00\x00": {false, false}, "0a": {false, false},
	} {
		arc := [2]byte([]byte(code))
		if validARC(arc) != want[0] || approves(arc) != want[1] {
			t.Errorf("%q: valid %v, approves %v", code, validARC(arc), approves(arc))
		}
	}
}

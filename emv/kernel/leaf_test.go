package kernel

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/cvm"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// TestFit: point 4.
func TestFit(t *testing.T) {
	for _, row := range []struct {
		situation, value string
		length           int
		format           tag.Format
		want             string
	}{
		{"as long as asked", "0102", 2, tag.B, "0102"},
		{"number short", "1234", 4, tag.N, "00001234"},
		{"number long", "00123456", 2, tag.N, "3456"},
		{"cn short", "1234", 4, tag.CN, "1234FFFF"},
		{"cn long", "123456", 2, tag.CN, "1234"},
		{"binary short", "1234", 4, tag.B, "12340000"},
		{"binary long", "123456", 2, tag.B, "1234"},
		{"text short", "41", 3, tag.ANS, "410000"},
		{"absent", "", 3, tag.CN, "000000"},
		{"nothing asked", "1234", 0, tag.N, ""},
	} {
		if got := fmt.Sprintf("%X", fit(nil, unhex(row.value), row.length, row.format)); got != row.want {
			t.Errorf("%s: %s, want %s", row.situation, got, row.want)
		}
	}
}

// TestBelieved: point 2.
func TestBelieved(t *testing.T) {
	for _, row := range []struct {
		t, template tlv.Tag
		want        bool
	}{
		{tag.ApplicationPAN, tag.ReadRecordTemplate, true},
		{tag.TVR, tag.ReadRecordTemplate, false},
		{tag.UnpredictableNumber, tag.ReadRecordTemplate, false},
		{tag.AmountAuthorised, tag.FCIProprietaryTemplate, false},
		{tag.AuthorisationResponseCode, tag.ReadRecordTemplate, false},
		{tag.AIP, tag.ReadRecordTemplate, false},
		{tag.PDOL, tag.FCIProprietaryTemplate, true},
		{tag.PDOL, tag.ReadRecordTemplate, false},
		{0xDF7F, tag.ReadRecordTemplate, true},
	} {
		if got := believed(row.t, row.template); got != row.want {
			t.Errorf("%v in %v: %v", row.t, row.template, got)
		}
	}
}

// TestAmounts: point 5.
func TestAmounts(t *testing.T) {
	tx := Transaction{Amount: emv.Amount{Minor: 999_999_999_999, Currency: emv.JPY}, Cashback: 1 << 32}
	for _, row := range []struct {
		t    tlv.Tag
		want string
	}{
		{tag.AmountAuthorised, "999999999999"},
		{tag.AmountAuthorisedBinary, ""},
		{tag.AmountOther, "004294967296"},
		{tag.AmountOtherBinary, ""},
		{tag.TransactionCurrencyCode, "0392"},
		{tag.TransactionCurrencyExponent, "00"},
	} {
		if got := fmt.Sprintf("%X", tx.appendObject(nil, row.t)); got != row.want {
			t.Errorf("%v: %s, want %s", row.t, got, row.want)
		}
	}
	if got := fmt.Sprintf("%X", appendBinary(nil, 1<<32-1)); got != "FFFFFFFF" {
		t.Errorf("largest binary amount: %s", got)
	}
}

// TestChooseMethod: point 14, the rows that the matrix of the vectors does not have.
func TestChooseMethod(t *testing.T) {
	for _, row := range []struct {
		aip          emv.AIP
		capabilities byte
		want         method
	}{
		{emv.SDASupported | emv.DDASupported | emv.CDASupported, canSDA | canDDA | canCDA, cda},
		{emv.SDASupported | emv.DDASupported, canSDA | canDDA | canCDA, dda},
		{emv.SDASupported | emv.CDASupported, canSDA | canDDA, sda},
		{emv.SDASupported, canDDA, noMethod},
		{0, canSDA | canDDA | canCDA, noMethod},
	} {
		if got := chooseMethod(row.aip, row.capabilities); got != row.want {
			t.Errorf("AIP %04X, capabilities %02X: %d, want %d", uint16(row.aip), row.capabilities, got, row.want)
		}
	}
}

// TestSignedRecords: points 13 and 15, what of a record is signed.
func TestSignedRecords(t *testing.T) {
	whole, content := []byte{0x70, 0x01, 0xAA}, []byte{0xAA}
	for _, row := range []struct {
		situation string
		sfi       byte
		err       error
		want      string
		broken    bool
	}{
		{"file 1", 1, nil, "AA", false},
		{"file 10", 10, nil, "AA", false},
		{"file 11", 11, nil, "7001AA", false},
		{"file 30", 30, nil, "7001AA", false},
		{"file 11, no template 70", 11, tlv.ErrTag, "", true},
	} {
		var r records
		r.sign(row.sfi, whole, content, row.err)
		if got := fmt.Sprintf("%X", r.static); got != row.want || r.staticBroken != row.broken {
			t.Errorf("%s: %s, broken %v", row.situation, got, r.staticBroken)
		}
	}
}

// TestStaticData: point 15, with and without tag list.
func TestStaticData(t *testing.T) {
	for _, row := range []struct {
		situation string
		list      []byte
		broken    bool
		want      string
	}{
		{"no tag list", nil, false, "AABB"},
		{"tag list 82", []byte{0x82}, false, "AABB1C00"},
		{"82 twice", []byte{0x82, 0x82}, false, ""},
		{"another tag", []byte{0x94}, false, ""},
		{"broken record", []byte{0x82}, true, ""},
	} {
		s := newSession(&Kernel{}, Transaction{}, nil, nil, nil)
		s.records.static, s.records.staticBroken = []byte{0xAA, 0xBB}, row.broken
		s.objects.put(tlv.Object{Tag: tag.AIP, Value: []byte{0x1C, 0x00}})
		s.objects.put(tlv.Object{Tag: tag.SDATagList, Value: row.list})
		got, err := s.staticData()
		if fmt.Sprintf("%X", got) != row.want || (err != nil) != (row.want == "") {
			t.Errorf("%s: %X, %v", row.situation, got, err)
		}
	}
}

// TestValidity: point 23.
func TestValidity(t *testing.T) {
	on := time.Date(2026, 8, 1, 23, 59, 59, 0, time.UTC)
	for _, row := range []struct {
		situation, from, until string
		want                   emv.TVR
		wrong                  bool
	}{
		{"valid", "250101", "301231", 0, false},
		{"no effective date", "", "301231", 0, false},
		{"first day", "260801", "301231", 0, false},
		{"last day", "250101", "260801", 0, false},
		{"tomorrow", "260802", "301231", emv.NotYetEffective, false},
		{"yesterday", "250101", "260731", emv.Expired, false},
		{"1999 is long ago", "250101", "991231", emv.Expired, false},
		{"1950 is not 2050", "500101", "301231", 0, false},
		{"2049 is far", "491231", "491231", emv.NotYetEffective, false},
		{"month 0", "250101", "300031", 0, true},
		{"day 32", "250132", "301231", 0, true},
		{"expiration of two bytes", "250101", "3012", 0, true},
	} {
		var from []byte
		if row.from != "" {
			from = unhex(row.from)
		}
		got, err := validity(on, from, unhex(row.until))
		if got != row.want || (err != nil) != row.wrong {
			t.Errorf("%s: %v, %v", row.situation, got, err)
		}
	}
}

// TestVersions: point 23.
func TestVersions(t *testing.T) {
	if versions(nil, [2]byte{0, 0x20}) != 0 || versions([]byte{0, 0x20}, [2]byte{0, 0x20}) != 0 {
		t.Error("equal or absent versions differ")
	}
	if versions([]byte{0, 0x8C}, [2]byte{0, 0x20}) != emv.VersionsDiffer {
		t.Error("versions do not differ")
	}
}

// TestAllowed: point 23.
func TestAllowed(t *testing.T) {
	for _, row := range []struct {
		situation          string
		control            usageControl
		transaction        byte
		cashback, domestic bool
		want               emv.TVR
	}{
		{"goods at home", domesticGoods, goodsTransaction, false, true, 0},
		{"services are as good (AN27)", domesticServices, goodsTransaction, false, true, 0},
		{"neither", domesticCash, goodsTransaction, false, true, emv.ServiceForbidden},
		{"goods abroad with a card for home", domesticGoods, goodsTransaction, false, false, emv.ServiceForbidden},
		{"services abroad", foreignServices, goodsTransaction, false, false, 0},
		{"cash", domesticCash, cashTransaction, false, true, 0},
		{"cash abroad with a card for home", domesticCash, cashTransaction, false, false, emv.ServiceForbidden},
		{"cashback", domesticGoods | domesticCashback, cashbackTransaction, true, true, 0},
		{"cashback not allowed", domesticGoods | foreignCashback, cashbackTransaction, true, true, emv.ServiceForbidden},
		{"cashback abroad", foreignGoods | foreignCashback, cashbackTransaction, true, false, 0},
		{"refund has no bit", 0, 0x20, false, true, 0},
	} {
		if got := allowed(row.control, row.transaction, row.cashback, row.domestic); got != row.want {
			t.Errorf("%s: %v", row.situation, got)
		}
	}
}

// TestUsageByPlace: point 23, ATM or not, and what is skipped.
func TestUsageByPlace(t *testing.T) {
	for _, row := range []struct {
		situation, kind, additional, control, issuer string
		want                                         emv.TVR
	}{
		{"shop", "22", "F000F0A001", "FFC0", "0156", 0},
		{"shop, card for ATMs", "22", "F000F0A001", "FEC0", "0156", emv.ServiceForbidden},
		{"ATM, card for shops", "14", "F000F0A001", "FDC0", "0156", emv.ServiceForbidden},
		{"ATM", "14", "F000F0A001", "FEC0", "0156", 0},
		{"unattended without cash is no ATM", "14", "7000F0A001", "FDC0", "0156", 0},
		{"no usage control", "22", "F000F0A001", "", "0156", 0},
		{"no issuer country", "22", "F000F0A001", "0100", "", 0},
		{"foreign issuer", "22", "F000F0A001", "ABC0", "0840", emv.ServiceForbidden},
	} {
		rec := plain()
		rec[tag.ApplicationUsageControl], rec[tag.IssuerCountryCode] = row.control, row.issuer
		u := newSetup(rec)
		u.cfg.Data[tag.TerminalType], u.cfg.Data[tag.AdditionalTerminalCapabilities] = unhex(row.kind), unhex(row.additional)
		if r := u.run(t); r.Facts.TVR&emv.ServiceForbidden != row.want {
			t.Errorf("%s: TVR %v", row.situation, r.Facts.TVR)
		}
	}
}

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

// TestMasked: point 46.
func TestMasked(t *testing.T) {
	data := unhex(plain().String())
	got := masked(data)
	if len(got) != len(data) || bytes.Contains(got, unhex("6277000000000017")) || !bytes.Contains(got, unhex("5A08627700")) {
		t.Errorf("masked record %X", got)
	}
	if got := masked(unhex("5A08627700000000")); !bytes.Equal(got, make([]byte, 8)) {
		t.Errorf("broken data %X", got)
	}
}

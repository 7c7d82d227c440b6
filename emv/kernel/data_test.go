package kernel

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"posd/emv"
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

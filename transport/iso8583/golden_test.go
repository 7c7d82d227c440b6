package iso8583

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/keyblock"
)

// fixture reads a file of hexadecimal digits with comments: the frame without its length.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	return unhexString(t, digits.String())
}

func unhexString(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func pan(t testing.TB, s string) emv.PAN {
	t.Helper()
	p, err := emv.ParsePAN(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func track2(t testing.TB, s string) emv.Track2 {
	t.Helper()
	track, err := emv.ParseTrack2(s)
	if err != nil {
		t.Fatal(err)
	}
	return track
}

const (
	terminal = "00000001"
	merchant = "123456789012345"
)

var (
	request = Header{TPDU: [5]byte{0x60, 0x00, 0x01, 0x00, 0x00}, Application: 0x60}
	someMAC = [8]byte([]byte("5FE058DB"))
	chip    = Private{Batch: 1, Capability: 5}
)

// of gives the private field the code that the codec sets on reading.
func (f Private) of(code uint8) Private {
	f.Type = code
	return f
}

// goldens pairs each fixture with what it says.
func goldens(t testing.TB) map[string]struct {
	header  Header
	message Message
} {
	answer := request.Answer()
	order := answer
	order.Order = 4
	type golden = struct {
		header  Header
		message Message
	}
	return map[string]golden{
		"sale-request": {request, &FinancialRequest{
			Type: Sale, PAN: pan(t, "6277000000000017"), Amount: 1200, STAN: 42, Expiry: "3012", EntryMode: "051",
			PANSequence: 1, PINCapture: 12, Track2: track2(t, "6277000000000017D30122010000000"),
			Terminal: terminal, Merchant: merchant, Currency: emv.CNY,
			PINBlock: unhexString(t, "0102030405060708"), Security: "2600000000000000",
			ICC:     unhexString(t, "9F260811223344556677889F2701809F360200019505008004E800"),
			Private: chip.of(22), MAC: someMAC,
		}},
		"sale-response": {order, &FinancialResponse{
			Type: Sale, PAN: pan(t, "6277000000000017"), Amount: 1200, STAN: 42, Time: "235959", Date: "1123",
			Expiry: "3012", SettleDate: "1124", PANSequence: 1, AcquirerID: "00010000", RRN: "112323595901",
			AuthCode: "A1B2C3", Code: "00", Terminal: terminal, Merchant: merchant, Issuer: "01020000",
			Acquirer: "48021000", Currency: emv.CNY, ICC: unhexString(t, "910A11223344556677883030"),
			Private: chip.of(22), Text: "CUP\xBD\xBB\xD2\xD7\xB3\xC9\xB9\xA6", MAC: someMAC,
		}},
		"decline-response": {request, &FinancialResponse{
			Type: Sale, STAN: 42, PANSequence: -1, Code: "51", Terminal: terminal, Merchant: merchant,
			Private: Private{Type: 22, Batch: 1, Digits: 8},
		}},
		"sealed-request": {request, &FinancialRequest{
			Type: Sale, Amount: 1200, STAN: 43, EntryMode: "052", PANSequence: -1,
			Sealed:   sealed(t, "4444444444444444 5555555555555555", "6225760008219524D2512101123456789"),
			Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Security: "0610000000000000", Private: chip.of(22),
		}},
		"void-request": {request, &FinancialRequest{
			Type: Void, PAN: pan(t, "6277000000000000003"), Amount: 1200, STAN: 44, EntryMode: "012", PANSequence: -1,
			RRN: "112323595901", AuthCode: "A1B2C3", Terminal: terminal, Merchant: merchant, Currency: emv.CNY,
			Private:  Private{Type: 23, Batch: 1, Capability: 5, Partial: 1, Account: 48, Digits: 17},
			Original: Original{Batch: 1, STAN: 42}, MAC: someMAC,
		}},
		"refund-request": {request, &FinancialRequest{
			Type: Refund, PAN: pan(t, "6277000000000017"), Amount: 1200, STAN: 45, EntryMode: "012", PANSequence: -1,
			RRN: "112323595901", Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Private: chip.of(25),
			Original: Original{Batch: 1, STAN: 42, Date: "1123"}, Scheme: "CUP", MAC: someMAC,
		}},
		"preauth-request": {request, &FinancialRequest{
			Type: Preauth, Amount: 10000, STAN: 46, EntryMode: "051", PANSequence: -1,
			Track2:   track2(t, "6277000000000017D30122010000000"),
			Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Private: chip.of(10), MAC: someMAC,
		}},
		"reversal-request": {request, &ReversalRequest{
			Type: Sale, PAN: pan(t, "6277000000000017"), Amount: 1200, STAN: 42, Expiry: "3012", EntryMode: "051",
			PANSequence: 0, AuthCode: "A1B2C3", Code: "98", Terminal: terminal, Merchant: merchant,
			Currency: emv.CNY, ICC: unhexString(t, "9505008004E8009F36020001"), Private: chip.of(22), MAC: someMAC,
		}},
		"reversal-response": {request, &ReversalResponse{
			Type: Sale, Amount: 1200, STAN: 42, Time: "000001", Date: "1124", SettleDate: "1124", AcquirerID: "48021000",
			RRN: "112400000102", Code: "00", Terminal: terminal, Merchant: merchant, Currency: emv.CNY,
			Private: chip.of(22), MAC: someMAC,
		}},
		"sign-on-request": {request, &NetworkRequest{
			Function: SignOnTrackKey, STAN: 1, Terminal: terminal, Merchant: merchant, Batch: 1,
			Data: []byte("Sequence No12306000000000"), Operator: "01",
		}},
		"sign-on-response": {answer, &NetworkResponse{
			Function: SignOnTrackKey, STAN: 1, Time: "080000", Date: "1124", AcquirerID: "48021000",
			RRN: "112408000001", Code: "00", Terminal: terminal, Merchant: merchant, Batch: 7,
			Data: unhexString(t, signOnVector),
		}},
		"echo-request": {request, &NetworkRequest{
			Function: Echo, STAN: 2, Terminal: terminal, Merchant: merchant, Batch: 1,
		}},
		"echo-response": {answer, &NetworkResponse{
			Function: Echo, STAN: 2, Time: "080001", Date: "1124", Code: "00", Terminal: terminal, Merchant: merchant, Batch: 1,
		}},
		"tip-adjust-request": {request, &FinancialRequest{
			Type: TipAdjust, PAN: pan(t, "6277000000000017"), Amount: 1400, STAN: 47, EntryMode: "012", PANSequence: -1,
			RRN: "112323595901", Terminal: terminal, Merchant: merchant, Tip: 200, Currency: emv.CNY,
			Private: chip.of(34), Original: Original{Batch: 1, STAN: 42, Date: "1123"}, MAC: someMAC,
		}},
		"long-pin-request": {request, &FinancialRequest{
			Type: Sale, PAN: pan(t, "6277000000000017"), Amount: 1200, STAN: 48, EntryMode: "021", PANSequence: -1,
			PINCapture: 12, Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Security: "2300000000000000",
			PINBlock: unhexString(t, "000102030405060708090A0B0C0D0E0F"),
			Device:   []byte("A20570100202" + "02008SN000001" + "03006000017" + "04008A1B2C3D4" + "05008V1.0    "),
			Private:  Private{Type: 22, Batch: 1, Capability: 5, Condition: 2}, MAC: someMAC,
		}},
		"balance-response": {answer, &FinancialResponse{
			Type: Balance, STAN: 49, Time: "101112", Date: "1123", PANSequence: -1, RRN: "112310111200", Code: "00",
			Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Private: chip.of(1), MAC: someMAC,
			Balance: AccountBalance{Account: 10, Kind: 2, Currency: emv.CNY, Debit: true, Minor: 123456},
		}},
		"completion-request": {request, &FinancialRequest{
			Type: PreauthCompletion, PAN: pan(t, "6277000000000017"), Amount: 11000, STAN: 50, Expiry: "3012",
			EntryMode: "051", PANSequence: 1, AuthCode: "A1B2C3", Terminal: terminal, Merchant: merchant,
			Currency: emv.CNY, Private: chip.of(20), MAC: someMAC,
			Original: Original{Date: "1123", Mode: "01", Institution: "00048021000"},
		}},
		"settlement-request": {request, &SettlementRequest{
			STAN: 60, Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Batch: 1, Operator: "01", MAC: someMAC,
			Domestic: Totals{DebitAmount: 12000, DebitCount: 10, CreditAmount: 1000, CreditCount: 1},
			Foreign:  Totals{DebitAmount: 990, DebitCount: 1},
		}},
		"settlement-response": {answer, &SettlementResponse{
			STAN: 60, Time: "220000", Date: "1123", SettleDate: "1124", AcquirerID: "48021000", RRN: "112322000000",
			Code: "00", Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Batch: 1, MAC: someMAC,
			Domestic: Totals{DebitAmount: 12000, DebitCount: 10, CreditAmount: 1000, CreditCount: 1, Verdict: 1},
			Foreign:  Totals{DebitAmount: 990, DebitCount: 1, Verdict: 2},
		}},
		"upload-group-request": {request, &UploadRequest{
			Function: UploadGroup, STAN: 61, PANSequence: -1, Terminal: terminal, Merchant: merchant,
			Group: details(t), Private: upload(201), MAC: someMAC,
		}},
		"upload-group-response": {answer, &UploadResponse{
			Function: UploadGroup, STAN: 61, Time: "220001", Date: "1123", Code: "00", Terminal: terminal,
			Merchant: merchant, Group: details(t), Private: upload(201), MAC: someMAC,
		}},
		"upload-end-request": {request, &UploadRequest{
			Function: EndUnbalanced, STAN: 62, PANSequence: -1, Terminal: terminal, Merchant: merchant, Count: 2,
			Private: upload(202), MAC: someMAC,
		}},
		"upload-end-response": {answer, &UploadResponse{
			Function: EndUnbalanced, STAN: 62, Time: "220002", Date: "1123", Code: "00", Terminal: terminal,
			Merchant: merchant, Count: -1, Private: upload(202), MAC: someMAC,
		}},
		"upload-tc-request": {request, &UploadRequest{
			Function: TCBalanced, PAN: pan(t, "6277000000000017"), Amount: 1200, STAN: 42, Expiry: "3012",
			EntryMode: "051", PANSequence: 1, Terminal: terminal, Merchant: merchant, Currency: emv.CNY,
			ICC: unhexString(t, "9F260811223344556677889F270140"), Facts: []byte("6100A1B2C3112323595901"),
			Private: Private{Batch: 1, Network: 203, Capability: 5}, MAC: someMAC,
		}},
		"upload-notice-request": {request, &UploadRequest{
			Type: Refund, PAN: pan(t, "6277000000000017"), Amount: 1200, STAN: 45, EntryMode: "012", PANSequence: -1,
			RRN: "112323595901", Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Private: chip.of(25),
			Original: Original{Batch: 1, STAN: 42, Date: "1123"}, Scheme: "CUP", MAC: someMAC,
		}},
		"upload-notice-response": {answer, &UploadResponse{
			Type: Refund, Amount: 1200, STAN: 45, Time: "220003", Date: "1123", RRN: "112322000300", Code: "00",
			Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Private: chip.of(25), MAC: someMAC,
		}},
		"script-request": {request, &ScriptRequest{
			Type: Sale, PAN: pan(t, "6277000000000017"), Amount: 1200, STAN: 42, Expiry: "3012", EntryMode: "051",
			PANSequence: 1, AcquirerID: "48021000", RRN: "112323595901", AuthCode: "A1B2C3", Terminal: terminal,
			Merchant: merchant, Currency: emv.CNY, ICC: unhexString(t, "9505008004E800DF31052000000000"),
			Private:  Private{Type: 22, Batch: 1, Network: 951, Capability: 5},
			Original: Original{Batch: 1, STAN: 42, Date: "1123"}, MAC: someMAC,
		}},
		"script-response": {answer, &ScriptResponse{
			Type: Sale, Amount: 1200, STAN: 42, Time: "235959", Date: "1123", RRN: "112323595901", Code: "00",
			Terminal: terminal, Merchant: merchant, Currency: emv.CNY,
			Private: Private{Type: 22, Batch: 1, Network: 951, Capability: 5}, MAC: someMAC,
		}},
		"aes-sign-on-response": {answer, &NetworkResponse{
			Function: SignOnAES, STAN: 3, Code: "00", Terminal: terminal, Merchant: merchant, Batch: 7,
			Data: fixture(t, "aes-sign-on-response")[59:],
		}},
		"ca-key-list-response": {request, &NetworkResponse{
			Function: CAKeyList, Code: "00", Terminal: "67004642", Merchant: "897370179233002", Batch: 1,
			Data: fixture(t, "ca-key-list-response")[56 : 56+277], MAC: someMAC,
		}},
	}
}

// details are two payments of a group.
func details(t testing.TB) []Detail {
	return []Detail{
		{DebitSide, 42, pan(t, "6277000000000017"), 1200},
		{CreditSide, 44, pan(t, "6277000000000000003"), 1300},
	}
}

// upload is field 60 of an upload that is about no single payment.
func upload(f uint16) Private { return Private{Batch: 1, Network: f, Digits: 11} }

func sealed(t testing.TB, key, track string) SealedTrack {
	t.Helper()
	block, err := keyblock.NewCipher(unhexString(t, key))
	if err != nil {
		t.Fatal(err)
	}
	s, err := SealTrack(block, track2(t, track))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGolden packs each message to the bytes of its fixture, and reads them back to the
// message. The fixtures came from a second, separate encoder of the same field table: they
// pin the coding, but a misreading of the table would be in both. The vectors of
// mac_test.go and tshark_test.go are the opinions from outside.
func TestGolden(t *testing.T) {
	d := CUP()
	for name, want := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			frame := fixture(t, name)
			packed, err := d.Append(nil, want.header, want.message)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(packed, frame) {
				t.Errorf("pack\n got %X\nwant %X", packed, frame)
			}
			header, message, err := d.Parse(frame)
			if err != nil {
				t.Fatal(err)
			}
			if header != want.header {
				t.Errorf("header: got %+v, want %+v", header, want.header)
			}
			if !reflect.DeepEqual(message, want.message) {
				t.Errorf("parse\n got %+v\nwant %+v", message, want.message)
			}
		})
	}
}

// TestEveryFixtureIsTested fails for a fixture that no golden names.
func TestEveryFixtureIsTested(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	known := goldens(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if _, ok := known[name]; !ok {
			t.Errorf("%s: no test", file)
		}
	}
}

// TestParsedSharesNothing wipes the frame: the message must not notice.
func TestParsedSharesNothing(t *testing.T) {
	d := CUP()
	for name, want := range goldens(t) {
		frame := bytes.Clone(fixture(t, name))
		_, message, err := d.Parse(frame)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		clear(frame)
		if !reflect.DeepEqual(message, want.message) {
			t.Errorf("%s: message changed with its frame", name)
		}
	}
}

// TestSecretsStayHidden prints every message in the ways that a log would.
func TestSecretsStayHidden(t *testing.T) {
	for name, g := range goldens(t) {
		s := sprint(g.message)
		for _, secret := range []string{"6277000000000017", "6225760008219524", "D3012", "848AC1FD"} {
			if strings.Contains(s, secret) {
				t.Errorf("%s: shows %s: %s", name, secret, s)
			}
		}
	}
}

func TestKeyOfAnAnswerIsThatOfItsRequest(t *testing.T) {
	g := goldens(t)
	for _, pair := range [][2]string{
		{"sale-request", "sale-response"},
		{"reversal-request", "reversal-response"},
		{"sign-on-request", "sign-on-response"},
		{"echo-request", "echo-response"},
		{"settlement-request", "settlement-response"},
		{"upload-group-request", "upload-group-response"},
		{"upload-end-request", "upload-end-response"},
		{"upload-notice-request", "upload-notice-response"},
		{"script-request", "script-response"},
	} {
		if got, want := g[pair[1]].message.Key(), g[pair[0]].message.Key(); got != want {
			t.Errorf("%s: key %+v, want %+v", pair[1], got, want)
		}
	}
	if a, b := g["sale-request"].message.Key(), g["reversal-request"].message.Key(); a == b {
		t.Errorf("a sale and its reversal share the key %+v", a)
	}
}

// TestTablesAreOneToOne: the fields of a message must name one transaction only, and a
// function one message type only.
func TestTablesAreOneToOne(t *testing.T) {
	d := CUP()
	for _, row := range d.transactions {
		if got, err := d.typeOf(row.request, row.processing, row.condition, row.code); got != row.kind || err != nil {
			t.Errorf("%v: reads as %v, %v", row.kind, got, err)
		}
		if got, err := d.typeOf(0, row.processing, row.condition, row.code); got != row.kind || err != nil {
			t.Errorf("reversal of %v: reads as %v, %v", row.kind, got, err)
		}
		if row.kind.request() != row.request {
			t.Errorf("%v: key has %04X, table has %04X", row.kind, row.kind.request(), row.request)
		}
	}
	if len(d.transactions) != typeCount-1 {
		t.Errorf("%d of %d transaction types are in the table", len(d.transactions), typeCount-1)
	}
	for _, row := range d.operations {
		if row.request == 0x0320 {
			continue // the class has the key
		}
		if row.function.request() != row.request {
			t.Errorf("function %v: key has %04X, table has %04X", row.function, row.function.request(), row.request)
		}
	}
}

// TestClassesKeepTheirFields: each value that a layout names has a place in its class.
func TestClassesKeepTheirFields(t *testing.T) {
	d := CUP()
	for c := financialRequest; c <= networkResponse; c++ {
		for _, s := range d.classes[c].slots {
			if s.value == vProcessing || s.value == vCondition {
				continue
			}
			if newMessage(c).places()[s.value] == nil {
				t.Errorf("class %d: field %d has no place", c, s.field)
			}
		}
	}
}

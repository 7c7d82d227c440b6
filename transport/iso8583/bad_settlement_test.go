package iso8583

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"posd/emv"
)

// insert returns the frame with bytes put in at an offset.
func insert(t testing.TB, frame []byte, at int, hexBytes string) []byte {
	t.Helper()
	out := append(bytes.Clone(frame[:at]), unhexString(t, hexBytes)...)
	return append(out, frame[at:]...)
}

// TestBadSettlementFrames: as TestBadFrames, for what settlement, uploads, script notices
// and the fields that came with them add.
//
// Offsets: group's field 48 at 47 (details at 50 and 70), its function at 96; the end's
// function at 57; settlement's field 48 at 47, its function at 89; script's function at
// 121; balance's field 54 at 73; long PIN's field 62 at 153; tip at 80.
func TestBadSettlementFrames(t *testing.T) {
	const nines = "99999999999999999999"
	for _, row := range []struct {
		name  string
		frame []byte
		cause error
		want  string
	}{
		{"group of nine", put(t, "upload-group-request", 49, "09"), ErrValue, "iso8583: parse 0320: field 48 (additional) at offset 47: 82 digits are no group and no count: bad value"},
		{"group of none", put(t, "upload-group-request", 49, "00"), ErrValue, "iso8583: parse 0320: field 48 (additional) at offset 47: 82 digits are no group and no count: bad value"},
		{"group without a card", put(t, "upload-group-request", 54, "00000000000000000000"), emv.ErrPAN, "iso8583: parse 0320: field 48 (additional) at offset 47: detail 1: emv: card number of 1 digits: 8 to 19 wanted: not a card number"},
		{"group with a card of 20 digits", put(t, "upload-group-request", 74, nines), emv.ErrPAN, "iso8583: parse 0320: field 48 (additional) at offset 47: detail 2: emv: card number of 20 digits: 8 to 19 wanted: not a card number"},
		{"group with amount zero", put(t, "upload-group-request", 84, "000000000000"), ErrValue, "iso8583: parse 0320: field 48 (additional) at offset 47: detail 2: STAN or amount zero: bad value"},
		{"group with a STAN of zero", put(t, "upload-group-request", 51, "000000"), ErrValue, "iso8583: parse 0320: field 48 (additional) at offset 47: detail 1: STAN or amount zero: bad value"},
		{"field 48 longer than its most", put(t, "upload-group-request", 47, "0324"), ErrValue, "iso8583: parse 0320: field 48 (additional) at offset 47: length 324, 1 to 322 wanted: bad value"},
		{"group under an end", put(t, "upload-group-request", 96, "2070"), ErrValue, "iso8583: parse 0320: field 48: not of function 207: bad value"},
		{"count under a group", put(t, "upload-end-request", 57, "2010"), ErrValue, "iso8583: parse 0320: field 48: not of function 201: bad value"},
		{"count under a TC", put(t, "upload-end-request", 57, "2030"), ErrValue, "iso8583: parse 0320: field 48: not of function 203: bad value"},
		{"end without its count", splice(t, "upload-end-request", 13, 38, "0020000000C00011 000062 3030303030303031 313233343536373839303132333435"), ErrMissing, "iso8583: parse 0320: field 48: function 202: missing"},
		{"function that no upload has", put(t, "upload-end-request", 57, "2080"), ErrUnknown, "iso8583: parse 0320: field 60: function 208: not in the dialect"},
		{"management's function in an upload", put(t, "upload-end-request", 57, "3010"), ErrUnknown, "iso8583: parse 0320: field 60: function 301: not in the dialect"},
		{"upload about nothing", put(t, "upload-end-request", 57, "0000"), ErrMissing, "iso8583: parse 0320: no function, and field 3 or 25: missing"},
		{"function with a transaction's code", put(t, "upload-tc-request", 90, "22"), ErrValue, "iso8583: parse 0320: function 203 with field 3, 25 or 60.1 of a transaction: bad value"},
		{"notice with a transaction that is none", put(t, "upload-notice-request", 85, "99"), ErrUnknown, "iso8583: parse 0320: transaction 200000, condition 00, code 99: not in the dialect"},
		{"script notice without its function", put(t, "script-request", 121, "0005"), ErrUnknown, "iso8583: parse 0620: field 60: function 000, 951 wanted: not in the dialect"},
		{"settlement with an upload's function", put(t, "settlement-request", 89, "2020"), ErrUnknown, "iso8583: parse 0500: field 60: function 202, 201 wanted: not in the dialect"},
		{"settlement with 60.1", put(t, "settlement-request", 85, "22"), ErrValue, "iso8583: parse 0500: field 60 (private 60) at offset 83: 11 digits with 60.1 = 22, 11 with 00 wanted: bad value"},
		{"totals of 60 digits", splice(t, "settlement-request", 47, 33, "0060"+strings.Repeat("00", 30)), ErrValue, "iso8583: parse 0500: field 48 (additional) at offset 47: 60 digits, 62 wanted: bad value"},
		{"totals with a letter", put(t, "settlement-request", 49, "A0"), ErrValue, "iso8583: parse 0500: field 48 (additional) at offset 47: nibble 1 is A: bad value"},
		{"tip of nothing", put(t, "tip-adjust-request", 82, "000000000000"), ErrValue, "iso8583: parse 0220: field 48 (additional) at offset 80: zero: bad value"},
		{"tip of 4 digits", splice(t, "tip-adjust-request", 80, 8, "0004 0200"), ErrValue, "iso8583: parse 0220: field 48 (additional) at offset 80: 4 digits, 12 wanted: bad value"},
		{"balance with another sign", put(t, "balance-response", 82, "58"), ErrValue, "iso8583: parse 0210: field 54 (balance) at offset 73: 20 characters that are no balance: bad value"},
		{"balance with a letter", put(t, "balance-response", 94, "41"), ErrValue, "iso8583: parse 0210: field 54 (balance) at offset 73: 20 characters that are no balance: bad value"},
		{"balance in no currency", put(t, "balance-response", 79, "303030"), ErrValue, "iso8583: parse 0210: field 54 (balance) at offset 73: zero: bad value"},
		{"balance of 19 characters", splice(t, "balance-response", 73, 3, "0019"), ErrValue, "iso8583: parse 0210: field 54 (balance) at offset 73: 19 characters that are no balance: bad value"},
		{"long PIN block of 15 bytes", splice(t, "long-pin-request", 153, 3, "0015"), ErrValue, "iso8583: parse 0200: field 62 (private 62) at offset 153: 15 bytes beside field 52, 16 without it wanted: bad value"},
		{"two PIN blocks", insert(t, put(t, "sale-request", 20, "15"), 147, "0016 000102030405060708090A0B0C0D0E0F"), ErrValue, "iso8583: parse 0200: field 62 (private 62) at offset 147: 16 bytes beside field 52, 16 without it wanted: bad value"},
		{"field 61 of 19 digits", splice(t, "completion-request", 90, 2, "0019"), ErrValue, "iso8583: parse 0200: field 61 (original) at offset 90: 19 digits, 12, 16, 18 or 29 wanted: bad value"},
		{"field 59 with a control character", put(t, "long-pin-request", 82, "00"), ErrValue, "iso8583: parse 0200: field 59 (device) at offset 80: byte 1 is 00: bad value"},
		{"answer to a settlement in a request's clothes", put(t, "settlement-response", 11, "0500"), ErrUnknown, "iso8583: parse 0500: field 12 (local time) at offset 24: not in the dialect"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, message, err := CUP().Parse(row.frame)
			if err == nil || message != nil {
				t.Fatalf("%v; message %+v", err, message)
			}
			if err.Error() != row.want || !errors.Is(err, row.cause) {
				t.Errorf("\n got %v\nwant %s", err, row.want)
			}
		})
	}
}

// TestBadSettlementMessages: as TestBadMessages.
func TestBadSettlementMessages(t *testing.T) {
	up := func(name string, change func(m *UploadRequest)) *UploadRequest {
		m := *goldens(t)[name].message.(*UploadRequest)
		change(&m)
		return &m
	}
	settle := func(change func(m *SettlementRequest)) *SettlementRequest {
		m := *goldens(t)["settlement-request"].message.(*SettlementRequest)
		change(&m)
		return &m
	}
	zeroFirst := []Detail{{STAN: 1, PAN: pan(t, "0277000000000017"), Amount: 1}}
	for _, row := range []struct {
		name string
		m    Message
		want string
	}{
		{"function and type", up("upload-notice-request", func(m *UploadRequest) { m.Function = EndBalanced }), "iso8583: pack: function 207 and refund at once: bad value"},
		{"neither", up("upload-notice-request", func(m *UploadRequest) { m.Type = 0 }), "iso8583: pack: none: not in the dialect"},
		{"management's function", up("upload-end-request", func(m *UploadRequest) { m.Function = Echo }), "iso8583: pack: function 301: not in the dialect"},
		{"function and another in 60.3", up("upload-end-request", func(m *UploadRequest) { m.Private.Network = 207 }), "iso8583: pack 0320: field 60 (private 60) at offset 51: function 207 in a message of function 202: bad value"},
		{"group of none", up("upload-group-request", func(m *UploadRequest) { m.Group = nil }), "iso8583: pack 0320: field 48 (additional) at offset 47: group of 0, 1 to 8 wanted: bad value"},
		{"group of nine", up("upload-group-request", func(m *UploadRequest) { m.Group = make([]Detail, 9) }), "iso8583: pack 0320: field 48 (additional) at offset 47: group of 9, 1 to 8 wanted: bad value"},
		{"group and count", up("upload-group-request", func(m *UploadRequest) { m.Count = 2 }), "iso8583: pack 0320: field 48 (additional) at offset 47: group or count in a message of function 201: bad value"},
		{"group in a TC", up("upload-tc-request", func(m *UploadRequest) { m.Group = details(t) }), "iso8583: pack 0320: field 48 (additional) at offset 68: group or count in a message of function 203: bad value"},
		{"detail without a number", up("upload-group-request", func(m *UploadRequest) { m.Group = []Detail{{PAN: details(t)[0].PAN, Amount: 1}} }), "iso8583: pack 0320: field 48 (additional) at offset 47: detail 1: no STAN, amount or card number: bad value"},
		{"card number that begins with 0", up("upload-group-request", func(m *UploadRequest) { m.Group = zeroFirst }), "iso8583: pack 0320: field 48 (additional) at offset 47: detail 1: card number begins with 0: bad value"},
		{"negative count", up("upload-end-request", func(m *UploadRequest) { m.Count = -1 }), "iso8583: pack 0320: field 48 (additional) at offset 47: count -1: bad value"},
		{"count of 5 digits", up("upload-end-request", func(m *UploadRequest) { m.Count = 10000 }), "iso8583: pack 0320: field 48 (additional) at offset 47: more than 4 digits: bad value"},
		{"negative totals", settle(func(m *SettlementRequest) { m.Foreign.CreditAmount = -1 }), "iso8583: pack 0500: field 48 (additional) at offset 47: negative totals, or a verdict of two digits: bad value"},
		{"number of 4 digits", settle(func(m *SettlementRequest) { m.Domestic.DebitCount = 1000 }), "iso8583: pack 0500: field 48 (additional) at offset 47: more than 3 digits: bad value"},
		{"no currency", settle(func(m *SettlementRequest) { m.Currency = 0 }), "iso8583: pack 0500: field 49 (currency) at offset 80: missing"},
		{"script notice without field 61", &ScriptRequest{Type: Sale, STAN: 1, PANSequence: -1, Terminal: terminal, Merchant: merchant, Currency: emv.CNY, ICC: []byte{1}}, "iso8583: pack 0620: field 61 (original) at offset 66: missing"},
		{"mode without a date", &FinancialRequest{Type: Sale, STAN: 1, EntryMode: "012", PANSequence: -1, Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Original: Original{Batch: 1, Mode: "01"}}, "iso8583: pack 0200: field 61 (original) at offset 65: a part without the one before it: bad value"},
		{"institution of 8 digits", &FinancialRequest{Type: Sale, STAN: 1, EntryMode: "012", PANSequence: -1, Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Original: Original{Date: "1123", Mode: "01", Institution: "48021000"}}, "iso8583: pack 0200: field 61 (original) at offset 65: institution of 8 characters, 11 wanted: bad value"},
		{"negative tip", &FinancialRequest{Type: TipAdjust, STAN: 1, EntryMode: "012", PANSequence: -1, Terminal: terminal, Merchant: merchant, Currency: emv.CNY, Tip: -1}, "iso8583: pack 0220: field 48 (additional) at offset 53: negative: bad value"},
		{"balance in no currency", &FinancialResponse{Type: Balance, STAN: 1, PANSequence: -1, Code: "00", Terminal: terminal, Merchant: merchant, Balance: AccountBalance{Minor: 1}}, "iso8583: pack 0210: field 54 (balance) at offset 53: no currency, or negative without a sign: bad value"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if dst, err := CUP().Append(nil, request, row.m); err == nil || err.Error() != row.want || len(dst) != 0 {
				t.Errorf("\n got %v\nwant %s", err, row.want)
			}
		})
	}
}

// TestFullGroupFits: eight payments with card numbers of 19 digits come back.
func TestFullGroupFits(t *testing.T) {
	m := &UploadRequest{
		Function: UploadGroup, STAN: 999999, PANSequence: -1, Terminal: terminal, Merchant: merchant,
		Private: upload(201), MAC: someMAC,
	}
	for i := range MaxGroup {
		m.Group = append(m.Group, Detail{Side(i % 2), uint32(999999 - i), pan(t, "6277000000000000003"), 999999999999})
	}
	frame, err := CUP().Append(nil, request, m)
	if err != nil {
		t.Fatal(err)
	}
	_, back, err := CUP().Parse(frame)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := CUP().Append(nil, request, back); err != nil || !bytes.Equal(again, frame) || len(back.(*UploadRequest).Group) != MaxGroup {
		t.Errorf("%d details, %v", len(back.(*UploadRequest).Group), err)
	}
}

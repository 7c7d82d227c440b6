package iso8583

import (
	"bytes"
	"errors"
	"testing"

	"posd/emv"
)

// put returns the fixture with bytes replaced from an offset on.
func put(t testing.TB, name string, at int, hexBytes string) []byte {
	t.Helper()
	frame := bytes.Clone(fixture(t, name))
	if n := copy(frame[at:], unhexString(t, hexBytes)); n == 0 {
		t.Fatalf("nothing to put at %d", at)
	}
	return frame
}

// cut returns the fixture's first n bytes.
func cut(t testing.TB, name string, n int) []byte {
	t.Helper()
	return bytes.Clone(fixture(t, name)[:n])
}

// splice returns the fixture with n bytes at an offset replaced by others.
func splice(t testing.TB, name string, at, n int, hexBytes string) []byte {
	t.Helper()
	frame := fixture(t, name)
	out := append(bytes.Clone(frame[:at]), unhexString(t, hexBytes)...)
	return append(out, frame[at+n:]...)
}

// TestBadFrames has one frame of each kind that must be refused, and says how.
//
// Offsets in sale-request: 21 PAN, 30 processing code, 33 amount, 39 STAN, 42 expiry,
// 44 entry mode, 46 sequence, 48 condition, 49 PIN capture, 50 track, 67 terminal,
// 75 merchant, 90 currency, 93 PIN block, 101 security, 109 ICC, 138 private, 147 MAC.
func TestBadFrames(t *testing.T) {
	const sale = "sale-request"
	for _, row := range []struct {
		name  string
		frame []byte
		cause error
		want  string
	}{
		{"empty", nil, ErrTruncated, "iso8583: parse: 0 bytes, at least 21: frame truncated"},
		{"half a bitmap", cut(t, sale, 17), ErrTruncated, "iso8583: parse: 17 bytes, at least 21: frame truncated"},
		{"too long", make([]byte, 2049), ErrTooLong, "iso8583: parse: 2049 bytes, at most 2048: frame too long"},
		{"TPDU of another kind", put(t, sale, 0, "68"), ErrValue, "iso8583: parse: TPDU: first byte 68, 60 wanted: bad value"},
		{"header with a letter", put(t, sale, 7, "0A"), ErrValue, "iso8583: parse: header: application, version, status or order is no digit: bad value"},
		{"minor version with a letter", put(t, sale, 9, "F0"), ErrValue, "iso8583: parse: header: minor version is no digit: bad value"},
		{"unknown message type", put(t, sale, 11, "0720"), ErrUnknown, "iso8583: parse: message type 0720 at offset 11: not in the dialect"},
		{"message type of an answer to an answer", put(t, sale, 11, "0420"), ErrUnknown, "iso8583: parse: message type 0420 at offset 11: not in the dialect"},
		{"second bitmap", put(t, sale, 13, "F0"), ErrUnknown, "iso8583: parse 0200: field 1 at offset 21: not in the dialect"},
		{"field that the dialect does not know", put(t, sale, 13, "7A"), ErrUnknown, "iso8583: parse 0200: field 5 at offset 39: not in the dialect"},
		{"field that the class does not have", put(t, sale, 14, "34"), ErrUnknown, "iso8583: parse 0200: field 12 (local time) at offset 42: not in the dialect"},
		{"length with a letter", put(t, sale, 21, "1A"), ErrValue, "iso8583: parse 0200: field 2 (PAN) at offset 21: length byte is 1A: bad value"},
		{"length above the most", put(t, sale, 21, "20"), ErrValue, "iso8583: parse 0200: field 2 (PAN) at offset 21: length 20, 1 to 19 wanted: bad value"},
		{"length of nothing", put(t, sale, 109, "0000"), ErrValue, "iso8583: parse 0200: field 55 (ICC data) at offset 109: length 0, 1 to 255 wanted: bad value"},
		{"three-digit length above the most", put(t, sale, 109, "0256"), ErrValue, "iso8583: parse 0200: field 55 (ICC data) at offset 109: length 256, 1 to 255 wanted: bad value"},
		{"fixed field cut", cut(t, sale, 36), ErrTruncated, "iso8583: parse 0200: field 4 (amount) at offset 33: 6 bytes wanted, 3 left: frame truncated"},
		{"length cut", cut(t, sale, 110), ErrTruncated, "iso8583: parse 0200: field 55 (ICC data) at offset 109: length of 2 bytes, 1 left: frame truncated"},
		{"variable field cut", cut(t, sale, 112), ErrTruncated, "iso8583: parse 0200: field 55 (ICC data) at offset 109: 27 bytes wanted, 1 left: frame truncated"},
		{"MAC missing", cut(t, sale, 147), ErrTruncated, "iso8583: parse 0200: field 64 (MAC) at offset 147: 8 bytes wanted, 0 left: frame truncated"},
		{"trailing byte", append(cut(t, sale, 155), 0), ErrTrailing, "iso8583: parse 0200: 1 bytes at offset 155: bytes after the last field"},
		{"missing STAN", splice(t, "echo-request", 13, 11, "0000000000C00010"), ErrMissing, "iso8583: parse 0820: field 11 (STAN) at offset 52: missing"},
		{"digit that is none", put(t, sale, 33, "0A"), ErrValue, "iso8583: parse 0200: field 4 (amount) at offset 33: nibble 2 is A: bad value"},
		{"left-aligned field with a pad that is not 0", put(t, sale, 45, "1F"), ErrValue, "iso8583: parse 0200: field 22 (entry mode) at offset 44: pad nibble is F: bad value"},
		{"right-aligned field written left", put(t, sale, 46, "1000"), ErrValue, "iso8583: parse 0200: field 23 (PAN sequence number) at offset 46: pad nibble is 1: bad value"},
		{"zero amount", put(t, sale, 33, "000000000000"), ErrValue, "iso8583: parse 0200: field 4 (amount) at offset 33: zero: bad value"},
		{"zero STAN", put(t, sale, 39, "000000"), ErrValue, "iso8583: parse 0200: field 11 (STAN) at offset 39: zero: bad value"},
		{"PIN capture of nothing", put(t, sale, 49, "00"), ErrValue, "iso8583: parse 0200: field 26 (PIN capture code) at offset 49: zero: bad value"},
		{"card number too short", splice(t, sale, 21, 9, "0762770000"), emv.ErrPAN, "iso8583: parse 0200: field 2 (PAN) at offset 21: emv: card number of 7 digits: 8 to 19 wanted: not a card number"},
		{"track without a separator", put(t, sale, 59, "03"), emv.ErrTrack, "iso8583: parse 0200: field 35 (track 2) at offset 50: emv: track 2: 0 separators, 1 wanted: not track 2 data"},
		{"track with a letter", put(t, sale, 51, "A2"), emv.ErrTrack, "iso8583: parse 0200: field 35 (track 2) at offset 50: emv: track 2: position 1 is no digit: not track 2 data"},
		{"track with a pad that is not 0", put(t, sale, 66, "0F"), ErrValue, "iso8583: parse 0200: field 35 (track 2) at offset 50: pad nibble is F: bad value"},
		{"enciphered track too short", splice(t, "sealed-request", 36, 18, "16 84848484848484D0"), ErrValue, "iso8583: parse 0200: field 35 (track 2) at offset 36: 16 characters, at least 17 when enciphered: bad value"},
		{"control character", put(t, sale, 67, "00"), ErrValue, "iso8583: parse 0200: field 41 (terminal) at offset 67: byte 1 is 00: bad value"},
		{"GBK where ASCII is due", put(t, sale, 76, "BD"), ErrValue, "iso8583: parse 0200: field 42 (merchant) at offset 75: byte 2 is BD: bad value"},
		{"currency of letters", put(t, sale, 90, "434E59"), ErrValue, "iso8583: parse 0200: field 49 (currency) at offset 90: no digits: bad value"},
		{"currency 000", put(t, sale, 90, "303030"), ErrValue, "iso8583: parse 0200: field 49 (currency) at offset 90: zero: bad value"},
		{"MAC of zeros", put(t, sale, 147, "0000000000000000"), ErrValue, "iso8583: parse 0200: field 64 (MAC) at offset 147: zero: bad value"},
		{"field 60 cut inside the batch", splice(t, sale, 138, 9, "0005 220000"), ErrValue, "iso8583: parse 0200: field 60 (private 60) at offset 138: 5 digits end inside a subfield: bad value"},
		{"fields 3, 25 and 60.1 that name nothing", put(t, sale, 140, "99"), ErrUnknown, "iso8583: parse 0200: transaction 000000, condition 00, code 99: not in the dialect"},
		{"a refund's fields under 0200", put(t, "refund-request", 11, "0200"), ErrUnknown, "iso8583: parse 0200: transaction 200000, condition 00, code 25: not in the dialect"},
		{"field 61 of 13 digits", splice(t, "void-request", 102, 8, "0013 00000100004200"), ErrValue, "iso8583: parse 0200: field 61 (original) at offset 102: 13 digits, 12, 16, 18 or 29 wanted: bad value"},
		{"field 61 of zeros", put(t, "void-request", 104, "000000000000"), ErrValue, "iso8583: parse 0200: field 61 (original) at offset 102: zero: bad value"},
		{"field 44 of 21 characters", splice(t, "sale-response", 102, 2, "21"), ErrValue, "iso8583: parse 0210: field 44 (institutions) at offset 102: 21 characters, 22 wanted: bad value"},
		{"field 44 of blanks", put(t, "sale-response", 103, "20202020202020202020202020202020202020202020"), ErrValue, "iso8583: parse 0210: field 44 (institutions) at offset 102: blank: bad value"},
		{"echo under 0800", put(t, "echo-request", 11, "0800"), ErrUnknown, "iso8583: parse 0800: field 60: function 301: not in the dialect"},
		{"function that nobody knows", put(t, "echo-request", 53, "9990"), ErrUnknown, "iso8583: parse 0820: field 60: function 999: not in the dialect"},
		{"management with 60.1", put(t, "echo-request", 49, "22"), ErrValue, "iso8583: parse 0820: field 60 (private 60) at offset 47: 11 digits with 60.1 = 22, 11 with 00 wanted: bad value"},
		{"operator without a blank", put(t, "sign-on-request", 84, "303130"), ErrValue, "iso8583: parse 0800: field 63 (private 63) at offset 82: not an operator and a blank: bad value"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, message, err := CUP().Parse(row.frame)
			if err == nil {
				t.Fatalf("no error; message %+v", message)
			}
			if row.want != "" && err.Error() != row.want {
				t.Errorf("\n got %v\nwant %s", err, row.want)
			}
			if row.cause != nil && !errors.Is(err, row.cause) {
				t.Errorf("%v is not %v", err, row.cause)
			}
			if message != nil {
				t.Errorf("an error with a message: %+v", message)
			}
		})
	}
}

// TestEveryCutIsRefused cuts each fixture after every byte but the last.
func TestEveryCutIsRefused(t *testing.T) {
	d := CUP()
	for name := range goldens(t) {
		frame := fixture(t, name)
		for n := range frame {
			if _, _, err := d.Parse(frame[:n]); !errors.Is(err, ErrTruncated) {
				t.Errorf("%s cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

// TestBadMessages has one message of each kind that cannot be packed.
func TestBadMessages(t *testing.T) {
	sale := func(change func(m *FinancialRequest)) *FinancialRequest {
		m := *goldens(t)["sale-request"].message.(*FinancialRequest)
		change(&m)
		return &m
	}
	for _, row := range []struct {
		name string
		m    Message
		want string
	}{
		{"no type", sale(func(m *FinancialRequest) { m.Type = 0 }), "iso8583: pack: none: not in the dialect"},
		{"type beyond the table", sale(func(m *FinancialRequest) { m.Type = 200 }), "iso8583: pack: transaction type 200: not in the dialect"},
		{"no function", &NetworkRequest{Function: 999}, "iso8583: pack: function 999: not in the dialect"},
		{"no STAN", sale(func(m *FinancialRequest) { m.STAN = 0 }), "iso8583: pack 0200: field 11 (STAN) at offset 39: missing"},
		{"STAN of 7 digits", sale(func(m *FinancialRequest) { m.STAN = 1000000 }), "iso8583: pack 0200: field 11 (STAN) at offset 39: more than 6 digits: bad value"},
		{"amount of 13 digits", sale(func(m *FinancialRequest) { m.Amount = 1e12 }), "iso8583: pack 0200: field 4 (amount) at offset 33: more than 12 digits: bad value"},
		{"negative amount", sale(func(m *FinancialRequest) { m.Amount = -1 }), "iso8583: pack 0200: field 4 (amount) at offset 33: negative: bad value"},
		{"expiry of 3 digits", sale(func(m *FinancialRequest) { m.Expiry = "301" }), "iso8583: pack 0200: field 14 (expiry) at offset 42: length 3, 4 wanted: bad value"},
		{"entry mode with a letter", sale(func(m *FinancialRequest) { m.EntryMode = "05A" }), "iso8583: pack 0200: field 22 (entry mode) at offset 44: position 3 is no digit: bad value"},
		{"terminal of 7 characters", sale(func(m *FinancialRequest) { m.Terminal = "0000001" }), "iso8583: pack 0200: field 41 (terminal) at offset 67: length 7, 8 wanted: bad value"},
		{"terminal with a newline", sale(func(m *FinancialRequest) { m.Terminal = "0000001\n" }), "iso8583: pack 0200: field 41 (terminal) at offset 67: byte 8 is 0A: bad value"},
		{"PIN block of 7 bytes", sale(func(m *FinancialRequest) { m.PINBlock = make([]byte, 7) }), "iso8583: pack 0200: field 52 (PIN block) at offset 93: length 7, 8 wanted: bad value"},
		{"ICC data of 256 bytes", sale(func(m *FinancialRequest) { m.ICC = make([]byte, 256) }), "iso8583: pack 0200: field 55 (ICC data) at offset 109: length 256, at most 255: bad value"},
		{"field 60 cut before what is set", sale(func(m *FinancialRequest) { m.Private.Digits = 8 }), "iso8583: pack 0200: field 60 (private 60) at offset 138: digit 12 is set, but the field ends after 8: bad value"},
		{"field 60 ends inside a subfield", sale(func(m *FinancialRequest) { m.Private.Digits = 9 }), "iso8583: pack 0200: field 60 (private 60) at offset 138: ends after digit 9, which is inside a subfield: bad value"},
		{"field 60 ends nowhere", sale(func(m *FinancialRequest) { m.Private.Digits = 200 }), "iso8583: pack 0200: field 60 (private 60) at offset 138: ends after digit 200, which is inside a subfield: bad value"},
		{"batch of 7 digits", sale(func(m *FinancialRequest) { m.Private.Batch = 1000000 }), "iso8583: pack 0200: field 60 (private 60) at offset 138: subfield after digit 2: more than 6 digits: bad value"},
		{"track in clear where field 53 says enciphered", sale(func(m *FinancialRequest) { m.Security = "2610000000000000" }), "iso8583: pack 0200: field 35 (track 2) at offset 50: field 53 says otherwise about its encryption: bad value"},
		{"date of 3 characters", sale(func(m *FinancialRequest) { m.Original = Original{Batch: 1, STAN: 1, Date: "112"} }), "iso8583: pack 0200: field 61 (original) at offset 147: date of 3 characters, 4 wanted: bad value"},
		{"text without end", sale(func(m *FinancialRequest) { m.Scheme = string(make([]byte, 5000)) }), "iso8583: pack 0200: field 63 (private 63) at offset 147: length 5000: bad value"},
		{"operator of 3 digits", &NetworkRequest{Function: Echo, STAN: 1, Terminal: terminal, Merchant: merchant, Operator: "123"}, "iso8583: pack 0820: field 63 (private 63) at offset 55: operator of 3 characters, 2 wanted: bad value"},
		{"institution of 12 characters", &FinancialResponse{Type: Sale, STAN: 1, Code: "00", Terminal: terminal, Merchant: merchant, Issuer: "123456789012"}, "iso8583: pack 0210: field 44 (institutions) at offset 55: half of 12 characters, at most 11 and no blank at the end: bad value"},
	} {
		t.Run(row.name, func(t *testing.T) {
			room := make([]byte, 2, MaxFrame)
			dst, err := CUP().Append(room, request, row.m)
			if err == nil || err.Error() != row.want {
				t.Errorf("\n got %v\nwant %s", err, row.want)
			}
			if len(dst) != 2 {
				t.Errorf("dst has %d bytes, want its 2", len(dst))
			}
			if behind := room[2:cap(room)]; bytes.Count(behind, []byte{0}) != len(behind) {
				t.Errorf("something of the message stayed behind: % X", behind[:160])
			}
		})
	}
}

func TestBadHeaderIsNotPacked(t *testing.T) {
	h := request
	h.Order = 10
	if _, err := CUP().Append(nil, h, goldens(t)["echo-request"].message); err == nil ||
		err.Error() != "iso8583: pack 0820: header: application, version, status or order is no digit: bad value" {
		t.Errorf("got %v", err)
	}
}

package iso8583

import "posd/emv"

// Totals are what one side counts for one class of cards: half of field 48 of a
// settlement. Amounts are in minor units, 12 digits at most; counts have 3.
type Totals struct {
	DebitAmount  int64
	DebitCount   int
	CreditAmount int64 // positive too
	CreditCount  int
	Verdict      uint8 // 0 in a request; in an answer 1 balanced (平), 2 not (不平), 3 the host failed (出错)
}

// SettlementRequest is 0500, function 201 (批结算).
type SettlementRequest struct {
	STAN              uint32 // 11
	Terminal          string // 41
	Merchant          string // 42
	Domestic, Foreign Totals // 48
	Currency          emv.Currency
	Batch             uint32  // 60.2
	Operator          string  // 63, 2 digits (a blank follows on the wire)
	MAC               [8]byte // 64
}

// SettlementResponse is 0510.
type SettlementResponse struct {
	STAN              uint32 // 11
	Time, Date        string // 12, 13
	SettleDate        string // 15
	AcquirerID        string // 32
	RRN               string // 37
	Code              string // 39
	Terminal          string // 41
	Merchant          string // 42
	Domestic, Foreign Totals // 48
	Currency          emv.Currency
	Batch             uint32  // 60.2
	MAC               [8]byte // 64
}

// Side is the side of the totals on which an uploaded payment counts.
type Side uint8

const (
	DebitSide  Side = 0 // the merchant gets money
	CreditSide Side = 1 // the merchant gave money back
)

// Detail is one payment of an uploaded group: n 2 side, n 6 STAN, n 20 card number with
// zeros in front, n 12 amount. That the first two digits are the side is not confirmed by
// a public source.
type Detail struct {
	Side   Side
	STAN   uint32
	PAN    emv.PAN // its first digit is not 0
	Amount int64   // minor units, not 0
}

// MaxGroup is the most payments that one message uploads.
const MaxGroup = 8

// UploadRequest is 0320 (批上送). Either Function or Type is set:
//
//   - UploadGroup has Group, EndUnbalanced and EndBalanced have Count;
//   - the TC and failure functions have a card's payment with ICC and Facts;
//   - with Type and no function it is one payment in full, with fields 3, 25 and 60.1 of
//     its kind: a notice, or a chip payment that was approved off line.
type UploadRequest struct {
	Function    Function        // 60.3; 0 with a Type
	Type        TransactionType // fields 3, 25, 60.1; 0 with a function
	PAN         emv.PAN         // 2
	Amount      int64           // 4
	STAN        uint32          // 11: of the payment, where the message is about one
	Expiry      string          // 14
	EntryMode   string          // 22, 3 digits; empty for none
	PANSequence int             // 23, -1 for none
	RRN         string          // 37
	AuthCode    string          // 38
	Terminal    string          // 41
	Merchant    string          // 42
	Group       []Detail        // 48 of UploadGroup: 1 to MaxGroup
	Count       int             // 48 of the end functions: how many payments were uploaded, 0 to 9999
	Currency    emv.Currency    // 49; 0 for none
	ICC         []byte          // 55
	Device      []byte          // 59
	Private     Private         // 60; Type and Network are set by the codec
	Original    Original        // 61
	Facts       []byte          // 62, of a TC or a failure: opaque here, see package acquirer
	Scheme      string          // 63
	MAC         [8]byte         // 64
}

// UploadResponse is 0330. Group and Count are those of the request, where it had them and
// the host repeats them.
type UploadResponse struct {
	Function   Function
	Type       TransactionType
	PAN        emv.PAN // 2
	Amount     int64   // 4
	STAN       uint32  // 11
	Time, Date string  // 12, 13
	SettleDate string  // 15
	AcquirerID string  // 32
	RRN        string  // 37
	AuthCode   string  // 38
	Code       string  // 39
	Terminal   string  // 41
	Merchant   string  // 42
	Group      []Detail
	Count      int          // of the end functions; -1 where the host does not repeat it
	Currency   emv.Currency // 49
	Private    Private      // 60
	MAC        [8]byte      // 64
}

// ScriptRequest is 0620, function 951: what issuer scripts did to a card. Its type is
// that of the payment.
type ScriptRequest struct {
	Type        TransactionType // of the payment
	PAN         emv.PAN         // 2
	Amount      int64           // 4
	STAN        uint32          // 11
	Expiry      string          // 14
	EntryMode   string          // 22
	PANSequence int             // 23, -1 for none
	AcquirerID  string          // 32
	RRN         string          // 37, of the payment
	AuthCode    string          // 38, of the payment
	Terminal    string          // 41
	Merchant    string          // 42
	Currency    emv.Currency    // 49
	ICC         []byte          // 55: 9F33 95 9F37 9F1E 9F10 9F26 9F36 82 DF31 9F1A 9A
	Device      []byte          // 59
	Private     Private         // 60; Type and Network are set by the codec
	Original    Original        // 61: batch, STAN and date of the payment
	MAC         [8]byte         // 64
}

// ScriptResponse is 0630.
type ScriptResponse struct {
	Type       TransactionType
	PAN        emv.PAN      // 2
	Amount     int64        // 4
	STAN       uint32       // 11
	Time, Date string       // 12, 13
	SettleDate string       // 15
	AcquirerID string       // 32
	RRN        string       // 37
	Code       string       // 39
	Terminal   string       // 41
	Merchant   string       // 42
	Currency   emv.Currency // 49
	Private    Private      // 60
	MAC        [8]byte      // 64
}

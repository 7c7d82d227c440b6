package iso8583

import (
	"posd/emv"
	"posd/emv/keyblock"
)

// Header is what goes before the message type: TPDU and application header (报文头).
type Header struct {
	TPDU        [5]byte // 60 dd dd ss ss; an answer swaps destination and source
	Application byte    // 应用类别: 0x60
	Version     byte    // 软件总版本, BCD
	Status      byte    // 终端状态, 0 to 9
	Order       byte    // 处理要求, 0 to 9: the job that the host wants done when idle
	Minor       [3]byte // 软件分版本, BCD
}

// Answer returns the header of an answer to h: addresses swapped.
func (h Header) Answer() Header {
	h.TPDU[1], h.TPDU[2], h.TPDU[3], h.TPDU[4] = h.TPDU[3], h.TPDU[4], h.TPDU[1], h.TPDU[2]
	return h
}

// Message is one of the message classes below, by pointer. No other package can
// add one.
type Message interface {
	// Key is what an answer is matched to its request by.
	Key() Key

	class() class
	// places points to where the class keeps its values.
	places() places
}

// Key matches an answer to its request: the message type of the request (an answer's
// less 10 hex, so 0210 gives 0200), STAN and terminal. The message type is that of
// the UnionPay message set, whatever number a dialect writes.
type Key struct {
	MTI      uint16
	STAN     uint32
	Terminal string
}

// Private is field 60, cut at its last subfield that is present.
type Private struct {
	Type       uint8  // 60.1 交易类型码, n 2
	Batch      uint32 // 60.2, n 6
	Network    uint16 // 60.3 网络管理信息码, n 3
	Capability uint8  // 60.4 终端读取能力, n 1: 5 contact chip
	Condition  uint8  // 60.5 IC条件代码, n 1
	Partial    uint8  // 60.6 部分扣款标志, n 1
	Account    uint16 // 60.7 账户类型, n 3
	// Digits says where the field ends: after 60.1 (2), 60.2 (8), 60.3 (11), 60.4 (12),
	// 60.5 (13), 60.6 (14) or 60.7 (17). 0 stands for 13, the usual end.
	Digits uint8
}

// FinancialRequest is a request that moves or holds money: 0200, 0100, 0220. Which one,
// and fields 3, 25 and 60.1, follow from Type.
type FinancialRequest struct {
	Type        TransactionType
	PAN         emv.PAN      // 2
	Amount      int64        // 4, minor units
	STAN        uint32       // 11
	Expiry      string       // 14, YYMM, empty for none
	EntryMode   string       // 22, 3 digits
	PANSequence int          // 23, -1 for none
	PINCapture  uint8        // 26, 12 with a PIN; 0 for none
	Track2      emv.Track2   // 35, in clear
	Sealed      SealedTrack  // 35, under the track key: then Security's third digit is 1
	RRN         string       // 37: of the original, in void and refund
	AuthCode    string       // 38
	Terminal    string       // 41
	Merchant    string       // 42
	Tip         int64        // 48, minor units: in the tip adjustment; 0 for none
	Currency    emv.Currency // 49
	PINBlock    []byte       // 8 bytes in 52, or 16 in 62; empty for none
	Security    string       // 53, 16 digits; empty for none
	ICC         []byte       // 55
	Device      []byte       // 59: which device it is, see package emv/binding; empty for none
	Private     Private      // 60; its Type is set by the codec
	Original    Original     // 61
	Scheme      string       // 63
	MAC         [8]byte      // 64; set by Seal
}

// FinancialResponse is the answer: 0210, 0110, 0230.
type FinancialResponse struct {
	Type        TransactionType
	PAN         emv.PAN        // 2
	Amount      int64          // 4
	STAN        uint32         // 11
	Time        string         // 12, hhmmss
	Date        string         // 13, MMDD
	Expiry      string         // 14
	SettleDate  string         // 15
	PANSequence int            // 23, -1 for none
	AcquirerID  string         // 32
	RRN         string         // 37
	AuthCode    string         // 38
	Code        string         // 39
	Terminal    string         // 41
	Merchant    string         // 42
	Issuer      string         // 44, first 11 characters
	Acquirer    string         // 44, last 11 characters
	Currency    emv.Currency   // 49
	Security    string         // 53, 16 digits; empty for none
	Balance     AccountBalance // 54
	ICC         []byte         // 55
	Private     Private        // 60
	Text        string         // 63 as sent, GBK: scheme 3 and texts 20 + 20 + 20, 63 bytes at most
	MAC         [8]byte        // 64
}

// ReversalRequest is 0400: it repeats STAN and batch of the original.
type ReversalRequest struct {
	Type        TransactionType // of the original
	PAN         emv.PAN         // 2
	Amount      int64           // 4
	STAN        uint32          // 11, of the original
	Expiry      string          // 14
	EntryMode   string          // 22
	PANSequence int             // 23, -1 for none
	AuthCode    string          // 38, where the original was answered
	Code        string          // 39, the reason: 98, 06, A0
	Terminal    string          // 41
	Merchant    string          // 42
	Currency    emv.Currency    // 49
	ICC         []byte          // 55: 95 9F1E 9F10 9F36 DF31
	Device      []byte          // 59
	Private     Private         // 60
	Original    Original        // 61, in the reversal of a void or a completion
	MAC         [8]byte         // 64
}

// ReversalResponse is 0410.
type ReversalResponse struct {
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
	ICC        []byte       // 55
	Private    Private      // 60
	MAC        [8]byte      // 64
}

// NetworkRequest is 0800 or 0820, as its function says.
type NetworkRequest struct {
	Function Function // 60.3
	STAN     uint32   // 11
	Terminal string   // 41
	Merchant string   // 42
	Batch    uint32   // 60.2
	Data     []byte   // 62
	Operator string   // 63: operator number, 2 digits (a blank follows on the wire); sign-on
	MAC      [8]byte  // 64; zero for none
}

// NetworkResponse is 0810 or 0830.
type NetworkResponse struct {
	Function   Function // 60.3
	STAN       uint32   // 11
	Time, Date string   // 12, 13
	AcquirerID string   // 32
	RRN        string   // 37
	Code       string   // 39
	Terminal   string   // 41
	Merchant   string   // 42
	Batch      uint32   // 60.2
	Data       []byte   // 62
	MAC        [8]byte  // 64; zero for none
}

// Original is field 61: which payment is meant. Zero for none. It ends after any of its
// parts but Batch, and has no gaps.
type Original struct {
	Batch       uint32 // n 6
	STAN        uint32 // n 6
	Date        string // n 4, MMDD; empty for none
	Mode        string // 授权方式, n 2: how the payment was authorised; empty for none
	Institution string // 授权机构, n 11: who authorised it; empty for none
}

// AccountBalance is field 54: one amount that an account has. Zero for none.
type AccountBalance struct {
	Account  uint8        // account type, n 2
	Kind     uint8        // amount type, n 2: 01 ledger balance, 02 available
	Currency emv.Currency // never 0
	Debit    bool         // D: the holder owes it; C otherwise
	Minor    int64        // n 12, never negative
}

// Signed returns the amount, negative for a debit balance.
func (b AccountBalance) Signed() int64 {
	if b.Debit {
		return -b.Minor
	}
	return b.Minor
}

// SignOnKeys are the working keys of field 62 of a sign-on answer. They come and go
// with [AppendSignOnKeys] and [ParseKeys].
type SignOnKeys = keyblock.WorkingKeys

package payment

import (
	"fmt"
	"time"

	"posd/emv"
	"posd/emv/kernel"
)

// ID names a payment for ever: terminal, batch and STAN. The host is idempotent on it.
type ID struct {
	Batch uint32 // 1 to 999999, field 60.2
	STAN  uint32 // 1 to 999999, field 11; "voucher number" on the receipt
}

// String returns batch and STAN as people read them: "000001/000042".
func (id ID) String() string { return fmt.Sprintf("%06d/%06d", id.Batch, id.STAN) }

// State is where a payment stands. It is persisted by its number: numbers are never
// reused. Legal moves are in the table of [State.CanMove].
type State uint8

const (
	// Requested: the request, and the reversal that it may need, are on disk. Found
	// after a restart it means that the host may have heard: it is owed a reversal.
	Requested State = 1
	// Answered: the host approved; the card has not yet had its say. After a restart
	// it is owed a reversal too.
	Answered State = 2
	// Completed: the card agreed with the host. The money has moved.
	Completed State = 3
	// Declined: no money moved, and the host knows it or never heard.
	Declined State = 4
	// ReversalOwed: the host may have moved money for a payment that did not happen.
	ReversalOwed State = 5
	// Reversed: the host answered the reversal.
	Reversed State = 6
	// Resolved: an operator ended the debt with a reason that is kept.
	Resolved State = 7
	// Stored: it happened without the host, or the host's answer is not known and it is
	// of a kind that is repeated. It goes up in its turn, one at a time, until the host
	// answers; a restart changes nothing.
	Stored State = 8
	// Refused: the host answered a stored payment with a refusal. It stays in the batch,
	// on the list of unsent payments, until an operator resolves it or sends it again.
	Refused State = 9
)

// Reason is field 39 of a reversal: why the money is to be given back.
type Reason string

const (
	NoAnswer   Reason = "98" // no answer in time, or the terminal lost power before it
	CardFailed Reason = "06" // the card or the terminal failed after the host's approval
	BadMAC     Reason = "A0" // the answer could not be authenticated
)

// Record is one payment as the journal keeps it and the receipt shows it. It holds no
// track, no PIN block and no key; PAN is sealed by the store.
type Record struct {
	ID       ID
	Kind     Kind
	State    State
	Amount   emv.Amount
	Time     time.Time // business clock at the order
	Operator string    // two digits
	// Supervisor is who allowed it where its kind asks for more than a cashier; two
	// digits, empty for nobody.
	Supervisor string
	Terminal   string // field 41, 8 characters
	Merchant   string // field 42, 15 characters

	PAN         emv.PAN
	Masked      string // first six, last four
	Expiry      string // YYMM
	PANSequence int    // -1 for none
	EntryMode   string // field 22, 3 digits: 051 chip with PIN, 052 chip without; 021, 022 stripe; 011, 012 typed
	Fallback    bool   // the chip failed and the stripe was read: field 60.5 is 2
	Request     []byte // field 55 as sent
	Final       []byte // field 55 objects after the last GENERATE AC, the TC among them
	OnlinePIN   bool

	Original *Original  // nil for a kind that has none
	Before   emv.Amount // amount of the original before an adjustment; zero otherwise

	Answer    *Answer // nil before an answer
	Tries     int     // how often a stored payment was sent
	Script    *Notice // nil where the card ran no issuer script
	Facts     kernel.Facts
	Why       string // what decided, in one clause
	Reversal  *Debt  // nil where none was ever owed
	Completed time.Time
	Printed   bool
}

// Original is the payment that this one is about, as field 37, 38 and 61 name it.
type Original struct {
	ID       ID     // zero where batch and voucher number are not known
	RRN      string // field 37, 12 characters; empty for unknown
	AuthCode string // field 38, 6 characters; empty for unknown
	Date     string // MMDD; empty for unknown
}

// Notice is the result of issuer scripts, which the host is told of before the next
// request (0620).
type Notice struct {
	ICC    []byte    // field 55 of the notice: DF31 is the results
	Since  time.Time // when it became owed
	Tries  int       // how often it was sent
	Answer *Answer   // nil until the host answered
}

// Answer is the host's answer to a request or a reversal.
type Answer struct {
	Code       string // field 39
	AuthCode   string // field 38
	RRN        string // field 37
	Time       string // fields 13 and 12: MMDDhhmmss
	SettleDate string // field 15: MMDD
	Acquirer   string // field 44, second half
	Issuer     string // field 44, first half
	Text       string // field 63: what the issuer wants said
	ICC        []byte // field 55
	Amount     int64  // field 4, minor units; 0 where absent
	Balance    *int64 // field 54, minor units, negative for a debit balance; nil where absent
}

// Debt is a reversal that is or was owed.
type Debt struct {
	Reason     Reason
	ICC        []byte    // field 55 of the reversal
	Since      time.Time // when it became owed
	Tries      int       // how often it was sent
	Last       string    // how the last try ended
	Answer     *Answer   // nil until the host answered
	Resolution string    // an operator's reason
	Operator   string    // who resolved it
}

package acquirer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"posd/emv"
	"posd/host-sim/db"
	"posd/transport/iso8583"
)

// State is where a payment stands at the host. It is stored as it reads here.
type State string

const (
	// Approved: the money has moved, or is held.
	Approved State = "approved"
	// Declined: no money moved.
	Declined State = "declined"
	// Reversed: the money has moved there and back.
	Reversed State = "reversed"
	// Voided: it counted, and a later payment took it back.
	Voided State = "voided"
	// Completed: a pre-authorisation whose completion took the money.
	Completed State = "completed"
	// Tombstone: a reversal came for a payment that had not; it is refused if it comes.
	Tombstone State = "tombstone"
	// accepted is the state of a reversal itself.
	accepted State = "accepted"
)

// Message classes of a key.
const (
	classFinancial = 0x0200
	classReversal  = 0x0400
)

// key names a payment for ever.
type key struct {
	MID, TID string
	Batch    uint32
	STAN     uint32
	Class    int64
}

// payment is one row: a payment, or a reversal, or the tombstone of a payment.
type payment struct {
	key
	Fingerprint []byte
	PANHash     []byte
	Masked      string
	Kind        string
	Amount      int64
	Currency    emv.Currency
	State       State
	Code        string
	Why         string
	RRN         string
	AuthCode    string
	Reason      string // field 39 of a reversal
	Posting     int64  // of the ledger, 0 for none
	Reply       []byte // sealed
	KeySet      int64  // that the reply was authenticated with
	At          time.Time
	Total       int64  // Amount, as adjusted since
	Refunded    int64  // given back by refunds
	Original    string // RRN of the payment that it is about; empty for none
	PSN         int    // -1 for none
	EntryMode   string // field 22
	Foreign     bool   // it counts in the foreign cards' totals
	Late        bool   // it came after its batch was closed
	Settled     bool   // its batch is closed
	Hold        int64  // of the ledger, 0 for none
	Account     int64  // of the card, 0 for an unknown card
	ATC         int    // of the card's cryptogram, -1 for none
	Network     string // that it was sent to; empty for none
	Rule        int64  // of the route table, 0 for none
	StandIn     bool   // it was approved in the issuer's place
}

// fingerprint says what was asked: card, amount, type (which is DE3) and currency.
func fingerprint(panHash []byte, amount int64, t iso8583.TransactionType, c emv.Currency) []byte {
	h := sha256.New()
	h.Write(panHash)
	var b [11]byte
	binary.BigEndian.PutUint64(b[:8], uint64(amount))
	b[8] = byte(t)
	binary.BigEndian.PutUint16(b[9:], uint16(c))
	h.Write(b[:])
	return h.Sum(nil)
}

// rrnAlphabet has no letters that are mistaken for digits.
const rrnAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// nextRRN makes a retrieval reference number of 12 characters: last digit of the year,
// day of the year, host number in two digits, and a counter of the host's day in six
// characters to the base 32. Unique over hosts, and over days for ten years.
func nextRRN(ctx context.Context, tx db.Tx, node int, now time.Time) (string, error) {
	n, err := countRRN(ctx, tx, node, now.Format("20060102"))
	if err != nil {
		return "", err
	}
	day := now.Format("2006002")
	out := []byte(day[3:] + string([]byte{'0' + byte(node/10), '0' + byte(node%10)}) + "000000")
	for i := len(out) - 1; n > 0 && i >= 6; i-- {
		out[i] = rrnAlphabet[n%32]
		n /= 32
	}
	return string(out), nil
}

package payment

// approvals are the response codes by which a host says that money moved, of the
// table of response codes of the UnionPay message set. 08 (identify the cardholder) is
// an approval with a remark.
var approvals = map[string]bool{
	"00": true, "08": true, "11": true, "16": true,
	"A2": true, "A4": true, "A5": true, "A6": true,
}

// partial are the codes that approve another amount than was asked for. The terminal
// never offers that (field 60.6), so it gives such money back.
var partial = map[string]bool{"10": true, "32": true}

// ApprovedCode tells whether a response code says that the whole amount is approved.
func ApprovedCode(code string) bool { return approvals[code] }

// settlesReversal tells whether an answer with this code ends the debt: the host
// reversed, or there is nothing to reverse (25, no original). Any other answer says
// that the host could not do it now.
func settlesReversal(code string) bool { return code == "00" || code == "25" }

// later are the codes that are no decision about a payment: the host is busy or cut over
// (09, 28, 90, 96), somebody behind it does not answer (68, 91, 92, 98, A7), the terminal
// is to sign on first (77, 88, 99, A0), to send its details anew (79), or is not known yet
// (97); or the message did not arrive whole (30), which says nothing of an earlier one with
// its number that may have. A stored payment that gets one waits, and those behind it with it.
var later = map[string]bool{
	"09": true, "28": true, "30": true, "68": true, "77": true, "79": true, "88": true, "90": true, "91": true,
	"92": true, "96": true, "97": true, "98": true, "99": true, "A0": true, "A7": true,
}

// Verdict is what a response code means for a stored payment.
type Verdict uint8

const (
	Settled    Verdict = iota + 1 // the host has it: the payment is completed
	NotNow                        // no decision: it is sent again
	HostRefuse                    // the host does not take it: it is kept, for people to look at
)

// VerdictOf reads a response code to a stored payment. A code that nobody knows is a
// refusal, which keeps the payment; so is an approval of a part, and 94: the host has
// another payment under this number.
func VerdictOf(code string) Verdict {
	switch {
	case approvals[code]:
		return Settled
	case later[code]:
		return NotNow
	}
	return HostRefuse
}

// Codes of the terminal's own, beside those of the host: what the person at the till
// is told where no host decided. The words are in ui/text.
const (
	CodeNoAnswer        = "T1" // no answer in time: reversing
	CodeBadMAC          = "T2" // answer could not be authenticated: reversing
	CodeMismatch        = "T3" // answer does not fit the request: reversing
	CodeCardSaidNo      = "T4" // card declined after the host's approval: reversing
	CodeNotPrinted      = "T5" // approved, not printed
	CodeOfflineApproved = "T6" // approved by card and terminal: goes up later
	CodeOfflineDeclined = "T7" // declined without going online
	CodeNotSent         = "T8" // nothing left the terminal
	CodeOwed            = "T9" // an earlier reversal is still owed

	CodeStored       = "TS" // accepted: goes up later
	CodeSupervisor   = "TA" // a supervisor is needed
	CodeNoOriginal   = "TB" // the original is not in this batch
	CodeOriginal     = "TD" // the original is not one for this: other kind, not completed
	CodeUsed         = "TE" // the original is voided, adjusted, refunded or completed already
	CodeAmount       = "TF" // the amount does not fit the original, or the tip is too high
	CodeOtherCard    = "TG" // another card than the original's
	CodeManual       = "TH" // no typed card numbers here
	CodeUseChip      = "TJ" // the card has a chip: insert it
	CodeNoStripe     = "TK" // the stripe is not taken
	CodeReference    = "TL" // reference number, authorisation code or date of the original is missing
	CodeOfflineLimit = "TM" // too much waits for the host already
	CodeNotOffered   = "TN" // the terminal does not offer this kind of payment
	CodeCardNumber   = "TP" // the typed card number or expiry is not one
	CodeFull         = "TQ" // the journal is full: settle
	CodeNoSpace      = "TR" // the disk is full
)

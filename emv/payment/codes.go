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

// Codes of the terminal's own, beside those of the host: what the person at the till
// is told where no host decided. The words are in ui/text.
const (
	CodeNoAnswer        = "T1" // no answer in time: reversing
	CodeBadMAC          = "T2" // answer could not be authenticated: reversing
	CodeMismatch        = "T3" // answer does not fit the request: reversing
	CodeCardSaidNo      = "T4" // card declined after the host's approval: reversing
	CodeNotPrinted      = "T5" // approved, not printed
	CodeOfflineDeclined = "T7" // declined without going online
	CodeNotSent         = "T8" // nothing left the terminal
	CodeOwed            = "T9" // an earlier reversal is still owed
)

package cvm

// Capabilities is byte 2 of the terminal capabilities (tag 9F33): the methods that the
// terminal supports. EMV 4.4 Book 4, Annex A2.
type Capabilities byte

const (
	canPlaintextPIN  Capabilities = 0x80
	canOnlinePIN     Capabilities = 0x40
	canSignature     Capabilities = 0x20
	canEncipheredPIN Capabilities = 0x10
	canNoCVM         Capabilities = 0x08
)

// needs returns the capabilities that a method takes, all of them; ok is false for a
// method that this terminal knows no way to carry out.
func needs(m Method) (c Capabilities, ok bool) {
	switch m {
	case Fail:
		return 0, true
	case PlaintextPIN:
		return canPlaintextPIN, true
	case OnlinePIN:
		return canOnlinePIN, true
	case PlaintextPINAndSignature:
		return canPlaintextPIN | canSignature, true
	case EncipheredPIN:
		return canEncipheredPIN, true
	case EncipheredPINAndSignature:
		return canEncipheredPIN | canSignature, true
	case Signature:
		return canSignature, true
	case NoCVM:
		return canNoCVM, true
	}
	return 0, false
}

// Supports tells whether the terminal can carry the method out. To fail it always can.
func (c Capabilities) Supports(m Method) bool {
	need, ok := needs(m)
	return ok && c&need == need
}

// lacksPINPad tells that a rule asks for a PIN in a way for which the terminal has no
// pad at all: an online PIN without support for it, or an offline PIN on a terminal
// that supports no offline PIN of either kind. EMV 4.4 Book 3, 10.5.
func (c Capabilities) lacksPINPad(m Method) bool {
	switch {
	case m == OnlinePIN:
		return c&canOnlinePIN == 0
	case m.OfflinePIN():
		return c&(canPlaintextPIN|canEncipheredPIN) == 0
	}
	return false
}

// Terms are what the conditions of a list are about.
type Terms struct {
	Capabilities Capabilities
	TerminalType byte   // tag 9F35
	Transaction  byte   // tag 9C
	AmountMinor  uint64 // tag 9F02, minor units of the transaction's currency
	// SameCurrency says that the transaction is in the application's currency (tag 9F42
	// is there and equals 5F2A): without it no condition on amounts is satisfied.
	SameCurrency bool
}

// Transaction types of tag 9C that the conditions name.
const (
	cash         = 0x01
	withCashback = 0x09
)

// unattended tells of terminal types 4 to 6 of any owner. EMV 4.4 Book 4, Annex A1.
func (t Terms) unattended() bool { n := t.TerminalType & 0x0F; return n >= 4 && n <= 6 }

// Satisfied tells whether the rule's condition holds. A condition that EMV does not
// define does not hold. "Over" and "under" are strict. EMV 4.4 Book 3, Annex C3.
func (l List) Satisfied(r Rule, t Terms) bool {
	unattendedCash := t.Transaction == cash && t.unattended()
	manualCash := t.Transaction == cash && !t.unattended()
	cashback := t.Transaction == withCashback
	switch r.Condition {
	case 0x00:
		return true
	case 0x01:
		return unattendedCash
	case 0x02:
		return !unattendedCash && !manualCash && !cashback
	case 0x03:
		return t.Capabilities.Supports(r.Method())
	case 0x04:
		return manualCash
	case 0x05:
		return cashback
	case 0x06:
		return t.SameCurrency && t.AmountMinor < uint64(l.X)
	case 0x07:
		return t.SameCurrency && t.AmountMinor > uint64(l.X)
	case 0x08:
		return t.SameCurrency && t.AmountMinor < uint64(l.Y)
	case 0x09:
		return t.SameCurrency && t.AmountMinor > uint64(l.Y)
	}
	return false
}

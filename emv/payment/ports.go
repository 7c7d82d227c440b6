package payment

import (
	"context"
	"errors"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/keyblock"
)

// Journal keeps the truth about each payment over power loss. Every method returns
// only when the disk has it, and moves the state inside one transaction.
//
// An error means "unknown", not "not stored": a caller reads back by ID before it
// tells anybody anything.
type Journal interface {
	// Next returns the ID that Begin will give, without writing.
	Next(ctx context.Context) (ID, error)
	// Begin stores rec as Requested or Stored and uses up its ID. It refuses an ID that is not
	// Next's. Whatever [Journal.Printed] left to write goes to disk with it.
	Begin(ctx context.Context, rec *Record) error
	// Update stores rec in place of the record with its ID, if the move from the
	// stored state to rec.State is legal (ErrIllegalMove otherwise).
	Update(ctx context.Context, rec *Record) error
	// Get returns the record, or ErrNoRecord.
	Get(ctx context.Context, id ID) (*Record, error)
	// Owed returns the records in state Requested, Answered or ReversalOwed, oldest first.
	Owed(ctx context.Context) ([]*Record, error)
	// Waiting returns the Stored records, oldest first: what goes up next.
	Waiting(ctx context.Context) ([]*Record, error)
	// Notices returns the records whose Script is not answered, oldest first.
	Notices(ctx context.Context) ([]*Record, error)
	// Related returns the records whose Original is id, oldest first.
	Related(ctx context.Context, id ID) ([]*Record, error)
	// Printed notes, without a commit of its own, that the receipt was printed.
	Printed(id ID)
	// Unprinted returns completed records whose receipt is not known to be printed.
	Unprinted(ctx context.Context) ([]*Record, error)
}

var (
	// ErrNotSent says that no byte of a request left the terminal: nothing is owed.
	ErrNotSent = errors.New("not sent")
	// ErrNoAnswer says that a request went out, perhaps in part, and no answer came.
	ErrNoAnswer = errors.New("no answer")
	// ErrBadMAC says that an answer came that did not carry the host's MAC.
	ErrBadMAC = errors.New("answer with a wrong MAC")
	// ErrIllegalMove says that a payment cannot go from its stored state to the new one.
	ErrIllegalMove = errors.New("illegal move")
	// ErrNoRecord says that the journal has no such payment.
	ErrNoRecord = errors.New("no such payment")
	// ErrFull says that the journal holds as many payments as it may: the batch is to be
	// settled first. Next or Begin of a Journal return it.
	ErrFull = errors.New("the journal is full")
	// ErrNoSpace says that the disk takes nothing more: no new payment, while those on disk
	// stay whole.
	ErrNoSpace = errors.New("the disk is full")
	// ErrChip says that a card was put in whose chip does not answer.
	ErrChip = errors.New("the chip does not answer")
)

// Archive finds payments of closed batches, for refunds and the like. Get returns
// ErrNoRecord for one that it does not have. Its records hold no card number, but Masked.
type Archive interface {
	Get(ctx context.Context, id ID) (*Record, error)
}

// Authorizer is the host, over its link.
type Authorizer interface {
	// Authorize sends the request and waits for its answer. Errors wrap ErrNotSent,
	// ErrNoAnswer or ErrBadMAC; anything else counts as ErrNoAnswer.
	Authorize(ctx context.Context, req AuthRequest) (Answer, error)
	// Reverse sends the reversal of rec, whose Reversal is set.
	Reverse(ctx context.Context, rec *Record) (Answer, error)
	// Forward sends a Stored record, which the host may have heard of before: the same
	// key and the same content each time.
	Forward(ctx context.Context, rec *Record) (Answer, error)
	// Notify sends the result of issuer scripts, rec.Script.
	Notify(ctx context.Context, rec *Record) (Answer, error)
}

// AuthRequest is a request with the secrets that are never stored.
type AuthRequest struct {
	Record   *Record
	Track2   emv.Track2
	PINBlock []byte // under TPK: 8 bytes of format ISO 0, or 16 of format ISO 4 under AES; empty for none
	// PINKey tells under which TPK the block was made. A sign-on in between brings another
	// key, under which the block would be a wrong PIN: such a request is ErrNotSent.
	PINKey keyblock.KCV
}

// Stripe is what a terminal reads besides chips. A Slot that is one too offers fallback to
// the magnetic stripe.
type Stripe interface {
	// Swipe waits for a card to be swiped. ctx bounds the wait.
	Swipe(ctx context.Context) (emv.Track2, error)
}

// Slot is the reader's contact slot.
type Slot interface {
	// Insert waits for a card and powers it up. ctx bounds the wait. A card whose chip does
	// not answer is ErrChip.
	Insert(ctx context.Context) (Card, error)
	// Eject powers the card down and waits, for a bounded time, until it is taken.
	Eject(ctx context.Context) error
}

// Card is a powered card.
type Card interface {
	Transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error)
}

// PINPad makes PIN blocks. Errors: kernel.ErrCancelled for the cancel key and for a
// time-out, ErrPINBypassed for ENTER without digits; anything else is a broken pad.
type PINPad interface {
	EnterPIN(ctx context.Context, req PINEntry) (block []byte, err error)
}

// ErrPINBypassed says that the cardholder pressed ENTER without digits.
var ErrPINBypassed = errors.New("PIN bypassed")

// PINEntry is what the pad needs for an online PIN.
type PINEntry struct {
	PAN    emv.PAN
	Amount emv.Amount
	Key    keyblock.Cryptogram // working key under the pad's master key
}

// Display shows messages by identifier; the words are the business of ui.
type Display interface {
	Show(ctx context.Context, msg Message, args ...string)
}

// Message identifies what the cardholder or the merchant is told: the keys of the
// words table.
type Message string

const (
	InsertCard    Message = "ui.insert"
	SwipeCard     Message = "ui.swipe"
	ChipFailed    Message = "ui.fallback" // swipe instead
	RemoveCard    Message = "ui.remove"
	EnterPIN      Message = "ui.pin"
	Processing    Message = "ui.processing"
	Connecting    Message = "ui.connecting"
	ShowApproved  Message = "ui.approved"
	ShowDeclined  Message = "ui.declined"
	Cancelled     Message = "ui.cancel"
	OwedFirst     Message = "code.T9" // an earlier reversal is still pending
	ReversalKept  Message = "ui.reversal_failed"
	PrinterFailed Message = "code.T5"
)

// Chooser lets the cardholder choose an application.
type Chooser interface {
	Choose(ctx context.Context, candidates []kernel.Candidate) (int, error)
}

// Keys gives the PIN pad's working key, as it came from the host.
type Keys interface {
	PINKey() (keyblock.Cryptogram, error)
}

// Receipt prints what a record says.
type Receipt interface {
	Print(ctx context.Context, rec *Record, copy Copy) error
}

// Copy says which copy of a receipt is printed.
type Copy uint8

const (
	MerchantCopy Copy = iota + 1
	CardholderCopy
	Reprint
)

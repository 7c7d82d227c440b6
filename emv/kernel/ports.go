package kernel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/oda"
	"posd/emv/tlv"
)

// Card is the card in the slot. An error means that the session is over: the card was
// pulled, is mute, or the reader is gone. A status word is no error. Transmit must not
// keep the command's data, and may reuse the answer's in the next call.
type Card interface {
	Transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error)
}

// Cardholder is the person at the PIN pad. ErrCancelled from either method ends the
// session with outcome Cancelled; any other error ends it as an error.
type Cardholder interface {
	// Select lets the cardholder choose among several applications, or confirm a single
	// one that asks for it. It returns the index of the choice.
	Select(ctx context.Context, candidates []Candidate) (int, error)
	// EnterPIN has a PIN entered. The digits, and for an online PIN the block as well,
	// stay with the implementation; the kernel learns only what became of it.
	EnterPIN(ctx context.Context, req PINRequest) (PINResult, error)
}

// Issuer answers the cryptogram. ErrUnableToGoOnline says that no usable answer came
// (whether or not a request left the terminal: that is for the payment to know).
type Issuer interface {
	Authorize(ctx context.Context, req OnlineRequest) (OnlineAnswer, error)
}

var (
	// ErrCancelled is what a Cardholder returns for the cancel key and for a time-out.
	ErrCancelled = errors.New("cancelled")
	// ErrUnableToGoOnline is what an Issuer returns when no usable answer came.
	ErrUnableToGoOnline = errors.New("unable to go online")
	// ErrNoOffline is ErrUnableToGoOnline where the issuer may have heard, or the merchant
	// does not want it: the card is asked for an AAC whatever the default codes say.
	ErrNoOffline = fmt.Errorf("%w, and not to be approved off line", ErrUnableToGoOnline)
)

// Candidate is one line of the candidate list. EMV 4.4 Book 1, 12.
type Candidate struct {
	AID          []byte // DF name of the card's application
	Label        string // tag 50, or 9F12 where its code table is supported
	Priority     int    // 1 first to 15, 0 last
	NeedsConsent bool   // tag 87 bit 8: not without the cardholder's confirmation
	Languages    string // tag 5F2D, two letters each, best first
}

// PINRequest says which PIN is wanted and why.
type PINRequest struct {
	Online    bool
	PAN       emv.PAN
	Amount    emv.Amount
	TriesLeft int            // offline PIN only: 1 is the last try; 0 is unknown
	Again     bool           // the PIN before was wrong
	Challenge []byte         // enciphered offline PIN: 8 bytes from the card
	Key       *oda.PublicKey // enciphered offline PIN: the key that enciphers, nil for plaintext
}

// PINStatus is what became of PIN entry.
type PINStatus uint8

const (
	PINEntered   PINStatus = iota + 1
	PINBypassed            // cardholder or merchant chose to go on without
	PINPadFailed           // the pad is not there or does not work
)

// PINResult is the outcome of PIN entry. VerifyData is for an offline PIN only: the
// data of VERIFY as the pad made it; the kernel wipes it after use.
type PINResult struct {
	Status     PINStatus
	VerifyData []byte
}

// OnlineRequest is what the issuer is asked. It is complete for the journal and for
// the message: nothing is asked of the card afterwards to build either.
type OnlineRequest struct {
	PAN         emv.PAN
	Track2      emv.Track2 // tag 57; zero where the card has none
	Expiry      [3]byte    // tag 5F24, YYMMDD in BCD
	PANSequence int        // tag 5F34; -1 where the card has none
	ICC         []byte     // the objects of Config.OnlineTags, in that order, as signed
	OnlinePIN   bool       // a PIN block was made for this request
	Facts       Facts
}

// OnlineAnswer is what came back. ARC is the authorisation response code of tag 8A;
// ICC is the answer's field 55: 91, 71, 72 in any order, or empty.
type OnlineAnswer struct {
	ARC [2]byte
	ICC []byte
}

// Facts are the values that a receipt, a journal and a screen want of a session. They
// hold no secret.
type Facts struct {
	AID           []byte
	Label         string
	PreferredName string
	TVR           emv.TVR
	TSI           emv.TSI
	CVMResults    [3]byte // tag 9F34
	Cryptogram    []byte  // tag 9F26, 8 bytes; empty before the first GENERATE AC
	Kind          emv.Cryptogram
	ATC           uint16
	UN            [4]byte // tag 9F37
	AIP           emv.AIP
	IAD           []byte // tag 9F10
	Signature     bool   // the cardholder is to sign
	PINEntered    bool   // online or offline
}

// Result is how the session ended.
type Result struct {
	Outcome emv.Outcome
	Facts   Facts
	ARC     [2]byte // issuer's, or Y1, Z1, Y3, Z3 where the terminal decided
	Online  bool    // an issuer's answer was used
	// Reverse says that the issuer approved and the card, or what happened to it, did
	// not: the money is to be given back.
	Reverse bool
	// Advice says that the card asked for an advice message (CID bit 4).
	Advice        bool
	ScriptResults []byte // tag DF31 of the cup dialect: 5 bytes a script
	ICC           []byte // the objects of Config.CompletionTags after the last GENERATE AC
	// Fallback says that the chip could not be used and the rules allow the stripe.
	Fallback bool
	Why      string // one clause that names what decided, for the journal and for people
	// Offline is what is uploaded of a payment that card and terminal approved without
	// the issuer (Y1, Y3); nil for any other.
	Offline *Offline
}

// Identity is who a card says it is. It prints masked.
type Identity struct {
	PAN         emv.PAN
	Track2      emv.Track2 // tag 57; zero where the card has none, and in an Offline
	Expiry      [3]byte    // tag 5F24, YYMMDD in BCD
	PANSequence int        // tag 5F34; -1 where the card has none
}

// Offline is an approval without the issuer: the card's identity, and field 55 of the
// upload, which is Config.OnlineTags after the last GENERATE AC, the TC among them, and
// tag 8A.
type Offline struct {
	Identity
	ICC []byte
}

// Transaction is what one session is about. Time and randomness are values: the same
// transaction, card and answers give the same session, byte for byte.
type Transaction struct {
	Amount      emv.Amount // tag 9F02 and 81: all that is to be paid, cashback included
	Cashback    int64      // tag 9F03, minor units
	Type        byte       // tag 9C: 00 goods and services, 01 cash, 09 with cashback, 20 refund
	Time        time.Time  // tags 9A and 9F21, local
	Sequence    uint32     // tag 9F41
	UN          [2][4]byte // tag 9F37 for the first GENERATE AC, and a fresh one for the second
	Draw        uint8      // 1 to 99, evenly distributed: random selection
	LogAmount   int64      // latest logged amount of the same PAN, minor units; 0 for none
	ForceOnline bool       // the merchant wants this one online
	// NoOffline says that this payment is not taken without the issuer: for it the terminal
	// is of the online-only kind, and asks for an ARQC or an AAC. EMV 4.4 Book 3, 10.7.
	NoOffline bool
	// OnExceptionFile tells whether the card is listed; nil means no list.
	OnExceptionFile func(pan emv.PAN, sequence int) bool
}

// Config is the terminal: it is checked by New and does not change afterwards.
type Config struct {
	// Data are the terminal's own data objects by tag: 9F33 capabilities, 9F35 type,
	// 9F40 additional capabilities, 9F1A country, 9F1E serial number, 9F1C terminal,
	// 9F16 merchant, 9F15 category, 9F4E name, 5F36 exponent …
	Data         map[tlv.Tag][]byte
	Applications []Application
	CAKeys       []oda.CAKey
	Revoked      []oda.Revoked
	// OnlineTags and CompletionTags list what goes into field 55, in order. An object
	// that neither card nor terminal has is left out.
	OnlineTags     []tlv.Tag
	CompletionTags []tlv.Tag
	UsePSE         bool
	// AutoSelect says that the cardholder cannot choose or confirm an application: the
	// one with the highest priority is taken, and one that needs consent is left out.
	AutoSelect bool
	// AskPINAfterBypass asks for the next PIN of the list although one was bypassed;
	// without it a bypass counts for every PIN of the session. EMV 4.4 Book 4, 6.3.4.3.
	AskPINAfterBypass bool
	// ScriptLimit is the most bytes of issuer scripts, all told, that are processed; 0
	// for the 128 that every terminal supports. EMV 4.4 Book 3, 10.10.
	ScriptLimit int
	// Trace, where set, is called after each phase and each command; it must not keep
	// its argument. Secrets in it are masked.
	Trace func(Event)

	replay *Recording // a session that some other terminal had; see NewReplay
}

// Event is one line of a session's trace.
type Event struct {
	Phase    string
	Ref      string         // the phase's clause: "Book 3, 10.3"
	Command  *apdu.Command  // nil for the end of a phase
	Response *apdu.Response // nil for the end of a phase, and where the card was gone
	TVR      emv.TVR
	TSI      emv.TSI
	// Reasons are the bits that were set since the event before, highest first, each with
	// why. Came is what the phase came to, in a clause, at its end. Both are made for this
	// call, and hold no secret.
	Reasons []Reason
	Came    string
}

// Reason is why one bit was set, of the TVR or of the TSI; the other is zero.
type Reason struct {
	TVR    emv.TVR
	TSI    emv.TSI
	Why    string // what of card, terminal or payment made it so
	Clause string // subject and place: "floor limits, Book 3, 10.6.1"
}

// Application is what the terminal knows about one AID. Amounts are minor units.
type Application struct {
	AID             []byte  // 5 to 16 bytes
	Partial         bool    // the card's AID may be longer
	Version         [2]byte // tag 9F09
	TACDefault      emv.TVR
	TACDenial       emv.TVR
	TACOnline       emv.TVR
	FloorLimitMinor int64 // tag 9F1B
	RandomThreshold int64 // biased random selection begins here
	RandomTarget    uint8 // percent, 0 to 99
	RandomMaxTarget uint8 // percent
	DefaultDDOL     tlv.DOL
	DefaultTDOL     tlv.DOL
	SkipVelocity    bool
	// AlwaysAssess has terminal risk management done whatever the card's AIP asks for.
	AlwaysAssess bool
}

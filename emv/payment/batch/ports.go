package batch

import (
	"context"
	"errors"
	"time"

	"posd/emv/payment"
)

// Count is an amount in minor units and how many payments make it up.
type Count struct {
	Amount int64
	Number int
}

// Totals are the totals of a batch for one class of cards. Credits are positive too.
type Totals struct {
	Debit, Credit Count
}

// Verdict is what the host says of totals, field 48 of its answer.
type Verdict uint8

const (
	Balanced   Verdict = 1 // 平
	Unbalanced Verdict = 2 // 不平
	Failed     Verdict = 3 // 出错: the host could not compare
)

// Phase is how far a settlement is. It is persisted by its number: numbers are never
// reused.
type Phase uint8

const (
	// Begun: the totals are on disk, the host may have heard of them.
	Begun Phase = 1
	// Answered: the host's verdict is on disk.
	Answered Phase = 2
	// Uploading: records up to Settlement.Next are with the host.
	Uploading Phase = 3
	// Ended: the host confirmed the end of the batch.
	Ended Phase = 4
	// Closed: the batch is archived, the next one has begun.
	Closed Phase = 5
)

// Settlement is one settlement of one batch.
type Settlement struct {
	Batch    uint32
	STAN     uint32 // of the settlement request
	Began    time.Time
	Operator string // two digits
	Phase    Phase

	Domestic, Foreign               Totals
	DomesticVerdict, ForeignVerdict Verdict // zero before the answer
	Answer                          *payment.Answer

	// Everything says that all payments go up, whatever the verdicts, because the parameters
	// wanted it when the settlement began.
	Everything bool
	// Next is the place, in the order of the upload, of the next payment to upload. That
	// order follows from Book.Records alone, so it is the same after a restart. Uploaded
	// counts the payments whose details the host confirmed: field 48 of the end.
	Next     int
	Uploaded int
	// Rejected are the payments whose upload the host answered with a refusal. They are on
	// the slip, and hold nothing up.
	Rejected []payment.ID
	Closed   time.Time
	Printed  bool
}

// Book is the journal as a settlement needs it. Every method that writes returns only
// when the disk has it. An error of a write means "unknown": a caller reads back.
//
// While a settlement is open, from the first Save to Close, the journal begins no payment:
// it would be in the batch and not in the totals that the host was told.
type Book interface {
	// Open returns the settlement that is under way, or nil.
	Open(ctx context.Context) (*Settlement, error)
	// Batch returns the number of the current batch.
	Batch(ctx context.Context) (uint32, error)
	// Number uses up a STAN of the current batch, for a settlement request.
	Number(ctx context.Context) (uint32, error)
	// Records calls fn for each payment of the batch in the order in which they began,
	// without card number, until fn returns an error.
	Records(ctx context.Context, batch uint32, fn func(*payment.Record) error) error
	// Card returns the record with its card number, for an upload.
	Card(ctx context.Context, id payment.ID) (*payment.Record, error)
	// Save stores the settlement: begins one where none is open, otherwise in its place.
	// Phases only go forward.
	Save(ctx context.Context, s *Settlement) error
	// Close archives the batch with its settlement, removes its payments, and begins the
	// next batch, 1 after 999999. Called again after a power cut it finishes.
	Close(ctx context.Context, s *Settlement) error
	// Last returns the settlement that was closed last, for a reprint, or nil.
	Last(ctx context.Context) (*Settlement, error)
}

var (
	// ErrOwed says that a settlement cannot begin while reversals are owed or stored
	// payments wait.
	ErrOwed = errors.New("payments are still owed to the host")
	// ErrEmpty says that the batch has no payment at all: there is nothing to settle.
	ErrEmpty = errors.New("the batch is empty")
	// ErrUnderWay says that a batch is being settled: no payment begins before its end.
	ErrUnderWay = errors.New("the batch is being settled")
	// ErrHost says that the host answered with a code that ends nothing: the settlement
	// stays where it is and is tried again.
	ErrHost = errors.New("the host does not settle now")
)

// Payments settles what is owed to the host; *payment.Terminal is one. Each method sends
// what waits, oldest first, stops where the host does not answer, and returns how many
// are left.
type Payments interface {
	NotifyScripts(ctx context.Context) (left int, err error)
	SettleDebts(ctx context.Context) (left int, err error)
	Forward(ctx context.Context) (left int, err error)
}

// Slip prints the totals of a settlement, and below them the stored payments that the host
// does not have.
type Slip interface {
	Print(ctx context.Context, s *Settlement, unsent []*payment.Record) error
}

// Host is the other side. Errors wrap payment.ErrNotSent, ErrNoAnswer or ErrBadMAC, as
// those of payment.Authorizer do. Everything may be sent again.
type Host interface {
	// Settle sends the totals (0500) and returns the answer with both verdicts.
	Settle(ctx context.Context, s *Settlement) (Answer, error)
	// UploadGroup sends up to eight payments that were made online (0320, function 201).
	UploadGroup(ctx context.Context, batch uint32, group []*payment.Record) (code string, err error)
	// UploadOne sends one payment in full: a notice or a chip payment (0320).
	UploadOne(ctx context.Context, batch uint32, u Upload) (code string, err error)
	// End says that nothing more comes: function 207 where the batch balanced, 202 where
	// not, with the number of uploaded payments.
	End(ctx context.Context, batch uint32, balanced bool, uploaded int) (code string, err error)
	// SignOff ends the day where the parameters want it.
	SignOff(ctx context.Context) error
}

// Answer is the host's answer to the totals.
type Answer struct {
	payment.Answer
	Domestic, Foreign Verdict
}

// UploadKind is what an upload of one payment is about.
type UploadKind uint8

const (
	UploadNotice  UploadKind = iota + 1 // a refund or a notice
	UploadOffline                       // a chip payment that was approved off line
	UploadTC                            // the TC of an approved chip payment
	UploadBadARPC                       // approved by the card although the issuer's answer was not authentic
)

// Upload is one payment to upload.
type Upload struct {
	Kind     UploadKind
	Balanced bool // the function's number differs: 203 and 204, or 205 and 206
	Record   *payment.Record
}

package control

import (
	"context"
	"fmt"
	"time"
)

// Person is a member of staff who says who they are. It prints without the password.
type Person struct {
	Number   string `json:"number"` // two digits: 01 to 98 cashiers, 00 supervisor, 99 administrator
	Password string `json:"password,omitempty"`
}

// String is the number.
func (p Person) String() string { return p.Number }

// GoString is the number.
func (p Person) GoString() string { return p.Number }

// Format is the number, in every verb.
func (p Person) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.Number) }

// PayRequest orders a payment.
type PayRequest struct {
	Kind       string      `json:"kind,omitempty"`   // row of the message set: "void"; empty is "sale"
	Amount     string      `json:"amount,omitempty"` // as typed: 12.00; the new total of an adjustment; none for a void
	Who        Person      `json:"who"`
	Supervisor Person      `json:"supervisor,omitzero"` // where the kind asks for one
	Original   OriginalRef `json:"original,omitzero"`   // where the kind is about another payment
	Card       TypedCard   `json:"card,omitzero"`       // typed, where the parameters allow it
	AuthCode   string      `json:"auth_code,omitempty"` // of an authorisation by telephone
	Swipe      bool        `json:"swipe,omitempty"`     // the stripe is asked for at once
	Lang       string      `json:"lang,omitempty"`
}

// OriginalRef says which payment is meant: by its ID in this terminal's journal or
// archive, or by what its receipt says.
type OriginalRef struct {
	ID       string `json:"id,omitempty"`        // batch/STAN
	RRN      string `json:"rrn,omitempty"`       // reference number, 12 characters
	AuthCode string `json:"auth_code,omitempty"` // 6 characters
	Date     string `json:"date,omitempty"`      // MMDD
}

// TypedCard is a card whose number was typed. It prints as nothing.
type TypedCard struct {
	Number string `json:"number,omitempty"`
	Expiry string `json:"expiry,omitempty"` // YYMM
}

// Format prints that there is a card, in every verb.
func (c TypedCard) Format(f fmt.State, _ rune) { fmt.Fprint(f, "typed card") }

// PayResult is how it ended. Outcome is as emv.Outcome names it: approved, declined,
// cancelled, not accepted, terminated.
type PayResult struct {
	Outcome string `json:"outcome"`
	Entry   Entry  `json:"entry"`
	Message string `json:"message"`           // what the person at the till is told
	Balance string `json:"balance,omitempty"` // "12.00", of an inquiry
	Receipt string `json:"receipt"`           // as text
}

// Count is one side of a batch's totals.
type Count struct {
	Number int    `json:"number"`
	Amount string `json:"amount"` // "12.00"
}

// Totals are those of one class of cards, and what the host said of them: balanced,
// unbalanced, failed; empty before its answer.
type Totals struct {
	Debit   Count  `json:"debit"`
	Credit  Count  `json:"credit"`
	Verdict string `json:"verdict"`
}

// Settled is a settlement, as far as it is.
type Settled struct {
	Batch    uint32    `json:"batch"`
	Began    time.Time `json:"began"`
	Phase    string    `json:"phase"`
	Domestic Totals    `json:"domestic"`
	Foreign  Totals    `json:"foreign"`
	Uploaded int       `json:"uploaded"`
	Unsent   []Entry   `json:"unsent"` // stored payments that the host does not have
	Receipt  string    `json:"receipt"`
}

// Search says which payments are looked for, in the journal and in the archive. Zero
// fields match everything.
type Search struct {
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero"`
	Amount   string    `json:"amount,omitempty"`
	LastFour string    `json:"last_four,omitempty"`
	STAN     uint32    `json:"stan,omitempty"`
	RRN      string    `json:"rrn,omitempty"`
	Limit    int       `json:"limit,omitempty"` // 0 is MaxJournal
}

// Operator of the list of staff.
type OperatorEntry struct {
	Number     string    `json:"number"`
	Role       string    `json:"role"`
	LastLogin  time.Time `json:"last_login"`
	Locked     bool      `json:"locked"`
	MustChange bool      `json:"must_change"`
	Expires    time.Time `json:"expires"`
}

// Downloaded is one list of parameters as it is now.
type Downloaded struct {
	List    string    `json:"list"` // parameters, aids, ca-keys, blacklist, contactless
	Entries int       `json:"entries"`
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
}

// Office is a merchant's other business. Settle, Forward and Download take as long as a
// payment does and run one at a time with payments.
type Office interface {
	// Settle settles the current batch, or goes on with a settlement that stopped.
	Settle(ctx context.Context, who Person) (Settled, error)
	// LastSettlement returns the settlement that is under way, or the last one, and
	// prints its slip again if print is set.
	LastSettlement(ctx context.Context, print bool) (Settled, error)
	// Forward sends stored payments up now and returns how many still wait.
	Forward(ctx context.Context) (left int, err error)
	// Download fetches a list of parameters from the host, or all for "all".
	Download(ctx context.Context, list string) ([]Downloaded, error)
	// Search looks in the journal and in the archive of settled batches.
	Search(ctx context.Context, s Search) ([]Entry, error)
	// Reprint prints the slip of a payment again, marked as a copy.
	Reprint(ctx context.Context, id string) error
	// SignOn asks the host for new working keys; SignOff ends the day.
	SignOn(ctx context.Context) error
	SignOff(ctx context.Context, who Person) error
}

// Staff keeps the operators and their passwords.
type Staff interface {
	// Operators lists them; nobody knows their passwords.
	Operators(ctx context.Context) ([]OperatorEntry, error)
	// SetUp makes administrator and supervisor known, once, with first passwords that they
	// have to change.
	SetUp(ctx context.Context, administrator, supervisor Person) error
	// ChangePassword gives a person another password.
	ChangePassword(ctx context.Context, who Person, next string) error
	// AddOperator, ResetOperator and RemoveOperator are the administrator's or the
	// supervisor's: by. A reset operator has the password of next and must change it.
	AddOperator(ctx context.Context, by, next Person) error
	ResetOperator(ctx context.Context, by, next Person) error
	RemoveOperator(ctx context.Context, by Person, number string) error
}

// Component is one of two parts of a master key, typed by one person. It prints without
// the part.
type Component struct {
	Part  string `json:"part"`  // hexadecimal digits
	KCV   string `json:"kcv"`   // its check value, 6 hexadecimal digits
	Whole string `json:"whole"` // of the second part: check value of the whole key, as on the paper
	Suite string `json:"suite"` // tdes, aes or sm4; empty is tdes
}

// Format prints that it is a component, in every verb.
func (c Component) Format(f fmt.State, _ rune) { fmt.Fprint(f, "key component") }

// Custodian takes keys that people carry.
type Custodian interface {
	// LoadComponent takes the first or the second part; two different people type them.
	// It returns the check value of the whole key once both are there, "" before.
	LoadComponent(ctx context.Context, who Person, c Component) (kcv string, err error)
}

// StoreReport is what a check of the disk found. No faults: everything opens and is what
// was written.
type StoreReport struct {
	Used     int64    `json:"used"` // bytes
	Size     int64    `json:"size"`
	Payments int      `json:"payments"` // in the journal
	Archived int      `json:"archived"` // in settled batches
	Faults   []string `json:"faults"`
	Findings []string `json:"findings"`
}

// Archivist looks after what is on disk.
type Archivist interface {
	// StoreCheck proves the store, its second copy and the archive.
	StoreCheck(ctx context.Context) (StoreReport, error)
	// StoreExport writes an encrypted copy without keys and passwords to a new file on the
	// agent's machine, and returns the number of records.
	StoreExport(ctx context.Context, path, passphrase string) (records int, err error)
}

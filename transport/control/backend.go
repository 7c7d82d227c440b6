package control

import (
	"context"
	"errors"
	"fmt"
)

// Backend is the agent behind the socket. Its methods are called from several
// goroutines at once, one for each connection, except Pay, which is called once at
// a time. The error of a method may wrap one of this package's errors: the client
// then sees the same one. Texts of errors reach people: they hold no secret.
type Backend interface {
	Viewer
	Operator
	Office
	Staff
	Custodian
	Archivist
	Locksmith
	Enroller
}

// Viewer looks and changes nothing.
type Viewer interface {
	// Snapshot returns the agent as it is now; it waits for no device and no host.
	Snapshot(ctx context.Context) Snapshot
	// Journal returns at most limit payments, newest first; limit is 1 to MaxJournal.
	Journal(ctx context.Context, limit int) ([]Entry, error)
	// Receipt returns the slip of the payment as plain text, or ErrNoPayment. id is
	// batch/STAN, "000001/000042".
	Receipt(ctx context.Context, id string) (string, error)
}

// Operator acts.
type Operator interface {
	// Pay runs one payment to its end. ctx ends only with the agent. An outcome other
	// than approved is no error.
	Pay(ctx context.Context, req PayRequest) (PayResult, error)
	// LoadKey stores a master key, carried by a TR-31 key block in its text form, and
	// returns the key's check value.
	LoadKey(ctx context.Context, block string) (kcv string, err error)
	// Resolve ends the debt of a payment that owes a reversal, for a reason that is
	// kept with it. operator is two digits.
	Resolve(ctx context.Context, id, operator, reason string) error
}

// Locksmith is for technicians, two of them at a time.
type Locksmith interface {
	// Enrol makes the first two technicians known.
	Enrol(ctx context.Context, a, b Technician) error
	// Unlock takes back a terminal that was locked because its housing was opened. Its
	// keys are gone all the same.
	Unlock(ctx context.Context, a, b Technician) error
}

// Technician is what a technician types. It prints without the password.
type Technician struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// String is the name.
func (t Technician) String() string { return t.Name }

// GoString is the name.
func (t Technician) GoString() string { return t.Name }

// Format is the name, in every verb.
func (t Technician) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.Name) }

// MaxJournal is the most entries that one request may ask for.
const MaxJournal = 1000

// What can become of a request. They cross the socket by their code.
var (
	// ErrBusy says that a payment is under way.
	ErrBusy = errors.New("a payment is under way")
	// ErrLocked says that the housing was opened: no payments until two technicians unlock.
	ErrLocked = errors.New("the terminal is locked")
	// ErrPassword says that somebody is not who they say, or may not do what they ask for.
	ErrPassword = errors.New("wrong operator or password")
	// ErrNotReady says that the agent cannot take payments now; its findings say why.
	ErrNotReady = errors.New("not ready for payments")
	// ErrNoPayment says that the journal has no such payment.
	ErrNoPayment = errors.New("no such payment")
	// ErrInvalid says that the request itself is wrong.
	ErrInvalid = errors.New("invalid request")
	// ErrNoAgent says that nobody serves the socket.
	ErrNoAgent = errors.New("no agent at the control socket")
	// ErrLost says that the connection ended before the answer came: what was asked
	// for may have happened all the same.
	ErrLost = errors.New("connection lost before the answer")
	// ErrSocketInUse says that another agent serves the socket.
	ErrSocketInUse = errors.New("another agent serves this socket")
)

// codes are the errors that travel, with their names on the wire.
var codes = [...]struct {
	code string
	err  error
}{
	{"busy", ErrBusy},
	{"not-ready", ErrNotReady},
	{"locked", ErrLocked},
	{"password", ErrPassword},
	{"no-payment", ErrNoPayment},
	{"invalid", ErrInvalid},
}

// remoteError is an error of the agent as the client sees it: the agent's text, and
// the sentinel that its code stands for.
type remoteError struct {
	text string
	kind error // nil for an error without a code
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.kind }

func codeOf(err error) string {
	for _, row := range codes {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return "failed"
}

func errorOf(code, text string) error {
	for _, row := range codes {
		if row.code == code {
			return &remoteError{text, row.err}
		}
	}
	return &remoteError{text, nil}
}

package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"posd/emv"
)

// Phase is a step of a session. Phases run in the order of their numbers, apart from
// the moves of the table.
type Phase uint8

const (
	Listing         Phase = iota // which applications card and terminal have in common
	Selecting                    // one of them is chosen and selected
	Initiating                   // GET PROCESSING OPTIONS
	Reading                      // READ RECORD, and what must be there
	Authenticating               // SDA, DDA, or the keys for CDA
	Restricting                  // versions, dates, usage
	Verifying                    // the cardholder
	Assessing                    // terminal risk management
	Deciding                     // terminal action analysis
	Asking                       // the first GENERATE AC
	GoingOnline                  // the issuer is asked and authenticated
	ScriptingBefore              // scripts of template 71
	Completing                   // the second GENERATE AC
	ScriptingAfter               // scripts of template 72
	Done
)

// phases is the session. It is also the diagram of the package's documentation: a test
// compares the two. Bound is the most commands that the phase may send.
var phases = [...]struct {
	run   func(*session, context.Context) (Phase, error)
	next  []Phase
	bound int
	ref   string // EMV 4.4
}{
	Listing:         {(*session).list, []Phase{Selecting, Done}, 300, "Book 1, 12.3"},
	Selecting:       {(*session).choose, []Phase{Initiating, Done}, 64, "Book 1, 12.4"},
	Initiating:      {(*session).initiate, []Phase{Reading, Selecting}, 1, "Book 3, 10.1"},
	Reading:         {(*session).read, []Phase{Authenticating}, 300, "Book 3, 10.2"},
	Authenticating:  {(*session).authenticate, []Phase{Restricting}, 1, "Book 3, 10.3"},
	Restricting:     {(*session).restrict, []Phase{Verifying}, 0, "Book 3, 10.4"},
	Verifying:       {(*session).verify, []Phase{Assessing}, 64, "Book 3, 10.5"},
	Assessing:       {(*session).assess, []Phase{Deciding}, 2, "Book 3, 10.6"},
	Deciding:        {(*session).decide, []Phase{Asking}, 0, "Book 3, 10.7"},
	Asking:          {(*session).ask, []Phase{GoingOnline, Completing, Done}, 1, "Book 3, 10.8"},
	GoingOnline:     {(*session).goOnline, []Phase{ScriptingBefore, Completing}, 1, "Book 3, 10.9"},
	ScriptingBefore: {(*session).scriptBefore, []Phase{Completing}, 128, "Book 3, 10.10"},
	Completing:      {(*session).complete, []Phase{ScriptingAfter, Done}, 1, "Book 3, 10.11"},
	ScriptingAfter:  {(*session).scriptAfter, []Phase{Done}, 128, "Book 3, 10.10"},
}

// maxCommands bounds a whole session.
const maxCommands = 512

// phaseNames are apart from the table: what the phases run prints them.
var phaseNames = [...]string{
	"listing", "selecting", "initiating", "reading", "authenticating", "restricting", "verifying", "assessing",
	"deciding", "asking", "going online", "scripting before", "completing", "scripting after", "done",
}

// String names the phase as the trace does.
func (p Phase) String() string { return phaseNames[min(p, Done)] }

// run goes from phase to phase. A move that the table does not have is our own bug.
func (s *session) run(ctx context.Context) error {
	for s.phase = Listing; s.phase != Done; {
		row := phases[s.phase]
		s.left, s.told.ref = row.bound, row.ref
		next, err := row.run(s, ctx)
		s.traceEnd(next, err)
		if err != nil {
			return s.fail(err)
		}
		if !slices.Contains(row.next, next) {
			panic(fmt.Sprintf("kernel: from %v to %v", s.phase, next))
		}
		if s.cfg.replay.stops(s, next) || s.reading && s.phase == Reading {
			return nil
		}
		s.phase = next
	}
	return nil
}

// fail sorts what ended a phase early: the card's fault and the cardholder's wish are
// outcomes, everything else is an error.
func (s *session) fail(err error) error {
	var b breach
	switch {
	case errors.As(err, &b):
		s.end(emv.Terminated, b.Error())
	case errors.Is(err, ErrCancelled):
		s.end(emv.Cancelled, "cancelled while "+s.phase.String())
	default:
		s.ending.why = "failed while " + s.phase.String()
		return fmt.Errorf("kernel: %v: %w", s.phase, err)
	}
	return nil
}

// breach is a card, or an issuer's answer, that breaks the rules in a way that ends the
// session.
type breach struct {
	what  string
	cause error // may be nil
}

// Error says what was broken.
func (b breach) Error() string {
	if b.cause == nil {
		return b.what
	}
	return b.what + ": " + b.cause.Error()
}

// Unwrap returns the cause.
func (b breach) Unwrap() error { return b.cause }

// broken makes a breach.
func broken(cause error, format string, args ...any) error {
	return breach{fmt.Sprintf(format, args...), cause}
}

package replay

import (
	"context"
	"fmt"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/cvm"
	"posd/emv/kernel"
	"posd/emv/replay/vector"
)

// Verdict is what became of a comparison, in one word.
type Verdict string

const (
	Equal     Verdict = "equal"
	Different Verdict = "different"
	Review    Verdict = "review" // those who recorded it could not decide
	Broken    Verdict = "error"  // the case cannot be played
)

// Report is the verdict on one case. Phase, Field, Want and Got are the first difference,
// and empty where there is none; a case for review may have one as well.
type Report struct {
	ID      string  `json:"id"`
	Verdict Verdict `json:"verdict"`
	Phase   string  `json:"phase,omitempty"`
	Field   string  `json:"field,omitempty"`
	Want    string  `json:"want,omitempty"`
	Got     string  `json:"got,omitempty"`
	Why     string  `json:"why,omitempty"` // of review and error
}

// Event is what a session did at one moment: it sent a command, or a phase ended. Command
// and Response are as they went over the line, card number and all; whoever shows them
// masks them. They are good until the listener returns.
type Event struct {
	Phase    string
	Ref      string // clause of the phase
	Command  *apdu.Command
	Response *apdu.Response // nil where the card gave no answer
	TVR      emv.TVR
	TSI      emv.TSI
	Reasons  []kernel.Reason
	Came     string         // what the phase came to, at its end
	Result   *kernel.Result // the end of the session
	Stopped  bool           // the recording ends here, the session would go on
}

// Play runs one case and compares. listen may be nil.
func Play(c vector.Case, listen func(Event)) Report {
	s, err := Prepare(c)
	if err != nil {
		return Report{ID: c.ID, Verdict: Broken, Why: err.Error()}
	}
	return s.Play(listen)
}

// Session is a case that is ready to be played, any number of times, one after another.
type Session struct {
	id       string
	cfg      kernel.Config
	rec      kernel.Recording
	tx       kernel.Transaction
	card     card
	outcomes vector.Outcomes
	player   func(cvm.Method) (cvm.Attempt, error) // of the outcomes, from their beginning
	scenario *vector.Scenario                      // one of the two
	cvm      *vector.CVM
	kernel   *kernel.Kernel // without trace, for Run
}

// card is what a session is played with.
type card interface {
	kernel.Card
	Reset()
}

// Prepare makes a session of a case. The error is that of a case that could not be read,
// or of a terminal that no kernel can be.
func Prepare(c vector.Case) (*Session, error) {
	var s *Session
	switch {
	case c.Err != nil:
		return nil, c.Err
	case c.Scenario != nil:
		s = prepareScenario(c.Scenario)
	case c.CVM != nil:
		s = prepareCVM(c.CVM)
	default:
		return nil, fmt.Errorf("replay: prepare %q: no case: %w", c.ID, vector.ErrFormat)
	}
	if s.cvm != nil || s.outcomes != nil {
		s.rec.PIN = func(m cvm.Method) (cvm.Attempt, error) { return s.player(m) }
	}
	rec := s.rec
	last := s.last()
	rec.After = func(m kernel.Moment) bool { return stops(last, m) }
	var err error
	if s.kernel, err = kernel.NewReplay(s.cfg, rec); err != nil {
		return nil, fmt.Errorf("replay: prepare %q: %w", c.ID, err)
	}
	return s, nil
}

// ID names the case.
func (s *Session) ID() string { return s.id }

// Run plays the session in the kernel alone, without a trace and a comparison: it is what
// a benchmark repeats. The error is the kernel's: of a log that the kernel leaves, or of
// a card that gave no answer.
func (s *Session) Run(ctx context.Context) error {
	s.reset()
	_, err := s.kernel.Run(ctx, s.tx, s.card, s.holder(s.card), s.issuer())
	return err
}

// reset puts the card in again, and forgets which PINs were tried.
func (s *Session) reset() {
	s.card.Reset()
	s.player = s.outcomes.Player()
}

// Play plays the session and compares it with its recording. listen may be nil.
func (s *Session) Play(listen func(Event)) Report {
	p := s.play(listen)
	r := Report{ID: s.id, Verdict: Equal}
	if d, differs := s.compare(p); differs {
		r = Report{ID: s.id, Verdict: Different, Phase: d.phase, Field: d.field, Want: d.want, Got: d.got}
	}
	if review, why := s.review(); review {
		r.Verdict, r.Why = Review, why
	}
	return r
}

func (s *Session) review() (bool, string) {
	if s.cvm != nil {
		return s.cvm.Review, s.cvm.Why
	}
	return s.scenario.Verdict.Review, s.scenario.Verdict.Why
}

// difference is where session and recording part.
type difference struct{ phase, field, want, got string }

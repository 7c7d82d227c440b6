package main

import (
	"fmt"
	"io"

	"posd/emv"
	"posd/emv/describe"
	"posd/emv/kernel"
	"posd/emv/replay"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// emvSession prints a session as it goes.
type emvSession struct {
	out     io.Writer
	memory  describe.Memory
	options describe.Options
	phase   string
}

// longestShown is the most bytes of a value that -v writes out: certificates are cut.
const longestShown = 32

func newEMVSession(out io.Writer, id string, unmasked bool) *emvSession {
	fmt.Fprintf(out, "session %s\n", printable(id))
	return &emvSession{out: out, options: describe.Options{Unmasked: unmasked, Longest: longestShown}}
}

// event prints one moment.
func (s *emvSession) event(e replay.Event) {
	if e.Result != nil {
		s.end(e)
		return
	}
	if e.Phase != s.phase {
		s.phase = e.Phase
		fmt.Fprintf(s.out, "\n%s  (EMV 4.4 %s)\n", e.Phase, e.Ref)
	}
	if e.Command != nil {
		s.lines(1, "> ", s.memory.Command(*e.Command, s.options))
		if e.Response == nil {
			fmt.Fprintln(s.out, "  < no answer")
		} else {
			s.lines(1, "< ", s.memory.Response(*e.Response, s.options))
		}
	}
	s.reasons(e)
	if e.Came != "" {
		fmt.Fprintf(s.out, "  = %s\n", printable(e.Came))
	}
	if e.Command == nil {
		s.phaseEnd(e)
	}
}

// lines prints a description; the first line has the mark.
func (s *emvSession) lines(depth int, mark string, lines []describe.Line) {
	for i, l := range lines {
		l.Depth += depth
		if i == 0 {
			l.Name = mark + l.Name
		} else if mark != "" {
			l.Depth++
		}
		fmt.Fprintln(s.out, printable(l.String()))
	}
}

// reasons prints the bits that were set, why, and where the Books say so.
func (s *emvSession) reasons(e replay.Event) {
	for _, r := range e.Reasons {
		field, value, bit := "TVR", e.TVR.String(), describe.TVR(r.TVR)[0]
		if r.TSI != 0 {
			field, value, bit = "TSI", e.TSI.String(), describe.TSI(r.TSI)[0]
		}
		fmt.Fprintf(s.out, "  ! %s %s, %s: %s\n", field, value, bit.Name, bit.Value)
		fmt.Fprintf(s.out, "      because %s\n", printable(r.Why))
		fmt.Fprintf(s.out, "      by EMV 4.4, %s\n", r.Clause)
	}
}

// phaseEnd prints where TVR and TSI stand, once the application is under way.
func (s *emvSession) phaseEnd(e replay.Event) {
	switch e.Phase {
	case kernel.Listing.String(), kernel.Selecting.String():
		return
	case kernel.Verifying.String():
		s.verified(e.Came)
	}
	fmt.Fprintf(s.out, "  TVR %v  TSI %v\n", e.TVR, e.TSI)
}

// verified spells the CVM results out.
func (s *emvSession) verified(came string) {
	var results [3]byte
	if n, err := fmt.Sscanf(came, "CVM Results %02X%02X%02X", &results[0], &results[1], &results[2]); n != 3 || err != nil {
		return
	}
	s.lines(2, "", describe.CVMResults(results))
}

// end prints where the session stands at its end: TVR, TSI and CVM results in words.
func (s *emvSession) end(e replay.Event) {
	f := e.Result.Facts
	words := e.Result.Outcome.String() + ": " + e.Result.Why
	switch {
	case e.Stopped:
		words = "the recording ends here, in " + e.Phase
	case e.Result.Outcome == 0:
		words = "no outcome: " + e.Result.Why
	}
	fmt.Fprintf(s.out, "\nend  %s\n", printable(words))
	for _, obj := range []struct {
		tag   tlv.Tag
		value []byte
	}{{tag.TVR, tvrBytes(f.TVR)}, {tag.TSI, tsiBytes(f.TSI)}, {tag.CVMResults, f.CVMResults[:]}} {
		s.lines(1, "", describe.Object(tlv.Object{Tag: obj.tag, Value: obj.value}, s.options))
	}
}

func tvrBytes(t emv.TVR) []byte { b := t.Bytes(); return b[:] }
func tsiBytes(t emv.TSI) []byte { b := t.Bytes(); return b[:] }

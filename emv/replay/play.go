package replay

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// seen is what one phase did.
type seen struct {
	ran  bool
	tvr  emv.TVR
	tsi  emv.TSI
	sent []string
}

// played is a session as it was.
type played struct {
	phases  map[string]*seen
	names   []string // in the order in which they ran
	result  kernel.Result
	err     error
	stopped bool
	ended   string             // the phase in which it ended
	asked   map[tlv.Tag][]byte // values after the first GENERATE AC
	final   map[tlv.Tag][]byte // values at the end
	cdols   map[tlv.Tag][]byte // CDOL1 and CDOL2
	number  string             // the card number, in digits
}

// tap stands between kernel and card and keeps what went over the line: the kernel's own
// trace masks it.
type tap struct {
	card kernel.Card
	cmd  apdu.Command
	resp apdu.Response
	err  error
	sent []byte
}

func (t *tap) Transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	t.cmd = cmd
	t.cmd.Data = slices.Clone(cmd.Data)
	t.sent = cmd.Append(nil)
	t.resp, t.err = t.card.Transmit(ctx, cmd)
	return t.resp, t.err
}

// recoveredTags are the objects that a recording may compare.
func (s *Session) recoveredTags() []tlv.Tag {
	if s.scenario == nil {
		return nil
	}
	var tags []tlv.Tag
	for t := range s.scenario.Recovered {
		tags = append(tags, t)
	}
	slices.Sort(tags)
	return tags
}

// play runs the session with a trace.
func (s *Session) play(listen func(Event)) played {
	if listen == nil {
		listen = func(Event) {}
	}
	p := played{phases: map[string]*seen{}, asked: map[tlv.Tag][]byte{}, final: map[tlv.Tag][]byte{}, cdols: map[tlv.Tag][]byte{}}
	s.reset()
	line := &tap{card: s.card}
	cfg, rec := s.cfg, s.rec
	cfg.Trace = func(e kernel.Event) {
		p.note(e, line)
		listen(told(e, line))
	}
	last := s.last()
	rec.After = func(m kernel.Moment) bool {
		p.keep(m, s.recoveredTags())
		p.stopped = stops(last, m)
		return p.stopped
	}
	k, err := kernel.NewReplay(cfg, rec)
	if err != nil {
		p.err = err
		return p
	}
	p.result, p.err = k.Run(context.Background(), s.tx, line, s.holder(s.card), s.issuer())
	listen(Event{Phase: p.ended, TVR: p.result.Facts.TVR, TSI: p.result.Facts.TSI, Result: &p.result, Stopped: p.stopped})
	return p
}

// told makes an event of the kernel's, with the bytes as they were.
func told(e kernel.Event, line *tap) Event {
	out := Event{Phase: e.Phase, Ref: e.Ref, TVR: e.TVR, TSI: e.TSI, Reasons: e.Reasons, Came: e.Came}
	if e.Command != nil {
		out.Command = &line.cmd
		if line.err == nil {
			out.Response = &line.resp
		}
	}
	return out
}

// note adds an event to what its phase did.
func (p *played) note(e kernel.Event, line *tap) {
	at := p.phases[e.Phase]
	if at == nil {
		at = &seen{}
		p.phases[e.Phase] = at
		p.names = append(p.names, e.Phase)
	}
	at.ran, at.tvr, at.tsi = true, e.TVR, e.TSI
	p.ended = e.Phase
	if e.Command != nil {
		at.sent = append(at.sent, fmt.Sprintf("%X", line.sent))
	}
}

// keep takes the values that the comparison wants, at the end of a phase.
func (p *played) keep(m kernel.Moment, tags []tlv.Tag) {
	switch m.Phase {
	case kernel.Reading:
		p.number = strings.TrimRight(fmt.Sprintf("%X", m.Value(tag.ApplicationPAN)), "F")
		for _, t := range []tlv.Tag{tag.CDOL1, tag.CDOL2} {
			p.cdols[t] = m.Value(t)
		}
	case kernel.Asking:
		for _, t := range tags {
			p.asked[t] = m.Value(t)
		}
	}
	for _, t := range tags {
		p.final[t] = m.Value(t)
	}
}

// stops tells that a recording that ends with these phases ends here. None is a
// recording without an end of its own.
func stops(last []kernel.Phase, m kernel.Moment) bool {
	return slices.Contains(last, m.Phase) && !slices.Contains(last, m.Next) && m.Next != kernel.Done
}

// shown writes commands for a report: the card number masked wherever it stands, and the
// data of VERIFY, in stars.
func (p played) shown(commands ...string) string {
	var out []string
	for _, s := range commands {
		cmd, err := apdu.ParseCommand(unhex(s))
		if err == nil && cmd.INS == apdu.InsVerify && len(s) > 10 {
			s = s[:10] + strings.Repeat("*", len(s)-10)
		}
		if n := len(p.number); n >= 12 {
			s = strings.ReplaceAll(s, p.number, p.number[:6]+strings.Repeat("*", n-10)+p.number[n-4:])
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

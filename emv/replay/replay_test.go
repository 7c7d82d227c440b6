package replay

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/replay/vector"
)

const vectors = "../../../shared/vectors/emv/"

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(vectors + name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no vectors: %v", err)
	}
	return raw
}

func readCases(t testing.TB, name string) []vector.Case {
	t.Helper()
	cases, err := vector.Read(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestVectors: whole sessions and CVM cases that independent kernels judged.
func TestVectors(t *testing.T) {
	for _, row := range []struct {
		file          string
		equal, review int
	}{
		{"scenarios.json", 140, 5},
		{"cvm.json", 400, 18},
	} {
		got := map[Verdict]int{}
		for _, c := range readCases(t, row.file) {
			r := Play(c, nil)
			got[r.Verdict]++
			if r.Verdict == Different || r.Verdict == Broken {
				t.Errorf("%+v", r)
			}
		}
		if got[Equal] != row.equal || got[Review] != row.review {
			t.Errorf("%s: %v", row.file, got)
		}
	}
}

// edited is a case of the vectors with text replaced in its JSON: a recording that is
// wrong, so that the comparison must find it.
func edited(t *testing.T, file, id string, pairs ...string) vector.Case {
	t.Helper()
	var list struct{ Vectors []json.RawMessage }
	if err := json.Unmarshal(readFile(t, file), &list); err != nil {
		t.Fatal(err)
	}
	for _, raw := range list.Vectors {
		if !strings.Contains(string(raw), `"id":"`+id+`"`) && !strings.Contains(string(raw), `"id": "`+id+`"`) {
			continue
		}
		s := string(raw)
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(s, pairs[i]) {
				t.Fatalf("%s: no %s", id, pairs[i])
			}
			s = strings.ReplaceAll(s, pairs[i], pairs[i+1])
		}
		cases, err := vector.Read([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return cases[0]
	}
	t.Fatalf("no case %s", id)
	return vector.Case{}
}

// TestDifferences: what is not as the recording has it is found, first things first.
func TestDifferences(t *testing.T) {
	const (
		dda = "synth/dda-keys-1408-1408-1152"
		cda = "synth/online-approved-genac2-tc-cda"
	)
	c := func(edit func(*vector.Scenario), id string) vector.Case {
		c := edited(t, "scenarios.json", id)
		edit(c.Scenario)
		return c
	}
	step := func(name string, change func(*vector.Step)) func(*vector.Scenario) {
		return func(s *vector.Scenario) {
			for i := range s.Steps {
				if s.Steps[i].Phase == name {
					change(&s.Steps[i])
				}
			}
		}
	}
	tvr := func(v emv.TVR) func(*vector.Step) { return func(s *vector.Step) { s.TVR = &v } }
	for _, row := range []struct {
		situation string
		c         vector.Case
		want      Report
	}{
		{
			"another TVR", c(step("processing_restrictions", tvr(emv.Expired)), dda),
			Report{Phase: "processing_restrictions", Field: "tvr", Want: "0040000000", Got: "0000000000"},
		},
		{
			"another TSI", c(step("terminal_risk_management", func(s *vector.Step) { v := emv.TSI(0x0800); s.TSI = &v }), dda),
			Report{Phase: "terminal_risk_management", Field: "tsi", Want: "0800", Got: "8800"},
		},
		{
			"another command", c(step("initiate_application_processing", func(s *vector.Step) { s.Sent = []string{"80A80000028301FF00"} }), dda),
			Report{Phase: "initiate_application_processing", Field: "sent", Want: "80A80000028301FF00", Got: "80A8000002830000"},
		},
		{
			"another end", c(step("card_action_analysis", func(s *vector.Step) { s.Outcome = "Card error" }), dda),
			Report{Phase: "card_action_analysis", Field: "outcome", Want: "Card error", Got: "OK"},
		},
		{
			"another value recovered", edited(t, "scenarios.json", dda, `"9F4C": "1122334455667788"`, `"9F4C": "1122334455667789"`),
			Report{Phase: "card_action_analysis", Field: "9F4C", Want: "1122334455667789", Got: "1122334455667788"},
		},
		{
			"the session ended before", edited(t, "scenarios.json", dda, `"r": "8012`, `"r": "8013`),
			Report{Phase: "initiate_application_processing", Field: "outcome", Want: "OK", Got: "Card error"},
		},
		{
			"an end that nobody came to", c(func(s *vector.Scenario) { s.Outcome = "declined" }, cda),
			Report{Phase: "scripting after", Field: "outcome", Want: "declined", Got: "approved: approved by issuer and card"},
		},
		{
			"a phase that nobody has", c(func(s *vector.Scenario) { s.Steps[0].Phase = "fortune_telling" }, dda),
			Report{Phase: "fortune_telling", Field: "phase", Want: "a phase that the kernel has", Got: "none of this name"},
		},
		{
			"a correction that is wrong", c(func(s *vector.Scenario) { v := emv.DDAFailed; s.Verdict.TVR = &v }, dda),
			Report{Phase: "card_action_analysis", Field: "tvr", Want: "0800000000", Got: "0000000000"},
		},
		{
			"CVM Results", edited(t, "cvm.json", "cvm/0000", `"000001"`, `"000002"`),
			Report{Phase: "cardholder_verification", Field: "9F34", Want: "000002", Got: "000001"},
		},
		{
			"CVM, TVR byte 3", edited(t, "cvm.json", "cvm/0000", `"tvr3": "80"`, `"tvr3": "84"`),
			Report{Phase: "cardholder_verification", Field: "tvr3", Want: "84", Got: "80"},
		},
		{
			"CVM, TVR byte 1", edited(t, "cvm.json", "cvm/0826", `"tvr1": "20"`, `"tvr1": "00"`),
			Report{Phase: "cardholder_verification", Field: "tvr1", Want: "00", Got: "20"},
		},
		{
			"CVM, TSI", edited(t, "cvm.json", "cvm/0000", `"tsi": "40"`, `"tsi": "00"`),
			Report{Phase: "cardholder_verification", Field: "tsi", Want: "00", Got: "40"},
		},
		{
			"CVM that should terminate", edited(t, "cvm.json", "cvm/0828", `"8E": "00000000000000"`, `"8E": "0000000000000000"`),
			Report{Phase: "cardholder_verification", Field: "terminate", Want: "true", Got: "false"},
		},
		{
			"CVM that should not", edited(t, "cvm.json", "cvm/0000", `"8E": "000007D0000001F40000"`, `"8E": "000007D0000001F400"`),
			Report{Phase: "cardholder_verification", Field: "outcome", Want: "OK", Got: "terminated: CVM list: cvm: list of 9 bytes: not a CVM list"},
		},
	} {
		row.want.ID, row.want.Verdict = row.c.ID, Different
		if got := Play(row.c, nil); got != row.want {
			t.Errorf("%s: got\n%+v, want\n%+v", row.situation, got, row.want)
		}
	}
}

// TestReview: a case that the judges left open is for review, with what differs.
func TestReview(t *testing.T) {
	got := Play(edited(t, "cvm.json", "cvm/0216"), nil)
	if got.Verdict != Review || got.Field != "9F34" || got.Want != "060001" || got.Got != "3F0001" || got.Why == "" {
		t.Errorf("got %+v", got)
	}
}

// TestCorrected: where the verdict turns authentication round, its bit and what carries
// it are left out, and nothing else is.
func TestCorrected(t *testing.T) {
	const id = "synth/cda-issuer-cert-issuer-id-3-digits-padded"
	c := edited(t, "scenarios.json", id)
	last := &c.Scenario.Steps[len(c.Scenario.Steps)-1]
	if r := Play(c, nil); r.Verdict != Equal {
		t.Fatalf("%+v", r)
	}
	good := last.Sent[0]
	last.Sent = []string{strings.Replace(good, "0000001234", "0000001235", 1)}
	if r := Play(c, nil); r.Verdict != Different || r.Field != "sent" {
		t.Errorf("another amount: %+v", r)
	}
	last.Sent = []string{strings.Replace(good, "0400000000", "0480000000", 1)}
	if r := Play(c, nil); r.Verdict != Different || r.Field != "sent" {
		t.Errorf("another bit of the TVR: %+v", r)
	}
	last.Sent = []string{strings.Replace(good, "80AE80", "80AE40", 1)}
	if r := Play(c, nil); r.Verdict != Different || r.Field != "sent" {
		t.Errorf("another kind: %+v", r)
	}
}

// TestCorrectedGoesOn: a recording that ended early, where the session should have gone
// on, gives TVR and TSI as they are then.
func TestCorrectedGoesOn(t *testing.T) {
	c := edited(t, "scenarios.json", "synth/cda-issuer-cert-issuer-id-3-digits-padded")
	sc := c.Scenario
	for i, step := range sc.Steps {
		if step.Phase == "offline_data_authentication" {
			sc.Steps = sc.Steps[:i+1]
			sc.Steps[i].Outcome = "Card error"
		}
	}
	if r := Play(c, nil); r.Verdict != Equal {
		t.Errorf("%+v", r)
	}
	wrong := emv.CDAFailed
	sc.Verdict.TVR = &wrong
	if r := Play(c, nil); r.Verdict != Different || r.Field != "tvr" || r.Want != "0400000000" {
		t.Errorf("%+v", r)
	}
}

// TestCashbackAboveTheAmount: a CVM case of which the payment could not be.
func TestCashbackAboveTheAmount(t *testing.T) {
	if r := Play(edited(t, "cvm.json", "cvm/0000", `"amount_other": 0`, `"amount_other": 5000`), nil); r.Verdict != Equal {
		t.Errorf("%+v", r)
	}
}

// logOf writes what a session sent and got as a log.
func logOf(t *testing.T, c vector.Case) string {
	t.Helper()
	var b strings.Builder
	Play(c, func(e Event) {
		if e.Command == nil {
			return
		}
		fmt.Fprintf(&b, "# %s\n> %X\n", e.Phase, e.Command.Append(nil))
		if e.Response != nil {
			fmt.Fprintf(&b, "< %X\n", e.Response.Append(nil))
		}
	})
	return b.String()
}

// params is a scenario without its card and without what is compared.
func params(t *testing.T, id string, change func(map[string]any)) []byte {
	t.Helper()
	var list struct{ Vectors []map[string]any }
	if err := json.Unmarshal(readFile(t, "scenarios.json"), &list); err != nil {
		t.Fatal(err)
	}
	for _, v := range list.Vectors {
		if v["id"] != id {
			continue
		}
		delete(v, "card")
		delete(v, "expect")
		delete(v, "verdict")
		if change != nil {
			change(v)
		}
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	t.Fatalf("no case %s", id)
	return nil
}

// TestLogs: a session replays byte for byte from its log, and what is not in the log, or
// in another order, is found.
func TestLogs(t *testing.T) {
	const id = "synth/online-approved-genac2-tc-cda"
	log := logOf(t, edited(t, "scenarios.json", id))
	lines := strings.Split(log, "\n")
	for _, row := range []struct {
		situation, log string
		change         func(map[string]any)
		verdict        Verdict
		field          string
		want           string
	}{
		{"as it was", log, nil, Equal, "", ""},
		{"lower case, blanks", strings.ToLower(strings.ReplaceAll(log, "6A82", "6a 82")), nil, Equal, "", ""},
		{"commands without Le", withoutLe(log), nil, Equal, "", ""},
		{"an amount that was not", strings.ReplaceAll(log, "000000001234", "000000001235"), nil, Different, "sent", "80AE9000"},
		{"one command more", log + "> 80CA9F1700\n< 6A88\n", nil, Different, "sent", "80CA9F1700"},
		{"cut off", strings.Join(lines[:len(lines)-4], "\n"), nil, Different, "sent", "the end of the log"},
		{"the card was gone", strings.Join(lines[:len(lines)-2], "\n"), nil, Equal, "", ""},
		{
			"another end", log,
			func(v map[string]any) { v["expect"] = map[string]any{"outcome": "declined"} }, Different, "outcome", "declined",
		},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s, err := vector.ReadLog([]byte(row.log), params(t, id, row.change), "log")
			if err != nil {
				t.Fatal(err)
			}
			r := Play(vector.Case{ID: s.ID, Scenario: s}, nil)
			if r.ID != id || r.Verdict != row.verdict || r.Field != row.field || !strings.HasPrefix(r.Want, row.want) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// withoutLe takes the 00 from the end of commands with data.
func withoutLe(log string) string {
	var out []string
	for line := range strings.SplitSeq(log, "\n") {
		if strings.HasPrefix(line, "> ") && len(line) > 14 {
			line = strings.TrimSuffix(line, "00")
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// pinLog is a card with an offline PIN that was verified, in a log that masks the PIN.
const pinLog = `
# selection without a directory
> 00A4040008 A000000333010101 00
< 6F1C 8408A000000333010101 A510 5008554E494F4E504159 8701015F2D00 9000
> 00A4040008 A000000333010101 00
< 6F1C 8408A000000333010101 A510 5008554E494F4E504159 8701015F2D00 9000
> 80A8000002830000
< 800610000801010 0 9000
> 00B2010C00
< 7031 5A086277000000000017 5F2403301231 8C0B9F02065A089F34039F3704 8D029505 8E0A00000000000000004100 9F0D0500000000009F0F050000000000 9000
`

// TestMasked: a difference shows no card number and no PIN.
func TestMasked(t *testing.T) {
	log := pinLog + `
> 80CA9F1700
< 9F170103 9000
> 0020008008 0000000000000000
< 9000
> 80AE8000150000000012346277000000000017010002A1B2C3D400
< 6985
`
	log = strings.Replace(log, "800610000801010 0", "8006100008010100", 1)
	content := strings.Count(strings.ReplaceAll("5A086277000000000017 5F2403301231 8C0B9F02065A089F34039F3704 8D029505 8E0A00000000000000004100 9F0D0500000000009F0F050000000000", " ", ""), "") / 2
	log = strings.Replace(log, "7031", fmt.Sprintf("70%02X", content), 1)
	p := []byte(`{"terminal":{"config":{"9F33":"E0F8C8","9F35":"22","9F40":"F000F0A001","9F1A":"0156","9F09":"0020","9F1B":"00002710"},
		"params":{"9A":"260801","9C":"00","9F02":"000000001234","5F2A":"0156"},
		"apps":[{"aid":"A000000333010101","match":"exact"}],"unpredictable_number":"A1B2C3D4"}}`)
	s, err := vector.ReadLog([]byte(log), p, "masked.apdu")
	if err != nil {
		t.Fatal(err)
	}
	r := Play(vector.Case{ID: s.ID, Scenario: s}, nil)
	if r.ID != "masked.apdu" || r.Field != "sent" || r.Phase != "asking" {
		t.Errorf("%+v", r)
	}
	if all := fmt.Sprintf("%+v", r); strings.Contains(all, "6277000000000017") || !strings.Contains(all, "627700******0017") {
		t.Errorf("the card number shows: %s", all)
	}
	s, err = vector.ReadLog([]byte(strings.Replace(log, "0020008008 0000000000000000", "0020008008 241234FFFFFFFFFF", 1)), p, "pin.apdu")
	if err != nil {
		t.Fatal(err)
	}
	s.Answers[5].Command[3] = 0x88
	if r := Play(vector.Case{ID: s.ID, Scenario: s}, nil); strings.Contains(fmt.Sprint(r), "241234") || r.Verdict != Different {
		t.Errorf("the PIN shows: %+v", r)
	}
}

// TestRepeats: a prepared session runs again and again to the same end.
func TestRepeats(t *testing.T) {
	for _, file := range []string{"scenarios.json", "cvm.json"} {
		for i, c := range readCases(t, file) {
			if i%20 != 0 {
				continue
			}
			s, err := Prepare(c)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := s.Run(t.Context()); err != nil {
					t.Errorf("%s: %v", s.ID(), err)
				}
			}
			if r := s.Play(nil); r.Verdict != Equal && r.Verdict != Review {
				t.Errorf("%+v", r)
			}
		}
	}
}

// TestBroken: a case that cannot be played says why.
func TestBroken(t *testing.T) {
	cases, err := vector.Read([]byte(`{"id":"x","card":{"answers":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if r := Play(cases[0], nil); r.Verdict != Broken || !strings.Contains(r.Why, "terminal") {
		t.Errorf("%+v", r)
	}
	c := edited(t, "scenarios.json", "synth/dda-keys-1408-1408-1152", `"9F35": "22"`, `"9F35": "27"`)
	if r := Play(c, nil); r.Verdict != Broken || !strings.Contains(r.Why, "9F35") {
		t.Errorf("%+v", r)
	}
	if r := Play(vector.Case{ID: "none"}, nil); r.Verdict != Broken {
		t.Errorf("%+v", r)
	}
}

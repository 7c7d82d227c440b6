package vector

import (
	"errors"
	"os"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/cvm"
	"posd/emv/tag"
)

// whole is a scenario with every field that is used, and some that nobody uses.
const whole = `{"id":"a","colour":"blue","terminal":{
 "config":{"9F33":"E0F8C8","9F1B":"00002710","9F09":"0020","9F49":"9F3704"},
 "params":{"9A":"500801","9F21":"101112","9C":"09","9F02":"000000001234","9F03":"000000000100","81":"000004D2","5F2A":"0156","9F41":"00000007","9F34":"1F0302"},
 "apps":[{"aid":"F000000001","match":"partial"}],"unpredictable_number":"A1B2C3D4","genac1_type":"80","genac2_type":"40",
 "online":{"arc":"3030","91":"0102030405060708","71":"86028020","icc":"8A023030"}},
 "capks":[{"rid":"F000000001","index":"01","modulus":"C1","exponent":"03"}],
 "card":{"answers":[{"c":"00A40400 05 F000000001 00","r":"6A82"}],"match":"exact","else":"SELECT 6A81, others 6985"},
 "outcomes":"01=B,01=S",
 "expect":{"steps":[{"phase":"p","outcome":"OK","tvr":"8000000000","tsi":"0800","sent":["80a80000028300 00"]}],"recovered":{"9F4C":""},"outcome":"declined"},
 "verdict":{"use":"review","why":"w","tvr":"0800000000","expected":"e"}}`

func read(t testing.TB, s string) Case {
	t.Helper()
	cases, err := Read([]byte(s))
	if err != nil || len(cases) != 1 {
		t.Fatalf("%d cases, error %v", len(cases), err)
	}
	return cases[0]
}

func TestScenario(t *testing.T) {
	c := read(t, whole)
	if c.Err != nil {
		t.Fatal(c.Err)
	}
	s := c.Scenario
	for _, row := range []struct {
		what string
		ok   bool
	}{
		{"floor limit", s.Terminal.FloorLimitMinor == 10000 && s.Terminal.Version == [2]byte{0, 0x20}},
		{"application's objects are not the terminal's", s.Terminal.Data[tag.TerminalFloorLimit] == nil && len(s.Terminal.Data) == 1},
		{"application", len(s.Terminal.Apps) == 1 && s.Terminal.Apps[0].Partial},
		{"amount", s.Payment.Amount == emv.Amount{Minor: 1234, Currency: emv.CNY} && s.Payment.Cashback == 100 && s.Payment.Type == 9},
		{"year 50 is 1950", s.Payment.Time.Format("2006-01-02 15:04:05") == "1950-08-01 10:11:12" && s.Payment.Sequence == 7},
		{"decisions", *s.First == emv.ARQC && *s.Second == emv.TC && *s.CVMResults == [3]byte{0x1F, 3, 2}},
		{"issuer's answer", s.Online.ARC == [2]byte{'0', '0'} && len(s.Online.ICC) == 10+6+4},
		{"key without a checksum", len(s.CAKeys) == 1 && s.CAKeys[0].SHA1 == nil},
		{"else", s.Else[apdu.InsSelect] == 0x6A81 && s.Else[apdu.InsReadRecord] == apdu.RecordNotFound && s.Else[0] == 0x6985},
		{"step", *s.Steps[0].TVR == emv.ODANotPerformed && *s.Steps[0].TSI == 0x0800 && s.Steps[0].Sent[0] == "80A8000002830000"},
		{"recovered", len(s.Recovered) == 1 && s.Outcome == "declined"},
		{"verdict", s.Verdict.Review && s.Verdict.Why == "w" && *s.Verdict.TVR == emv.DDAFailed && s.Verdict.TSI == nil && s.Verdict.Expected == "e"},
	} {
		if !row.ok {
			t.Errorf("%s: %+v", row.what, s)
		}
	}
	play := s.Outcomes.Player()
	var said []cvm.Attempt
	for range 3 {
		a, _ := play(cvm.PlaintextPIN)
		said = append(said, a)
	}
	other, _ := play(cvm.OnlinePIN)
	if said[0] != cvm.Bypassed || said[1] != cvm.Succeeded || said[2] != cvm.Succeeded || other != cvm.Succeeded {
		t.Errorf("outcomes %v, %v", said, other)
	}
}

// TestFieldsThatAreWrong: an error names the field and not its value.
func TestFieldsThatAreWrong(t *testing.T) {
	for _, row := range []struct{ from, to, want string }{
		{`"id":"a"`, `"id":""`, "id: missing"},
		{`"9F33":"E0F8C8"`, `"9F33":"E0F8C"`, "terminal.config.9F33: not hexadecimal"},
		{`"9F33":"E0F8C8"`, `"XX":"E0"`, "terminal.config.XX: not a tag"},
		{`"9F1B":"00002710"`, `"9F1B":"2710"`, "terminal.config.9F1B"},
		{`"9F09":"0020"`, `"9F09":"20"`, "terminal.config.9F09"},
		{`"9A":"500801"`, `"9A":"501301"`, "terminal.params.9A"},
		{`"9A":"500801"`, `"9A":""`, "terminal.params.9A"},
		{`"9C":"09"`, `"9C":"0900"`, "terminal.params.9C: 2 bytes"},
		{`"9F02":"000000001234"`, `"9F02":"62770000000000017"`, "terminal.params.9F02: not a number"},
		{`"5F2A":"0156"`, `"5F2A":"CNY"`, "terminal.params.5F2A"},
		{`"9F34":"1F0302"`, `"9F34":"1F03"`, "terminal.params.9F34"},
		{`"aid":"F000000001"`, `"aid":"F0"`, "terminal.apps[0].aid"},
		{`"match":"partial"`, `"match":"maybe"`, "terminal.apps[0].match"},
		{`"apps":[{"aid":"F000000001","match":"partial"}]`, `"apps":[]`, "terminal.apps: missing"},
		{`"A1B2C3D4"`, `"A1"`, "terminal.unpredictable_number"},
		{`"genac1_type":"80"`, `"genac1_type":"81"`, "terminal.genac1_type: 00, 40 or 80"},
		{`"genac2_type":"40"`, `"genac2_type":40`, "terminal.genac2_type: not a string"},
		{`"arc":"3030"`, `"arc":"30"`, "terminal.online.arc"},
		{`"91":"0102030405060708"`, `"91":"0"`, "terminal.online.91"},
		{`"index":"01"`, `"index":""`, "capks[0].index"},
		{`"c":"00A40400 05 F000000001 00"`, `"c":"00"`, "card.answers[0].c"},
		{`"r":"6A82"`, `"r":"6A"`, "card.answers[0].r"},
		{`"match":"exact"`, `"match":"fuzzy"`, "card.match"},
		{`"SELECT 6A81, others 6985"`, `"DANCE 9000"`, "card.else"},
		{`"01=B,01=S"`, `"1E=S"`, "outcomes"},
		{`"01=B,01=S"`, `"01=X"`, "outcomes"},
		{`"tvr":"8000000000"`, `"tvr":"80"`, "expect.steps[0].tvr"},
		{`"tsi":"0800"`, `"tsi":"08"`, "expect.steps[0].tsi"},
		{`["80a80000028300 00"]`, `["xx"]`, "expect.steps[0].sent[0]"},
		{`"phase":"p",`, ``, "expect.steps[0].phase"},
		{`{"9F4C":""}`, `{"9F4C":"1"}`, "expect.recovered.9F4C"},
		{`"use":"review"`, `"use":"guess"`, "verdict.use"},
		{`"expected":"e"`, `"expect":7`, "verdict.expect"},
	} {
		if !strings.Contains(whole, row.from) {
			t.Fatalf("%s is not in the scenario", row.from)
		}
		c := read(t, strings.Replace(whole, row.from, row.to, 1))
		if c.Err == nil || !errors.Is(c.Err, ErrFormat) || !strings.Contains(c.Err.Error(), row.want) || c.Scenario != nil {
			t.Errorf("%s: got %v, want %s", row.to, c.Err, row.want)
			continue
		}
		if strings.Contains(c.Err.Error(), "62770000000000017") {
			t.Errorf("a value shows: %v", c.Err)
		}
	}
}

// TestVerdictExpect: the correction may be in words or in values.
func TestVerdictExpect(t *testing.T) {
	c := read(t, strings.Replace(whole, `"tvr":"0800000000","expected":"e"`, `"expect":{"tvr":"0400000000","tsi":"8800"}`, 1))
	if c.Err != nil || *c.Scenario.Verdict.TVR != emv.CDAFailed || *c.Scenario.Verdict.TSI != 0x8800 || c.Scenario.Verdict.Expected == "" {
		t.Errorf("values: %+v, %v", c.Scenario, c.Err)
	}
	c = read(t, strings.Replace(whole, `"expected":"e"`, `"expect":"words"`, 1))
	if c.Err != nil || c.Scenario.Verdict.Expected != "words" {
		t.Errorf("words: %+v, %v", c.Scenario, c.Err)
	}
}

// TestUnable: nobody answers where there is no answer, or where the code is the terminal's
// own.
func TestUnable(t *testing.T) {
	for _, on := range []string{`"online":null`, `"online":{}`, `"online":{"arc":"5A33","91":null}`} {
		c := read(t, strings.Replace(whole, `"online":{"arc":"3030","91":"0102030405060708","71":"86028020","icc":"8A023030"}`, on, 1))
		if c.Err != nil || c.Scenario.Online != nil {
			t.Errorf("%s: %+v, %v", on, c.Scenario, c.Err)
		}
	}
}

const cvmCase = `{"id":"c","terminal":{"9F33":"E0F8C8","9F35":"22","9C":"00","amount":1000,"amount_other":0,"5F2A":"0156"},
 "card":{"82":"1000","8E":"000007D0000001F40000","9F42":"0156"},"outcomes":"-",
 "expect":{"9F34":"000001","tvr1":"00","tvr3":"80","tsi":"40"},"use":"assert"}`

func TestCVM(t *testing.T) {
	c := read(t, cvmCase).CVM
	if c == nil || c.Amount.Minor != 1000 || c.Results != [3]byte{0, 0, 1} || c.TVR3 != 0x80 || c.TSI1 != 0x40 || c.Review || *c.Currency != [2]byte{1, 0x56} {
		t.Fatalf("%+v", c)
	}
	if c := read(t, strings.Replace(cvmCase, `"8E":"000007D0000001F40000",`, "", 1)).CVM; c == nil || c.List != nil {
		t.Errorf("a card without a list: %+v", c)
	}
	for _, row := range []struct{ from, to, want string }{
		{`"9F33":"E0F8C8"`, `"9F33":"E0"`, "terminal.9F33"},
		{`"9F35":"22"`, `"9F35":""`, "terminal.9F35"},
		{`"9C":"00"`, `"9C":"x"`, "terminal.9C"},
		{`"amount":1000`, `"amount":-1`, "terminal.amount"},
		{`"amount":1000,`, ``, "terminal.amount"},
		{`"82":"1000"`, `"82":"10"`, "card.82"},
		{`"8E":"000007D0000001F40000"`, `"8E":"0"`, "card.8E"},
		{`"9F34":"000001"`, `"9F34":"0001"`, "expect.9F34"},
		{`"tvr3":"80"`, `"tvr3":""`, "expect.tvr3"},
		{`"use":"assert"`, `"use":"?"`, "use"},
	} {
		got := read(t, strings.Replace(cvmCase, row.from, row.to, 1))
		if got.Err == nil || !strings.Contains(got.Err.Error(), row.want) {
			t.Errorf("%s: got %v", row.to, got.Err)
		}
	}
}

// TestFiles: the vector files as they are, one case, one a line; a bad one does not keep
// the others back.
func TestFiles(t *testing.T) {
	flat := strings.ReplaceAll(whole, "\n", "")
	for _, row := range []struct {
		situation, file string
		cases, bad      int
	}{
		{"one", whole, 1, 0},
		{"lines", flat + "\n" + strings.ReplaceAll(cvmCase, "\n", "") + "\n", 2, 0},
		{"list", `{"format":"posd-emv-vector/1","vectors":[` + whole + `,{"id":"b"},` + cvmCase + `]}`, 3, 1},
	} {
		cases, err := Read([]byte(row.file))
		bad := 0
		for _, c := range cases {
			if c.Err != nil {
				bad++
			}
		}
		if err != nil || len(cases) != row.cases || bad != row.bad {
			t.Errorf("%s: %d cases, %d bad, %v", row.situation, len(cases), bad, err)
		}
	}
	for _, file := range []string{"", "  ", "{", "[1"} {
		if _, err := Read([]byte(file)); err == nil {
			t.Errorf("%q was read", file)
		}
	}
}

func TestCard(t *testing.T) {
	s := &Scenario{Else: Else{apdu.InsSelect: apdu.FileNotFound, apdu.InsReadRecord: apdu.RecordNotFound, 0: apdu.InstructionNotSupported}}
	add := func(c apdu.Command, answer ...byte) {
		s.Answers = append(s.Answers, Exchange{c.Append(nil), append(answer, 0x90, 0)})
	}
	a, b := apdu.Select([]byte("1PAY."), false), apdu.Select([]byte{0xF0, 0, 0, 0, 1}, false)
	add(a, 1)
	add(apdu.ReadRecord(1, 1), 0xAA)
	add(b, 2)
	add(apdu.ReadRecord(1, 1), 0xBB)
	add(apdu.ReadRecord(1, 2), 0xCC)
	card := s.Card()
	for i, row := range []struct {
		cmd  apdu.Command
		data string
		sw   apdu.SW
	}{
		{a, "\x01", apdu.OK},
		{apdu.ReadRecord(1, 1), "\xAA", apdu.OK},
		{apdu.ReadRecord(1, 2), "", apdu.RecordNotFound}, // that of another file
		{b, "\x02", apdu.OK},
		{apdu.ReadRecord(1, 1), "\xBB", apdu.OK},
		{apdu.ReadRecord(1, 2), "\xCC", apdu.OK},
		{apdu.Select([]byte("nobody"), false), "", apdu.FileNotFound},
		{apdu.GetChallenge(), "", apdu.InstructionNotSupported},
	} {
		r, err := card.Transmit(t.Context(), row.cmd)
		if err != nil || string(r.Data) != row.data || r.SW != row.sw {
			t.Errorf("command %d: %X %04X, %v", i+1, r.Data, uint16(r.SW), err)
		}
	}
}

func TestLog(t *testing.T) {
	for _, row := range []struct{ log, want string }{
		{"> 00A40400", ""},
		{"# why\n\n> 00 A4 04 00\r\n< 6A82\n", ""},
		{"", "no command"},
		{"00A40400", "line 1: > or < or #"},
		{"> 00A4", "line 1: 2 bytes"},
		{"> 00A40400\n< 6A82\n< 9000", "line 3: an answer without a command"},
		{"< 9000", "line 1: an answer without a command"},
		{"> 00A40400\n< zz", "line 2: not hexadecimal"},
		{strings.Repeat("\n", maxLogLines+1) + "> 00A40400", "line"},
	} {
		s, err := ReadLog([]byte(row.log), []byte(whole), "name")
		switch {
		case row.want == "" && (err != nil || !s.Ordered || len(s.Answers) != 1 || s.ID != "a"):
			t.Errorf("%q: %v", row.log, err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%q: got %v, want %s", row.log, err, row.want)
		}
	}
	if _, err := ReadLog([]byte("> 00A40400"), []byte(`{"terminal":{}}`), "n"); err == nil || !strings.Contains(err.Error(), "parameters") {
		t.Errorf("parameters that are not right: %v", err)
	}
}

// FuzzRead: any file is read or refused, and what is read can be asked.
func FuzzRead(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(cvmCase))
	f.Add([]byte(`{"vectors":[{"id":"b"}]}`))
	if raw, err := os.ReadFile("../../../../shared/vectors/emv/cvm.json"); err == nil {
		f.Add(raw[:min(len(raw), 4000)])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cases, _ := Read(data)
		for _, c := range cases {
			if n := len(c.ID); c.Err == nil && (c.Scenario == nil) == (c.CVM == nil) {
				t.Fatalf("case of %d: neither or both", n)
			}
			if c.Scenario == nil {
				continue
			}
			card := c.Scenario.Card()
			for _, cmd := range []apdu.Command{apdu.Select([]byte("1PAY.SYS.DDF01"), false), apdu.ReadRecord(1, 1), apdu.GetChallenge()} {
				if _, err := card.Transmit(t.Context(), cmd); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// FuzzLog: any log and any parameters.
func FuzzLog(f *testing.F) {
	f.Add([]byte("> 00A40400\n< 6A82\n"), []byte(whole))
	f.Fuzz(func(t *testing.T, log, params []byte) {
		s, err := ReadLog(log, params, "x")
		if err == nil && (len(s.Answers) == 0 || s.ID == "") {
			t.Fatalf("%+v", s)
		}
	})
}

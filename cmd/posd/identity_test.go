package main

import (
	"strings"
	"testing"

	"posd/store/enrolment"
)

func TestMaskAccount(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "ICBC": "ICBC", "ICBC 1234567": "ICBC 1234567", "ICBC 6222020000000000017 x": "ICBC ***************0017 x",
		"12345678/87654321": "****5678/****4321", "工行62220017": "工行****0017",
	} {
		if got := maskAccount(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

// The record fills in what the file leaves out; what the file says otherwise stays, and is
// told.
func TestRecordFillsIn(t *testing.T) {
	cfg := Config{Terminal: TerminalConfig{Serial: Value{Text: "SN1", Set: true}, Merchant: Value{Text: "898100053110002", Set: true}}}
	found := cfg.fillIn(enrolment.Record{Serial: "SN1", Terminal: "10000001", Merchant: "898100053110001", Name: "Teahouse"})
	if cfg.Terminal.ID.Text != "10000001" || cfg.Terminal.Name.Text != "Teahouse" || cfg.Terminal.Hotline.Set {
		t.Errorf("filled in: %+v", cfg.Terminal)
	}
	if len(found) != 1 || found[0].Field != "merchant" || !found[0].Grave || cfg.Terminal.Merchant.Text != "898100053110002" {
		t.Errorf("found %v", found)
	}
}

// A file for a terminal out of its box names its serial number and where to enrol.
func TestConfigurationOfANewcomer(t *testing.T) {
	var lines []string
	for line := range strings.Lines(example(t)) {
		switch word, _, _ := strings.Cut(strings.TrimSpace(line), ":"); word {
		case "id", "merchant", "name", "ca", "certificate", "key":
		default:
			lines = append(lines, line)
		}
	}
	text := strings.Join(lines, "")
	for _, test := range []struct{ name, section, want string }{
		{"not enrolled", "", "terminal.id is missing"},
		{"by fingerprint", "enrolment: {address: \"h:1\", ca: " + strings.Repeat("5A:", 31) + "5A}\n", ""},
		{"authority by activation", "enrolment: {address: \"h:1\"}\n", ""},
		{"no port", "enrolment: {address: h}\n", "enrolment: enrol: new client: host"},
		{"no such file", "enrolment: {address: \"h:1\", ca: nowhere}\n", "nowhere"},
		{"no address", "enrolment: {ca: x}\n", "enrolment.address is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseConfig("posd.yaml", []byte(text+test.section))
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

package drivers

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every URL of the hardware guide is one that the driver table understands.
func TestHardwareURLs(t *testing.T) {
	b, err := os.ReadFile("../../../docs/hardware.md")
	if err != nil {
		t.Fatal(err)
	}
	s := New()
	n := 0
	for _, u := range regexp.MustCompile(`(ccid|phoenix|vpcd|pn532|vfpad|abecs|escpos|vt|fb|pole|gpio)://[^\s'`+"`"+`]+`).FindAllString(string(b), -1) {
		u = strings.ReplaceAll(u, "…", "serial")
		u = strings.TrimSuffix(strings.TrimSuffix(u, ";"), ",")
		var errs []string
		ok := false
		for _, err := range []error{s.Readers().Check(u), s.PINPads().Check(u), s.Printers().Check(u), s.Displays().Check(u), s.Lamps().Check(u)} {
			if err == nil {
				ok = true
			} else {
				errs = append(errs, err.Error())
			}
		}
		n++
		if !ok {
			t.Errorf("%s: %v", u, errs)
		}
	}
	t.Log(n, "URLs")
}

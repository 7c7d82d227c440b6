package pn532_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"posd/device/sim/pn532"
	"posd/device/sim/pty"
)

// TestWithLibNFC has the tools of libnfc, which know nothing of ours, find the cards. It
// needs Debian's libnfc-bin, and is skipped without.
func TestWithLibNFC(t *testing.T) {
	for _, row := range []struct {
		name string
		tags []pn532.Tag
		tool []string
		want []string
	}{
		{"nothing in the field", nil, []string{"nfc-list"}, []string{"opened"}},
		{
			"type A",
			[]pn532.Tag{pn532.CardA(echo{})},
			[]string{"nfc-list"},
			[]string{"ISO/IEC 14443A (106 kbps) target", "UID (NFCID3): 08  50  4f  53", "SAK (SEL_RES): 20", "ATS: 78  80  70  02"},
		},
		{
			"type B",
			[]pn532.Tag{pn532.CardB(echo{})},
			[]string{"nfc-list"},
			[]string{"ISO/IEC 14443-4B (106 kbps) target", "PUPI: 50  4f  53  44"},
		},
		{
			"one of each",
			[]pn532.Tag{pn532.CardA(echo{}), pn532.CardB(echo{})},
			[]string{"nfc-list"},
			[]string{"UID (NFCID3): 08", "PUPI: 50"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := libNFC(t, row.tags, row.tool)
			for _, want := range row.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in it", want)
				}
			}
			if strings.Contains(out, "ERROR") || t.Failed() {
				t.Errorf("%v said:\n%s", row.tool, out)
			}
		})
	}
}

// libNFC runs a tool of libnfc on a simulator with those cards, and returns what it says.
func libNFC(t *testing.T, tags []pn532.Tag, tool []string) string {
	path, err := exec.LookPath(tool[0])
	if err != nil {
		t.Skipf("%s is not installed (Debian: libnfc-bin)", tool[0])
	}
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r := pn532.New(pn532.Config{})
	for _, tag := range tags {
		r.Insert(tag)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, pair.Port) }()
	cmd := exec.CommandContext(ctx, path, tool[1:]...)
	cmd.Env = append(os.Environ(), "LIBNFC_DEVICE=pn532_uart:"+pair.Path()+":115200", "LIBNFC_LOG_LEVEL="+os.Getenv("LIBNFC_LOG_LEVEL"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v", tool, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return string(out)
}

// echo answers each APDU with itself.
type echo struct{}

func (echo) Reset() []byte { return nil }

func (echo) Exchange(command []byte) []byte {
	return append(append([]byte(nil), command...), 0x90, 0x00)
}

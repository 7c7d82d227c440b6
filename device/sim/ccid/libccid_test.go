package ccid_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posd/device/sim/ccid"
	"posd/device/sim/pty"
	"posd/device/sim/t1"
)

// t0Card answers SELECT with 61xx and READ RECORD with 6Cxx, as T=0 cards do.
type t0Card struct{}

func (t0Card) Reset() []byte { return []byte{0x3B, 0x62, 0x00, 0x00, 'o', 'k'} }

func (t0Card) Transmit(tpdu []byte) []byte {
	switch {
	case len(tpdu) < 5:
		return []byte{0x67, 0x00}
	case tpdu[1] == 0xA4:
		return []byte{0x61, 0x03}
	case tpdu[1] == 0xC0:
		return []byte{0x6F, 0x01, 0x84, 0x90, 0x00}
	case tpdu[1] == 0xB2 && tpdu[4] != 3:
		return []byte{0x6C, 0x03}
	case tpdu[1] == 0xB2:
		return []byte{1, 2, 3, 0x90, 0x00}
	}
	return []byte{0x6D, 0x00}
}

// long answers every command with 200 bytes, so that blocks chain.
type long struct{}

func (long) Reset()                 {}
func (long) Exchange([]byte) []byte { return append(bytes.Repeat([]byte{0xA5}, 200), 0x90, 0x00) }

// TestWithLibCCID has pcscd with the driver for the GemPC Twin serial, which knows nothing
// of ours, speak to cards of both protocols. It needs root and Debian's pcscd, libccid and
// pcsc-tools, and is skipped without. The daemon runs in a mount namespace of its own, so
// that another one on the machine is not touched.
func TestWithLibCCID(t *testing.T) {
	const driver = "/usr/lib/pcsc/drivers/serial/libccidtwin.so"
	for _, tool := range []string{"pcscd", "scriptor", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (Debian: pcscd, pcsc-tools, util-linux)", tool)
		}
	}
	if _, err := os.Stat(driver); err != nil {
		t.Skip("the driver is not installed (Debian: libccid)")
	}
	if exec.Command("unshare", "-m", "true").Run() != nil {
		t.Skip("a mount namespace needs root")
	}
	t1Card := func(c t1.Config) ccid.Card {
		c.Application = long{}
		card, err := t1.New(c)
		if err != nil {
			t.Fatal(err)
		}
		return card
	}
	lines := strings.Repeat("A5 A5 A5 A5 ", 50)
	for _, row := range []struct {
		name     string
		card     ccid.Card
		commands string
		want     []string
	}{
		{"T=0", t0Card{}, "00 A4 04 00 02 3F 00\n00 C0 00 00 03\n00 B2 01 0C 03\n", []string{"61 03", "6F 01 84 90 00", "01 02 03 90 00"}},
		{"T=1", t1Card(t1.Config{}), "00 B2 01 0C 00\n00 B2 01 0C 00\n", []string{lines + "90 00"}},
		{"T=1, blocks of 16 bytes to the card", t1Card(t1.Config{IFSC: 16}), "00 A4 04 00 18 " + strings.Repeat("11 ", 24) + "00\n", []string{lines + "90 00"}},
		{"T=1 with a CRC", t1Card(t1.Config{CRC: true}), "00 B2 01 0C 00\n", []string{lines + "90 00"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := libCCID(t, driver, row.card, row.commands)
			flat := strings.Join(strings.Fields(out), " ")
			for _, want := range row.want {
				if !strings.Contains(flat, want) {
					t.Errorf("%q is not in it", want)
				}
			}
			if t.Failed() {
				t.Logf("pcscd and scriptor said:\n%s", out)
			}
		})
	}
}

// libCCID runs pcscd and a client of it, and returns what both say.
func libCCID(t *testing.T, driver string, card ccid.Card, commands string) string {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r := ccid.New(ccid.Config{})
	r.Insert(card)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, pair.Port) }()

	dir := t.TempDir()
	conf := fmt.Sprintf("FRIENDLYNAME \"posd\"\nDEVICENAME %s:GemPCTwin\nLIBPATH %s\n", pair.Path(), driver)
	for name, text := range map[string]string{"reader.conf": conf, "commands": commands} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := `mount -t tmpfs none /run/pcscd || exit 9
pcscd -f -d -c "$1/reader.conf" >"$1/log" 2>&1 & daemon=$!
for i in 1 2 3 4 5 6 7 8 9 10; do grep -q 'Card ATR' "$1/log" && break; sleep 0.3; done
scriptor "$1/commands" 2>&1
kill $daemon; wait $daemon; cat "$1/log"`
	out, err := exec.CommandContext(ctx, "unshare", "-m", "sh", "-c", script, "sh", dir).CombinedOutput()
	if err != nil {
		out = append(out, "\n"+err.Error()...)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return string(out)
}

package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posd/emv/keyblock"
	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

// command runs one command line in a folder and returns exit status and output.
func command(t *testing.T, dir string, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := execute(t.Context(), append(args, "--dir", dir), &out, &out)
	return code, out.String()
}

// TestRun is the command from a fresh folder to the report: serve, sell, stop, report.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- execute(ctx, []string{"-fault", "drop-response:2", "--dir", dir, "--listen", "127.0.0.1:0"}, write, io.Discard)
		write.Close()
	}()
	address := listening(t, read)
	sell(t, address, filepath.Join(dir, "terminals", "POSD0001"))
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("exit status %d", code)
	}
	code, out := command(t, dir, "report", "--tid", "POSD0001")
	for _, want := range []string{"sale", "12.00", "approved", "627700******0011", "9988.00 CNY", "add up to 0"} {
		if !strings.Contains(out, want) {
			t.Errorf("report lacks %q:\n%s", want, out)
		}
	}
	if code != 0 {
		t.Errorf("report: exit status %d", code)
	}
}

// listening reads the output up to the address.
func listening(t *testing.T, out io.Reader) string {
	t.Helper()
	var all []byte
	buf := make([]byte, 512)
	for len(all) < 1<<16 {
		n, err := out.Read(buf)
		all = append(all, buf[:n]...)
		if _, after, ok := strings.Cut(string(all), "listening on "); ok && strings.Contains(after, ",") {
			go io.Copy(io.Discard, out) //nolint:errcheck // what comes after is not read
			address, _, _ := strings.Cut(after, ",")
			return address
		}
		if err != nil {
			t.Fatalf("output ended: %v\n%s", err, all)
		}
	}
	t.Fatalf("no address in:\n%s", all)
	return ""
}

// sell signs on and sells with nothing but the files of the enrolment.
func sell(t *testing.T, address, folder string) {
	t.Helper()
	file := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	kbpk, err := hex.DecodeString(strings.TrimSpace(string(file("kbpk.hex"))))
	if err != nil {
		t.Fatal(err)
	}
	_, tmk, err := keyblock.Unwrap(kbpk, strings.TrimSpace(string(file("tmk.tr31"))))
	if err != nil {
		t.Fatal(err)
	}
	c, err := hosttest.Dial(t.Context(), address, hosttest.Identity{Cert: file("terminal.pem"), Key: file("terminal-key.pem"), CA: file("ca.pem")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	term := &hosttest.Terminal{TID: "POSD0001", MID: "104403154110001", TMK: tmk}
	if resp, err := term.Manage(c, iso8583.SignOnDouble); err != nil || resp.Code != "00" {
		t.Fatalf("sign-on: %+v, %v", resp, err)
	}
	card := hosttest.NewCard("6277000000000011", "123456")
	if code, err := term.Code(c, term.Sale(card, 1200)); code != "00" || err != nil {
		t.Errorf("sale: %s, %v", code, err)
	}
}

func TestEstateCommands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	seed := filepath.Join(t.TempDir(), "seed.yaml")
	kbpk := filepath.Join(t.TempDir(), "kbpk")
	for path, text := range map[string]string{seed: "merchants: [{mid: \"104403154110009\", name: Shop}]\n", kbpk: strings.Repeat("3B", 16) + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rows := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"seed", seed}, 0, ""},
		{[]string{"ca"}, 0, "BEGIN CERTIFICATE"},
		{[]string{"terminal", "add", "--tid", "POSD0042", "--mid", "104403154110009", "--sn", "SN42", "--kbpk", kbpk}, 0, "POSD0042"},
		{[]string{"terminal", "add", "--tid", "POSD0042", "--mid", "104403154110009", "--sn", "SN42"}, 1, "exists already"},
		{[]string{"terminal", "add", "--tid", "POSD0043", "--mid", "104403154110009"}, 1, "sn"},
		{[]string{"terminal", "add", "--tid", "POSD0043", "--mid", "000000000000000", "--sn", "1"}, 1, "no such merchant"},
		{[]string{"terminal", "add", "--tid", "POSD0043", "--mid", "104403154110009", "--sn", "1", "--kbpk", seed}, 1, "32 hexadecimal digits"},
		{[]string{"terminal", "suspend", "POSD0042"}, 0, ""},
		{[]string{"terminal", "list"}, 0, "suspended"},
		{[]string{"terminal", "activate", "POSD0042"}, 0, ""},
		{[]string{"terminal", "list"}, 0, "active"},
		{[]string{"invite", "--sn", "SN9", "--tid", "POSD0009", "--mid", "104403154110009", "--suite", "sm4"}, 0, "posd-enrol://127.0.0.1:8584?ca="},
		{[]string{"invite", "--sn", "SN9", "--tid", "POSD0009", "--mid", "104403154110009", "--suite", "des"}, 1, "tdes, aes or sm4"},
		{[]string{"invite", "--sn", "SN42", "--tid", "POSD0009", "--mid", "000000000000000"}, 1, "merchant"},
		{[]string{"terminal", "swap", "--tid", "POSD0042", "--sn", "SN43"}, 0, "for device SN43, terminal POSD0042 of merchant 104403154110009"},
		{[]string{"terminal", "swap", "--tid", "NONE0001", "--sn", "SN43"}, 1, "no such terminal"},
		{[]string{"run", "--enrol", "nowhere"}, 1, "--enrol"},
		{[]string{"terminal", "suspend", "NONE0001"}, 1, "no such terminal"},
		{[]string{"run", "--fault", "drop:3"}, 1, "not a fault"},
		{[]string{"run", "--seed", kbpk + ".missing"}, 1, "seed file"},
		{[]string{"run", "--log-level", "loud"}, 1, "--log-level"},
		{[]string{"run", "more"}, 1, "unknown command"},
		{[]string{"report"}, 0, "104403154110009"},
		{[]string{"--help"}, 0, "hostsim run"},
		{[]string{"run", "--help"}, 0, "delay-response:3:5s"},
	}
	for _, row := range rows {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			if code, out := command(t, dir, row.args...); code != row.code || !strings.Contains(out, row.want) {
				t.Errorf("exit status %d, want %d with %q; output:\n%s", code, row.code, row.want, out)
			}
		})
	}
}

func TestSpell(t *testing.T) {
	rows := []struct{ in, want []string }{
		{[]string{"-fault", "drop-response:3"}, []string{"run", "--fault", "drop-response:3"}},
		{[]string{"-fault=drop-response:3"}, []string{"run", "--fault=drop-response:3"}},
		{[]string{"run", "-fault", "x"}, []string{"run", "--fault", "x"}},
		{[]string{"report"}, []string{"report"}},
		{nil, []string{}},
	}
	for _, row := range rows {
		if got := spell(row.in); !slices.Equal(got, row.want) {
			t.Errorf("spell(%q) = %q, want %q", row.in, got, row.want)
		}
	}
}

package main

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// example is build/posd.example.yaml with the files that it names made real.
func example(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../build/posd.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"ca.pem", "terminal.pem", "terminal.key"} {
		write(t, filepath.Join(dir, name), "")
	}
	write(t, filepath.Join(dir, "transport.key"), hex.EncodeToString(make([]byte, 16)))
	return strings.ReplaceAll(string(data), "/etc/posd/", dir+"/")
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestExampleConfigurationIsGood(t *testing.T) {
	if _, err := parseConfig("posd.yaml", []byte(example(t))); err != nil {
		t.Error(err)
	}
}

// Each line that is wrong is named with its file and line, all of them at once.
func TestConfigurationErrors(t *testing.T) {
	tests := []struct {
		name, old, new string
		want           string // after "posd.yaml:LINE: "; the line is that of new
	}{
		{"typo in a key", "\n  address:", "\n  adress:", "field adress not found"},
		{"typo in a section", "\nhost:", "\nhosts:", "field hosts not found"},
		{"short terminal number", `id: "12345678"`, `id: "1234567"`, `terminal.id: "1234567": 8 characters`},
		{"letters in the category", `category: "5411"`, `category: "54x1"`, `emv.category: "54x1": 4 characters of 0 to 9`},
		{"unknown language", "# lang: zh-CN  ", "lang: de", `terminal.lang: "de": one of zh-CN, en`},
		{"no such file", "ca.pem", "nowhere.pem", "host.ca: stat"},
		{"unknown driver", "ccid:///", "usb:///", `no driver for scheme "usb"`},
		{"unknown display", "# display: pole:///", "display: lcd:///", `devices.display: "lcd:///`},
		{"lamps without lights", "# lamps: gpio:///dev/gpiochip0?lights=17,27,22,23", "lamps: gpio:///dev/gpiochip0?lights=17,27", `lights="17,27": the offsets of four lines`},
		{"unknown parameter of a device", "baud=115200", "bauds=115200", `"bauds"`},
		{"bad time", "# answer_timeout: 60s  ", "answer_timeout: 60", `host.answer_timeout: "60": a time from 500ms to 5m0s`},
		{"number out of range", "# pad_slot: 0  ", "pad_slot: 10", `keys.pad_slot: "10": a whole number from 0 to 9`},
		{"number with a tail", "# payments: 5000  ", "payments: 5000x", `store.payments: "5000x"`},
		{"bad AID", "aid: A000000333010101", "aid: A0000003330101G1", "emv.applications[0].aid"},
		{"type that is none", `# type: "21" `, `type: "23" `, `emv.type: "23": one of 21, 22, 24, 25`},
		{"a list where a value belongs", "merchant: \"898100053110001\"", "merchant: [1]", "a single value is wanted here"},
		{"a broken CA key", "ca_keys: []", "ca_keys: [{rid: A000000333, index: \"09\", modulus: \"00\"}]", "emv.ca_keys[0].modulus"},
		{"not YAML", "terminal:\n", "terminal: {\n", "did not find"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := example(t)
			at := strings.Index(text, test.old)
			if at < 0 {
				t.Fatalf("the example has no %q", test.old)
			}
			text = text[:at] + test.new + text[at+len(test.old):]
			_, err := parseConfig("posd.yaml", []byte(text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v\nwant %q", err, test.want)
			}
			line := 1 + strings.Count(text[:at+strings.IndexFunc(test.new, func(r rune) bool { return r != '\n' })], "\n")
			if test.name == "not YAML" {
				return // the library says where it gave up, not where it began
			}
			if where := "posd.yaml:" + itoa(line) + ": "; !strings.HasPrefix(err.Error(), where) {
				t.Errorf("got %q, want it to begin with %q", err, where)
			}
		})
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// An empty file names everything that is missing, one line each.
func TestEmptyConfiguration(t *testing.T) {
	_, err := parseConfig("posd.yaml", nil)
	if err == nil {
		t.Fatal("an empty file was accepted")
	}
	for _, name := range []string{"terminal.id", "host.address", "devices.reader", "store.path", "keys.transport_key", "emv.category", "emv.applications"} {
		if !strings.Contains(err.Error(), "posd.yaml: "+name) {
			t.Errorf("%s is not named in:\n%v", name, err)
		}
	}
}

func TestCheckFlag(t *testing.T) {
	path := filepath.Join(t.TempDir(), "posd.yaml")
	write(t, path, example(t))
	var out, errs strings.Builder
	if status := run([]string{"-config", path, "-check"}, &out, &errs); status != 0 || out.String() != path+": good\n" {
		t.Errorf("status %d, %q, %q", status, out.String(), errs.String())
	}
	write(t, path, "terminal: {id: 1}\n")
	out.Reset()
	if status := run([]string{"-config", path, "-check"}, &out, &errs); status != 1 || !strings.Contains(errs.String(), path+":1: terminal.id") {
		t.Errorf("status %d, %q", status, errs.String())
	}
	if status := run([]string{"-nonsense"}, &out, &errs); status != 2 {
		t.Errorf("an unknown flag gives status %d, want 2", status)
	}
}

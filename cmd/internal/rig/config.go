package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"posd/device/sim/cards"
)

// writeConfig writes the agent's configuration, as an installer would.
func (r *Rig) writeConfig() error {
	rid, index, modulus, exponent, sum := cards.TestCA()
	text := fmt.Sprintf(`# written by the rig: everything in it is for tests
terminal: {id: %q, merchant: %q, name: %q, serial: %q, lang: %s}
host:
  address: %q
  ca: %q
  certificate: %q
  key: %q
  answer_timeout: %v
  echo_interval: 5s
  back_off: 100ms
devices:
  reader: "ccid://%s"
  pinpad: "vfpad://%s"
  printer: "escpos://%s"
  insert_timeout: 20s
  eject_timeout: 5s
store: {path: %q, device_key: %q, max_mib: 8, payments: 1000}
payments: {manual: true, stripe: true, fallback: true, tip_percent: 15}
keys: {transport_key: %q}
control: {socket: %q}
emv:
  category: "5411"
  applications: [{aid: A000000333010101, partial: true}, {aid: A000000333010102, partial: true}]
  ca_keys: [{rid: "%X", index: "%02X", modulus: "%X", exponent: "%X", sha1: "%X", test: true}]
log: {level: %s}
`,
		TID, MID, MerchantName, Serial, r.lang(),
		r.address, r.file("ca.pem"), r.file("terminal.pem"), r.file("terminal-key.pem"), r.answerTimeout(),
		r.DevicePath("reader"), r.DevicePath("pinpad"), r.DevicePath("printer"),
		r.file("posd.db"), r.file("device.key"), r.file("kbpk.hex"), r.Socket(),
		rid, index, modulus, exponent, sum, r.logLevel())
	path := r.ConfigPath()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("rig: configuration: %w", err)
	}
	return nil
}

func (r *Rig) file(name string) string { return filepath.Join(r.cfg.Dir, "agent", name) }

// ConfigPath is the agent's configuration file.
func (r *Rig) ConfigPath() string { return r.file("posd.yaml") }

// StorePath is the agent's store.
func (r *Rig) StorePath() string { return r.file("posd.db") }

// AgentFiles are all files in the agent's folder but the socket.
func (r *Rig) AgentFiles() []string {
	var out []string
	entries, _ := os.ReadDir(filepath.Join(r.cfg.Dir, "agent")) // none is what the caller sees
	for _, e := range entries {
		if e.Type().IsRegular() {
			out = append(out, r.file(e.Name()))
		}
	}
	return out
}

// Socket is the agent's control socket.
func (r *Rig) Socket() string { return r.file("control.sock") }

func (r *Rig) lang() string {
	if strings.HasPrefix(r.cfg.Lang, "en") {
		return "en"
	}
	return "zh-CN"
}

func (r *Rig) logLevel() string {
	if r.cfg.LogLevel != "" {
		return r.cfg.LogLevel
	}
	return "info"
}

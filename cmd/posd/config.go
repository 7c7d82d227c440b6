package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"posd/cmd/internal/drivers"
)

// Config is the configuration file. Every value remembers its line, so that each
// complaint can name it.
type Config struct {
	Terminal  TerminalConfig  `yaml:"terminal"`
	Host      HostConfig      `yaml:"host"`
	Enrolment EnrolmentConfig `yaml:"enrolment"`
	Devices   DevicesConfig   `yaml:"devices"`
	Store     StoreConfig     `yaml:"store"`
	Payments  PaymentsConfig  `yaml:"payments"`
	Keys      KeysConfig      `yaml:"keys"`
	Control   ControlConfig   `yaml:"control"`
	EMV       EMVConfig       `yaml:"emv"`
	Log       LogConfig       `yaml:"log"`
}

// TerminalConfig is who the terminal is.
type TerminalConfig struct {
	ID       Value `yaml:"id"`       // field 41, 8 characters
	Merchant Value `yaml:"merchant"` // field 42, 15 characters
	Name     Value `yaml:"name"`     // merchant name on the receipt
	Serial   Value `yaml:"serial"`   // hardware serial number
	Operator Value `yaml:"operator"` // two digits, used where an order names none
	Lang     Value `yaml:"lang"`     // zh-CN or en
	Hotline  Value `yaml:"hotline"`  // telephone number on receipt and screen
}

// HostConfig is the line to the host.
type HostConfig struct {
	Address     Value `yaml:"address"`     // host:port
	ServerName  Value `yaml:"server_name"` // name in the host's certificate; default: the address
	CA          Value `yaml:"ca"`          // PEM file: who signs the host
	Certificate Value `yaml:"certificate"` // PEM file: who the terminal is
	Key         Value `yaml:"key"`         // PEM file
	TPDU        Value `yaml:"tpdu"`        // 10 hexadecimal digits; default 6000010000
	Answer      Value `yaml:"answer_timeout"`
	Echo        Value `yaml:"echo_interval"`
	BackOff     Value `yaml:"back_off"` // the first wait before a new connection
}

// DevicesConfig names each device by URL, as the driver table of this program knows them.
type DevicesConfig struct {
	Reader  Value `yaml:"reader"`
	PINPad  Value `yaml:"pinpad"`
	Printer Value `yaml:"printer"`
	Display Value `yaml:"display"` // for the customer; default none:
	Lamps   Value `yaml:"lamps"`   // lights and buzzer of a contactless reader; default none:
	Tamper  Value `yaml:"tamper"`  // the housing's switch: CHIP/OFFSET[,low][,debounce=5ms]; default none:
	Insert  Value `yaml:"insert_timeout"`
	Eject   Value `yaml:"eject_timeout"`
}

// StoreConfig is the disk.
type StoreConfig struct {
	Path       Value `yaml:"path"`
	DeviceKey  Value `yaml:"device_key"`
	MaxMiB     Value `yaml:"max_mib"`
	Payments   Value `yaml:"payments"`    // most records in the journal
	Log        Value `yaml:"log"`         // second copy of what money did; default: path + ".log"
	Archive    Value `yaml:"archive"`     // folder of settled batches; default: archive, beside the store
	ArchiveMiB Value `yaml:"archive_mib"` // most of all settled batches; default 64
}

// PaymentsConfig is what the terminal may do before the host says otherwise.
type PaymentsConfig struct {
	Off        []Value       `yaml:"off"`      // kinds that are not offered: refund, offline_sale …
	Manual     Value         `yaml:"manual"`   // true: card numbers may be typed
	Stripe     Value         `yaml:"stripe"`   // true: cards without a chip are taken
	Fallback   Value         `yaml:"fallback"` // true: the stripe of a card whose chip failed
	Completion Value         `yaml:"completion_percent"`
	Tip        Value         `yaml:"tip_percent"`
	Offline    OfflineConfig `yaml:"offline"`
}

// OfflineConfig is what may be taken without asking the host.
type OfflineConfig struct {
	Allowed Value `yaml:"allowed"`
	Most    Value `yaml:"most"`      // minor units, of one chip payment
	Count   Value `yaml:"max_count"` // waiting payments
	Total   Value `yaml:"max_total"` // minor units, of all waiting chip payments
}

// KeysConfig is about symmetric keys.
type KeysConfig struct {
	MaxAge    Value `yaml:"max_age"`       // of working keys before a new sign-on; default 24h
	MaxUses   Value `yaml:"max_uses"`      // messages under the same working keys; default 2000
	Transport Value `yaml:"transport_key"` // file: 32 hexadecimal digits, the key-block protection key of the key loader
	PadSlot   Value `yaml:"pad_slot"`      // master key slot of the PIN pad
}

// ControlConfig is the control socket.
type ControlConfig struct {
	Socket Value `yaml:"socket"`
}

// EMVConfig is the terminal as the card sees it.
type EMVConfig struct {
	Country      Value               `yaml:"country"`      // ISO 3166 numeric, default 156
	Currency     Value               `yaml:"currency"`     // ISO 4217 numeric, default 156
	Category     Value               `yaml:"category"`     // merchant category code, 4 digits
	Type         Value               `yaml:"type"`         // tag 9F35
	Capabilities Value               `yaml:"capabilities"` // tag 9F33
	Additional   Value               `yaml:"additional"`   // tag 9F40
	Applications []ApplicationConfig `yaml:"applications"`
	CAKeys       []CAKeyConfig       `yaml:"ca_keys"`
}

// ApplicationConfig is one AID.
type ApplicationConfig struct {
	AID        Value `yaml:"aid"`
	Partial    Value `yaml:"partial"` // true: the card's AID may be longer
	Version    Value `yaml:"version"` // tag 9F09
	TACDefault Value `yaml:"tac_default"`
	TACDenial  Value `yaml:"tac_denial"`
	TACOnline  Value `yaml:"tac_online"`
	FloorLimit Value `yaml:"floor_limit"` // minor units
	DDOL       Value `yaml:"ddol"`
}

// CAKeyConfig is one certification authority key.
type CAKeyConfig struct {
	RID      Value `yaml:"rid"`
	Index    Value `yaml:"index"`
	Modulus  Value `yaml:"modulus"`
	Exponent Value `yaml:"exponent"`
	SHA1     Value `yaml:"sha1"`
	Expires  Value `yaml:"expires"` // YYYY-MM-DD
	Test     Value `yaml:"test"`    // true: a test key; receipts say so
}

// LogConfig is what is logged, to standard error.
type LogConfig struct {
	Level  Value `yaml:"level"`  // debug, info, warn, error
	Format Value `yaml:"format"` // text or json
}

// Value is a scalar with its line. Set tells that the file has it.
type Value struct {
	Text string
	Line int
	Set  bool
}

// UnmarshalYAML takes any scalar as it is written: "0020" stays "0020".
func (v *Value) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a single value is wanted here", node.Line)
	}
	*v = Value{Text: node.Value, Line: node.Line, Set: true}
	return nil
}

// or returns the text, or a default where the file has none.
func (v Value) or(def string) string {
	if v.Set {
		return v.Text
	}
	return def
}

// complaints gathers everything that is wrong, one line each.
type complaints struct {
	path string
	errs []error
}

func (c *complaints) add(line int, format string, args ...any) {
	where := c.path
	if line > 0 {
		where = fmt.Sprintf("%s:%d", c.path, line)
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

// readConfig reads and checks the file at path. The error joins one error a line.
func readConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("posd: configuration: %w", err)
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*Config, error) {
	c := &complaints{path: path}
	var cfg Config
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		c.yaml(err)
		return nil, errors.Join(c.errs...)
	}
	cfg.check(c)
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return &cfg, nil
}

// yaml turns the library's errors, which begin with "line N: ", into ours.
func (c *complaints) yaml(err error) {
	messages := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var typed *yaml.TypeError
	if errors.As(err, &typed) {
		messages = typed.Errors
	}
	for _, msg := range messages {
		var line int
		if n, _ := fmt.Sscanf(msg, "line %d:", &line); n == 1 {
			_, msg, _ = strings.Cut(msg, ": ")
		}
		msg, _, _ = strings.Cut(msg, " in type main.")
		c.add(line, "%s", msg)
	}
}

// hexValue decodes hexadecimal digits of minBytes to maxBytes.
func (c *complaints) hexValue(name string, v Value, def string, minBytes, maxBytes int) []byte {
	b, err := hex.DecodeString(v.or(def))
	if err != nil || len(b) < minBytes || len(b) > maxBytes {
		c.add(v.Line, "%s: %q: %s of hexadecimal digits wanted", name, clip(v.or(def)), span(minBytes, maxBytes))
		return make([]byte, minBytes)
	}
	return b
}

func span(low, high int) string {
	if low == high {
		return fmt.Sprintf("%d bytes", low)
	}
	return fmt.Sprintf("%d to %d bytes", low, high)
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

func (c *complaints) duration(name string, v Value, def, least, most time.Duration) time.Duration {
	if !v.Set {
		return def
	}
	d, err := time.ParseDuration(v.Text)
	if err != nil || d < least || d > most {
		c.add(v.Line, "%s: %q: a time from %v to %v wanted, for example 30s", name, v.Text, least, most)
		return def
	}
	return d
}

func (c *complaints) number(name string, v Value, def, least, most int64) int64 {
	if !v.Set {
		return def
	}
	var n int64
	if _, err := fmt.Sscanf(v.Text+"\n", "%d\n", &n); err != nil || n < least || n > most {
		c.add(v.Line, "%s: %q: a whole number from %d to %d wanted", name, v.Text, least, most)
		return def
	}
	return n
}

func (c *complaints) boolean(name string, v Value) bool {
	switch v.or("false") {
	case "true":
		return true
	case "false":
		return false
	}
	c.add(v.Line, "%s: %q: true or false wanted", name, v.Text)
	return false
}

func (c *complaints) required(name string, v Value) {
	if !v.Set || v.Text == "" {
		c.add(v.Line, "%s is missing", name)
	}
}

func (c *complaints) length(name string, v Value, n int, set string) {
	if !v.Set {
		c.add(0, "%s is missing", name)
		return
	}
	if len(v.Text) != n || strings.Trim(v.Text, set) != "" {
		c.add(v.Line, "%s: %q: %d characters of %s wanted", name, clip(v.Text), n, describe(set))
	}
}

const (
	digits       = "0123456789"
	alphanumeric = digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

func describe(set string) string {
	if set == digits {
		return "0 to 9"
	}
	return "A to Z, a to z, 0 to 9"
}

func (c *complaints) oneOf(name string, v Value, def string, allowed ...string) {
	for _, a := range allowed {
		if v.or(def) == a {
			return
		}
	}
	c.add(v.Line, "%s: %q: one of %s wanted", name, clip(v.Text), strings.Join(allowed, ", "))
}

func (c *complaints) file(name string, v Value) {
	c.required(name, v)
	if v.Set && v.Text != "" {
		if _, err := os.Stat(v.Text); err != nil {
			c.add(v.Line, "%s: %v", name, err)
		}
	}
}

// deviceURL is one device of the configuration, for its check.
type deviceURL struct {
	name     string
	url      Value
	optional bool // none: where the file has none
	check    func(string) error
}

func (cfg *Config) deviceList() []deviceURL {
	set := drivers.New()
	return []deviceURL{
		{"devices.reader", cfg.Devices.Reader, false, set.Readers().Check},
		{"devices.pinpad", cfg.Devices.PINPad, false, set.PINPads().Check},
		{"devices.printer", cfg.Devices.Printer, false, set.Printers().Check},
		{"devices.display", cfg.Devices.Display, true, set.Displays().Check},
		{"devices.lamps", cfg.Devices.Lamps, true, set.Lamps().Check},
	}
}

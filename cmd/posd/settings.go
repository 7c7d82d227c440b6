package main

import (
	"log/slog"
	"strconv"
	"time"

	"posd/cmd/internal/drivers"
	"posd/device/gpio"
	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/oda"
	"posd/emv/payment"
	"posd/emv/tag"
	"posd/emv/tlv"
	"posd/store/keys"
)

// check looks at every value; complaints name the line.
func (cfg *Config) check(c *complaints) {
	cfg.checkTerminal(c)
	cfg.checkHost(c)
	cfg.checkEnrolment(c)
	cfg.checkDevices(c)
	cfg.checkStore(c)
	cfg.checkEMV(c)
	cfg.policy(c)
	c.oneOf("log.level", cfg.Log.Level, "info", "debug", "info", "warn", "error")
	c.oneOf("log.format", cfg.Log.Format, "text", "text", "json")
}

func (cfg *Config) checkTerminal(c *complaints) {
	t := cfg.Terminal
	brought := cfg.enrols() // by the enrolment
	if t.ID.Set || !brought {
		c.length("terminal.id", t.ID, 8, alphanumeric)
	}
	if t.Merchant.Set || !brought {
		c.length("terminal.merchant", t.Merchant, 15, alphanumeric)
	}
	if t.Name.Set || !brought {
		c.required("terminal.name", t.Name)
	}
	c.required("terminal.serial", t.Serial)
	if len(t.Serial.Text) > 30 {
		c.add(t.Serial.Line, "terminal.serial: at most 30 characters wanted")
	}
	if t.Operator.Set {
		c.length("terminal.operator", t.Operator, 2, digits)
	}
	c.oneOf("terminal.lang", t.Lang, "zh-CN", "zh-CN", "en")
}

func (cfg *Config) checkHost(c *complaints) {
	h := cfg.Host
	c.required("host.address", h.Address)
	if h.CA.Set || h.Certificate.Set || h.Key.Set || !cfg.enrols() {
		c.file("host.ca", h.CA)
		c.file("host.certificate", h.Certificate)
		c.file("host.key", h.Key)
	}
	c.hexValue("host.tpdu", h.TPDU, "6000010000", 5, 5)
	cfg.answerTimeout(c)
	cfg.echoInterval(c)
	cfg.backOff(c)
}

func (cfg *Config) answerTimeout(c *complaints) time.Duration {
	return c.duration("host.answer_timeout", cfg.Host.Answer, time.Minute, 500*time.Millisecond, 5*time.Minute)
}

func (cfg *Config) echoInterval(c *complaints) time.Duration {
	return c.duration("host.echo_interval", cfg.Host.Echo, time.Minute, time.Second, time.Hour)
}

func (cfg *Config) backOff(c *complaints) time.Duration {
	return c.duration("host.back_off", cfg.Host.BackOff, time.Second, 50*time.Millisecond, 5*time.Minute)
}

func (cfg *Config) insertTimeout(c *complaints) time.Duration {
	return c.duration("devices.insert_timeout", cfg.Devices.Insert, time.Minute, time.Second, 10*time.Minute)
}

func (cfg *Config) ejectTimeout(c *complaints) time.Duration {
	return c.duration("devices.eject_timeout", cfg.Devices.Eject, 30*time.Second, 100*time.Millisecond, 10*time.Minute)
}

func (cfg *Config) checkDevices(c *complaints) {
	for _, d := range cfg.deviceList() {
		if !d.optional {
			c.required(d.name, d.url)
		}
		if d.url.Set && d.url.Text != "" {
			if err := d.check(d.url.Text); err != nil {
				c.add(d.url.Line, "%s: %v", d.name, err)
			}
		}
	}
	if spec := cfg.Devices.Tamper; spec.Set && spec.Text != drivers.None {
		if _, err := gpio.ParseSpec(spec.Text); err != nil {
			c.add(spec.Line, "devices.tamper: %v", err)
		}
	}
	cfg.insertTimeout(c)
	cfg.ejectTimeout(c)
}

func (cfg *Config) checkStore(c *complaints) {
	c.required("store.path", cfg.Store.Path)
	c.required("store.device_key", cfg.Store.DeviceKey)
	cfg.maxMiB(c)
	cfg.maxPayments(c)
	cfg.archiveMiB(c)
	cfg.keyAge(c)
	cfg.keyUses(c)
	c.file("keys.transport_key", cfg.Keys.Transport)
	cfg.padSlot(c)
	c.required("control.socket", cfg.Control.Socket)
	if len(cfg.Control.Socket.Text) > 100 {
		c.add(cfg.Control.Socket.Line, "control.socket: a Unix socket's path has at most 100 characters")
	}
}

func (cfg *Config) maxMiB(c *complaints) int64 {
	return c.number("store.max_mib", cfg.Store.MaxMiB, 32, 4, 1024)
}

func (cfg *Config) maxPayments(c *complaints) int64 {
	return c.number("store.payments", cfg.Store.Payments, 5000, 10, 100000)
}

func (cfg *Config) keyAge(c *complaints) time.Duration {
	return c.duration("keys.max_age", cfg.Keys.MaxAge, keys.DefaultMaxAge, time.Minute, 31*24*time.Hour)
}

func (cfg *Config) keyUses(c *complaints) int64 {
	return c.number("keys.max_uses", cfg.Keys.MaxUses, keys.DefaultMaxUses, 1, 100000)
}

// policy is what the terminal may do as long as the host's parameters say nothing else.
func (cfg *Config) policy(c *complaints) payment.Policy {
	p := cfg.Payments
	out := payment.Policy{
		Manual:            c.boolean("payments.manual", p.Manual),
		Stripe:            c.boolean("payments.stripe", p.Stripe),
		Fallback:          c.boolean("payments.fallback", p.Fallback),
		CompletionPercent: int(c.number("payments.completion_percent", p.Completion, 115, 100, 115)),
		TipPercent:        int(c.number("payments.tip_percent", p.Tip, 0, 0, 50)),
		Offline: payment.OfflinePolicy{
			Allowed:  c.boolean("payments.offline.allowed", p.Offline.Allowed),
			Most:     c.number("payments.offline.most", p.Offline.Most, 0, 0, emv.MaxMinor),
			MaxCount: int(c.number("payments.offline.max_count", p.Offline.Count, 50, 1, 1000)),
			MaxTotal: c.number("payments.offline.max_total", p.Offline.Total, 0, 0, emv.MaxMinor),
		},
	}
	for i, v := range p.Off {
		kind, err := kindOf(v.Text)
		if err != nil {
			c.add(v.Line, "payments.off[%d]: %q is no kind of payment", i, v.Text)
		}
		out.Off = append(out.Off, kind)
	}
	return out
}

func (cfg *Config) padSlot(c *complaints) int64 {
	return c.number("keys.pad_slot", cfg.Keys.PadSlot, 0, 0, 9)
}

func (cfg *Config) checkEMV(c *complaints) {
	e := cfg.EMV
	c.number("emv.country", e.Country, 156, 1, 999)
	c.number("emv.currency", e.Currency, 156, 1, 999)
	c.length("emv.category", e.Category, 4, digits)
	// 22 and 25 may approve off line: what payments.offline allows goes up later.
	c.oneOf("emv.type", e.Type, "21", "21", "22", "24", "25")
	c.hexValue("emv.capabilities", e.Capabilities, "2068C8", 3, 3)
	c.hexValue("emv.additional", e.Additional, "6000F0A001", 5, 5)
	if len(e.Applications) == 0 {
		c.add(0, "emv.applications: at least one is wanted")
	}
	cfg.applications(c)
	cfg.caKeys(c)
}

func (cfg *Config) applications(c *complaints) []kernel.Application {
	out := make([]kernel.Application, 0, len(cfg.EMV.Applications))
	for i, a := range cfg.EMV.Applications {
		name := "emv.applications[" + strconv.Itoa(i) + "]."
		c.required(name+"aid", a.AID)
		app := kernel.Application{
			AID:             c.hexValue(name+"aid", a.AID, "", 5, 16),
			Partial:         c.boolean(name+"partial", a.Partial),
			TACDefault:      c.actionCode(name+"tac_default", a.TACDefault, "FC78FCF8F0"),
			TACDenial:       c.actionCode(name+"tac_denial", a.TACDenial, "0010000000"),
			TACOnline:       c.actionCode(name+"tac_online", a.TACOnline, "FC78FCF8F0"),
			FloorLimitMinor: c.number(name+"floor_limit", a.FloorLimit, 0, 0, emv.MaxMinor),
			DefaultDDOL:     tlv.DOL(c.hexValue(name+"ddol", a.DDOL, "9F3704", 2, 252)),
		}
		copy(app.Version[:], c.hexValue(name+"version", a.Version, "0030", 2, 2))
		out = append(out, app)
	}
	return out
}

func (c *complaints) actionCode(name string, v Value, def string) emv.TVR {
	tvr, err := emv.TVRFromBytes(c.hexValue(name, v, def, 5, 5))
	if err != nil {
		c.add(v.Line, "%s: %v", name, err)
	}
	return tvr
}

func (cfg *Config) caKeys(c *complaints) []oda.CAKey {
	out := make([]oda.CAKey, 0, len(cfg.EMV.CAKeys))
	for i, k := range cfg.EMV.CAKeys {
		name := "emv.ca_keys[" + strconv.Itoa(i) + "]."
		key := oda.CAKey{
			Modulus:  c.hexValue(name+"modulus", k.Modulus, "", 64, 248),
			Exponent: c.hexValue(name+"exponent", k.Exponent, "03", 1, 3),
			Index:    c.hexValue(name+"index", k.Index, "", 1, 1)[0],
		}
		copy(key.RID[:], c.hexValue(name+"rid", k.RID, "", 5, 5))
		if k.SHA1.Set {
			key.SHA1 = c.hexValue(name+"sha1", k.SHA1, "", 20, 20)
		}
		if k.Expires.Set {
			day, err := time.Parse(time.DateOnly, k.Expires.Text)
			if err != nil {
				c.add(k.Expires.Line, "%sexpires: %q: a day as 2030-12-31 wanted", name, k.Expires.Text)
			}
			key.Expires = day
		}
		c.boolean(name+"test", k.Test)
		if len(c.errs) == 0 {
			if err := key.Check(); err != nil {
				c.add(k.Modulus.Line, "%smodulus: %v", name, err)
			}
		}
		out = append(out, key)
	}
	return out
}

// testKeys tells that the terminal trusts a test key: its receipts are no vouchers.
func (cfg *Config) testKeys() bool {
	for _, k := range cfg.EMV.CAKeys {
		if k.Test.Text == "true" {
			return true
		}
	}
	return false
}

func (cfg *Config) currency() emv.Currency {
	n, _ := strconv.ParseUint(cfg.EMV.Currency.or("156"), 10, 16)
	return emv.Currency(n)
}

// onlineTags is field 55 of a request in the cup dialect, in the order in which it is
// sent (the UnionPay message set, field 55).
var onlineTags = []tlv.Tag{
	0x9F26, 0x9F27, 0x9F10, 0x9F37, 0x9F36, 0x95, 0x9A, 0x9C, 0x9F02, 0x5F2A, 0x82,
	0x9F1A, 0x9F03, 0x9F33, 0x9F34, 0x9F35, 0x9F1E, 0x84, 0x9F09, 0x9F41, 0x9F63, 0x9F74,
}

// completionTags is what the journal keeps of the second cryptogram: field 55 of a TC upload,
// over which the issuer computes the certificate again.
var completionTags = []tlv.Tag{
	0x9F26, 0x9F27, 0x9F10, 0x9F37, 0x9F36, 0x95, 0x9A, 0x9C, 0x9F02, 0x5F2A, 0x82, 0x9F1A, 0x9F03, 0x84, 0x9B,
}

// kernelConfig builds the card session's side of the configuration.
func (cfg *Config) kernelConfig() kernel.Config {
	c := &complaints{} // everything was checked when the file was read
	e := cfg.EMV
	return kernel.Config{
		Data: map[tlv.Tag][]byte{
			tag.TerminalType:                   c.hexValue("", e.Type, "21", 1, 1),
			tag.TerminalCapabilities:           c.hexValue("", e.Capabilities, "2068C8", 3, 3),
			tag.AdditionalTerminalCapabilities: c.hexValue("", e.Additional, "6000F0A001", 5, 5),
			tag.TerminalCountryCode:            bcd(c.number("", e.Country, 156, 1, 999), 2),
			tag.TransactionCurrencyCode:        bcd(int64(cfg.currency()), 2),
			tag.TransactionCurrencyExponent:    {byte(cfg.currency().Exponent())},
			tag.MerchantCategoryCode:           c.hexValue("", e.Category, "", 2, 2),
			tag.MerchantIdentifier:             []byte(cfg.Terminal.Merchant.Text),
			tag.TerminalIdentification:         []byte(cfg.Terminal.ID.Text),
			tag.IFDSerialNumber:                serialNumber(cfg.Terminal.Serial.Text),
			tag.MerchantNameAndLocation:        []byte(cfg.Terminal.Name.Text),
		},
		Applications:   cfg.applications(c),
		CAKeys:         cfg.caKeys(c),
		OnlineTags:     onlineTags,
		CompletionTags: completionTags,
		UsePSE:         true,
	}
}

// serialNumber is tag 9F1E, an 8: the last 8 characters, blanks before a shorter one.
func serialNumber(s string) []byte {
	s = "        " + s
	return []byte(s[len(s)-8:])
}

func bcd(n int64, size int) []byte {
	out := make([]byte, size)
	for i := size - 1; i >= 0; i-- {
		out[i] = byte(n%10) | byte(n/10%10)<<4
		n /= 100
	}
	return out
}

func (cfg *Config) logLevel() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level.or("info"))); err != nil {
		return slog.LevelInfo
	}
	return level
}

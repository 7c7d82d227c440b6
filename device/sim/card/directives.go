package card

import (
	"errors"
	"fmt"
	"strings"

	"posd/emv"
	"posd/emv/tlv"
)

// cardKeys are the lines above the first application.
var cardKeys = map[string]func(p *Profile, value string) error{
	"atr": func(p *Profile, v string) (err error) {
		p.ATR, err = parseHex(v, 2, 33)
		if err == nil && p.ATR[0] != 0x3B && p.ATR[0] != 0x3F {
			err = fmt.Errorf("first byte %02X, 3B or 3F wanted", p.ATR[0])
		}
		return err
	},
	"pse": func(p *Profile, v string) (err error) {
		p.PSE, err = parseFlag(v)
		return err
	},
	"pin": func(p *Profile, v string) error {
		if len(v) < 4 || len(v) > 12 || strings.Trim(v, "0123456789") != "" {
			return errors.New("4 to 12 digits wanted")
		}
		p.PIN = v
		return nil
	},
	"pin-tries": func(p *Profile, v string) (err error) {
		p.PINTries, err = parseNumber(v, 0, 15)
		return err
	},
	"misbehave": func(p *Profile, v string) error {
		m, err := parseMisbehaviour(v)
		if err == nil && len(p.Misbehaviour) == maxMisbehaviour {
			err = fmt.Errorf("more than %d", maxMisbehaviour)
		}
		p.Misbehaviour = append(p.Misbehaviour, m)
		return err
	},
}

type setter func(p *parser, a *draft, value string) error

// applicationKeys are the lines below an application line.
var applicationKeys = map[string]setter{
	"label":          text(16, func(a *draft) *string { return &a.Label }),
	"preferred-name": text(16, func(a *draft) *string { return &a.PreferredName }),
	"cardholder":     text(26, func(a *draft) *string { return &a.Cardholder }),
	"language": func(_ *parser, a *draft, v string) error {
		a.Language = v
		if len(v)%2 != 0 || len(v) > 8 || strings.Trim(v, "abcdefghijklmnopqrstuvwxyz") != "" {
			return fmt.Errorf("%q: 1 to 4 codes of two small letters wanted", v)
		}
		return nil
	},
	"priority": func(_ *parser, a *draft, v string) error {
		number, consent := strings.CutSuffix(v, " confirm")
		n, err := parseNumber(number, 0, 15)
		a.Priority = byte(n)
		if consent {
			a.Priority |= 0x80
		}
		return err
	},
	"format": func(_ *parser, a *draft, v string) error {
		v, err := parseWord(v, "1", "2")
		a.Format2 = v == "2"
		return err
	},
	"aip": func(_ *parser, a *draft, v string) error {
		b, err := parseHex(v, 2, 2)
		if err == nil {
			aip := emv.AIP(b[0])<<8 | emv.AIP(b[1])
			a.aip = &aip
		}
		return err
	},

	"pan": func(_ *parser, a *draft, v string) (err error) {
		if a.PAN, err = emv.ParsePAN(v); err != nil {
			return err
		}
		return checkLuhn(v)
	},
	"pan-sequence": func(_ *parser, a *draft, v string) (err error) {
		a.PANSequence, err = parseNumber(v, 0, 99)
		return err
	},
	"expiry": func(_ *parser, a *draft, v string) (err error) {
		a.Expiry, err = parseDate(v)
		return err
	},
	"effective": func(_ *parser, a *draft, v string) (err error) {
		a.Effective, err = parseDate(v)
		return err
	},
	"track2": func(_ *parser, a *draft, v string) (err error) {
		a.Track2, err = emv.ParseTrack2(v)
		return err
	},
	"service-code": func(_ *parser, a *draft, v string) error {
		a.ServiceCode = v
		if len(v) != 3 || strings.Trim(v, "0123456789") != "" {
			return fmt.Errorf("%q: 3 digits wanted", v)
		}
		return nil
	},
	"country":  country(func(a *draft) *uint16 { return &a.Country }),
	"currency": country(func(a *draft) *uint16 { return &a.Currency }),
	"version": func(_ *parser, a *draft, v string) error {
		b, err := parseHex(v, 2, 2)
		copy(a.Version[:], b)
		return err
	},
	"usage-control": func(_ *parser, a *draft, v string) (err error) {
		a.UsageControl, err = parseHex(v, 2, 2)
		return err
	},

	"cvm": func(_ *parser, a *draft, v string) error {
		a.cvm = v
		_, err := parseCVM(v, 0, 0)
		return err
	},
	"cvm-amounts": func(_ *parser, a *draft, v string) error {
		var x, y uint32
		if n, err := fmt.Sscanf(v, "%d %d", &x, &y); n != 2 || err != nil {
			return fmt.Errorf("%q: amounts X and Y in minor units wanted", v)
		}
		a.cvmX, a.cvmY = x, y
		return nil
	},
	"iac-default": actionCode(func(a *draft) *emv.TVR { return &a.IACDefault }),
	"iac-denial":  actionCode(func(a *draft) *emv.TVR { return &a.IACDenial }),
	"iac-online":  actionCode(func(a *draft) *emv.TVR { return &a.IACOnline }),
	"pdol":        dol(func(a *draft) *tlv.DOL { return &a.PDOL }),
	"cdol1":       dol(func(a *draft) *tlv.DOL { return &a.CDOL1 }),
	"ddol":        dol(func(a *draft) *tlv.DOL { return &a.DDOL }),
	"cdol2": func(_ *parser, a *draft, v string) (err error) {
		a.cdol2Given = true
		a.CDOL2, err = parseDOL(v)
		return err
	},
	"offline-limits": func(_ *parser, a *draft, v string) error {
		var low, high int
		if n, err := fmt.Sscanf(v, "%d %d", &low, &high); n != 2 || err != nil || low < 0 || low > high || high > 255 {
			return fmt.Errorf("%q: lower and upper consecutive offline limit wanted, 0 to 255", v)
		}
		a.LowerLimit, a.Upper = low, high
		return nil
	},
	"data": func(_ *parser, a *draft, v string) error {
		b, err := parseHex(v, 2, 200)
		if err != nil {
			return err
		}
		obj, rest, ok, err := tlv.Next(b)
		if err == nil && (!ok || len(rest) > 0 || len(a.Extra) == maxExtra) {
			err = errors.New("one object (tag, length, value) a line wanted, at most 16")
		}
		a.Extra = append(a.Extra, obj)
		return err
	},

	"imk":     func(_ *parser, a *draft, v string) error { return parseKey16(v, &a.IMK) },
	"imk-mac": func(_ *parser, a *draft, v string) error { return parseKey16(v, &a.IMKMAC) },
	"cvn": func(_ *parser, a *draft, v string) error {
		v, err := parseWord(v, "10", "18")
		if v == "10" {
			a.CVN = 10
		}
		return err
	},
	"dki": func(_ *parser, a *draft, v string) error {
		b, err := parseHex(v, 1, 1)
		if err == nil {
			a.DKI = b[0]
		}
		return err
	},
	"arpc": func(_ *parser, a *draft, v string) (err error) {
		a.ARPCMethod, err = parseNumber(v, 1, 2)
		return err
	},
	"oda": func(_ *parser, a *draft, v string) error {
		a.ODA = ODA{}
		for _, word := range strings.Fields(v) {
			w, err := parseWord(word, "none", "sda", "dda", "cda")
			if err != nil {
				return err
			}
			a.ODA.SDA = a.ODA.SDA || w == "sda"
			a.ODA.DDA = a.ODA.DDA || w == "dda"
			a.ODA.CDA = a.ODA.CDA || w == "cda"
		}
		return nil
	},
	"ca-index": func(_ *parser, a *draft, v string) error {
		b, err := parseHex(v, 1, 1)
		if err == nil {
			a.CAIndex = b[0]
		}
		return err
	},
	"ca-key":     rsaKey(func(a *draft) **Key { return &a.CAKey }),
	"issuer-key": rsaKey(func(a *draft) **Key { return &a.IssuerKey }),
	"icc-key":    rsaKey(func(a *draft) **Key { return &a.ICCKey }),

	"ac1": word(func(a *draft) *string { return &a.AC1 }, "as-asked", "arqc", "aac"),
	"ac2": word(func(a *draft) *string { return &a.AC2 }, "as-asked", "aac"),
	"issuer-auth": func(_ *parser, a *draft, v string) error {
		kind, required := strings.CutSuffix(v, " required")
		kind, err := parseWord(kind, "external", "second-ac", "none")
		a.IssuerAuth = map[string]IssuerAuth{"second-ac": InSecondAC, "none": NoIssuerAuth}[kind]
		a.IssuerAuthRequired = required
		return err
	},
	"offline-max": func(_ *parser, a *draft, v string) (err error) {
		a.OfflineMax, err = parseNumber(v, 0, 255)
		return err
	},
}

const maxExtra = 16

// text sets a field to printable ASCII of at most longest characters.
func text(longest int, field func(*draft) *string) setter {
	return func(_ *parser, a *draft, v string) error {
		for i := range len(v) {
			if v[i] < 0x20 || v[i] > 0x7E {
				return fmt.Errorf("position %d is not printable ASCII", i+1)
			}
		}
		if len(v) > longest {
			return fmt.Errorf("%d characters, at most %d", len(v), longest)
		}
		*field(a) = v
		return nil
	}
}

func word(field func(*draft) *string, words ...string) setter {
	return func(_ *parser, a *draft, v string) (err error) {
		*field(a), err = parseWord(v, words...)
		return err
	}
}

// country reads a numeric code of ISO 3166 or ISO 4217.
func country(field func(*draft) *uint16) setter {
	return func(_ *parser, a *draft, v string) error {
		n, err := parseNumber(v, 1, 999)
		*field(a) = uint16(n)
		return err
	}
}

func actionCode(field func(*draft) *emv.TVR) setter {
	return func(_ *parser, a *draft, v string) error {
		b, err := parseHex(v, 5, 5)
		if err != nil {
			return err
		}
		*field(a), err = emv.TVRFromBytes(b)
		return err
	}
}

func dol(field func(*draft) *tlv.DOL) setter {
	return func(_ *parser, a *draft, v string) (err error) {
		*field(a), err = parseDOL(v)
		return err
	}
}

func rsaKey(field func(*draft) **Key) setter {
	return func(p *parser, a *draft, v string) error {
		k, ok := p.keys[v]
		if !ok {
			return fmt.Errorf("no key is named %q", v)
		}
		*field(a) = k
		return nil
	}
}

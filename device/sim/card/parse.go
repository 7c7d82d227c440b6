package card

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"posd/emv"
	"posd/emv/tlv"
)

// Limits of a card file.
const (
	maxFileBytes    = 64 << 10
	maxApplications = 8
)

// ErrFile is the cause of every refusal of a card file.
var ErrFile = errors.New("not a card file")

// parser holds what is being read. app is nil before the first application line.
type parser struct {
	keys    Keys
	profile *Profile
	app     *draft
	seen    map[string]int // key to the line that set it, in this section
}

// draft is an application with what can be settled only when its section ends.
type draft struct {
	*Application
	line       int
	cvm        string
	cvmX, cvmY uint32
	aip        *emv.AIP
	cdol2Given bool
}

// Parse reads a card file. name is for errors and for [Profile.Name]; the RSA keys that
// the file names are taken from keys. Errors name file and line, and wrap [ErrFile].
func Parse(name string, text []byte, keys Keys) (*Profile, error) {
	p := &parser{keys: keys, seen: map[string]int{}, profile: newProfile(name)}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("card: %s: %d bytes, at most %d: %w", name, len(text), maxFileBytes, ErrFile)
	}
	scanner, line := bufio.NewScanner(bytes.NewReader(text)), 0
	for scanner.Scan() {
		line++
		if err := p.line(line, scanner.Text()); err != nil {
			return nil, fmt.Errorf("card: %s:%d: %w: %w", name, line, err, ErrFile)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("card: %s:%d: %w: %w", name, line+1, err, ErrFile)
	}
	if at, err := p.finish(line); err != nil {
		return nil, fmt.Errorf("card: %s:%d: %w: %w", name, at, err, ErrFile)
	}
	return p.profile, nil
}

func newProfile(name string) *Profile {
	return &Profile{
		Name: strings.TrimSuffix(path.Base(name), ".card"),
		ATR:  []byte{0x3B, 0x60, 0x00, 0x00}, PSE: true, PINTries: 3,
	}
}

func (p *parser) line(n int, text string) error {
	text, _, _ = strings.Cut(text, "#")
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	key, value, ok := strings.Cut(text, ":")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	switch {
	case !ok:
		return fmt.Errorf("no colon after the first word: \"key: value\" wanted")
	case value == "":
		return fmt.Errorf("%s: no value", key)
	case key == "application":
		return p.begin(n, value)
	}
	if before := p.seen[key]; before != 0 && !repeatable[key] {
		return fmt.Errorf("%s: is set on line %d already", key, before)
	}
	p.seen[key] = n
	if err := p.set(key, value); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// repeatable keys may stand several times in one section.
var repeatable = map[string]bool{"misbehave": true, "data": true}

func (p *parser) set(key, value string) error {
	if set, ok := cardKeys[key]; ok {
		if p.app != nil {
			return errors.New("belongs to the card: above the first application line")
		}
		return set(p.profile, value)
	}
	set, ok := applicationKeys[key]
	switch {
	case !ok:
		return errors.New("unknown key")
	case p.app == nil:
		return errors.New("belongs to an application: below an application line")
	}
	return set(p, p.app, value)
}

// begin ends the section before and starts an application.
func (p *parser) begin(n int, value string) error {
	if at, err := p.finishApplication(); err != nil {
		return fmt.Errorf("the application of line %d: %w", at, err)
	}
	aid, err := parseHex(value, 5, 16)
	if err != nil {
		return fmt.Errorf("application: %w", err)
	}
	if len(p.profile.Applications) == maxApplications {
		return fmt.Errorf("more than %d applications", maxApplications)
	}
	p.app = &draft{line: n, Application: newApplication(aid)}
	p.seen = map[string]int{}
	return nil
}

// finish checks what only the whole file tells; at is the line to blame.
func (p *parser) finish(last int) (at int, err error) {
	if at, err := p.finishApplication(); err != nil {
		return at, err
	}
	if len(p.profile.Applications) == 0 {
		return last, errors.New("no application line")
	}
	a := p.profile.Applications[0]
	p.profile.PAN, p.profile.PANSequence, p.profile.Expiry = a.PAN, a.PANSequence, a.Expiry
	p.profile.IMK, p.profile.ARPCMethod, p.profile.CVN = a.IMK, a.ARPCMethod, a.CVN
	p.profile.DKI = a.DKI
	return 0, nil
}

func (p *parser) finishApplication() (at int, err error) {
	if p.app == nil {
		return 0, nil
	}
	for _, key := range []string{"pan", "expiry", "imk"} {
		if p.seen[key] == 0 {
			return p.app.line, fmt.Errorf("no %s line", key)
		}
	}
	a := p.app.Application
	if err := p.app.settle(); err != nil {
		return p.app.line, err
	}
	if err := a.personalise(); err != nil {
		return p.app.line, err
	}
	p.profile.Applications = append(p.profile.Applications, a)
	return 0, nil
}

// settle computes what follows from other lines.
func (d *draft) settle() (err error) {
	if err := d.checkKeys(); err != nil {
		return err
	}
	if d.cvm != "" {
		if d.CVMList, err = parseCVM(d.cvm, d.cvmX, d.cvmY); err != nil {
			return fmt.Errorf("cvm: %w", err)
		}
	}
	if d.Track2.IsZero() {
		if d.Track2, err = d.defaultTrack2(); err != nil {
			return err
		}
	}
	if !d.cdol2Given {
		d.CDOL2 = defaultCDOL2(d.CDOL1, d.IssuerAuth == InSecondAC)
	}
	d.AIP = d.interchangeProfile()
	if d.aip != nil {
		d.AIP = *d.aip
	}
	return nil
}

func (a *Application) interchangeProfile() (aip emv.AIP) {
	for _, row := range []struct {
		on  bool
		bit emv.AIP
	}{
		{a.ODA.SDA, emv.SDASupported},
		{a.ODA.DDA, emv.DDASupported},
		{a.ODA.CDA, emv.CDASupported},
		{len(a.CVMList) > 0, emv.CVMSupported},
		{true, emv.TerminalRiskRequired},
		{a.IssuerAuth == ExternalAuthenticate, emv.IssuerAuthSupported},
	} {
		if row.on {
			aip |= row.bit
		}
	}
	return aip
}

func (a *Application) defaultTrack2() (emv.Track2, error) {
	yymm := fmt.Sprintf("%02X%02X", a.Expiry[0], a.Expiry[1])
	text := a.PAN.Reveal() + "D" + yymm + a.ServiceCode + "00000000"
	return emv.ParseTrack2(text[:min(len(text), 37)])
}

// parseHex reads hexadecimal bytes; blanks between them are allowed.
func parseHex(s string, shortest, longest int) ([]byte, error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return nil, errors.New("not hexadecimal bytes")
	}
	if len(b) < shortest || len(b) > longest {
		return nil, fmt.Errorf("%d bytes, %d to %d wanted", len(b), shortest, longest)
	}
	return b, nil
}

// parseKey16 reads a double-length TDES key without repeating it in the error.
func parseKey16(s string, into *[16]byte) error {
	b, err := parseHex(s, 16, 16)
	if err != nil {
		return err
	}
	copy(into[:], b)
	return nil
}

func parseDOL(s string) (tlv.DOL, error) {
	b, err := parseHex(s, 0, 252)
	if err != nil {
		return nil, err
	}
	for _, err := range tlv.DOL(b).Entries() {
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// parseDate reads YYYY-MM-DD, or YYYY-MM as the last day of the month, as YYMMDD.
func parseDate(s string) (out [3]byte, err error) {
	t, err := time.Parse("2006-01-02", s)
	if err != nil {
		if t, err = time.Parse("2006-01", s); err != nil {
			return out, fmt.Errorf("%q: YYYY-MM-DD or YYYY-MM wanted", s)
		}
		t = t.AddDate(0, 1, -1)
	}
	if t.Year() < 1950 || t.Year() > 2049 { // what two digits can say. EMV 4.4 Book 4, 6.7.3
		return out, fmt.Errorf("%q: a year from 1950 to 2049 wanted", s)
	}
	b, _ := hex.DecodeString(t.Format("060102"))
	copy(out[:], b)
	return out, nil
}

func parseNumber(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q: a number from %d to %d wanted", s, low, high)
	}
	return n, nil
}

func parseFlag(s string) (bool, error) {
	switch s {
	case "on", "yes":
		return true, nil
	case "off", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q: on or off wanted", s)
}

// parseWord returns the word if it is one of the list.
func parseWord(s string, words ...string) (string, error) {
	for _, w := range words {
		if s == w {
			return s, nil
		}
	}
	return "", fmt.Errorf("%q: one of %s wanted", s, strings.Join(words, ", "))
}

// checkLuhn tells whether the last digit of a card number is right.
func checkLuhn(digits string) error {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	if sum%10 != 0 {
		return errors.New("the check digit is wrong")
	}
	return nil
}

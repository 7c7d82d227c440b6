package keys

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"posd/emv/keyblock"
)

var (
	// ErrSamePerson says that one person wants to enter both components.
	ErrSamePerson = errors.New("both components by one person")
	// ErrComponent says that a component is not what its paper says, or is no component.
	ErrComponent = errors.New("component is refused")
	// ErrNotNow says that a step is out of turn, or that the time is over.
	ErrNotNow = errors.New("no such step now")
)

// ComponentTime is how long an entry may last, from its first component to the confirmed
// check value of the key.
const ComponentTime = 10 * time.Minute

// Components is a master key that two people enter, each the part that is on his paper, so
// that neither knows the key: the key is the XOR of both. Three steps:
//
//	First   a person, his component, its check value
//	Second  another person, his component, its check value; answers the key's check value
//	Confirm the key's check value, as it is on the papers: the key is stored
//
// A wrong check value leaves the step open. [Components.Cancel], the end of the time and the
// last step wipe what was entered. Components are in memory only: a power cut cancels. ANSI
// X9.24-1, split knowledge and dual control; PCI PIN, requirement 6.
type Components struct {
	keys  *Keys
	suite keyblock.Suite

	mu     sync.Mutex
	by     string // who entered the first
	second string
	sum    []byte // first component, then the key
	kcv    keyblock.KCV
	timer  *time.Timer
	over   bool
}

// EnterComponents begins an entry of a master key of a suite.
func (k *Keys) EnterComponents(suite keyblock.Suite) (*Components, error) {
	suite, err := keyblock.ParseSuite(string(suite))
	if err != nil {
		return nil, fmt.Errorf("keys: components: %w", err)
	}
	return &Components{keys: k, suite: suite}, nil
}

// First takes the first component with its check value (6 or 8 hexadecimal digits). person
// is who enters it: an operator's number, of whom the caller knows that he is logged in. The
// component is wiped, whatever comes of it. From here on the time runs. Errors:
// ErrComponent, ErrNotNow.
func (c *Components) First(person string, component []byte, check string) error {
	defer clear(component)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.sum != nil {
		return fmt.Errorf("keys: first component: %w", ErrNotNow)
	}
	if person == "" {
		return fmt.Errorf("keys: first component: nobody enters it: %w", ErrSamePerson)
	}
	if err := c.fits(component, check); err != nil {
		return fmt.Errorf("keys: first component: %w", err)
	}
	c.by = person
	c.sum = append([]byte(nil), component...)
	c.timer = time.AfterFunc(ComponentTime, c.Cancel)
	return nil
}

// Second takes the second component, of another person, and returns the check value of the
// key, 6 digits, which nobody has stored yet. The component is wiped, whatever comes of it.
// Errors: ErrSamePerson, ErrComponent, ErrNotNow, keyblock.ErrWeak.
func (c *Components) Second(person string, component []byte, check string) (kcv string, err error) {
	defer clear(component)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over || c.sum == nil || c.second != "":
		return "", fmt.Errorf("keys: second component: %w", ErrNotNow)
	case person == "" || person == c.by:
		return "", fmt.Errorf("keys: second component: %q: %w", person, ErrSamePerson)
	}
	if err := c.fits(component, check); err != nil {
		return "", fmt.Errorf("keys: second component: %w", err)
	}
	if len(component) != len(c.sum) {
		return "", fmt.Errorf("keys: second component: %d bytes, the first has %d: %w", len(component), len(c.sum), ErrComponent)
	}
	key := make([]byte, len(c.sum))
	subtle.XORBytes(key, c.sum, component)
	if err := c.suite.CheckMaster(key); err != nil {
		clear(key)
		return "", fmt.Errorf("keys: second component: the key of both: %w", err)
	}
	clear(c.sum)
	c.sum, c.second = key, person
	c.kcv, err = c.suite.CheckValue(key)
	return digitsOf(c.kcv), err
}

// Confirm stores the key, if check (6 or 8 digits) is its check value. Errors: ErrComponent,
// which leaves the step open, ErrNotNow, those of LoadMasterFor.
func (c *Components) Confirm(check string) (Info, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.second == "" {
		return Info{}, fmt.Errorf("keys: confirm key: %w", ErrNotNow)
	}
	if !matches(c.kcv, check) {
		return Info{}, fmt.Errorf("keys: confirm key: check value differs: %w", ErrComponent)
	}
	info, err := c.keys.LoadMasterFor(c.suite, c.sum)
	c.end()
	return info, err
}

// Cancel wipes what was entered. It may be called at any time, and more than once.
func (c *Components) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
}

// People are the two who entered, for the record of the event.
func (c *Components) People() (first, second string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by, c.second
}

func (c *Components) end() {
	clear(c.sum)
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

// fits holds a component against its check value. A component has the length of a key; all
// zeros would make the other person's component the key.
func (c *Components) fits(component []byte, check string) error {
	kcv, err := c.suite.CheckValue(component)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrComponent, err)
	case subtle.ConstantTimeCompare(component, make([]byte, len(component))) == 1:
		return fmt.Errorf("all zeros: %w", ErrComponent)
	case !matches(kcv, check):
		return fmt.Errorf("check value differs: %w", ErrComponent)
	}
	return nil
}

// matches compares a check value with 6 or 8 hexadecimal digits.
func matches(kcv keyblock.KCV, check string) bool {
	want, err := hex.DecodeString(strings.ToLower(strings.TrimSpace(check)))
	if err != nil || len(want) < 3 || len(want) > len(kcv) {
		return false
	}
	return subtle.ConstantTimeCompare(kcv[:len(want)], want) == 1
}

func digitsOf(kcv keyblock.KCV) string { return strings.ToUpper(hex.EncodeToString(kcv[:3])) }

// ParseComponent reads the hexadecimal digits of a component, blanks between them left
// out. It wipes the text.
func ParseComponent(text []byte) ([]byte, error) {
	defer clear(text)
	digits := make([]byte, 0, len(text))
	defer func() { clear(digits[:cap(digits)]) }()
	for _, b := range text {
		if b != ' ' && b != '-' {
			digits = append(digits, b)
		}
	}
	component, err := parseHex(digits)
	if err != nil {
		return nil, fmt.Errorf("keys: component: %w: %w", ErrComponent, err)
	}
	return component, nil
}

package params

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Terminal are the parameters of function 360, with defaults where the host sent none.
type Terminal struct {
	Group     int           // tag 11: 支持的应用类型/超时分组
	Timeout   time.Duration // tag 12: of an answer; 60 s
	Retries   int           // tag 13: of dialling; 3
	Phones    [3]string     // tags 14 to 16
	Hotline   string        // tag 17
	Tip       bool          // tag 18
	TipMost   int           // tag 19: percent of the amount; 15
	Manual    bool          // tag 20: card numbers may be typed
	SignOff   bool          // tag 21: the line is signed off after the settlement
	Merchant  string        // tag 22: merchant name
	Resends   int           // tag 23: of stored payments, before they are put off; 3
	AtOnce    bool          // tag 24: stored payments go up at once; else at settlement
	MasterKey int           // tag 25: which master key the working keys come under
	Functions Functions     // tag 26: what the terminal may do; everything
	Stored    int           // tag 27: most stored payments; 50
}

// DefaultTerminal is a terminal whose host has sent nothing.
func DefaultTerminal() Terminal {
	return Terminal{
		Timeout: 60 * time.Second, Retries: 3, TipMost: 15, Resends: 3, AtOnce: true,
		Functions: Everything, Stored: 50,
	}
}

// Bounds of what a host may set: a value outside is taken as the nearest inside.
const (
	minTimeout = 10 // s
	maxTimeout = 99
	maxTipMost = 50 // percent
	maxRetries = 9
)

// setting is a line of the tag list: two characters of tag, a value of fixed length, and
// neither length nor separator.
type setting struct {
	tag    string
	length int
	read   func(t *Terminal, value string) error
	write  func(t *Terminal) string
}

func settings() []setting {
	return []setting{
		whole("11", 2, 0, 99, func(t *Terminal) *int { return &t.Group }),
		{"12", 2, func(t *Terminal, v string) error {
			n, err := number(v)
			t.Timeout = time.Duration(bound(n, minTimeout, maxTimeout)) * time.Second
			return err
		}, func(t *Terminal) string { return fmt.Sprintf("%02d", int(t.Timeout/time.Second)) }},
		whole("13", 1, 0, maxRetries, func(t *Terminal) *int { return &t.Retries }),
		words("14", 14, func(t *Terminal) *string { return &t.Phones[0] }),
		words("15", 14, func(t *Terminal) *string { return &t.Phones[1] }),
		words("16", 14, func(t *Terminal) *string { return &t.Phones[2] }),
		words("17", 14, func(t *Terminal) *string { return &t.Hotline }),
		yes("18", '1', func(t *Terminal) *bool { return &t.Tip }),
		whole("19", 2, 0, maxTipMost, func(t *Terminal) *int { return &t.TipMost }),
		yes("20", '1', func(t *Terminal) *bool { return &t.Manual }),
		yes("21", '1', func(t *Terminal) *bool { return &t.SignOff }),
		words("22", 40, func(t *Terminal) *string { return &t.Merchant }),
		whole("23", 1, 0, 9, func(t *Terminal) *int { return &t.Resends }),
		{"24", 1, func(t *Terminal, v string) error {
			t.AtOnce = v == "1"
			if v != "1" && v != "2" {
				return fmt.Errorf("%q: 1 or 2 wanted", v)
			}
			return nil
		}, func(t *Terminal) string { return map[bool]string{true: "1", false: "2"}[t.AtOnce] }},
		whole("25", 1, 0, 9, func(t *Terminal) *int { return &t.MasterKey }),
		{
			"26", 8, func(t *Terminal, v string) (err error) { t.Functions, err = parseFunctions(v); return err },
			func(t *Terminal) string { return fmt.Sprintf("%08X", uint32(t.Functions)) },
		},
		whole("27", 2, 0, 99, func(t *Terminal) *int { return &t.Stored }),
	}
}

func bound(n int64, low, high int) int { return int(min(max(n, int64(low)), int64(high))) }

func whole(tag string, length, low, high int, of func(*Terminal) *int) setting {
	return setting{
		tag, length,
		func(t *Terminal, v string) error { n, err := number(v); *of(t) = bound(n, low, high); return err },
		func(t *Terminal) string { return fmt.Sprintf("%0*d", length, bound(int64(*of(t)), low, high)) },
	}
}

func yes(tag string, is byte, of func(*Terminal) *bool) setting {
	return setting{
		tag, 1,
		func(t *Terminal, v string) error {
			*of(t) = v[0] == is
			if v != "0" && v != "1" {
				return fmt.Errorf("%q: 0 or 1 wanted", v)
			}
			return nil
		},
		func(t *Terminal) string { return map[bool]string{true: "1", false: "0"}[*of(t)] },
	}
}

// words reads text in GBK, filled up with blanks.
func words(tag string, length int, of func(*Terminal) *string) setting {
	return setting{
		tag, length,
		func(t *Terminal, v string) error {
			text, err := simplifiedchinese.GBK.NewDecoder().String(v)
			if err != nil || strings.ContainsRune(text, utf8.RuneError) {
				return fmt.Errorf("no text in GBK")
			}
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7F }) {
				return fmt.Errorf("a control character in a text")
			}
			*of(t) = strings.TrimRight(text, " ")
			return nil
		},
		func(t *Terminal) string { return fill(*of(t), length) },
	}
}

// fill writes text in GBK with blanks up to a length in bytes; what is too long is cut
// between characters.
func fill(text string, length int) string {
	var out []byte
	for _, r := range text {
		b, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(string(r)))
		if err != nil {
			b = []byte("?")
		}
		if len(out)+len(b) > length {
			break
		}
		out = append(out, b...)
	}
	return string(out) + strings.Repeat(" ", length-len(out))
}

// ParseTerminal reads the tag list of function 360: each tag once, in any order. What is
// not in it keeps its default. A tag that nobody knows ends the reading with an error, for
// its length is not known.
func ParseTerminal(data []byte) (Terminal, error) {
	t, seen := DefaultTerminal(), map[string]bool{}
	table := settings()
	for at := 0; at < len(data); {
		if at+2 > len(data) {
			return Terminal{}, fmt.Errorf("params: parameters: at byte %d: half a tag: %w", at, ErrFormat)
		}
		tag := string(data[at : at+2])
		s := find(table, tag)
		switch {
		case s == nil:
			return Terminal{}, fmt.Errorf("params: parameters: tag %q at byte %d is unknown: %w", tag, at, ErrFormat)
		case seen[tag]:
			return Terminal{}, fmt.Errorf("params: parameters: tag %s at byte %d is there twice: %w", tag, at, ErrFormat)
		case at+2+s.length > len(data):
			return Terminal{}, fmt.Errorf("params: parameters: tag %s at byte %d: %d characters, %d wanted: %w", tag, at, len(data)-at-2, s.length, ErrFormat)
		}
		if err := s.read(&t, string(data[at+2:at+2+s.length])); err != nil {
			return Terminal{}, fmt.Errorf("params: parameters: tag %s at byte %d: %w: %w", tag, at, ErrFormat, err)
		}
		seen[tag] = true
		at += 2 + s.length
	}
	return t, nil
}

func find(table []setting, tag string) *setting {
	for i := range table {
		if table[i].tag == tag {
			return &table[i]
		}
	}
	return nil
}

// Append writes the tag list as the host does, every tag in the order of its number.
func (t Terminal) Append(dst []byte) []byte {
	for _, s := range settings() {
		dst = append(append(dst, s.tag...), s.write(&t)...)
	}
	return dst
}

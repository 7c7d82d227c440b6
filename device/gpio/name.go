package gpio

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Spec is a line as a configuration names it.
type Spec struct {
	Config
	Low bool // the active level is low
}

// ParseSpec reads CHIP/OFFSET, as in gpiochip0/17, with what may follow after commas: "low"
// or "high" for the active level (high), debounce=5ms. The chip may be a path.
func ParseSpec(text string) (Spec, error) {
	name, options, _ := strings.Cut(text, ",")
	at := strings.LastIndexByte(name, '/')
	if at < 1 {
		return Spec{}, fmt.Errorf("gpio: line %q is not CHIP/OFFSET, as in gpiochip0/17", text)
	}
	offset, err := strconv.ParseUint(name[at+1:], 10, 16)
	if err != nil {
		return Spec{}, fmt.Errorf("gpio: line %q: offset %q is not a number up to 65535", text, name[at+1:])
	}
	s := Spec{Config: Config{Chip: name[:at], Offset: int(offset)}}
	for _, o := range strings.Split(options, ",") {
		if err := s.option(o); err != nil {
			return Spec{}, fmt.Errorf("gpio: line %q: %w", text, err)
		}
	}
	return s, nil
}

func (s *Spec) option(text string) (err error) {
	name, value, _ := strings.Cut(text, "=")
	switch {
	case text == "":
	case text == "high":
		s.Low = false
	case text == "low":
		s.Low = true
	case name == "debounce":
		s.Debounce, err = time.ParseDuration(value)
		if err == nil && (s.Debounce < 0 || s.Debounce > time.Second) {
			err = fmt.Errorf("debounce %v, 0 to 1s wanted", s.Debounce)
		}
	default:
		err = fmt.Errorf("option %q is none of low, high, debounce=TIME", text)
	}
	return err
}

// String is what ParseSpec reads.
func (s Spec) String() string {
	out := s.Chip + "/" + strconv.Itoa(s.Offset)
	if s.Low {
		out += ",low"
	}
	if s.Debounce > 0 {
		out += ",debounce=" + s.Debounce.String()
	}
	return out
}

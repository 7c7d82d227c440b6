package params

import (
	"fmt"
	"time"
)

// Quick are the parameters of small amounts without PIN and without signature (双免), and
// of contactless payments, function 394. Amounts are minor units.
type Quick struct {
	CashFirst   bool          // FF805D: electronic cash is tried before the host
	RetapSame   time.Duration // FF803A: a torn card may be tapped again for so long; 10 s
	RetapKept   time.Duration // FF803C: and its record is kept for so long; 60 s
	NoPIN       bool          // FF8054
	NoPINLimit  int64         // FF8058: up to this; 1,000.00
	TableA      bool          // FF8055: only cards of BIN table A
	TableB      bool          // FF8056: credit cards, and those of BIN table B
	DeviceCVM   bool          // FF8057: a verification on the phone counts
	NoSignature bool          // FF805A
	NoSignLimit int64         // FF8059: up to this; 1,000.00
}

// DefaultQuick is what holds where the host has sent nothing: every card is asked for PIN
// and signature.
func DefaultQuick() Quick {
	return Quick{RetapSame: 10 * time.Second, RetapKept: time.Minute, NoPINLimit: 100_000, NoSignLimit: 100_000}
}

// quickField is a line of the list: six characters of tag, three of length, a value of
// digits.
type quickField struct {
	tag   string
	width int
	read  func(*Quick, int64)
	write func(*Quick) int64
}

func quickFields() []quickField {
	flag := func(tag string, of func(*Quick) *bool) quickField {
		return quickField{tag, 1, func(q *Quick, n int64) { *of(q) = n == 1 }, func(q *Quick) int64 {
			return map[bool]int64{true: 1}[*of(q)]
		}}
	}
	seconds := func(tag string, of func(*Quick) *time.Duration) quickField {
		return quickField{tag, 3, func(q *Quick, n int64) { *of(q) = time.Duration(n) * time.Second }, func(q *Quick) int64 {
			return int64(*of(q) / time.Second)
		}}
	}
	amount := func(tag string, of func(*Quick) *int64) quickField {
		return quickField{tag, 12, func(q *Quick, n int64) { *of(q) = n }, func(q *Quick) int64 { return *of(q) }}
	}
	return []quickField{
		flag("FF805D", func(q *Quick) *bool { return &q.CashFirst }),
		seconds("FF803A", func(q *Quick) *time.Duration { return &q.RetapSame }),
		seconds("FF803C", func(q *Quick) *time.Duration { return &q.RetapKept }),
		amount("FF8058", func(q *Quick) *int64 { return &q.NoPINLimit }),
		flag("FF8054", func(q *Quick) *bool { return &q.NoPIN }),
		flag("FF8055", func(q *Quick) *bool { return &q.TableA }),
		flag("FF8056", func(q *Quick) *bool { return &q.TableB }),
		flag("FF8057", func(q *Quick) *bool { return &q.DeviceCVM }),
		amount("FF8059", func(q *Quick) *int64 { return &q.NoSignLimit }),
		flag("FF805A", func(q *Quick) *bool { return &q.NoSignature }),
	}
}

// ParseQuick reads the list of function 394: FF80xx in characters, the length in three
// digits, the value. An unknown tag is passed over; what is missing keeps its default.
func ParseQuick(data []byte) (Quick, error) {
	q, table, seen := DefaultQuick(), quickFields(), map[string]bool{}
	for at := 0; at < len(data); {
		if len(data)-at < 9 {
			return Quick{}, fmt.Errorf("params: small amounts: at byte %d: %d characters, tag and length have 9: %w", at, len(data)-at, ErrFormat)
		}
		tag := string(data[at : at+6])
		n, err := number(string(data[at+6 : at+9]))
		if err != nil || int(n) > len(data)-at-9 {
			return Quick{}, fmt.Errorf("params: small amounts: tag %q at byte %d: length %q, %d characters left: %w", tag, at, data[at+6:at+9], len(data)-at-9, ErrFormat)
		}
		if seen[tag] {
			return Quick{}, fmt.Errorf("params: small amounts: tag %q at byte %d is there twice: %w", tag, at, ErrFormat)
		}
		seen[tag] = true
		value := string(data[at+9 : at+9+int(n)])
		if err := readQuick(&q, table, tag, value); err != nil {
			return Quick{}, fmt.Errorf("params: small amounts: tag %s at byte %d: %w: %w", tag, at, ErrFormat, err)
		}
		at += 9 + int(n)
	}
	return q, nil
}

func readQuick(q *Quick, table []quickField, tag, value string) error {
	for _, f := range table {
		if f.tag != tag {
			continue
		}
		n, err := number(value)
		switch {
		case err != nil:
			return err
		case len(value) != f.width:
			return fmt.Errorf("%d characters, %d wanted", len(value), f.width)
		case f.width == 1 && n > 1:
			return fmt.Errorf("%s: 0 or 1 wanted", value)
		}
		f.read(q, n)
	}
	return nil
}

// Append writes the list as the host does.
func (q Quick) Append(dst []byte) []byte {
	for _, f := range quickFields() {
		dst = fmt.Appendf(dst, "%s%03d%0*d", f.tag, f.width, f.width, f.write(&q))
	}
	return dst
}

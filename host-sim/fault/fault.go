package fault

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrSyntax is the cause of every refusal by [Parse].
var ErrSyntax = errors.New("not a fault")

// Action is what is done to an answer.
type Action string

const (
	Drop       Action = "drop-response"
	Delay      Action = "delay-response"
	Duplicate  Action = "duplicate-response"
	Garble     Action = "garble-response"
	Disconnect Action = "disconnect"
	WrongMAC   Action = "wrong-mac"
	Reorder    Action = "reorder-response"
)

// Limits of the grammar.
const (
	maxOrdinal = 999999
	minDelay   = time.Millisecond
	maxDelay   = 10 * time.Minute
)

var (
	actions = []Action{Drop, Delay, Duplicate, Garble, Disconnect, WrongMAC, Reorder}
	mtis    = []uint16{0x0100, 0x0200, 0x0220, 0x0320, 0x0400, 0x0500, 0x0620, 0x0800, 0x0820}
)

// Fault is one thing that the host does wrong, once.
type Fault struct {
	Action  Action
	Ordinal int           // 1 to 999999
	FromNow bool          // Ordinal counts from the moment the fault is added
	Delay   time.Duration // of Delay; 0 otherwise
	MTI     uint16        // of the request: 0x0200, 0x0400, 0x0800, and so on
	// Function is field 60.3 of the request: the fault counts requests of that function
	// only. 0 counts all of the message type.
	Function uint16
}

// String writes the fault as [Parse] reads it.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(string(f.Action) + ":")
	if f.FromNow {
		b.WriteByte('+')
	}
	b.WriteString(strconv.Itoa(f.Ordinal))
	if f.Action == Delay {
		b.WriteString(":" + f.Delay.String())
	}
	if f.MTI != 0x0200 || f.Function != 0 {
		fmt.Fprintf(&b, "@%04X", f.MTI)
	}
	if f.Function != 0 {
		fmt.Fprintf(&b, "/%03d", f.Function)
	}
	return b.String()
}

// Parse reads one fault, strictly.
func Parse(s string) (Fault, error) {
	f, err := parse(s)
	if err != nil {
		return Fault{}, fmt.Errorf("fault: parse %q: %w: %w", s, err, ErrSyntax)
	}
	return f, nil
}

func parse(s string) (f Fault, err error) {
	rest, mti, addressed := strings.Cut(s, "@")
	if !addressed {
		mti = "0200"
	}
	if f.MTI, f.Function, err = parseAddress(mti); err != nil {
		return Fault{}, err
	}
	parts := strings.Split(rest, ":")
	if f.Action = Action(parts[0]); !slices.Contains(actions, f.Action) {
		return Fault{}, fmt.Errorf("action %q is none of %v", parts[0], actions)
	}
	want := 2
	if f.Action == Delay {
		want = 3
	}
	if len(parts) != want {
		return Fault{}, fmt.Errorf("%s has %d parts, %d wanted", f.Action, len(parts), want)
	}
	if f.Ordinal, f.FromNow, err = parseOrdinal(parts[1]); err != nil {
		return Fault{}, err
	}
	if f.Action == Delay {
		f.Delay, err = parseDelay(parts[2])
	}
	return f, err
}

// parseAddress reads the message type, and the function where there is one.
func parseAddress(s string) (mti, function uint16, err error) {
	head, tail, some := strings.Cut(s, "/")
	n, err := strconv.ParseUint(head, 16, 16)
	if mti = uint16(n); err != nil || len(head) != 4 || !slices.Contains(mtis, mti) {
		return 0, 0, fmt.Errorf("message type %q is none of %04X", head, mtis)
	}
	if !some {
		return mti, 0, nil
	}
	n, err = strconv.ParseUint(tail, 10, 16)
	if err != nil || len(tail) != 3 || n == 0 {
		return 0, 0, fmt.Errorf("function %q is no number of three digits", tail)
	}
	return mti, uint16(n), nil
}

func parseOrdinal(s string) (n int, fromNow bool, err error) {
	digits, fromNow := strings.CutPrefix(s, "+")
	n, err = strconv.Atoi(digits)
	if err != nil || n < 1 || n > maxOrdinal || strconv.Itoa(n) != digits {
		return 0, false, fmt.Errorf("ordinal %q is no number of 1 to %d", s, maxOrdinal)
	}
	return n, fromNow, nil
}

func parseDelay(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < minDelay || d > maxDelay {
		return 0, fmt.Errorf("duration %q is not between %v and %v", s, minDelay, maxDelay)
	}
	return d, nil
}

package kernel

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/oda"
	"posd/emv/tag"
)

// diagram draws the phase table as the package's documentation has it.
func diagram() string {
	var b strings.Builder
	for i, row := range phases {
		var next []string
		for _, n := range row.next {
			next = append(next, n.String())
		}
		line := fmt.Sprintf("//\t%-17s %-14s -> %s", Phase(i), row.ref, strings.Join(next, ", "))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// TestDiagram: doc.go shows the table. UPDATE_GOLDEN=1 rewrites it.
func TestDiagram(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	const first = "//\tlisting "
	start := strings.Index(string(doc), first)
	if start < 0 {
		t.Fatal("doc.go has no diagram")
	}
	end := start + strings.Index(string(doc)[start:], "//\n")
	if got, want := string(doc)[start:end], diagram(); got != want {
		if os.Getenv("UPDATE_GOLDEN") == "" {
			t.Fatalf("doc.go has\n%swant\n%s(UPDATE_GOLDEN=1 rewrites it)", got, want)
		}
		if err := os.WriteFile("doc.go", []byte(string(doc)[:start]+want+string(doc)[end:]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTableIsLinear: a move goes forward, but for an application that does not want the
// transaction. Every phase has a name, a clause and a way on.
func TestTableIsLinear(t *testing.T) {
	for i, row := range phases {
		if row.ref == "" || len(row.next) == 0 || row.run == nil || phaseNames[i] == "" {
			t.Errorf("row %d: %+v", i, row)
		}
		for _, n := range row.next {
			if n <= Phase(i) && !(Phase(i) == Initiating && n == Selecting) {
				t.Errorf("from %v back to %v", Phase(i), n)
			}
		}
	}
}

// TestEveryEdge: a session takes each move of the table.
func TestEveryEdge(t *testing.T) {
	taken := map[[2]Phase]bool{}
	for _, change := range []func(*setup){
		func(*setup) {},
		func(u *setup) { u.card.on(select_, "6A82") },                                       // nothing in common
		func(u *setup) { u.card.on(select_, fciOfAID, "6A82") },                             // gone at the final SELECT
		func(u *setup) { u.card.on("80A8", "6985") },                                        // does not want this one
		func(u *setup) { u.card.on("80AE80", aac1) },                                        // declined offline
		func(u *setup) { u.issuer.err = ErrUnableToGoOnline },                               // no answer
		func(u *setup) { u.issuer.err = ErrUnableToGoOnline; u.app().TACDefault = allBits }, // and declined
	} {
		u := newSetup(plain())
		change(u)
		u.cfg.replay = &Recording{After: func(m Moment) bool {
			taken[[2]Phase{m.Phase, m.Next}] = true
			return false
		}}
		u.run(t)
	}
	// CDA failed on an ARQC: straight to the second GENERATE AC.
	sc := named(t, "cda-genac1-no-signature")
	sc.plays(t, sc.fakeOf(), func(cfg *Config) {
		cfg.replay.After = func(m Moment) bool { taken[[2]Phase{m.Phase, m.Next}] = true; return false }
	})
	for i, row := range phases {
		for _, n := range row.next {
			if !taken[[2]Phase{Phase(i), n}] {
				t.Errorf("no session goes from %v to %v", Phase(i), n)
			}
		}
	}
}

// endless is a card that never stops answering 9000 with nothing.
type endless struct{ n int }

func (e *endless) Transmit(context.Context, apdu.Command) (apdu.Response, error) {
	e.n++
	return apdu.Response{SW: apdu.OK}, nil
}

// TestBounds: each phase's bound, and the session's.
func TestBounds(t *testing.T) {
	total := 0
	for _, row := range phases {
		total += row.bound
	}
	if total < maxCommands {
		t.Errorf("the bounds add up to %d, so %d never counts", total, maxCommands)
	}
	u := newSetup(plain())
	s := newSession(&Kernel{cfg: u.cfg}, u.tx, &endless{}, u.holder, u.issuer)
	s.left = 3
	for i := range 4 {
		_, err := s.transmit(context.Background(), apdu.GetChallenge())
		if (err != nil) != (i == 3) {
			t.Errorf("command %d of 3: %v", i+1, err)
		}
	}
	s.left, s.spent = 10, maxCommands
	if _, err := s.transmit(context.Background(), apdu.GetChallenge()); err == nil {
		t.Errorf("command %d", maxCommands+1)
	}
}

// TestCancelledContext: an ended context is the world failing.
func TestCancelledContext(t *testing.T) {
	u := newSetup(plain())
	k, err := New(u.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := k.Run(ctx, u.tx, u.card, u.holder, u.issuer); err == nil || len(u.card.sent) != 0 {
		t.Errorf("%v, %v after %d commands", r.Outcome, err, len(u.card.sent))
	}
}

// TestNewChecks: points 16 and 32, each field by its name.
func TestNewChecks(t *testing.T) {
	for _, row := range []struct {
		says   string
		change func(*Config)
	}{
		{"Config.Applications is empty", func(c *Config) { c.Applications = nil }},
		{"Config.Applications[0]: AID", func(c *Config) { c.Applications[0].AID = []byte{1, 2, 3, 4} }},
		{"RandomThreshold", func(c *Config) { c.Applications[0].RandomThreshold = 100001 }},
		{"RandomTarget", func(c *Config) { c.Applications[0].RandomTarget = 50 }},
		{"RandomTarget", func(c *Config) { c.Applications[0].RandomMaxTarget = 100 }},
		{"FloorLimitMinor", func(c *Config) { c.Applications[0].FloorLimitMinor = -1 }},
		{"DefaultDDOL", func(c *Config) { c.Applications[0].DefaultDDOL = []byte{0x9F} }},
		{"DefaultTDOL", func(c *Config) { c.Applications[0].DefaultTDOL = []byte{0x95} }},
		{"tag 9F33 is missing", func(c *Config) { delete(c.Data, tag.TerminalCapabilities) }},
		{"9F40", func(c *Config) { c.Data[tag.AdditionalTerminalCapabilities] = []byte{1} }},
		{"9F35", func(c *Config) { c.Data[tag.TerminalType] = []byte{0x27} }},
		{"9F1A", func(c *Config) { c.Data[tag.TerminalCountryCode] = []byte{0x0F, 0xFF} }},
		{"Config.CAKeys[0]", func(c *Config) { c.CAKeys = []oda.CAKey{{Modulus: make([]byte, 8), Exponent: []byte{3}}} }},
		{"Config.CAKeys[0]", func(c *Config) {
			c.CAKeys = []oda.CAKey{{Modulus: bytes.Repeat([]byte{0xFF}, 128), Exponent: []byte{3}, SHA1: make([]byte, 20)}}
		}},
		{"Config.OnlineTags is empty", func(c *Config) { c.OnlineTags = nil }},
		{"Config.ScriptLimit", func(c *Config) { c.ScriptLimit = -1 }},
	} {
		u := newSetup(plain())
		row.change(&u.cfg)
		if _, err := New(u.cfg); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", row.says, err)
		}
	}
	for _, row := range []struct {
		says   string
		change func(*Transaction)
	}{
		{"Amount", func(tx *Transaction) { tx.Amount.Minor = -1 }},
		{"Amount", func(tx *Transaction) { tx.Amount.Minor = emv.MaxMinor + 1 }},
		{"Cashback", func(tx *Transaction) { tx.Cashback = 1201 }},
		{"Draw", func(tx *Transaction) { tx.Draw = 0 }},
		{"Draw", func(tx *Transaction) { tx.Draw = 100 }},
		{"LogAmount", func(tx *Transaction) { tx.LogAmount = -1 }},
		{"Time", func(tx *Transaction) { tx.Time = tx.Time.AddDate(-3000, 0, 0); *tx = Transaction{Draw: 1} }},
	} {
		u := newSetup(plain())
		row.change(&u.tx)
		if _, err := u.try(t); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", row.says, err)
		}
	}
}

// TestRunChecksPorts: a missing port is our caller's bug and has its name.
func TestRunChecksPorts(t *testing.T) {
	u := newSetup(plain())
	k, err := New(u.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		says   string
		card   Card
		holder Cardholder
		issuer Issuer
	}{
		{"no card port", nil, u.holder, u.issuer},
		{"no cardholder port", u.card, nil, u.issuer},
		{"no issuer port", u.card, u.holder, nil},
	} {
		if _, err := k.Run(context.Background(), u.tx, row.card, row.holder, row.issuer); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", row.says, err)
		}
	}
}

// TestReplaysByteForByte: point 47. The same values give the same session.
func TestReplaysByteForByte(t *testing.T) {
	var first string
	for range 3 {
		u := newSetup(plain())
		r := u.run(t)
		log := fmt.Sprintf("%v %X %v", u.card.sent, r.ICC, r.Facts)
		if first == "" {
			first = log
		}
		if log != first {
			t.Errorf("\n%s\nis not\n%s", log, first)
		}
	}
}

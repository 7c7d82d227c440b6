package fault

import (
	"errors"
	"testing"
	"time"
)

func TestGrammar(t *testing.T) {
	rows := []struct {
		in   string
		want Fault // zero: refused
	}{
		{"drop-response:3", Fault{Drop, 3, false, 0, 0x0200, 0}},
		{"delay-response:3:5s", Fault{Delay, 3, false, 5 * time.Second, 0x0200, 0}},
		{"delay-response:1:1m30s@0400", Fault{Delay, 1, false, 90 * time.Second, 0x0400, 0}},
		{"duplicate-response:12", Fault{Duplicate, 12, false, 0, 0x0200, 0}},
		{"garble-response:1", Fault{Garble, 1, false, 0, 0x0200, 0}},
		{"disconnect:999999", Fault{Disconnect, 999999, false, 0, 0x0200, 0}},
		{"disconnect:+1", Fault{Disconnect, 1, true, 0, 0x0200, 0}},
		{"wrong-mac:2@0400", Fault{WrongMAC, 2, false, 0, 0x0400, 0}},
		{"drop-response:2@0800", Fault{Drop, 2, false, 0, 0x0800, 0}},
		{"drop-response:2@0820", Fault{Drop, 2, false, 0, 0x0820, 0}},
		{"reorder-response:1@0220", Fault{Reorder, 1, false, 0, 0x0220, 0}},
		{"drop-response:+2@0320/201", Fault{Drop, 2, true, 0, 0x0320, 201}},
		{"garble-response:1@0500/201", Fault{Garble, 1, false, 0, 0x0500, 201}},
		{"wrong-mac:1@0620", Fault{WrongMAC, 1, false, 0, 0x0620, 0}},
		{"drop-response:1@0100", Fault{Drop, 1, false, 0, 0x0100, 0}},
		{"drop-response:1@0200/001", Fault{Drop, 1, false, 0, 0x0200, 1}},
		{in: "drop-response:1@0320/"},
		{in: "drop-response:1@0320/20"},
		{in: "drop-response:1@0320/000"},
		{in: "drop-response:1@0320/2O1"},
		{in: "drop-response:1@0110"},
		{in: ""},
		{in: "drop-response"},
		{in: "drop-response:"},
		{in: "drop-response:0"},
		{in: "drop-response:-1"},
		{in: "drop-response:01"},
		{in: "drop-response:++1"},
		{in: "drop-response:1000000"},
		{in: "drop-response:3:5s"},
		{in: "drop-response: 3"},
		{in: " drop-response:3"},
		{in: "Drop-Response:3"},
		{in: "drop:3"},
		{in: "drop-response:3@"},
		{in: "drop-response:3@0210"},
		{in: "drop-response:3@200"},
		{in: "drop-response:3@0200@0400"},
		{in: "delay-response:3"},
		{in: "delay-response:3:5"},
		{in: "delay-response:3:-5s"},
		{in: "delay-response:3:0s"},
		{in: "delay-response:3:11m"},
		{in: "delay-response:3:5s:5s"},
		{in: "drop-response:3,drop-response:4"},
	}
	for _, row := range rows {
		t.Run(row.in, func(t *testing.T) {
			got, err := Parse(row.in)
			if got != row.want {
				t.Fatalf("Parse = %+v, %v; want %+v", got, err, row.want)
			}
			if row.want == (Fault{}) && !errors.Is(err, ErrSyntax) {
				t.Fatalf("err = %v, want ErrSyntax", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("drop-response:3")
	f.Add("delay-response:+2:1m0.5s@0400")
	f.Fuzz(func(t *testing.T, s string) {
		first, err := Parse(s)
		if err != nil {
			return
		}
		second, err := Parse(first.String())
		if err != nil || first != second {
			t.Fatalf("%q -> %+v -> %q -> %+v, %v", s, first, first, second, err)
		}
	})
}

func must(t *testing.T, s string) Fault {
	t.Helper()
	f, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestScriptStrikesOnce(t *testing.T) {
	var s Script
	if err := s.Add(must(t, "drop-response:2"), must(t, "wrong-mac:2"), must(t, "disconnect:1@0400")); err != nil {
		t.Fatal(err)
	}
	want := []int{0, 2, 0}
	for i, n := range want {
		if got := len(s.Next(0x0200, 0)); got != n {
			t.Errorf("request %d: %d faults, want %d", i+1, got, n)
		}
	}
	if got := s.Next(0x0400, 0); len(got) != 1 || got[0].Action != Disconnect {
		t.Errorf("first reversal: %v", got)
	}
	if got := s.Waiting(); len(got) != 0 {
		t.Errorf("waiting = %v", got)
	}
}

func TestScriptWhileRunning(t *testing.T) {
	var s Script
	s.Next(0x0200, 0)
	s.Next(0x0200, 0)
	if err := s.Add(must(t, "drop-response:2")); err == nil {
		t.Error("added a fault that can never strike")
	}
	if err := s.Add(must(t, "drop-response:+2")); err != nil {
		t.Fatal(err)
	}
	if got := len(s.Next(0x0200, 0)); got != 0 {
		t.Errorf("next request: %d faults, want 0", got)
	}
	if got := s.Next(0x0200, 0); len(got) != 1 || got[0].Ordinal != 4 {
		t.Errorf("the one after: %v", got)
	}
}

// TestScriptByFunction: a function has a count of its own beside that of its type.
func TestScriptByFunction(t *testing.T) {
	var s Script
	if err := s.Add(must(t, "drop-response:2@0320/201"), must(t, "garble-response:3@0320")); err != nil {
		t.Fatal(err)
	}
	for i, row := range []struct {
		function uint16
		want     int
	}{{201, 0}, {202, 0}, {201, 2}, {201, 0}} {
		if got := s.Next(0x0320, row.function); len(got) != row.want {
			t.Errorf("request %d: %v, want %d faults", i+1, got, row.want)
		}
	}
}

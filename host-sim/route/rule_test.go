package route

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestMatch (H03): one row for each dimension of the table, inside and outside.
func TestMatch(t *testing.T) {
	rule := Rule{
		ID: 7, Merchant: "M1", Group: "G1", Low: "62770000", High: "62770099", Kind: "sale", Min: 100, Max: 200,
		From: 22 * 60, Until: 6 * 60, Network: "a",
	}
	fits := Query{Merchant: "M1", Group: "G1", BIN: "62770050", Kind: "sale", Amount: 150, Minute: 23 * 60}
	rows := []struct {
		name   string
		change func(*Query)
		want   bool
	}{
		{"all fit", func(q *Query) {}, true},
		{"another merchant", func(q *Query) { q.Merchant = "M2" }, false},
		{"another group", func(q *Query) { q.Group = "" }, false},
		{"lowest BIN", func(q *Query) { q.BIN = "62770000" }, true},
		{"highest BIN", func(q *Query) { q.BIN = "62770099" }, true},
		{"BIN below", func(q *Query) { q.BIN = "62769999" }, false},
		{"BIN above", func(q *Query) { q.BIN = "62770100" }, false},
		{"another type", func(q *Query) { q.Kind = "refund" }, false},
		{"least amount", func(q *Query) { q.Amount = 100 }, true},
		{"largest amount", func(q *Query) { q.Amount = 200 }, true},
		{"amount below", func(q *Query) { q.Amount = 99 }, false},
		{"amount above", func(q *Query) { q.Amount = 201 }, false},
		{"window begins", func(q *Query) { q.Minute = 22 * 60 }, true},
		{"after midnight", func(q *Query) { q.Minute = 0 }, true},
		{"window ends", func(q *Query) { q.Minute = 6 * 60 }, false},
		{"before the window", func(q *Query) { q.Minute = 22*60 - 1 }, false},
	}
	for _, row := range rows {
		q := fits
		row.change(&q)
		if got, ok := Choose([]Rule{rule}, q); ok != row.want || (ok && got != rule) {
			t.Errorf("%s: chosen %v, want %v", row.name, ok, row.want)
		}
	}
	day := Rule{Low: "00000000", High: "99999999", From: 60, Until: 120}
	for minute, want := range map[int]bool{59: false, 60: true, 119: true, 120: false} {
		if day.Match(Query{BIN: "62770000", Minute: minute}) != want {
			t.Errorf("minute %d of 60 to 120: want %v", minute, want)
		}
	}
}

// TestChoosePriority (H03): the highest priority, then the lowest number.
func TestChoosePriority(t *testing.T) {
	all := Rule{Low: "00000000", High: "99999999"}
	rule := func(id int64, priority int) Rule { r := all; r.ID, r.Priority = id, priority; return r }
	got, _ := Choose([]Rule{rule(1, 0), rule(5, 9), rule(3, 9), rule(4, 8)}, Query{BIN: "62770000"})
	if got.ID != 3 {
		t.Errorf("rule %d, want 3", got.ID)
	}
	if _, ok := Choose(nil, Query{}); ok {
		t.Error("a rule of none")
	}
}

func drawRule(t *rapid.T) Rule {
	bin := rapid.SampledFrom([]string{"62770000", "62770050", "40000000", "99999999"})
	low, high := bin.Draw(t, "low"), bin.Draw(t, "high")
	return Rule{
		ID: rapid.Int64Range(1, 20).Draw(t, "id"), Merchant: rapid.SampledFrom([]string{"", "M1", "M2"}).Draw(t, "merchant"),
		Group: rapid.SampledFrom([]string{"", "G"}).Draw(t, "group"), Low: min(low, high), High: max(low, high),
		Kind: rapid.SampledFrom([]string{"", "sale", "void"}).Draw(t, "kind"), Min: rapid.Int64Range(0, 3).Draw(t, "min"),
		Max: rapid.Int64Range(0, 5).Draw(t, "max"), From: rapid.IntRange(0, 4).Draw(t, "from"), Until: rapid.IntRange(0, 4).Draw(t, "until"),
		Priority: rapid.IntRange(-2, 2).Draw(t, "priority"), Network: "a",
	}
}

// TestChooseProperty (H03): what is chosen matches, nothing that matches has a higher
// priority, nothing is chosen only where nothing matches, and the order does not matter.
func TestChooseProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfNDistinct(rapid.Custom(drawRule), 0, 12, func(r Rule) int64 { return r.ID }).Draw(t, "rules")
		q := Query{
			Merchant: rapid.SampledFrom([]string{"M1", "M2", "M3"}).Draw(t, "of"), Group: rapid.SampledFrom([]string{"", "G"}).Draw(t, "in"),
			BIN: rapid.SampledFrom([]string{"62770000", "62770020", "40000001"}).Draw(t, "bin"), Kind: rapid.SampledFrom([]string{"sale", "void"}).Draw(t, "type"),
			Amount: rapid.Int64Range(0, 6).Draw(t, "amount"), Minute: rapid.IntRange(0, 5).Draw(t, "minute"),
		}
		got, ok := Choose(rules, q)
		if ok && !got.Match(q) {
			t.Fatalf("chosen %+v does not match %+v", got, q)
		}
		for _, r := range rules {
			if r.Match(q) && (!ok || r.Priority > got.Priority || (r.Priority == got.Priority && r.ID < got.ID)) {
				t.Fatalf("%+v goes before %+v, %v", r, got, ok)
			}
		}
		mixed := append([]Rule(nil), rules...)
		rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "mix"))).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if again, okAgain := Choose(mixed, q); again != got || okAgain != ok {
			t.Fatalf("another order chose %+v, %+v before", again, got)
		}
	})
}

// TestRange: prefixes and ranges as a person writes them.
func TestRange(t *testing.T) {
	for text, want := range map[string][2]string{"6277": {"62770000", "62779999"}, "4": {"40000000", "49999999"}, "": {"00000000", "99999999"}, "2221-2720": {"22210000", "27209999"}} {
		if low, high, err := Range(text); err != nil || low != want[0] || high != want[1] {
			t.Errorf("%q: %s to %s, %v", text, low, high, err)
		}
	}
	for _, text := range []string{"x", "123456789", "5-4", "1-2-3"} {
		if _, _, err := Range(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

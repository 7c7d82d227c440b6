package text

import (
	"encoding/csv"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// table reads a whole CSV file with the standard reader: the second opinion on ours.
func table(t *testing.T, s string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(s)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func TestEveryWordIsThereInBothLanguages(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range table(t, words) {
		key, zh, en := row[0], row[1], row[2]
		if seen[key] {
			t.Errorf("%s: twice in the table", key)
		}
		seen[key] = true
		for column, value := range row[1:] {
			if strings.TrimSpace(value) == "" {
				t.Errorf("%s: column %d is empty", key, column+2)
			}
		}
		if places(zh) != places(en) {
			t.Errorf("%s: places %s in zh-CN, %s in en", key, places(zh), places(en))
		}
		if got := Word(Chinese, Key(key), "{1}", "{2}"); got != zh {
			t.Errorf("Word(zh-CN, %s) = %q, want %q", key, got, zh)
		}
		if got := Word(English, Key(key), "{1}", "{2}"); got != en {
			t.Errorf("Word(en, %s) = %q, want %q", key, got, en)
		}
	}
}

// places lists the places of a phrase, sorted: "{1}{2}".
func places(s string) string {
	found := regexp.MustCompile(`\{[^}]*\}`).FindAllString(s, -1)
	slices.Sort(found)
	return strings.Join(slices.Compact(found), "")
}

func TestPlacesAreNumberedFromOne(t *testing.T) {
	for _, row := range table(t, words) {
		for _, value := range row[1:] {
			if p := places(value); p != "" && p != "{1}" && p != "{1}{2}" {
				t.Errorf("%s: places %s", row[0], p)
			}
		}
	}
}

func TestWordFillsItsPlaces(t *testing.T) {
	if got, want := Word(English, "tui.tries", "3"), "3 tries"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Word(English, "tui.tries"), " tries"; got != want {
		t.Errorf("without its argument: got %q, want %q", got, want)
	}
}

func TestUnknownKeyComesBackAsItIs(t *testing.T) {
	for _, key := range []Key{"no.such", "", "a,b", "\n", "ui", `"`} {
		if Has(key) || Word(English, key) != string(key) {
			t.Errorf("Word(%q) = %q", key, Word(English, key))
		}
	}
}

func TestEveryResponseCodeHasItsWords(t *testing.T) {
	for _, row := range table(t, codes) {
		for i, l := range Langs() {
			code := row[0]
			got := ForCode(l, code)
			if got.Known != (code != "*") {
				t.Errorf("%s: known is %v", code, got.Known)
			}
			if got.Name != row[2+i] || got.Action != row[1] || got.Name == "" {
				t.Errorf("%s %v: %+v, row %q", code, l, got, row)
			}
			if got.Display == "" || strings.Contains(got.Display, "{") {
				t.Errorf("%s %v: display %q", code, l, got.Display)
			}
			if !Has(Key("action." + got.Action)) {
				t.Errorf("%s: no words for action %s", code, got.Action)
			}
			if got.Do == "" {
				t.Errorf("%s %v: nothing to do", code, l)
			}
		}
	}
}

func TestUnknownResponseCodeShowsItself(t *testing.T) {
	got := ForCode(English, "ZZ")
	if got.Known || !strings.Contains(got.Display, "ZZ") || got.Action != "DECLINE" {
		t.Errorf("got %+v", got)
	}
}

func TestNoResponseCodeHasNoWords(t *testing.T) {
	if got := ForCode(Chinese, ""); got != (Code{}) {
		t.Errorf("got %+v", got)
	}
}

func TestColumnsAgreeWithRunewidth(t *testing.T) {
	cond := runewidth.NewCondition()
	cond.EastAsianWidth = false
	for _, row := range append(table(t, words), table(t, codes)...) {
		for _, value := range row {
			if got, want := Columns(value), cond.StringWidth(value); got != want {
				t.Errorf("Columns(%q) = %d, want %d", value, got, want)
			}
		}
	}
}

// An ambiguous character is narrow on one printer and wide on another: a slip has none.
func TestSlipsUseNoAmbiguousCharacter(t *testing.T) {
	for _, row := range table(t, words) {
		if !strings.HasPrefix(row[0], "receipt.") && !strings.HasPrefix(row[0], "ui.") {
			continue
		}
		for _, r := range row[1] + row[2] {
			if runewidth.IsAmbiguousWidth(r) {
				t.Errorf("%s: %q is ambiguous", row[0], r)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, row := range []struct {
		name    string
		text    string
		columns int
		want    []string
	}{
		{"nothing", "", 10, nil},
		{"fits", "Enter PIN", 9, []string{"Enter PIN"}},
		{"at spaces", "Processing, please wait", 12, []string{"Processing,", "please wait"}},
		{"a long word", "ABCDEFGH", 3, []string{"ABC", "DEF", "GH"}},
		{"between wide characters", "处理中请稍候", 8, []string{"处理中请", "稍候"}},
		{"a wide character never splits", "处理中", 5, []string{"处理", "中"}},
		{"no line begins with a comma", "处理中，请稍候", 6, []string{"处理", "中，请", "稍候"}},
		{"words stay whole beside wide ones", "请检查 NTP", 8, []string{"请检查", "NTP"}},
		{"absurdly narrow", "中文", 0, []string{"中", "文"}},
	} {
		if got := Wrap(row.text, row.columns); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestFitIsExact(t *testing.T) {
	for _, row := range []struct {
		text    string
		columns int
		want    string
	}{
		{"abc", 5, "abc  "},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab~"},
		{"中文字", 4, "中~ "},
		{"中文字", 5, "中文~"},
		{"abc", 0, ""},
	} {
		if got := Fit(row.text, row.columns); got != row.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", row.text, row.columns, got, row.want)
		}
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("本人确认以上交易 I acknowledge", 7)
	f.Fuzz(func(t *testing.T, s string, columns int) {
		lines := Wrap(s, columns)
		for _, line := range lines {
			if Columns(line) > max(columns, 2) {
				t.Errorf("line %q is wider than %d", line, columns)
			}
		}
		squeeze := strings.NewReplacer(" ", "").Replace
		if got, want := squeeze(strings.Join(lines, "")), squeeze(strings.TrimSpace(s)); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestParseLang(t *testing.T) {
	for _, row := range []struct {
		in   string
		want Lang
	}{
		{"zh-CN", Chinese},
		{"zh", Chinese},
		{"zh_CN.UTF-8", Chinese},
		{"en", English},
		{"en_GB.UTF-8", English},
		{"C", 0},
		{"", 0},
		{"de_DE", 0},
	} {
		got, err := ParseLang(row.in)
		if got != row.want || (err == nil) != (row.want != 0) {
			t.Errorf("ParseLang(%q) = %v, %v", row.in, got, err)
		}
	}
}

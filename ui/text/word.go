package text

import (
	_ "embed"
	"strconv"
	"strings"
)

//go:embed words.csv
var words string

// Key names a phrase: the first column of words.csv.
type Key string

// Word returns the phrase of the key, with args in place of {1}, {2} …. A key that is
// not in the table comes back as it is; a test keeps that from happening.
func Word(l Lang, key Key, args ...string) string {
	row, ok := find(words, string(key))
	if !ok {
		return string(key)
	}
	return fill(row[min(l.column(), len(row)-1)], args)
}

// Name returns the phrase for a value of an enumeration, such as state and "reversal
// owed": the key is area, a dot, and the value with underscores. A value that the
// table does not know comes back as it is.
func Name(l Lang, area, value string) string {
	key := Key(area + "." + strings.NewReplacer(" ", "_").Replace(value))
	if !Has(key) {
		return value
	}
	return Word(l, key)
}

// Has tells whether the key is in the table.
func Has(key Key) bool {
	_, ok := find(words, string(key))
	return ok
}

// column returns the language's place among the columns after the key.
func (l Lang) column() int {
	if l == English {
		return 1
	}
	return 0
}

// find returns the columns after the key.
func find(table, key string) ([]string, bool) {
	if key == "" || strings.ContainsAny(key, ",\n\"") {
		return nil, false
	}
	_, rest, ok := strings.Cut(table, "\n"+key+",")
	if !ok {
		return nil, false
	}
	line, _, _ := strings.Cut(rest, "\n")
	return splitRow(line), true
}

// splitRow splits one row of CSV (RFC 4180, no line ends inside quotes).
func splitRow(line string) []string {
	var row []string
	for {
		if quoted, isQuoted := strings.CutPrefix(line, `"`); isQuoted {
			value, rest := unquote(quoted)
			row = append(row, value)
			line = rest
		} else {
			end := strings.IndexByte(line, ',')
			if end < 0 {
				end = len(line)
			}
			row = append(row, line[:end])
			line = line[end:]
		}
		if line == "" {
			return row
		}
		line = line[1:] // the comma
	}
}

// unquote reads up to the closing quote; a doubled quote stands for one.
func unquote(s string) (value, rest string) {
	var b strings.Builder
	for {
		part, after, ok := strings.Cut(s, `"`)
		b.WriteString(part)
		if !ok || !strings.HasPrefix(after, `"`) {
			return b.String(), after
		}
		b.WriteByte('"')
		s = after[1:]
	}
}

// fill puts args in the places {1}, {2} …; a place without an argument is left empty.
func fill(s string, args []string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	for n := 1; n <= 9; n++ {
		value := ""
		if n <= len(args) {
			value = args[n-1]
		}
		s = strings.ReplaceAll(s, "{"+strconv.Itoa(n)+"}", value)
	}
	return s
}

package text

import (
	_ "embed"
	"strings"
)

//go:embed codes.csv
var codes string

// Code is a response code in words: field 39, or T1 to T9 of the terminal itself.
type Code struct {
	Code    string // as asked for
	Name    string // what the code list calls it
	Display string // for the screen and the slip, short
	Action  string // what kind of thing to do, for example RETRY_LATER
	Do      string // that, as a sentence
	Known   bool   // it is in the list
}

// ForCode returns the words for a response code. One that is not in the list reads as a
// decline that shows the code; no code at all has no words.
func ForCode(l Lang, code string) Code {
	if code == "" {
		return Code{}
	}
	row, known := find(codes, code)
	if !known || code == "*" {
		known = false
		row, _ = find(codes, "*")
	}
	if len(row) != 5 { // the test of the table keeps this from happening
		return Code{Code: code}
	}
	show := strings.NewReplacer("{code}", code)
	return Code{
		Code: code, Known: known, Action: row[0],
		Name:    row[1+l.column()],
		Display: show.Replace(row[3+l.column()]),
		Do:      Word(l, Key("action."+row[0])),
	}
}

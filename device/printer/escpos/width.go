package escpos

import (
	"unicode"
	"unicode/utf8"
)

// columnsOf is the width of a character on paper. ASCII takes one column; what goes out
// as GB18030 takes two, for printers have no narrow form of it; what is not printed at
// all (control, combining and format characters) none.
//
// The layout of slips counts with ui/text.Columns, which this package may not import; a
// test compares the two over all of Unicode. They agree on all that slips are made of.
// They differ on the narrow and the ambiguous characters of Unicode Standard Annex 11
// beyond ASCII (é, §, Я …), which a screen shows in one column and GB18030 prints in two:
// the driver counts what is on the paper, and the line wraps there.
func columnsOf(r rune) int {
	switch {
	case r < 0x20 || r == 0x7F:
		return 0
	case r < 0xA0 || r == utf8.RuneError: // the C1 controls are printed as question marks
		return 1
	case r >= 0x300 && unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	return 2
}

// Package pole drives a customer display on a serial line: two lines of twenty characters on
// a pole, with the ESC/POS commands of Epson's DM-D and the many that follow them.
//
// Three words to know:
//
//   - a pole display only listens: that it is there, or shows what it should, nobody knows.
//     A line that takes no bytes is all that can be found out;
//   - overwrite mode is how it has to stand: a character replaces the one in its place, and
//     nothing scrolls;
//   - ASCII is what it has. Code pages differ from maker to maker, and are not used.
//
// The bytes; each Show has all of them but the first three, and so mends a display that lost
// its power meanwhile (overwrite mode is what they start in):
//
//	1B 40         initialise                 (first, and after an error)
//	1F 01         overwrite mode             (likewise)
//	1F 43 00      cursor off                 (likewise)
//	1F 24 01 row  to the row's first column; rows from 1
//	20 to 7E      characters, as many as the row has
//	0C            clear, at the end
//
// 9600 8N1 is the usual line. Not here: brightness, user-defined characters, displays with
// commands of their own (CD5220, Noritake). Command tables of customer displays in
// "Epson mode".
package pole

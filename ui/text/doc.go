// Package text holds the words of the terminal, in Chinese and in English.
//
// Three words to know:
//
//   - a [Lang] is one of the two languages;
//   - a [Key] names a phrase of words.csv; [Word] returns it, with {1}, {2} … put in;
//   - a [Code] is a response code with its words and what to do about it, from codes.csv.
//
// It also knows how wide a character is on a printer or a terminal ([Columns]), how
// to break a line ([Wrap]) and how to cut and fill one ([Fit]).
//
// What it does not do: it formats no amount and no time, and it keeps no state: the
// two tables are text inside the program, searched when asked. A phrase costs a
// microsecond and no memory until then.
//
// Words: the project's glossary of UnionPay slips and screens. Response codes: the
// public code list of the UnionPay POS message set; T1 to T9 are the terminal's own.
package text

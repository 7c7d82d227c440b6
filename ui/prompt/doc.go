// Package prompt turns what the payment wants said (payment.Message) into lines for a
// display of a known width.
//
// Three words to know:
//
//   - a message is an identifier, never a sentence: the payment says payment.EnterPIN;
//   - [Lines] gives the words for a display of several lines, in either language;
//   - [Line] gives the one line that a PIN pad of 16 characters has room for.
//
// What it does not do: it drives no display, and knows no character set: a pad that
// has ASCII only is given English.
//
// Message numbers ([Number]) are those of EMV 4.4 Book 4, 11.2, Standard Messages.
package prompt

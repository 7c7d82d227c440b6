// Package cvm reads a card's CVM list and walks it: it finds out how the cardholder
// is to be verified, and what the terminal writes down about it.
//
// Three words to know:
//
//   - a [Rule] is two bytes of the list: a method with bit 7 ("if it fails, go on"),
//     and the condition under which the rule counts;
//   - an [Attempt] is what became of one method that somebody had to carry out, such
//     as a PIN;
//   - a [Verdict] is the end of the walk: the three bytes of the CVM Results (tag
//     9F34) and the bits for TVR and TSI.
//
// The package carries nothing out itself: [Evaluate] asks its caller to perform a
// method and goes by the answer. It knows no card, no PIN pad and no PIN.
//
// EMV 4.4 Book 3, 10.5 and Annex C3 (CVM list), Book 4, 6.3.4 (CVM Results).
package cvm

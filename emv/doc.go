// Package emv is the vocabulary that every room of the house shares: amounts,
// card numbers, verification results and outcomes.
//
// Three words to know:
//
//   - a [PAN] or a [Track2] hides itself: printing it masks it, and Reveal and Append
//     show it to the callers that testdata/reveal.txt lists;
//   - a [TVR] bit carries its byte, so that it cannot be set in the wrong one;
//   - an [Amount] is a count of minor units with its currency; there is no
//     floating point anywhere.
//
// The package does no I/O, reads no clock and draws no random number, and
// neither does anything below it. Terms and layouts: EMV 4.4 Books 1 to 4.
package emv

// Package issuer decides about a card: is it known, alive and within its dates, is the
// PIN right, did this card make this cryptogram for this payment, is there money.
//
// Three words to know:
//
//   - a [Card] is one card with its counters; the money is in an account of package
//     ledger;
//   - a [Request] is what the acquirer asks, and a [Decision] is the answer: field 39,
//     why in words, and the data for the card (tags 91 and 8A);
//   - the issuer keys are master keys by BIN and derivation key index, from which
//     package hsm derives the card's keys.
//
// A [Question] says which checks are made. How a card may be read, how long its money is
// held and how much more than the hold a completion may take is a [Policy], as data. Scripts
// wait in a table for the next online answer to their card.
//
// The checks run in one order, the first that fails decides, and counters (PIN tries,
// ATC) move whatever the outcome. The package posts no money and opens no
// transaction: every call works inside the caller's.
//
// Cryptogram versions: CVN 10 (unique key of the card, padding with zeros) and CVN 18
// (EMV common session key, padding method 2), both with the data of the table in
// chip.go. ARPC by methods 1 and 2 of EMV 4.4 Book 2, 8.2.
package issuer

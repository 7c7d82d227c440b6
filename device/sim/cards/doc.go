// Package cards has the virtual cards that come with the program, and the keys of the
// test scheme that signs them: see the *.card files, and package device/sim/card for
// what their lines mean.
//
// Three words to know: a card is named by its file without .card ("union-rich"); [Keys]
// are the RSA keys of the scheme, all of them published TEST KEYS; [TestCA] is the public
// key by which a terminal trusts these cards, and which no real terminal may hold.
//
// Card numbers are in BIN 627700, which is the project's test range.
package cards

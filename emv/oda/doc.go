// Package oda is offline data authentication: it tells whether the data of a card, or
// the card itself, is what its issuer signed.
//
// Three words to know:
//
//   - a [CAKey] is a scheme's public key that the terminal holds; every chain starts
//     with one, found by [FindCA];
//   - a [PublicKey] is what a certificate yields: [RecoverIssuer], then [RecoverICC]
//     or [RecoverPIN];
//   - a verification ([VerifySSAD], [VerifyDDA], [VerifyCDA]) recovers a signature with
//     such a key and returns what it carries.
//
// The package is pure: keys and dates come in as values. It does not choose a method,
// set TVR bits, build the static data or compare a signed cryptogram information data
// with the plain one: that is the kernel's. Each check that a Book's step asks for
// fails by an error of its own that wraps a sentinel ([ErrHeader], [ErrHash] …) and
// names the field; no error repeats a card number.
//
// Specification: EMV 4.4 Book 2, sections 5 (SDA), 6 (DDA and CDA) and 7 (PIN
// encipherment). RSA and SHA-1 only; XDA and elliptic curves are out.
package oda

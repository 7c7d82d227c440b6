// Package ecc is where XDA and the elliptic curves of EMV 4.4 will live. It is openly
// empty: this terminal does neither, and says so to nobody who believes otherwise.
//
// Three words to know:
//
//   - XDA (extended data authentication) is to EMV 4.4 what CDA is to the editions
//     before: the card signs the whole answer to GENERATE AC. Its key and its signature
//     may be of RSA or of an elliptic curve;
//   - ECC stands for that curve: certificates of formats of their own, on P-256 or P-521
//     with ECDSA, or on SM2 for the Chinese market, instead of RSA with recovery;
//   - ODE (offline data encipherment) is the PIN enciphered to the card by a curve, the
//     twin of what package oda does by RSA.
//
// # What is missing
//
// The recovery of issuer and ICC certificates of the ECC formats, the check of an XDA
// signature over an answer, the algorithm suite indicators that choose curve and hash,
// CA keys that are points of a curve, and the PIN block enciphered by ECC.
//
// # Why
//
// Every one of these is a table of byte positions in Book 2 of EMV 4.4 and a set of
// constants in its annexes. They are not among the sources of this project, and no
// published card, certificate or signature was found to test against. Authentication
// that was written from memory and tested against itself would say "genuine" of cards
// that are not; one that is absent says "not performed", which is true.
//
// # What a terminal does with such a card
//
// It does not claim the methods: kernel.New refuses terminal capabilities (tag 9F33) with
// the bit of XDA (byte 3, bit 3) or of a PIN enciphered by ECC (byte 2, bit 1). The card's
// own bit (AIP, byte 1, bit 8) is ignored, as EMV asks of a terminal without XDA: the
// card is authenticated by the best method that both sides know, CDA, DDA or SDA, and
// where there is none the TVR says "offline data authentication was not performed"
// (byte 1, bit 8), never "XDA selected". Action codes then send such a payment online,
// where the issuer checks the cryptogram. A PIN that only ECC could encipher is a method
// that is not supported, and the next rule of the CVM list counts.
//
// Specification: EMV 4.4 Book 2 (XDA, elliptic curve cryptography), Book 3 (offline data
// authentication; coding of the AIP), Book 4 (terminal capabilities).
package ecc

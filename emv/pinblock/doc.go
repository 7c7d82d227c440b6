// Package pinblock is how a PIN is written into a block before it is enciphered, by ISO
// 9564-1: format 0 (TDES) and format 4 (AES).
//
// Three words to know:
//
//   - a PIN is 4 to 12 ASCII digits in a []byte, never in a string, so that its owner
//     can wipe it;
//   - a clear block ([Encode0]) binds the PIN to a card number, and only a block under
//     a key leaves the device that made it;
//   - a block that does not decode says which nibble is wrong and never what it holds:
//     it is what a wrong key or a wrong card number looks like.
//
// In posd clear blocks exist in the simulated PIN pad and in the host simulator only.
// The package draws no random number: the fill of format 4 comes from the caller.
package pinblock

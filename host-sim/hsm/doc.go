// Package hsm is the host's security module, in software: the one package of the host
// that sees clear keys and, for the time of one comparison, a PIN.
//
// Three words to know:
//
//   - a [Key] is a key sealed under the host's master key and bound to its [Usage] and its
//     suite (TDES, AES, SM4): the host stores and passes it around, only the module opens
//     it, and only for that usage (as hardware modules do with keys under their local
//     master key);
//   - the master key is 32 random bytes in a file of mode 0600; everything else that
//     the module needs is derived from it with HKDF-SHA-256;
//   - a PIN value is what a PIN is checked against: HMAC-SHA-256 under a key of the
//     module, over card number and PIN, cut to 16 bytes ([PINMethod]). Visa's PVV was
//     not taken, for it looks at four digits of a PIN that has six in China.
//
// A terminal's master key decides the suite of its working keys: the desk asks for a
// [Layout], and one that does not fit the suite is [ErrLayout]. Ciphers come as
// cipher.Block with blocks of 8 or 16 bytes; keyblock.MethodOf tells how field 64 is made.
// Master keys go out in a key block ([Module.ExportTMK]), wrapped for a terminal's RSA key
// ([Module.DeliverTMK]) or in two components ([Module.SplitTMK]). [Module.VerifyBinding]
// is the check of field 59.
//
// Card numbers are stored as a keyed hash, to find them, and sealed, to show them.
// Keys at rest and data are sealed with AES-256-GCM and a random nonce. Key blocks,
// PIN blocks and application cryptograms are computed by packages emv/keyblock,
// emv/pinblock and emv/issuer. The package keeps no state and does not know the
// database.
package hsm

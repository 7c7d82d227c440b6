// Package keyblock is how symmetric keys travel: TR-31 (ANSI X9.143) key blocks, and
// the bare cryptograms with check value that UnionPay hosts send at sign-on.
//
// Three words to know: a [Suite] is the algorithms that terminal and host share, as data
// ([Spec]); a key block [Header] says what a key may be used for; a [Cryptogram] is a key
// enciphered under another with its check value ([KCV]), the first bytes of a block of
// zeros under the key. [Wrap] and [Unwrap] are for key blocks, [Suite.Wrap] and
// [Suite.Unwrap] for cryptograms.
//
// A working key goes to the message codec as a cipher.Block of 8 or 16 bytes, whatever
// its suite; [MethodOf] tells how field 64 is made with it:
//
//	suite  block  field 64                           PIN block  working keys in field 62
//	TDES   8      MACUnionPay                        format 0   functions 001, 003, 004
//	AES    16     MACCMAC, the first 8 bytes         format 4   as 003 and 004, MAC key of 16
//	SM4    16     MACUnionPay with blocks of 16      format 4   function 006
//
// Only TDES has public vectors for field 64; AES-CMAC has NIST's; SM4's form is ours.
//
// Versions B (TDES) and D (AES) of the key block are here: those that bind header and
// key by a derived key. A and C (variants) are not: they are withdrawn. The package
// does not judge whether a usage fits: callers look at the header. It draws no random
// number: padding comes from the caller. Check values and MACs are compared in constant
// time.
package keyblock

// Package keyblock is how symmetric keys travel: TR-31 (ANSI X9.143) key blocks, and
// the bare cryptograms with check value that UnionPay hosts send at sign-on.
//
// Three words to know: a key block [Header] says what a key may be used for, a
// [Cryptogram] is a key enciphered under another with its check value, and a [KCV]
// is the first bytes of a block of zeros under the key. [Wrap] and [Unwrap] are for key
// blocks, [WrapECB] and [UnwrapECB] for cryptograms.
//
// Versions B (TDES) and D (AES) of the key block are here: those that bind header and
// key by a derived key. A and C (variants) are not: they are withdrawn. The package
// does not judge whether a usage fits: callers look at the header. It draws no random
// number: padding comes from the caller. Check values and MACs are compared in constant
// time.
package keyblock

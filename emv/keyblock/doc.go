// Package keyblock is how symmetric keys travel: TR-31 (ANSI X9.143) key blocks, and
// the bare cryptograms with check value that UnionPay hosts send at sign-on.
//
// Three words to know: a key block [Header] says what a key may be used for, a
// [Cryptogram] is a key enciphered under another with its check value, and a [KCV]
// is the first bytes of a block of zeros under the key. The package draws no random
// number: padding comes from the caller.
package keyblock

// Package wal is an append log of fixed size: the second copy of the facts about money,
// beside the store, written in another way, so that one fault does not hit both.
//
// Three words to know:
//
//   - a frame is one sector of 512 bytes. It is sealed under the device key, numbered, and
//     carries the hash of the frame before: none can be changed, moved or taken out of the
//     middle without being seen;
//   - the tail is the oldest frame that somebody still needs. The log goes round, and
//     writes over no frame from the tail on: it says [store.ErrFull] before;
//   - a frame's secret (a card number) lies beside its sealed part, outside of the chain,
//     and is overwritten in place with zeros when it is no longer needed.
//
// The file is reserved whole when it is made, so an append changes data in place: one
// write and one fdatasync, no metadata. DESIGN.md measured frames of 312 bytes; a sector
// costs the disk the same page, and no frame shares its sector with another.
//
//	0               4096                                     4096 + n*512
//	| header twice  | frame | frame | ...                    |
//
//	frame:
//	bytes 0-3      format 1, zeros
//	bytes 4-11     number, big-endian, from 1; its place is (number-1) mod n
//	bytes 12-35    nonce
//	bytes 36-431   XChaCha20-Poly1305 of: SHA-256 of the frame before (32), tail (8),
//	               length (2), payload, zeros; bytes 0-11 are the associated data
//	bytes 432-435  zeros
//	bytes 436-511  the secret: nonce (24), XChaCha20-Poly1305 of length (1), secret, zeros;
//	               the number is the associated data. Zeros for none
//
// What it does not do: it does not know what a frame says (package journal does), and it
// cannot tell a last frame that was torn by a power cut from one that was damaged later.
package wal

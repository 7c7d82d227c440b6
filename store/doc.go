// Package store keeps the agent's records over power loss, in one bbolt file that is
// allocated whole when it is made. DESIGN.md, section "bbolt v1.5.0", says what was
// measured; each rule there is kept here, and a test fails where it is broken.
//
// Three words to know:
//
//   - a record is a value under a bucket and a key. It is sealed by an AEAD with bucket
//     and key as associated data, so a flipped bit, or a record that was moved to
//     another key, is [ErrDamaged] before anybody uses it;
//   - a secret is a second part of a record (a card number, a key), sealed by a data
//     key of its own. The data key lives in a slot at the end of the file that is
//     overwritten in place when the secret is no longer needed: bbolt copies on write
//     and leaves old pages readable, so removing a value erases nothing;
//   - unknown is what an error from a commit means. The record may be there or not
//     ([ErrUnknown]); the next read first has the disk confirm, and then tells.
//
// The file:
//
//	0                                  size - size/32               size
//	| bbolt: two meta pages, tree ...  | slots of 128 bytes, sealed |
//
// A file is checked by a child process with a time limit ([Child], [CheckFile]), for a
// damaged one may hang or kill its reader; one that cannot be used is set aside, whole
// ([OpenChecked]). A migration runs in a copy that takes the file's place. [DB.Export]
// makes a copy that opens elsewhere, without the device key, sealed for its reader.
//
// What it does not do: it does not see that somebody put back an older file as a whole,
// it cannot erase what a flash chip kept beside the file, and it knows nothing of
// payments. There is no specification but bbolt's file format, version 2.
package store

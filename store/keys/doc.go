// Package keys keeps the terminal's symmetric keys at rest, in a store that is sealed
// under the device key.
//
// Three words to know:
//
//   - the master key (TMK) is the terminal's own. It is the only key that is stored as a
//     key: as a secret with a data key of its own, which is wiped when another master
//     key takes its place;
//   - working keys (TPK for PINs, TAK for MACs, TDK for tracks) come with a sign-on, each
//     under the master key. They are stored as they came, all in one commit, and only
//     after each one's check value was compared;
//   - the transport key (KBPK) protects the TR-31 block in which a key loader hands the
//     master key over. It is read when a block is loaded, and wiped then.
//
// The PIN key is never unwrapped for use: the PIN pad gets the cryptogram. No error, log
// or method of the package shows a byte of a key; keys are told by their check values.
// What Go lets us is zeroed after use: copies that the cipher makes for itself stay.
//
// It does not talk to the pad or the host. Working keys and check values: package
// keyblock; key blocks: ANSI X9.143 (TR-31).
package keys

// Package keys keeps the terminal's symmetric keys at rest, in a store that is sealed
// under the device key.
//
// Three words to know:
//
//   - the master key (TMK) is the terminal's own, of one suite (TDES, AES, SM4). It is
//     stored as a secret with a data key of its own, which is wiped when another master
//     key takes its place. It comes in by one of three ways: a key block under the
//     transport key ([Keys.LoadMasterBlock]), wrapped for an RSA key of the terminal and
//     signed by the host's authority ([Keys.LoadMasterDelivery]), or entered in two
//     components by two people ([Keys.EnterComponents]);
//   - working keys (TPK for PINs, TAK for MACs, TDK for tracks) come with a sign-on, each
//     under the master key and of its suite. They are stored as they came, all in one
//     commit, and only after each one's check value was compared. [Keys.Due] says when age
//     or use asks for others;
//   - the transport key (KBPK) protects the TR-31 block in which a key loader hands the
//     master key over. It is read when a block is loaded, and wiped then.
//
// For hosts that want DUKPT the state of the device is kept as a secret too: the counter
// moves on disk before a key is out ([Keys.NextDUKPT]), so that no serial number comes
// twice, and each state is wiped by the next. Who puts an older file back sets the counter
// back; that is the store's limit.
//
// The PIN key is never unwrapped for use: the PIN pad gets the cryptogram. No error, log
// or method of the package shows a byte of a key; keys are told by their check values.
// What Go lets us is zeroed after use: copies that the cipher makes for itself stay.
//
// It does not talk to the pad or the host. Working keys and check values: package
// keyblock; key blocks: ANSI X9.143 (TR-31).
package keys

// Package binding is how a message says which device it came from: field 59, usage A2, of
// UnionPay terminals, so that a terminal number that was cloned onto another device is seen
// with each message.
//
// Three words to know:
//
//   - a [Terminal] is what field 59 says: kind of device, serial number, factor,
//     proof, version of the program;
//   - the factor is the last six digits of the card number (zeros without a card), so that
//     a proof that was recorded is no good for another card;
//   - the [Proof] is eight hexadecimal digits that only who has the terminal's binding key
//     can make of serial number and factor. The key is derived from the master key ([Key]),
//     so that it needs no loading of its own, and is no working key.
//
// The host holds the proof against the serial number that it has bound to the terminal
// number (host-sim/hsm does that). What the package does not do: it keeps no key, and it
// does not judge whether a terminal is the right one.
//
// 银发〔2017〕21号 and 〔2021〕259号 ask for the binding; the tags are those of public UnionPay
// terminal practice. That field 59 is written as here (tags of two characters, lengths of
// three digits) and how the proof is computed is not confirmed by a public source: the
// layout is one table ([Append]), the proof is ours.
package binding

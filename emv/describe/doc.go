// Package describe says in words what the bytes of EMV mean: what each bit of the TVR
// stands for, which objects a record holds, what a CVM list asks of the cardholder.
//
// Three words to know:
//
//   - a [Kind] is a way to read bytes: "tlv", "tvr", "cvmlist", "iad-visa". [Kinds] lists
//     them, and [Describe] reads by one;
//   - a [Line] is one line of the answer: how deep it stands, what is there, its value,
//     and a note;
//   - a [Memory] is what a conversation with a card has said so far. [Memory.Command] and
//     [Memory.Response] read APDUs with it: the data of GENERATE AC are values in a row,
//     and only the card's own CDOL, seen earlier, says of what.
//
// Card numbers and tracks are masked to the first six and last four digits, a PIN block
// entirely, unless [Options] say otherwise. What is masked is known by its tag: a card
// number inside an object that nobody knows is shown as it is.
//
// It decides nothing: the kernel does not use it, and bytes that break a rule are
// described as far as they can be read. It knows no keys, so what is signed or enciphered
// stays as it is. Bytes that cannot be read are an error, never a panic.
//
// Specification: EMV 4.4 Book 3, Annexes A to C, and Book 4, Annex A; EMV Contactless
// Book A, 5.7, for the TTQ. The schemes' issuer application data as public documents and
// open source have them.
package describe

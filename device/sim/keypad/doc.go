// Package keypad is the secure keypad of the simulated PIN pads: keys, a PIN as it is typed,
// and the block that it leaves the pad in.
//
// Three words to know:
//
//   - the keys are digits, E for enter, C for clear and X for cancel ([Check]);
//   - an [Entry] is what the cardholder sees, and answers with keys;
//   - a [PIN] is the digits so far. [PIN.Press] says what a key did; the pad around it says
//     what that means in its protocol.
//
// Clear PIN digits exist here and in the simulators that use it, and are wiped. It has no
// log. Drivers do not use it: it belongs to their far end. What it makes (PIN blocks, TDES)
// is pinned by published vectors in emv/pinblock. ISO 9564-1, PIN entry.
package keypad

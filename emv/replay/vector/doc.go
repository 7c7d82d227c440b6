// Package vector reads recorded card sessions and CVM cases from files: what a terminal
// was, what a card answered, and what somebody else's kernel made of it.
//
// Three words to know:
//
//   - a [Scenario] is a whole session: the terminal, the payment, the card's answers, and
//     the [Step] of each phase that an independent kernel took;
//   - a [CVM] case is cardholder verification alone: a CVM list, a terminal, and the CVM
//     Results that should come of it;
//   - a [Case] is either. [Read] reads a file of them, and [ReadLog] makes a scenario of a
//     plain log of APDUs and a file of parameters.
//
// [Card] is a card that answers by the script of a scenario.
//
// Fields that nobody here uses are passed over; those that are used must be right, and an
// error names the field, never its value: a file may come from a real card. The package
// runs nothing and compares nothing: that is package emv/replay.
//
// Specification: the formats posd-emv-vector/1 and posd-emv-cvm/1 of the shared vectors.
// A parameter file is a scenario without its card; package emv/replay describes it.
package vector

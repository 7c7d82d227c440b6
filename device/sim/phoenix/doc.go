// Package phoenix is a card in a slot that is no more than contacts: it answers character
// by character, as the driver in device/reader/phoenix meets it behind a UART and an
// analogue front end of the TDA8035 kind.
//
// Three words to know:
//
//   - a [Card] is what sits in the slot: it gives its answer to reset, and answers one
//     T=0 TPDU at a time, or one block where that names T=1 first (package device/sim/t1 has such cards). Which convention it speaks is in its answer to reset (TS 3B or
//     3F); this package codes the characters, and steers with procedure bytes or blocks;
//   - the lines are pins without hardware ([Reader.Lines]): CMDVCCN and RSTIN, which the
//     terminal sets, and OFFN, which it reads. A fault, a pulled card among them, holds
//     OFFN low until CMDVCCN goes high again, as the front end does;
//   - a [Fault] is misbehaviour on request: silence, bytes one at a time, NULL bytes, bad
//     characters, resets that bring nothing.
//
// Every byte that the host writes comes back to it before anything else, for transmitter
// and receiver share one contact; [Config] can take that away.
//
// It shares no code with the driver: a simulator that shares code shares its bugs. Baud
// rate and parity do not exist on its port; [Reader.Wants] tells what the card would hear.
// It does not do: voltages, bit timing. ISO/IEC 7816-3:2006, 7 (character), 8 (answer to reset), 9 (PPS), 10 and 11
// (T=0, T=1).
package phoenix

// Package iso7816 speaks to a contact card: it reads the answer to reset, and carries
// one APDU over T=0 or T=1. It is the one engine of every reader that leaves the protocol
// to its host.
//
// Three words to know:
//
//   - an [ATR] is what a card says of itself at reset: conventions, protocols, and the
//     integers of which [Timing] makes times. [ATR.EMV] says what a payment terminal has to
//     refuse, and why;
//   - a TPDU is what goes over the contacts at T=0: a header CLA INS P1 P2 P3 and data
//     in one direction only, steered by procedure bytes of the card. [T0] makes an APDU of
//     it, with GET RESPONSE after 61xx or a warning, and the command again after 6Cxx;
//   - a block is what goes over them at T=1: address, control byte, length, information,
//     check. A [T1] carries an APDU in chained blocks, and mends what the line spoils.
//
// A reader that takes TPDUs and blocks whole is a [TPDU] or [Blocks]; for one that is no
// more than a UART [Wire] is both, character by character, and makes PPS. [Whole] is for
// lines that take APDUs as they are.
//
// Every wait and every loop has an end: no silence is waited for longer than 10 s, or 30 s
// where the card asked for time; a card that keeps on asking for time, or goes round in
// circles, has a minute for a TPDU or a command at T=1, and nothing new is begun for a
// command that has taken one. So no command takes much more than two minutes, whatever
// integers are in the answer to reset.
//
// Errors are device.ErrMute for a card that is silent or has no good answer to reset, and
// device.ErrProtocol for one that answers nonsense, with [ErrDeactivate] where the card has
// to lose its power; those of the line pass through.
//
// Not here: reset and the voltage, the convention, parity and its repetition (the reader's
// side of a character), node addresses other than 00, T=1 that the terminal aborts.
// ISO/IEC 7816-3:2006, 8 (answer to reset), 9 (PPS), 10 (T=0), 11 (T=1), 12.2 (T=0 at APDU
// level); EMV 4.4 Book 1 (EMV Contact Interface Specification), 8 and 9, and its annex of
// T=0 examples for what to do with warnings.
package iso7816

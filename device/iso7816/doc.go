// Package iso7816 speaks to a contact card: it reads the answer to reset, and carries
// one APDU over T=0. It is the one engine of every reader that leaves the protocol to
// its host.
//
// Three words to know:
//
//   - an [ATR] is what a card says of itself at reset: conventions, timing, protocols;
//   - a TPDU is what goes over the contacts at T=0: a header CLA INS P1 P2 P3 and data
//     in one direction only. [T0] makes an APDU of it, with GET RESPONSE after 61xx and
//     the command again after 6Cxx;
//   - a procedure byte is how the card steers a TPDU byte by byte: wait (60), send all,
//     send one, or the status word. Readers deal with them, or [Wire] does for a reader
//     that is no more than a UART.
//
// Not here: T=1, PPS, the electrical side and the bit timing. ISO/IEC 7816-3:2006,
// 8.2 (answer to reset), 10 (T=0), 12.2 (T=0 at APDU level); EMV 4.4 Book 1, 9.2
// and its annex of T=0 examples for what to do with warnings.
package iso7816

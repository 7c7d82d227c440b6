// Package pn532 drives an NXP PN532, the chip of most hobby contactless modules, on a
// serial line (the chip calls it HSU, high speed UART).
//
// It is a laboratory reader. The chip and its antenna have no EMV Contactless Level 1
// approval, the polling loop is not that of EMV Contactless Book D, and the time between
// command and answer is that of a serial line and of the chip's firmware, so that it can
// not tell a card from a relay of one. Use it to develop with, not to take money.
//
// Three words to know:
//
//   - a target is a card that the chip has found, selected and activated: ISO/IEC
//     14443-4 type A (with its ATS) or type B (with its ATQB). Power is the field;
//   - a frame carries a command (D4) or an answer (D5); each command is acknowledged
//     (ACK) before it is answered;
//   - a status byte begins the answer of each exchange with a target: 00, or why not,
//     with bit 6 (MI, more information) where the answer is not all there yet.
//
// The frame, in bytes. TFI, code and data are at most 265 together:
//
//	 0        00  preamble
//	 1        00  start code
//	 2        FF
//	 3        LEN, number of bytes from TFI to the last of the data, 1 to 255; or FF
//	 4        LCS: LEN + LCS = 0 (mod 256);                                or FF
//	 5 to 7   only after FF FF (an extended frame): LENM, LENL, LCS over both
//	 ..       TFI: D4 from the host, D5 from the chip, 7F alone in an error frame
//	 ..       code: of the answer one more than that of the command
//	 ..       data
//	 ..       DCS: all bytes from TFI to here = 0 (mod 256)
//	 last     00  postamble
//
//	00 00 FF 00 FF 00         ACK: the command is understood. From the host: abort it
//	00 00 FF FF 00 00         NACK, from the host only: send the last answer again
//	00 00 FF 01 FF 7F 81 00   error frame: the chip does not know such a command
//
// A damaged answer is asked for again with NACK, three times at most; only where the
// chip has acknowledged the command, for else it would repeat the answer before. Silence
// aborts the command, and what follows begins anew: wake-up, SAMConfiguration, finite
// retries (as the chip starts, it looks for a card for ever). Commands that do nothing to
// a card are tried three times. An APDU is sent once, for the card may have done it.
// Answers have no number: what comes before the ACK is thrown away, so that only a chip
// which answers twice after it could pass an old answer for a new one.
//
// A contactless card has no answer to reset. What PowerOn returns is made as PC/SC part 3
// says (ATR of contactless cards), so that users see one kind of answer: 3B 8n 80 01, then
// n historical bytes, those of the ATS, or for type B the application data and protocol
// information of the ATQB and the MBLI of the answer to ATTRIB; then TCK. That it names
// T=0 and T=1 means nothing: APDUs go over ISO/IEC 14443-4.
//
// Two cards in the field are [ErrTwoCards]: which of them pays is not ours to choose.
//
// Not here: cards without ISO/IEC 14443-4 (refused), FeliCa, Jewel, peer to peer, card
// emulation, the other host interfaces (I²C, SPI). Source: NXP UM0701-02, PN532 user
// manual, rev. 02: 6.2 (frames), 7.1 (status bytes), 7.2 and 7.3 (commands).
package pn532

// Package phoenix drives a card at the bare contacts: a UART on the card's I/O contact, and
// GPIO lines to an analogue front end that switches power and clock, such as a TDA8035. The
// terminal itself is the reader, and speaks ISO/IEC 7816-3 character by character.
//
// Three words to know:
//
//   - the [Lines] are three pins: power (CMDVCCN, low switches the card on), reset (RSTIN,
//     the level of the card's RST contact) and card (OFFN, high for a card in the slot, low
//     for none, a pulled one or a short);
//   - a convention is how the card codes characters: direct, as a UART does (TS 3B), or
//     inverse (TS 3F), where high is 0 and the highest bit comes first. The UART hears the
//     latter as 03 with odd parity; the driver undoes it and has the port change its parity;
//   - the echo: transmitter and receiver share the contact, so each byte that goes out comes
//     back. It is compared, which tells a dead cable from a mute card.
//
// The line is 9600 baud, 8 data bits, even parity, 2 stop bits with a clock of 3.579545 MHz:
// 372 clock cycles are one elementary time unit (etu) of 104 us, and a character takes 12:
//
//	1        start bit
//	2 to 9   data bits, lowest first (inverse convention: highest first, inverted)
//	10       parity, even over data and parity bit as the card codes them
//	11, 12   guard time, which is what two stop bits are
//
// A session: power off, power on with reset low, 12 ms of clock, reset high, the answer to
// reset within 40 000 clock cycles; if it does not come, or is none, one warm reset (reset
// low and high again, power kept), then the card is given up. Where the answer offers a
// higher speed (TA1) and the port can change its own (see [Config].MaxBaud), PPS asks for
// it; a card that does not go along is reset again, and left at 9600. Then APDUs, through
// package iso7816, in the first protocol that the card names: T=0 or T=1. What fails in the
// middle of a command takes the power from the card: nobody knows what it did, and it is
// reset before it is used again.
//
// # What a plain UART cannot do
//
//   - Ask for a character again. At T=0 a receiver that finds wrong parity pulls the line low
//     in the guard time, and the sender repeats (ISO/IEC 7816-3, 7.3). A UART cannot pull,
//     and does not see when the card pulls: wrong parity ends the command with
//     device.ErrProtocol, and a character that the card did not understand ends it in silence
//     or in an echo that differs. T=1, with its own checks, mends both.
//   - Measure character times. Guard times are kept as minimum (2 stop bits, and a pause where
//     the card asks for more). The longest times that a card may take are those of the
//     standard, with [Config].Slack added for the kernel, the UART's buffer and USB: a card
//     that answers too late by less than that is not found out. Nor can the 40 000 to 45 000
//     cycles of reset be kept to the cycle: the driver holds reset for at least the shortest.
//   - Level 1 approval. EMV Level 1 tests what is above; a terminal with this circuit does not
//     pass it as it stands.
//
// Not here: choice of the voltage (the front end's straps), synchronous cards, clock stop.
// ISO/IEC 7816-3:2006, 6 (activation), 7 (character), 8 (answer to reset); package iso7816
// has 9 (PPS), 10 and 11 (T=0, T=1); EMV 4.4 Book 1, electromechanical part (reset times,
// answers to reset).
package phoenix

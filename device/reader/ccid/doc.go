// Package ccid drives a contact reader that speaks CCID over a serial line, as the
// GemPC Twin serial does, and controllers of the SEC1210 kind.
//
// Three words to know:
//
//   - a message is that of USB CCID 1.1: a header of ten bytes, then data. The reader
//     works at TPDU level: package iso7816 makes TPDUs of an APDU;
//   - a frame is a message on the serial line, with SYNC, CTRL and LRC around it;
//   - a profile is what differs between readers: [GemPC] echoes each command before it
//     answers, [SEC1210] does not; their firmware is asked for in different ways.
//
// The frame, in bytes. All lengths are little-endian, and a message has at most 271
// bytes:
//
//	 0        03  SYNC
//	 1        06  CTRL ACK: a message follows. 15 NAK: send that again; then only the LRC
//	 2        bMessageType: 6x from host to reader, 8x from reader to host
//	 3 to 6   dwLength, number of data bytes, 0 to 261
//	 7        bSlot, 00
//	 8        bSeq, one more for each command; the answer repeats it
//	 9        host: bPowerSelect, bProtocolNum or bBWI; reader: bStatus
//	          bits 1-0: 0 card active, 1 card without power, 2 no card
//	          bits 7-6: 0 done, 1 failed (bError says why), 2 wait, an answer will come
//	10        host: 00; reader: bError
//	11        host: 00; reader: bChainParameter or bClockStatus
//	12 to ..  data
//	 last     LRC: all bytes before it, exclusive-or
//
//	03 15 16     NAK, either way: the last frame arrived damaged
//	50 02|03     slot change, unasked, between frames: card gone | card there
//	80 to FF     alone, between frames: the card asks for time (T=0)
//
// A damaged answer is asked for again with NAK, and a command that the reader could not
// read is sent again, each three times at most. A command is not sent again after
// silence, for the card may have done it; only the question for the slot's status is.
// Late answers are told by their sequence number. No wait is without end: a card that asks
// for time, by whichever way, has a minute for one answer.
//
// # Opening
//
// The port is 115200 baud, 8 data bits, no parity, 2 stop bits, with RTS low before the
// first byte, else a GemPC sends its plug-and-play name (package serial does that, by the
// URL's defaults). [Reader.Firmware] asks Escape 02 of a GemPC and 06 of a SEC1210.
//
// Escape 01 01 01 goes to a GemPC before the first command about the slot. What it does is
// described in two ways: that it turns the notices of moved cards on, and (by the public
// driver libccid, which sends it too) that it makes them wait: told after a command of the
// host and before its answer, and not whenever a card moves. The driver is right with both:
// it takes notices wherever they come, and asks for the slot's status every 250 ms
// ([Config].PollTime), which brings out those that wait. [Config].Unasked does not send it.
// A SEC1210 is not sent it.
//
// # Power and protocols
//
// A card is reset cold at 5 V, the same once more, then at 3 V and 1.8 V, until it answers;
// the reset is repeated warm where the answer came and is not good, by ISO/IEC 7816-3 or by
// the rules of EMV (iso7816.ATR.EMV). Its first protocol is used, with the transmission
// factors after reset, or those of TA1 in specific mode; PPS is not made. The reader works
// at TPDU level for both: at T=0 it deals with procedure bytes, at T=1 it carries blocks
// and the dialogue is package iso7816's, with bBWI where the card asked for time. A card
// that breaks T=1 beyond repair loses its power.
//
// Not here: PIN entry at the reader, more than one slot. Sources: USB CCID 1.1, 6
// (messages), 6.1.7 (parameters), 6.2.6 (errors); for the serial frame, the escapes and
// the clocks, the public driver libccid as to what these readers do.
package ccid

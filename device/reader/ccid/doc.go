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
// Late answers are told by their sequence number.
//
// Not here: T=1 (a card that speaks only that is refused), PIN entry at the reader, more
// than one slot. Sources: USB CCID 1.1, 6 (messages), 6.2.6 (errors); for the serial
// frame and the escapes, the public driver libccid as to what these readers do.
package ccid

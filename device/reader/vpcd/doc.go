// Package vpcd is a reader without hardware, for developers: its cards are programs that
// connect over TCP, by the protocol of vsmartcard's virtual reader. Any card that speaks
// it can be the card: vsmartcard's own, a smart card simulator, ours in device/sim/vpcd.
//
// Three words to know:
//
//   - a card is a connection: it is in the slot while it is connected, and its end is the
//     card pulled;
//   - [Cards] is where they come from: [Listen] has them connect to us, as to vpcd (the
//     usual way); [Dial] connects to a card that listens (vsmartcard's reversed mode);
//     [One] is a connection that is there already, after which nothing comes;
//   - a control is a message of one byte, which no APDU is.
//
// The message, either way:
//
//	0 1      length of what follows, big-endian
//	2 to ..  a control, to the card only:
//	           00 power off | 01 power on | 02 reset | 04 what is your answer to reset
//	         or an APDU
//
// Only 04 and APDUs are answered, with the answer to reset or the response APDU; an empty
// answer is a card that is mute. Answers have no number, so that a connection on which
// one came late, too long or not at all is closed: the card is out, and has to connect
// anew. Nothing in the protocol says who connects, and nothing is encrypted: [ParseURL]
// lets a reader listen on the machine's own addresses only.
//
// Not here: more than one card at a time (the next one waits until this one is gone),
// extended APDUs, PIN entry at the reader. Source: vsmartcard 3, virtualsmartcard (vpcd
// and vpicc) as to what they send.
package vpcd

// Package pn532 is the chip's end of a PN532 on a serial line: a virtual contactless
// module that the driver in device/reader/pn532, or any other host's library, talks to
// over a pseudo-terminal or net.Pipe.
//
// Three words to know:
//
//   - a [Tag] is a card as the antenna sees it: type A or B, what it says of itself when
//     it is activated, and a [Chip] that answers whole APDUs (package device/sim/card has
//     real ones). [CardA] and [CardB] make usual ones;
//   - the field holds up to [MaxTags] tags; Insert brings one near, Remove takes all away;
//   - a [Fault] is misbehaviour on request, for the tests of drivers and of the agent.
//
// It starts as the chip does: asleep until it hears 55, then deaf to all but
// SAMConfiguration, and looking for cards for ever until it is told otherwise. An ACK
// from the host, or another command, ends that.
//
// It does not do: FeliCa, Jewel, MIFARE commands, raw frames (but R(NAK), which is a
// presence check), peer to peer, card emulation; these and unknown commands are answered as the
// chip answers where there is nobody, or with an error frame. Time on the air is not
// simulated. It shares no code with the driver, and knows nothing of EMV. Source: NXP
// UM0701-02, PN532 user manual, rev. 02.
package pn532

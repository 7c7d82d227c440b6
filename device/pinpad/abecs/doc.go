// Package abecs drives the PIN pads of Brazil, which all speak one protocol: Abecs 2.20 (and
// 2.12, of which nothing that is used here differs). One box is chip reader, antenna, PIN pad
// and display.
//
// Three words to know:
//
//   - a packet is data between SYN and ETB with a CRC, the data with DC3 before what would look
//     like those; the pad answers it by ACK or NAK, and its own packets are answered only where
//     they cannot be read, by NAK;
//   - a command has three letters; one that waits for somebody (CEX, GPN, RMC) is ended by CAN,
//     which the pad answers by EOT whatever it does;
//   - the views are [Pad] itself, a device.PINPad and DUKPTPad, and its two readers, [Pad.Chip]
//     and [Pad.Contactless], each a device.Reader. They share the line: one command goes on at
//     a time, and who waits longest is next. A wait for a card gives the line up each second;
//     a PIN entry keeps it.
//
// The driver logs nothing, and its errors hold nothing of what GPN and CHP carry; buffers are
// wiped. The pad's own EMV kernel (GCX, GOX, FCX) is not used: APDUs go through CHP, so that
// the terminal's kernel is the one that is certified. Not there either: magnetic stripe (GTK),
// data entry (GCD), menus, images, SAMs, a PIN that the card verifies (CHP operation 3), and
// key loading: Abecs has no message for it, keys are injected by the maker ([Pad.LoadKey]
// refuses).
//
// # Packets and commands
//
//	SYN  data (1-2049 bytes; 13, 16, 17 travel as 13 33, 13 36, 13 37)  ETB  CRC(2)
//	16   4F 50 4E                                                       17   A8 A9    OPN
//
//	CRC-16 with polynomial 1021 from 0 over data, as they are without DC3, and ETB.
//
//	command   id(3) then blocks: length(3) and up to 999 bytes
//	response  id(3) status(3: 000 is good) then blocks, if it is good
//	NTM       000 length(3) text(32)             a note for the merchant, before the response
//	ERR       status(3)                          a command that the pad does not know
//
//	OPN  open: no block, or 0 256 modulus(512) length(1) exponent(2-6)
//	       answer: no block, or 256 session key under that RSA key(512)
//	GIN  information: 00             answer: 100 characters
//	CLO  close, DSP show, RMC wait for the removal: text(32), two lines of 16, ISO 8859-1
//	CEX  wait for an event: parameter 0006 options(6) and 000C seconds(1); each parameter has
//	       identifier(2) and length(2) in binary; answer: 8040 event(2)
//	CHP  slot(1: 0 chip, 9 antenna) operation(1: 0 off, 1 on, 2 APDU) length(3) bytes in
//	       hexadecimal; answer: length(3) bytes
//	GPN  method(1: 1 master and session, 3 DUKPT) slot(2) working key(32) length(2) account(19)
//	       1 least(2) most(2) text(32); answer: block(16) key serial number(20)
//
//	driver     pad             driver     pad              driver     pad
//	packet ->                  GPN    ->                   packet ->
//	       <-  ACK                    <-  ACK                     <-  ACK
//	       <-  response               <-  NTM (some)              <-  a response with a wrong CRC
//	                           CAN    ->                   NAK    ->  after 500 ms of silence
//	                                  <-  EOT                     <-  the response again
//
//	times: 2 s for ACK and for EOT, 10 s for the response of what waits for nobody; three NAKs
//	each way, and three CANs. Whoever connects begins with CAN.
//
// # What is ours
//
// A packet has 5 s in all from SYN, where the specification gives each byte 2 s. A pad that does
// not answer with ACK is not asked again, for it may be doing the command (it could be GENERATE
// AC); the next call begins with CAN. After EOT 50 ms of silence are waited for, since an answer
// that crossed CAN may have a byte like EOT in it. Answers have no number: what has come in
// before a command, until the line is silent for 1 ms, is thrown away, so that an answer that
// came twice is not taken for the next one. A pad that says that it knows no session
// (003, 009) has done nothing: it is opened again and asked again, once.
//
// With [Config.Key] everything but OPN, and the answer to CLO, is enciphered (secure
// communication). Without it the card number travels in clear on the cable.
//
// The pad refuses a third GENERATE AC before the card is pulled (047): a card that was left in
// cannot be used for a second payment.
//
// # What public sources do not confirm
//
//   - Whether CHP counts as a command that waits for somebody: the driver gives it
//     [Config.ChipTime], and ends it by CAN.
//   - Which protocol a pad chooses with a card that offers both: the first one offered is
//     assumed, as EMV has it.
//   - Whether a pad resets the chip when OPN comes without CLO before: the driver asks for a
//     new reset.
//
// Sources: Abecs, "Pinpad Abecs, Protocolo de Comunicação e Funcionamento", 2.20 of 28 February
// 2025 (chapters 2, 3, 5 and 6), which Abecs publishes; open-source software for it (ACBr,
// abecs-rust) for which commands are in use. No hardware was at hand.
package abecs

// Package vfpad drives PIN pads that speak the Verifone character protocol, with master and
// session keys or with DUKPT: PINpad 101, 1000 and 1000SE, the IPP inside VeriFone's
// terminals, and pads that are compatible with them, such as UIC's PP791.
//
// Three words to know:
//
//   - a frame is an identifier with data between STX and ETX (payments) or between SI and
//     SO (administration), and a check byte;
//   - the handshake answers each frame with one byte: ACK, NAK (send it again, three times
//     in all) or EOT (it is over);
//   - the entry message is how a pad is asked for a PIN: Z62, Z60 or 70 ([Config.Entry]).
//     With a working key in it, that is opened under the selected master key; without
//     one, the pad takes a key that it uses once, and tells its key serial number.
//
// A [Pad] is a device.PINPad, DUKPTPad, Format4Pad, MACPad and StripeReader. The driver logs
// nothing, and its errors hold nothing of what frames 70, 71, 73, Z60, Z62, 76 and 81 carry;
// their buffers are wiped. It does not do the clear key loads that old pads had, chip cards,
// or keys other than PIN keys under DUKPT.
//
// # Frames
//
//	byte    1     2 …                                        n-1  n
//	        02    identifier and data, 20 to 7E and 1A, 1C   03   check: all bytes from the
//	        0F    to 1E                                      0E   second to n-1 exclusive-or
//
//	02 load master key        SI  02 slot(1) key block             SO   key block: TR-31
//	   its answer             SI  the same, or 02 ? error(1)       SO
//	04 check master key       SI  04 slot(1)                       SO
//	   its answer             SI  04 result(1): F loaded, 0 not    SO
//	08 select master key      SI  08 slot(1)                       SO
//	   its answer             SI  08 result(1), 0 is good          SO   not from every pad
//	13 change the rate        SI  13 code(1): 1 is 1200 … 8 115200 SO
//	   its answer             SI  13 result(1), 0 is good          SO   not from every pad
//
//	Z62 enter PIN             STX Z62 . account(8-19) FS key(16 or 32 hexadecimal)
//	                              min(2) max(2) null PIN(1: Y, N)
//	                              prompt(0-16) FS prompt 2(0-16) FS shown after(0-16)  ETX
//	Z60                       STX Z60 . account FS key                                 ETX
//	70                        STX 70 . account FS key amount(4-8, as in 12.00)         ETX
//	71 PIN block              STX 71 . 0 digits(2) 01 block(16 hexadecimal)            ETX
//	   or an error            STX 71 error(1)                                          ETX
//
//	with DUKPT: Z62           STX Z62 . account FS min max null prompt FS prompt FS after ETX
//	Z60                       STX Z60 . account                                        ETX
//	70, 76 (PIN is 1234)      STX 70 account FS D amount                               ETX
//	71                        STX 71 0 serial number(10-20, F on its left left out)
//	                              block(16)                                            ETX
//	73 (VeriFone's, for Z60   STX 73 . 00000 serial number block                       ETX
//	   and Z62)
//	90, 94 load initial key   STX 90 key block with its serial number in block KS      ETX
//	91 its answer             STX 91 0, or 1 and error(1)                              ETX
//	96 select key set         STX 96 set(1: 0 is that of 90, 1 that of 94)             ETX
//
//	72 cancel                 STX 72                                                   ETX
//	Z1 back to idle           STX Z1                                                   ETX
//	Z2 show                   STX Z2 SUB text(0-64)                                    ETX
//	   a prompt of the pad's  STX Z2 RS number(3) SUB                                  ETX
//	Z3 show lines             STX Z3 count(1: 1-7) SUB line FS line …                  ETX
//	Z66 MAC                   STX Z66 kind(1: 6 last, 7 more) number(2) slot(1) FS
//	                              key(16 or 32; zeros: the master key) FS FS part(2-224
//	                              hexadecimal)                                         ETX
//	Z67 its answer            STX Z67 0 MAC(16), or 1: go on, or error(1)              ETX
//	Q4 stripe reader          STX Q4 flag(1: 2 all tracks, 0 track 2, 1 off)           ETX
//	81 a swipe                STX 81 . track 1 FS track 2 FS track 3                   ETX
//
//	driver   pad             driver   pad              driver   pad
//	02   ->                  08   ->                   Z62  ->
//	     <-  ACK                  <-  ACK                   <-  ACK
//	     <-  02 (echo)            <-  08 (some)                 … keys
//	ACK  ->                  ACK  ->                        <-  71, or EOT: cancel key or
//	     <-  EOT, stored          <-  EOT              ACK  ->      no key in time
//
// 72 is answered with ACK by an idle pad and with EOT by one that waits for a cardholder. A
// pad sends a frame again when it has no ACK in 5 s, and gives up with EOT after three times.
//
// # What is ours
//
// The driver waits [Config.AckTime] for a handshake and [Config.EntryTime] for the whole
// of an entry or a swipe, and then cancels by 72. A 71 that comes after that is acknowledged
// and thrown away, whatever is being done by then. A pad that sends no frame in answer to 08
// or 13 but EOT is content. Characters that the pad does not have are shown as a question
// mark. A null PIN is told by the digits 00, or with DUKPT by no serial number and no block.
// Message 70 takes the amount out of the prompt with master and session keys.
//
// # What public sources do not confirm
//
//   - 81: that tracks come in this order with FS between, and without sentinels. A sentinel
//     at a track's beginning is believed where there is one.
//   - Which pads report a swipe after Q4 by themselves: [Config.Swipe].
//   - 70 with DUKPT: its form is that of 76, which is documented as identical.
//   - Blocks of format 4: no public document of these pads has them. Working keys of AES come
//     as those of TDES do, 71 tells them by [Config.Format4] and has 32 digits, and with DUKPT
//     it has a serial number of 24 digits and a block of 32.
//   - VeriFone's answer to 13, and whether its pads take TR-31 in 90.
//
// Sources: UIC PP791 programmer's manual (PM0103-U: "Message format" and sections 5, 9, 10
// and 11), which is public and documents this protocol with TR-31 in 02 and 90; VeriFone Mx800
// programmer's guide, appendix A (packets 02, 04, 08, 13, 71, 72, 73, 76, Z66, Z67), public as
// well; a public note on the packets of PINpad 101 to 2000, in which 02 has a clear key.
// VeriFone's own guide to the 1000SE (22903) was not at hand, and no hardware was: where they
// differ, they are right.
package vfpad

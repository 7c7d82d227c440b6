// Package vfpad drives PIN pads that speak the Verifone character protocol with master
// and session keys: PINpad 101, 1000 and 1000SE, and pads that are compatible with them,
// such as UIC's PP791.
//
// Three words to know:
//
//   - a frame is an identifier with data between STX and ETX (payments) or between SI and
//     SO (administration), and a check byte;
//   - the handshake answers each frame with one byte: ACK, NAK (send it again, three times
//     in all) or EOT (it is over);
//   - the selected master key is the slot under which the pad opens the working key of
//     a PIN entry; the terminal never sees either key, nor the PIN.
//
// The driver logs nothing, and its errors hold nothing of what frames 70, 71, Z60 and Z62
// carry; their buffers are wiped. It does not do DUKPT, MACs, the clear key load that old
// pads had, or card reading.
//
// # Frames
//
//	byte    1     2 …                                        n-1  n
//	        02    identifier and data, 20 to 7E and 1A, 1C   03   check: all bytes from the
//	        0F    to 1E                                      0E   second to n-1 exclusive-or
//
//	08 select master key      SI  08 slot(1)                       SO
//	   its answer             SI  08 result(1), 0 is good          SO   not from every pad
//	04 check master key       SI  04 slot(1)                       SO
//	   its answer             SI  04 result(1): F loaded, 0 not    SO
//	02 load master key        SI  02 slot(1) key block             SO   key block: TR-31
//	   its answer             SI  the same, or 02 ? error(1)       SO
//	Z62 enter PIN             STX Z62 . account(8-19) FS key(16 or 32 hexadecimal)
//	                              min(2) max(2) null PIN(1: Y, N)
//	                              prompt(0-16) FS prompt 2(0-16) FS shown after(0-16)  ETX
//	71 PIN block              STX 71 . 0 digits(2) 01 block(16 hexadecimal)  ETX
//	   or an error            STX 71 error(1)                      ETX
//	72 cancel                 STX 72                               ETX
//	Z1 back to idle           STX Z1                               ETX
//	Z2 show                   STX Z2 SUB text(0-64)                ETX
//
//	driver   pad             driver   pad              driver   pad
//	02   ->                  08   ->                   Z62  ->
//	     <-  ACK                  <-  ACK                   <-  ACK
//	     <-  02 (echo)            <-  08 (some)                 … keys
//	ACK  ->                  ACK  ->                        <-  71, or EOT: cancel key or
//	     <-  EOT, stored          <-  EOT              ACK  ->      no key in time
//
// 72 is answered with ACK by an idle pad and with EOT during entry. A pad sends a frame
// again when it has no ACK in 5 s, and gives up with EOT after three times.
//
// # What is ours
//
// The driver waits [Config.AckTime] for a handshake and [Config.EntryTime] for the whole
// of an entry, and then cancels by 72. A 71 that comes after that is acknowledged and
// thrown away, whatever is being done by then. A pad that sends no frame in answer to 08
// but EOT is content. Characters that the pad does not have are shown as a question mark.
// A null PIN is told by the digits 00.
//
// Sources: UIC PP791 programmer's manual (PM0103-U: "Message format", messages 02, 04, 08,
// 71, 72, Z1, Z2, Z62), which is public and documents this protocol with TR-31 in 02; a
// public note on the packets of PINpad 101 to 2000, in which 02 has a clear key. VeriFone's
// own guide to the 1000SE (22903) was not at hand, and no hardware was: where they differ,
// they are right.
package vfpad

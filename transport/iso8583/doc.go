// Package iso8583 writes and reads the messages between a terminal and its host:
// ISO 8583 (1987) as UnionPay POS terminals use it, the dialect `cup`.
//
// Three words to know:
//
//   - a message class is a Go struct ([FinancialRequest], [ReversalRequest] …) that
//     says what a message is about and nothing of where that goes;
//   - a [Dialect] is the tables that say it: which value goes into which field of which
//     message type, and how each field is written. [CUP] is the first;
//   - a frame is the bytes on the line. [Dialect.Append] writes one, [Dialect.Parse]
//     reads one, [Dialect.Seal] and [Dialect.VerifyMAC] deal with field 64.
//
// What the package does not do: it opens no connection (package acquirer does), makes no
// PIN block, keeps no key, reads no TLV inside field 55, and does not judge a message
// (an amount above a limit, a date that is none). Classes for settlement, batch upload
// and script results do not exist yet; their message types are refused as unknown.
//
// # The frame
//
//	offset  bytes
//	-2      2      length of all that follows, big-endian, at most 2048
//	 0      5      TPDU: 60, destination (2), source (2); an answer has the two swapped
//	 5      1      application, BCD: 60
//	 6      1      software version, BCD
//	 7      1      terminal status (high digit), order 处理要求 (low digit): the job that the
//	               host wants done when the terminal is idle
//	 8      3      minor software version, BCD
//	11      2      message type, BCD: 02 00
//	13      8      bitmap: bit 1 is the highest of the first byte; bit 1 is never set
//	21             the fields whose bit is set, in order
//
// Offsets in errors are those of this table.
//
// # Fields of cup
//
// n is packed BCD: two digits a byte. An odd number of digits is filled up with a nibble
// 0: at the end (field aligned left), for field 23 in front. LL and LLL are lengths in
// BCD, of one and two bytes, and count digits, characters or bytes, never the filling.
// z is as n, with D (and, enciphered, A to F). an and ans are ASCII; field 63 may hold
// GBK. b is bytes.
//
//	 2  n ..19 LL    card number               38  an 6         authorisation code
//	 3  n 6          processing code           39  an 2         response code, or reason
//	 4  n 12         amount, minor units       41  ans 8        terminal
//	11  n 6          STAN                      42  ans 15       merchant
//	12  n 6          time hhmmss               44  ans 22 LL    issuer 11, acquirer 11
//	13  n 4          date MMDD                 49  an 3         currency, digits
//	14  n 4          expiry YYMM               52  b 8          PIN block, ISO 9564 format 0
//	15  n 4          settlement date MMDD      53  n 16         see SecurityControl
//	22  n 3          entry mode: 051 is 05 10  55  b ..255 LLL  ICC data, TLV
//	23  n 3 right    card sequence: 00 01      60  n ..17 LLL   see Private
//	25  n 2          condition                 61  n 12 or 16 LLL  see Original
//	26  n 2          PIN capture: 12           62  b ..512 LLL  keys, see AppendSignOnKeys
//	32  n ..11 LL    acquirer                  63  ans ..63 LLL  scheme, texts; operator
//	35  z ..37 LL    track 2                   64  b 8          MAC
//	37  an 12        retrieval reference
//
// Field 60 is n 2 transaction code, n 6 batch, n 3 function, n 1 reader capability, n 1
// chip condition, n 1 partial debit, n 3 account; it may end after any of these, and
// what is absent is cut, not zeroed. Message type, field 3, field 25 and field 60.1
// together name a transaction; a management message is named by message type and 60.3.
//
// A field is absent exactly where its value is zero or empty (-1 for field 23), so a
// received field that holds nothing is refused: what parses packs to the same bytes.
//
// # The MAC
//
// Field 64 is made over the bytes from the message type to the end of the field before
// it, with the bitmap's last bit set already:
//
//  1. fill up with zeros to a multiple of 8; XOR all blocks of 8 bytes
//  2. write the result as 16 hexadecimal digits, upper case, in ASCII: L (8), R (8)
//  3. encipher L under the MAC key, XOR with R, encipher again
//  4. write the result as hexadecimal digits; the first 8, in ASCII, are field 64
//
// Encipher is DES for a key of 8 bytes and two-key Triple DES for one of 16. Its worth is
// 32 bits, so it is no reason to do without TLS. An answer is to be verified on the bytes
// as received, declines too: who verifies approvals only accepts a forged decline.
//
// # Sign-on
//
// The request (0800, 60.3 = 001, 003 or 004) has the terminal in field 62, see
// [AppendSequence]; the answer has the working keys there, under the terminal's master
// key, see [AppendSignOnKeys]. 001 brings two single-length keys, 003 two keys, 004 a
// track key as well. Field 53 of a request says whether track 2 is under it, see
// [SealedTrack].
//
// Sources: public descriptions of the UnionPay POS message set. The MAC is pinned by a
// published vector; the other vectors of the tests were computed by their authors from
// the same descriptions.
package iso8583

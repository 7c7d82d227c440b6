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
// PIN block, keeps no key, reads no TLV inside fields 55, 59 (package emv/binding does) and
// 62 of a download (package emv/params does), and does not judge a message (an amount
// above a limit, a date that is none). Field 57, in which some hosts carry the like of
// field 59, is not in the dialect, nor is function 373, which stands for two messages.
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
//	 2  n ..19 LL    card number               42  ans 15       merchant
//	 3  n 6          processing code           44  ans 22 LL    issuer 11, acquirer 11
//	 4  n 12         amount, minor units       48  n ..322 LLL  see below
//	11  n 6          STAN                      49  an 3         currency, digits
//	12  n 6          time hhmmss               52  b 8          PIN block of 8 bytes
//	13  n 4          date MMDD                 53  n 16         see SecurityControl
//	14  n 4          expiry YYMM               54  an ..20 LLL  see AccountBalance
//	15  n 4          settlement date MMDD      55  b ..255 LLL  ICC data, TLV
//	22  n 3          entry mode: 051 is 05 10  59  ans ..255 LLL  device, see emv/binding
//	23  n 3 right    card sequence: 00 01      60  n ..17 LLL   see Private
//	25  n 2          condition                 61  n 12, 16, 18 or 29 LLL  see Original
//	26  n 2          PIN capture: 12           62  b ..512 LLL  keys, see AppendSignOnKeys;
//	32  n ..11 LL    acquirer                                   lists; facts of a TC;
//	35  z ..37 LL    track 2                                    a PIN block of 16 bytes
//	37  an 12        retrieval reference       63  ans ..63 LLL  scheme, texts; operator
//	38  an 6         authorisation code        64  b 8          MAC
//	39  an 2         response code, or reason
//	41  ans 8        terminal
//
// Field 48 is one of:
//
//	12 digits      tip of a tip adjustment (0220, 60.1 = 34)
//	62 digits      totals of a settlement (0500): debits n 12 and number n 3, credits n 12
//	               and number n 3, verdict n 1, of domestic cards and then of foreign ones
//	2 + 40 a line  group of an upload (0320, 201): number of lines n 2, see Detail
//	4 digits       end of an upload (0320, 202 and 207): payments that were uploaded
//
// No public source says where a PIN block of 16 bytes goes (ISO 9564 format 4, under AES
// or SM4): field 52 has 8. That it goes into field 62 of the payment is ours.
//
// Field 60 is n 2 transaction code, n 6 batch, n 3 function, n 1 reader capability, n 1
// chip condition, n 1 partial debit, n 3 account; it may end after any of these, and
// what is absent is cut, not zeroed. Message type, field 3, field 25 and field 60.1
// together name a transaction. A management message, a settlement (0500, always 201) and
// an upload (0320) are named by message type and 60.3; an upload of one payment in full has
// that payment's fields 3, 25 and 60.1 instead. A script notice (0620, always 951) has both.
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
// Encipher is DES for a key of 8 bytes and two-key Triple DES for one of 16. Under SM4 the
// steps are the same with 16 for 8 and 32 digits for 16: no public vector of that is known,
// it is ours by analogy. Its worth is 32 bits, so it is no reason to do without TLS. Under
// AES field 64 is the first 8 bytes of the CMAC over the same bytes (NIST SP 800-38B). The
// key says which ([keyblock.MethodOf]).
//
// An answer is to be verified on the bytes as received, declines too: who verifies
// approvals only accepts a forged decline. Management messages may have a MAC and mostly
// have none.
//
// # Sign-on
//
// The request (0800, 60.3 = 001, 003, 004, 006 or 007) has the terminal in field 62, see
// [AppendSequence]; the answer has the working keys there, under the terminal's master
// key, see [AppendSignOnKeys]. 001 brings two single-length keys, 003 two keys, 004 a
// track key as well, 006 three keys of SM4, 007 (ours) keys of AES. Field 53 of a request
// says whether track 2 is under the track key, see [SealedTrack].
//
// Sources: public descriptions of the UnionPay POS message set. Not confirmed by one: the
// first two digits of a group's line, what follows 61 in field 62 of a TC, and digit 2 of
// field 53 for SM4. The MAC is pinned by a
// published vector; the other vectors of the tests were computed by their authors from
// the same descriptions.
package iso8583

// Package apdu has the commands of EMV 4.4 Book 3, 6.5 as typed constructors, and the
// codec for command and response APDUs of ISO/IEC 7816-3.
//
// Three words to know: a [Command] is what the terminal sends, a [Response] is what
// the card answers, and an [SW] is the status word, which is an error unless it is
// 9000. Short lengths only (Lc and Le of one byte), as EMV uses them.
package apdu

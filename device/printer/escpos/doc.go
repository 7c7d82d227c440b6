// Package escpos drives receipt printers that speak ESC/POS, Epson's command set, over a
// serial line: Chinese text in GB18030, QR codes, bar codes, a logo, the cash drawer, and
// the printer's word for what it did.
//
// Three words to know:
//
//   - real-time status ([Printer.Status], DLE EOT) is answered at once, even by a printer
//     that has no paper: it is asked before and after each document ([Printer.Last]);
//   - confirmation (GS r) is answered in its turn, after all that was sent before it: only
//     then does Print return. An error of Print that is not device.ErrUnprinted means
//     that some of it may be on paper, and some may come out later;
//   - a column is half the width of a Chinese character: 58 mm paper has 32, 80 mm has
//     48. The driver wraps lines itself, so that no character is cut in two.
//
// It prints no code pages but ASCII and GB18030, and images in black and white without
// shades. A printer that runs out of paper in the middle of a slip keeps what it was sent,
// and many print the rest when there is paper again: who prints the slip anew should say
// that it is a copy (package store/spool does).
//
// # Bytes
//
//	1B 40              initialise                        at the beginning of a document
//	1D 61 0E           automatic status: tell of offline, error and paper when they change
//	1B 70 m 32 FA      drawer: pin 2 (m 0) or 5 (m 1), a pulse of 100 ms
//	1B 61 n            align: 0 left, 1 centre, 2 right
//	1B 45 n            bold: 1, 0
//	1D 21 n            size: 00 normal, 01 double height, 11 double height and width
//	1C 21 n            the same for Chinese: 00, 08, 0C
//	1C 26 … 1C 2E      text between them is GB18030
//	0A                 print the line
//	1D 28 6B len(2) 31 fn …   QR code: fn 41 model 2, 43 size, 45 correction M, 50 store, 51 print
//	1D 68 n 1D 77 n 1D 48 02  bar code: height, width of a module, its text below
//	1D 6B 49 n data    Code 128: {B characters, {C two digits a byte
//	1D 76 30 00 x(2) y(2) …   image: y rows of x bytes, the left dot in bit 7
//	1B 64 n            feed n lines
//	1D 56 42 00        feed to the cutter and cut
//	10 04 n            real-time status, one byte back: bits 0 and 7 off, 1 and 4 on
//	                   n 1: 08 offline
//	                   n 2: 04 cover open, 20 stopped for lack of paper, 40 error
//	                   n 3: 08 cutter, 20 unrecoverable, 40 recovers by itself
//	                   n 4: 0C paper is low, 60 no paper
//	1D 72 01           status in its turn, one byte back: bits 4 and 7 off
//	automatic status   four bytes at any time: the first has bits 0, 1 and 7 off and 4 on,
//	                   the others 4 and 7 off, so that each byte tells what it belongs to
//	                   1: 08 offline, 20 cover open   2: 08 cutter, 20 unrecoverable
//	                   3: 03 paper is low, 0C no paper   4: nothing
//
// # What is ours
//
// Style commands are sent where the style changes. Control characters in text are left
// out, and the dots of an image are changed by one where they would read as a real-time
// command, so that no slip can carry a command. Confirmation asks twice and wants one
// answer to each, so that neither an old answer nor a byte that the line lost or doubled
// confirms what is not on paper. After a document that was broken off, and before the
// first, 520 NUL and ESC @ end whatever command the printer is in the middle of. [Config]
// has the times; XON and XOFF in answers are skipped.
//
// Sources: Epson's ESC/POS commands, as public manuals of Epson printers and of compatible
// 58 mm and 80 mm ones give them; ISO/IEC 15417 (Code 128). Not tried on hardware:
// printers that do not answer GS r want Config.Unconfirmed, those that print something at
// GS a want Config.NoAutoStatus.
package escpos

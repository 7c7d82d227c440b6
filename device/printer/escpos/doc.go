// Package escpos drives receipt printers that speak ESC/POS, Epson's command set, over a
// serial line: Chinese text in GB18030, QR codes, and the printer's word for what it did.
//
// Three words to know:
//
//   - real-time status ([Printer.Status], DLE EOT) is answered at once, even by a printer
//     that has no paper;
//   - confirmation (GS r) is answered in its turn, after all that was sent before it: only
//     then does Print return;
//   - a column is half the width of a Chinese character: 58 mm paper has 32, 80 mm has
//     48. The driver wraps lines itself, so that no character is cut in two.
//
// It does not print images, bar codes or code pages other than ASCII and GB18030, and it
// opens no drawer. A printer that runs out of paper in the middle of a slip keeps what it
// was sent, and many print the rest when there is paper again: who prints the slip anew
// should say that it is a reprint.
//
// # Bytes
//
//	1B 40              initialise                        at the beginning of a document
//	1B 61 n            align: 0 left, 1 centre, 2 right
//	1B 45 n            bold: 1, 0
//	1D 21 n            size: 00 normal, 01 double height, 11 double height and width
//	1C 21 n            the same for Chinese: 00, 08, 0C
//	1C 26 … 1C 2E      text between them is GB18030
//	0A                 print the line
//	1D 28 6B len(2) 31 fn …   QR code: fn 41 model 2, 43 size, 45 correction M, 50 store, 51 print
//	1B 64 n            feed n lines
//	1D 56 42 00        feed to the cutter and cut
//	10 04 n            real-time status, one byte back: bits 0 and 7 off, 1 and 4 on
//	                   n 1: 08 offline
//	                   n 2: 04 cover open, 20 stopped for lack of paper, 40 error
//	                   n 3: 08 cutter, 20 unrecoverable, 40 recovers by itself
//	                   n 4: 0C paper is low, 60 no paper
//	1D 72 01           status in its turn, one byte back: bits 4 and 7 off
//
// What is ours: [Config]'s times; XON and XOFF in answers are skipped; control characters
// in text are printed as question marks, so that no slip can carry a command. Sources:
// Epson's ESC/POS commands, as public manuals of compatible 58 mm and 80 mm printers give
// them. Not tried on hardware: printers that do not answer GS r want Config.Unconfirmed.
package escpos

// Package escpos is the far end of package device/printer/escpos: a receipt printer that
// reads ESC/POS from a pseudo-terminal or net.Pipe and shows what is on paper, as text
// and as a picture.
//
// Three words to know:
//
//   - the paper is what was printed, line by line ([Printer.Paper], [Printer.Lines]):
//     text, QR codes, bar codes, images and cuts; [Printer.Tear] takes it away;
//   - real-time commands (DLE) are executed at once, from the stream as it comes in, in the
//     middle of an image too; everything else waits in the buffer while the printer is
//     offline (no paper, cover open), and is lost with its power ([Printer.SetPower],
//     [Printer.SetBytesLeft]);
//   - a [Fault] is misbehaviour on request.
//
// It knows ESC @ a E d p, FS & . !, GS ! a h k v V w r ( k, DLE EOT ENQ DC4, skips what
// other commands of a receipt it can measure, and counts what it does not know
// ([Printer.Unknown]). Automatic status (GS a) ends with ESC @; whether it does on paper
// is the printer's own, and the driver does not rely on it.
//
// The picture has ASCII in a font of 5 by 7 dots and a box for each other character, for
// a look at the layout; codes and images are exact, a pixel a dot. It shares no code with
// the driver. Bar codes: Code 128 only, by ISO/IEC 15417. The rest: Epson's ESC/POS
// commands, as public manuals give them.
package escpos

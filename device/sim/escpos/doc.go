// Package escpos is the far end of package device/printer/escpos: a receipt printer that
// reads ESC/POS from a pseudo-terminal or net.Pipe and shows what is on paper, as text
// and as a picture.
//
// Three words to know:
//
//   - the paper is what was printed, line by line ([Printer.Paper], [Printer.Lines]);
//     [Printer.Tear] takes it away;
//   - real-time status is answered at once, from the stream as it comes in; everything
//     else waits in the buffer while the printer is offline (no paper, cover open);
//   - a [Fault] is misbehaviour on request.
//
// The picture has ASCII in a font of 5 by 7 dots and a box for each other character: it
// is for a look at the layout. It shares no code with the driver. Commands that it does
// not know are counted ([Printer.Unknown]) and skipped.
package escpos

// Package display has what the text displays of a terminal share. The back ends are package
// vt (a terminal or Linux console), package framebuffer (/dev/fb0) and package pole (a
// customer display of two lines on a serial port); each is a device.Display.
//
// Three words to know:
//
//   - the grid is columns and rows of equal cells; [Fit] puts lines into it;
//   - a character is narrow, or wide and takes two cells ([Columns]): Chinese, Japanese and
//     Korean ones are, and fullwidth forms;
//   - a glyph is what a back end can show. It says for each character whether it has one;
//     where it has none a question mark stands in each cell.
//
// Which back end has CJK, openly: a vt has what the terminal at its other end has, and says
// yes if the configuration says so (a Linux console has none); the framebuffer has a small
// font of our own for ASCII and a few signs, and no CJK font is at hand that could be
// embedded; a pole display has ASCII. Where they are all there is, the words have to be in
// a language that is written with those.
//
// Control characters never reach a back end: text cannot move the cursor. Not here:
// combining characters, right-to-left text, images. Widths: Unicode Standard Annex 11.
package display

// Package vt shows text on a terminal: the Linux console (/dev/tty1), a serial terminal, or
// a window with a shell's terminal in it.
//
// Three words to know:
//
//   - the [Display] is a device.Display; [Open] takes a tty and asks it for its size, [New]
//     takes any port;
//   - a row is written where its text has changed, at its place: nothing scrolls, and a line
//     at 9600 baud is not flooded;
//   - CJK is what [Config] says: the terminal at the other end has glyphs, or has none, and
//     there is no way to ask it. The Linux console has none.
//
// The bytes, in UTF-8 (the Linux console: unicode_start(1) is done by 1B 25 47):
//
//	1B 25 47 1B [?25l 1B [2J    UTF-8, cursor off, all blank: before the first row
//	1B [ row ;1H text           a row from its first column on
//	1B [2J 1B [H 1B [?25h       at the end
//
// Not here: colours, keys, sizes that change while it runs. ECMA-48, 8.3 (CUP, ED);
// console_codes(4).
package vt

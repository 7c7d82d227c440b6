// Package framebuffer shows text on a Linux framebuffer, /dev/fb0, drawn by the program
// itself: no console, no X, no fonts on the disk.
//
// Three words to know:
//
//   - a [Geometry] is how pixels lie in memory, as the kernel tells: size, bytes in a row,
//     bits of a pixel (16 or 32), and which of them are red, green and blue;
//   - the grid is columns and rows of cells of 6 by 10 dots; each dot is a square of as many
//     pixels as the screen has room for, and the grid sits in its middle;
//   - the font is a text file of our own (font.txt): ASCII, ¥ € £ × · ° and two arrows. It
//     has no CJK characters, and none can be loaded.
//
// A row is drawn where its text has changed. The console's cursor may blink through: the
// system has to keep it off this screen (vt.global_cursor_default=0 on the kernel's command
// line).
//
// Not here: other depths than 16 and 32, rotation, double buffering, DRM without its
// framebuffer emulation. Linux, include/uapi/linux/fb.h.
package framebuffer

// Package frontend has the lines of a card slot's analogue front end over a Unix socket, so
// that the simulated contact slot of one process (posctl sim phoenix) serves the driver in
// another as GPIO lines of a chip would.
//
// Three words to know:
//
//   - the lines are those of a TDA8035: CMDVCCN and RSTIN, which the terminal sets, and
//     OFFN, which it reads;
//   - [Serve] is the simulator's end, one terminal at a time; one that goes away leaves the
//     card without power;
//   - [Dial] is the terminal's end: three pins.
//
// The terminal asks in lines of text, and each is answered by one line:
//
//	CMDVCCN 0    ok        sets a level, 0 or 1
//	RSTIN 1      ok
//	OFFN         0         the level
//	edge         1         whether OFFN has changed since this was asked last
//
// It is no way to reach real hardware: a socket has no timing.
package frontend

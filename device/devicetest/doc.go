// Package devicetest has the conformance suites that a driver passes against its
// simulator, and a simulator against its driver: [Reader] (or [Contacts]), [PINPad],
// [Printer] and [Pin].
//
// Three words to know:
//
//   - a rig is a driver with its far end, as the test's open function makes them;
//   - the far end is moved through a small interface ([Slot], [Pad], [Roll]) that a
//     simulator fulfils itself, or through a few lines in the test;
//   - a [Fault] is misbehaviour of the far end that every protocol knows.
//
// Each row runs in a bubble of testing/synctest: open is called inside it and makes its
// line with net.Pipe (a pseudo-terminal does not advance the bubble's clock). What open
// starts must end by t.Cleanup. The suites say what every driver does; what one protocol
// does is tested beside it.
package devicetest

// Package linktest has ports for the tests of drivers: recorded and replayed lines,
// and lines with one fault at a known place.
//
// Three words to know:
//
//   - a wire is a recorded line as text (testdata/*.wire): "> 00 A4" is what the driver
//     wrote, "< 6F 10" what it read, "# why" a remark. [Record] writes one, [Replay]
//     reads one;
//   - a fault changes what the driver reads, at an offset in bytes from the beginning
//     of the line, once: [Cut], [Garble], [Drop], [Duplicate], [Delay];
//   - faults stack: each takes a device.Port and is one. A [Knife] is one for the far end: it
//     cuts a line after so many bytes in both directions.
//
// Wires hold no card data but that of the test range.
package linktest

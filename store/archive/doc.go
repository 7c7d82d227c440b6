// Package archive keeps the batches that were settled: one file each, sealed, to be
// searched for 18 months.
//
// Three words to know:
//
//   - a batch file holds a summary (the settlement) and an entry for each payment, each
//     sealed under the device key and bound to its file and place: a flipped bit, a
//     missing entry or one from another file is [store.ErrDamaged];
//   - the reserve is a file of reserved bytes in which the next batch is written, and
//     which then becomes the batch file: a disk that another program filled does not
//     keep a batch from being closed;
//   - to trim is to remove the oldest batches: those past their time, and, where the
//     archive reaches its size, those before it, which is a finding.
//
// A batch file is written whole, flushed, renamed to its name, and its folder flushed,
// before Write returns. Writing the same batch again replaces it by the same: so whoever
// closes a batch may do it again after a power cut.
//
// What it does not do: it holds no card number and no key. It does not know what the
// body of an entry says. There is no specification; the shape of the file is in file.go.
package archive

// Package disk has what every file of the store needs of the file system: making a file
// whole under its name, reserving its bytes, and flushing.
//
// Three words to know:
//
//   - to publish a file is to flush it, rename it to its place, and flush the folder:
//     at no moment is there half a file under the name;
//   - to reserve is to have the file system give every byte now, so that another file
//     which fills the disk later stops no write;
//   - the folder's lock keeps two processes from making the same file.
//
// What it does not do: it knows no file format and seals nothing. Linux, fallocate(2),
// fdatasync(2), flock(2).
package disk

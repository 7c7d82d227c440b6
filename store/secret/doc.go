// Package secret keeps what is in memory out of files: no core dump, no debugger, no swap.
//
// Three words to know:
//
//   - to protect ([Protect]) is what a program does first, before it reads a key: core
//     dumps off, the process closed to others' debuggers, all its memory locked where the
//     kernel allows it without limit;
//   - a [Finding] is what could not be done, in words. It is no reason to stop: a terminal
//     without locked memory still sells, and says so;
//   - a [Buffer] is a few bytes outside of Go's heap, which no collector copies: locked,
//     left out of dumps, and wiped by [Buffer.Close].
//
// Memory is locked with MCL_ONFAULT: pages are locked as they are touched, so the program
// takes no more memory than before: measured for a small Go program, 6.3 MiB resident with
// it, 6.4 without any lock, and 46 with a lock that touches every mapping at once. It is done only where RLIMIT_MEMLOCK is without limit or the process has the
// right to lock as it likes: with a limit, every later mapping beyond it fails, and Go ends
// with "out of memory".
//
// What it does not do: keys inside of ciphers, TLS connections and big integers stay where
// Go's libraries have them; locked memory keeps those out of the swap, and nothing hides
// them from root. Suspend to disk writes locked pages too. Linux only; elsewhere Protect
// says what it did not do.
package secret

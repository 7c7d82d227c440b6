// Package simulate plays terminal, host and network in one process, from one seed, with
// faults at every step, and then compares every book with every other, cent by cent.
//
// Three words to know:
//
//   - a seed is one run: the same seed gives the same orders, the same faults and the same
//     trace, byte for byte;
//   - the weather of a run is how often each fault strikes: frames that are lost, late,
//     doubled, swapped or spoilt, connections that are cut, hosts that restart, keys that
//     change while an answer is on its way, power that goes at any commit and any
//     payment.Point, disks that fail or are full, clocks that jump, cards that are pulled;
//   - a [Bug] is a fault planted in the terminal: what the comparison must find.
//
// Real are the payment (emv/payment), the kernel, the journal over the store, the keys,
// the link and its messages, the host with issuer, ledger and database, and the card.
// Played are the cables: a net.Pipe for TLS, a function call for reader, PIN pad and
// printer, a folder in memory for the disk.
//
// A run is inside testing/synctest, so its weeks take milliseconds. Three rules make it
// exact (DESIGN.md): the global random source is seeded, each actor has dice of its own in
// each direction, and no two timers end at the same instant.
//
// What it does not do: it kills no process and fails no system call; the tests of cmd/posd
// do. There is no specification but the issue's.
package simulate

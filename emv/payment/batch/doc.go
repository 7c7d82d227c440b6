// Package batch settles a terminal's batch: it compares the terminal's totals with the
// host's, uploads the payments where they differ, and closes the batch.
//
// Three words to know:
//
//   - [Totals] are what one side counts: debits and credits, amount and number, apart for
//     domestic and foreign cards;
//   - a [Settlement] is the record of one settlement on disk, in one [Phase]. After a
//     power cut it goes on with the phase, and within an upload with the record, at which
//     it stopped;
//   - the [Book] is the journal as a settlement needs it. A batch leaves it in one step,
//     into the archive, and the next batch begins in the same step.
//
// The order, which the message set asks for: script results, owed reversals, stored
// payments, 0500 with the totals, the answer on disk, batch upload (0320) where the host
// counts otherwise or the parameters want it, TC upload, end (0320, 202 or 207), totals
// slip, archive, batch number plus one, sign-off. The host accepts the whole sequence
// again.
//
// The package does no I/O and starts no goroutine: it asks through its ports.
package batch

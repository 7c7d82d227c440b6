// Package spool is the print queue: what is to be printed waits in the store until the
// printer has confirmed it, over power cuts of the terminal and of the printer.
//
// Three words to know:
//
//   - a job waits in the order in which it came. [Spool.Work] prints what waits, oldest
//     first, and stops at the first that fails;
//   - a job is touched once printing it began and did not end well: nobody knows how much
//     is on paper, so it is printed as a copy from then on. What fails with
//     [ErrUntouched] (the printer was off, or had no paper) stays an original, though it
//     is tried for an hour;
//   - a job is held after [Config.Tries] tries that used up paper: it waits on, but Work
//     leaves it alone until [Spool.Release] or the next start. A printer that never
//     confirms does not print all night.
//
// # What is on disk, and what it costs
//
// The receipt of a payment that is completed needs no job on disk: its record in the
// journal says that it is not printed ([payment.Journal] Unprinted and Printed), and that
// mark goes to disk with the next commit of the journal. A queue of receipts beside it
// would be a second truth, and two commits a payment. So for receipts the spool keeps in
// memory only which copies wait, and whether they were touched; the journal is the queue.
//
// Everything else has no mark anywhere: the slip of a reversal or a decline, a receipt
// that is printed again by request, a settlement report, a protocol. Each is a record of
// the spool, in the store before the first byte goes out ([Spool.Add], or [Spool.Print]
// for slips, which refer to the journal's record and hold no card data): one commit. That
// it was printed goes to disk with the next job's commit, or by [Spool.Flush].
//
// After a restart nothing in memory is left, so that all that waits is printed as a copy:
//
//	power cut before the commit of a job   it was never there, and its caller was not told
//	before its first byte                  printed, as a copy although it is none
//	in the middle, or before the answer    printed, as a copy
//	before the next commit                 printed once more, as a copy
//
// So everything is on paper at least once, and without the word COPY at most once.
//
// What it does not do: it renders nothing and knows no printer (its Config does), starts
// no goroutine and knows no clock: its owner calls Work when something has changed, or
// after a pause. There is no specification.
package spool

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
// payments, 0500 with the totals, the answer on disk, batch upload (0320) of each class of
// cards of which the host counts otherwise, or of all where the parameters want it, TC
// upload, end (0320, 202 or 207), totals slip, archive, batch number plus one, sign-off.
// The host accepts the whole sequence again, so what a power cut leaves behind is:
//
//	flushed                          nothing was begun
//	Book.Save: begun                 0500 again, under the same STAN
//	0500                             the same
//	Book.Save: answered              the upload from the start
//	0320, eight payments at most     the same eight again
//	Book.Save: uploading             the upload from the next payment
//	0320, end                        the end again
//	Book.Save: ended                 the slip, perhaps for the second time
//	Book.Close                       the next batch; the line is not signed off
//
// # What counts
//
// Completed payments, on the side and by the rule of payment.Rules. An adjustment counts
// the difference to its original and no number. What was declined, reversed or resolved by
// an operator does not count. A stored payment that the host refused does not either: it
// is on the slip's list of unsent payments, goes into the archive as it is, and is a
// matter between the merchant and the acquirer. One that still waits, a reversal that is
// owed and a script result that nobody answered keep the batch open ([ErrOwed]).
//
// A batch without any payment is not settled ([ErrEmpty]): it would only move the batch
// number, and the host's with it or, worse, without it. A batch whose payments come to
// nothing (all were declined) is settled with zeros, for the journal has to be emptied.
//
// # What the host may say
//
//	0500  00        the verdicts of field 48; no verdict counts as a difference
//	any   79, 95    everything goes up from the first payment, once a call
//	any   77, 88, 99, A0    sign on, then once more
//	any   09 19 28 68 90 91 92 96 98 A7, or no answer    stays in its phase: try later
//	0320  94        it has that payment already
//	0320  another   a group is sent line by line; the payment is noted as rejected, and
//	                the settlement goes on
//	0500, end       another: stays in its phase ([ErrHost])
//
// While a settlement is open no payment begins, so a caller settles at a quiet hour and
// takes up what was interrupted with [Settler.Resume].
//
// # What it does not do
//
// It does no I/O and starts no goroutine: it asks through its ports. It knows no message:
// fields and codes of functions are the business of package transport/acquirer, and what a
// slip looks like is that of ui/receipt. Specification: the message set of UnionPay
// terminals (批结算, 批上送), as public sources tell it; codes that no source settles are
// marked above by their place under "another".
package batch

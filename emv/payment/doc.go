// Package payment owns a payment from the order to the receipt: what is asked of the
// host and when, what is on disk before a byte is sent, and what is owed afterwards.
//
// Three words to know:
//
//   - a [Record] is one payment as the journal keeps it, in one [State];
//   - a [Debt] is a reversal that is owed to the host: it ends by the host's answer or
//     by an operator's reason, never by a count or an age;
//   - a [Point] is a place at which the power may go; at each of them the disk already
//     says enough for the next boot to put things right.
//
// The order of a sale, and what a power cut after each line leaves behind:
//
//	owed reversals are sent            as before
//	card session up to the cryptogram  nothing
//	Journal.Begin: requested           a debt (98), though nothing was sent
//	Host.Authorize                     a debt (98)
//	Journal.Update: answered           a debt (06)
//	second GENERATE AC                 a debt (06)
//	Journal.Update: completed          a completed payment without a receipt
//	receipt printed                    the same: printed again, marked as a copy
//
// So a payment counts as taken in one place only: the record in state [Completed].
// Every other ending after Begin either was declined by the host, never left the
// terminal ([ErrNotSent]), or is a debt. The host is idempotent on (terminal, batch,
// STAN) and accepts a reversal of a request that it never saw, so a debt that is paid
// twice, or was none, does no harm.
//
// The package does no I/O and starts no goroutine: it asks through its ports. It does
// not decide about the card (package kernel does) and does not know the message set.
package payment

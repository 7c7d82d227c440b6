// Package journal keeps each payment over power loss, and each settlement. It implements
// payment.Journal and batch.Book on a store, with a second copy in a log and the settled
// batches in an archive. [Start] opens all of them, whatever became of the files.
//
// Three words to know:
//
//   - an entry is a payment with its state; entries are kept in the order in which they
//     began, and none is ever lost from the middle: a hole is damage;
//   - the head says which batch, voucher number (STAN) and entry come next. It moves in
//     the transaction that begins a payment, so a number is never given twice;
//   - a move is a change of state that payment.State.CanMove allows. It is one commit:
//     two for a sale that is declined, three for one that is approved. That a receipt
//     was printed goes to disk with the next commit of the journal.
//
// The card number is a secret of the record, with a data key of its own: once nobody can
// need it (Declined, Reversed, Resolved, a balance told, a batch closed) that key is
// overwritten on disk. The track, the PIN block and the keys never come here.
//
// Two copies: after each commit the log says the state of the payment, what it is worth,
// and what a reversal or an upload needs, the card number as a secret of its own that is
// overwritten at the same time as the store's. Of both copies the one that is further on
// counts: the store is written first, so a log that is behind was overtaken by a power
// cut, and a log that is ahead proves that the store lost a commit. A log that cannot be
// written stops no payment; it is a finding. What the log does not have is what only a
// receipt shows: the issuer's text, the application's name, and chip data that has no
// room in a frame. A completed payment that came back is not printed again.
//
// A batch is closed in this order: archive written, flushed and renamed; one commit that
// removes the payments and begins the next batch; a mark in the log. What is still owed
// stays, with its number, and leaves with a later batch.
//
// What it does not do: it sends nothing and knows no clock. A journal that is nearly full
// says so ([Journal.Room]), a full one refuses the next payment; it forces nobody to
// settle.
package journal

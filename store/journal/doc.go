// Package journal keeps each payment over power loss. It implements payment.Journal on
// a store.
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
// The card number is a secret of the record, with a data key of its own: once no
// reversal can need it (Declined, Reversed, Resolved) that key is overwritten on disk.
// The track, the PIN block and the keys never come here.
//
// What it does not do: it sends nothing, knows no clock, and removes nothing. A full
// journal refuses the next payment.
package journal

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
// # Kinds
//
// What holds for a kind of payment is a row of a table, [Rules]; there is no code for one
// kind. What follows is that table:
//
//	kind               unanswered  card      original  goes up  ordered by
//	sale               reverse     full EMV  -         at once  cashier
//	void               reverse     none      in batch  at once  supervisor
//	refund             repeat      read      typed     at once  supervisor
//	preauth            reverse     full EMV  -         at once  cashier
//	preauth_void       reverse     read      typed     at once  supervisor
//	preauth_comp       reverse     read      typed     at once  cashier
//	preauth_adv        repeat      read      typed     later    cashier
//	preauth_comp_void  reverse     none      in batch  at once  supervisor
//	balance            forget      full EMV  -         at once  cashier
//	offline_sale       repeat      read      -         later    supervisor
//	offline_adjust     repeat      none      in batch  later    supervisor
//	tip_adjust         repeat      none      in batch  later    cashier
//	ec_offline_upload  repeat      full EMV  -         later    cashier
//
// An order that the rules, the [Policy] or the original forbid is a decline with a code of
// its own (T1 to TS, codes.go): nothing is on disk of it and nothing was sent.
//
// # Orders of things
//
// Before any request: script notices, owed reversals, the request. A sale, and what a
// power cut after each line leaves behind:
//
//	card session up to the cryptogram  nothing
//	Journal.Begin: requested           a debt (98), though nothing was sent
//	Host.Authorize                     a debt (98)
//	Journal.Update: answered           a debt (06)
//	second GENERATE AC                 a debt (06)
//	Journal.Update: completed          a completed payment without a receipt
//	receipt printed                    the same: printed again, marked as a copy
//
// A void, a completion, or a sale by stripe or typed number has no second GENERATE AC: it
// goes from requested to completed. A balance inquiry too, whatever the card says then,
// and nothing is owed for it. A refund is a notice, which no reversal exists for:
//
//	Journal.Begin: requested           it is sent at the next boot
//	Host.Authorize, and an answer      the same: the host knows its number
//	Journal.Update: completed          a completed payment without a receipt
//	or, without an answer: stored      it is sent until the host answers
//
// What goes up later is approved at the till once the disk says stored, and sent by
// [Terminal.Forward]: oldest first, one at a time, the same content each time, after
// notices and reversals; a positive answer completes it, a refusal keeps it for people
// (refused), anything else keeps it and those behind it. It is never reversed:
//
//	Journal.Begin: stored              it goes up in its turn; its receipt with it
//	receipt printed                    it goes up in its turn
//	Host.Forward                       it goes up again: the host knows its number
//	Journal.Update: completed          done
//
// A chip payment that the card approved without the host (Y1), within the limits of
// [OfflinePolicy], begins as stored. One that was on its way and of which no byte left
// the terminal ([ErrNotSent]) becomes such a payment, under the number that it has, if the
// card then approves (Y3); the disk says requested until it does. Where the host may have
// heard, the card is asked to decline.
//
// So a payment counts as taken where the record says [Completed], or [Stored]. Every other
// ending after Begin either was declined by the host, never left the terminal, or is a
// debt. The host is idempotent on (terminal, batch, STAN) and accepts a reversal of a
// request that it never saw, so a debt that is paid twice, or was none, does no harm.
//
// # What it does not do
//
// The package does no I/O and starts no goroutine: it asks through its ports. It does
// not decide about the card (package kernel does), does not know the message set, checks
// no password (who ordered and who allowed is part of the [Order]), and settles no batch
// (package batch does).
//
// Specification: the practice of the public UnionPay POS message set; EMV 4.4
// Book 4 for what is stored of a chip payment.
package payment

// Package acquirer takes terminals' messages, posts what they ask for, and answers.
//
// Three words to know:
//
//   - the [Listener] has the connections: TLS 1.3 with client certificates, one reader
//     and one writer each, limits on everything, and a drain that answers and flushes
//     before it closes;
//   - the [Desk] has the decisions: who may speak, whether the MAC is right, what is
//     posted and what is answered;
//   - a payment's key is merchant, terminal, batch, STAN and message class, and its
//     fingerprint says what was asked: the same key and fingerprint get the stored
//     answer again, another fingerprint gets 94, and nothing is posted twice.
//
// Key, state, entries, balances and answer go to disk in one transaction, and the
// answer goes out after its commit. A reversal of a payment that never came leaves a
// tombstone, so that the payment is refused when it comes late.
//
// What holds for each type of transaction is a row of the table in rules.go: how it is
// decided, what it can be about, how it is taken back, and on which side of the totals it
// counts. An original is found among the payments of the same card at the same merchant,
// by whatever fields 37, 38 and 61 say; all that they say must be so. Refusals:
//
//	12  the original is of another kind, or was voided, completed or refunded
//	22  its batch is closed, or its hold is over
//	25  there is none, or it is of another card, declined or reversed
//	64  it was of another amount, or less is left of it
//
// A settlement (0500) is compared with the host's own count of the batch, domestic and
// foreign cards apart by the rules in table domestic_rule. What is uploaded (0320) is held
// against the payments when the end comes; each disagreement is a [Difference] that a
// person works off. The end closes the batch, and the terminal has the next one. All of it
// may come again, at any time: a terminal can lose power anywhere.
//
// Lists (parameters, applications, CA keys, black list, small amounts, BIN tables) have a
// version. Answers to a terminal that was told of an older one, or of which a person wants
// something, carry the job in their header, until it is done.
//
// The package does not decide about a card (package issuer does), keeps no books
// (package ledger does) and knows no field numbers (transport/iso8583 does). Working
// keys and answers are sealed by package hsm. Message set: UnionPay POS practice, as
// the tables of transport/iso8583 have it.
package acquirer
